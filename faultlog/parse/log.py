# SPDX-License-Identifier: GPL-2.0-or-later
"""A log in columns: a numpy array for each key of the fault lines, and all other data."""

from __future__ import annotations

import itertools
import re
import textwrap
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from ..base.arrays import NDArray
from ..base.packed import distinct
from .areas import Areas
from .roots import Roots

if TYPE_CHECKING:
    import pandas


# Shown where a log has no value.
OUTCOME_HINT = "record with outcome=1"
DECIMAL, HEXADECIMAL, WORD = "decimal", "hexadecimal", "word"


@dataclass(frozen=True)
class Column:
    """A key of a fault's line: its form in the text, and its type here.

    A missing number is stored as the largest of its type; columns in ALWAYS are never
    missing. (Log.largest has the faults whose value is that very number.) A word is stored
    as an index into the log's names of that column, which begin with these words; [0] is
    "", a missing word. max_names bounds the memory for names; further words become OTHER.
    """

    name: str
    dtype: type
    form: str
    meaning: str  # for users, with the unit
    words: tuple[str, ...] = ()

    @property
    def unknown(self) -> int:
        """The value that stands for a missing one."""
        return 0 if self.form == WORD else int(np.iinfo(self.dtype).max)

    @property
    def max_names(self) -> int:
        """The largest number of distinct names, with "" and OTHER."""
        return int(np.iinfo(self.dtype).max) + 1


OTHER = "…"  # stands for all words beyond max_names
ACCESSES = ("", "read", "write", "exec")
MODES = ("", "user", "kernel", "gup", "remote")
REGIONS = ("", "code", "data", "heap", "stack", "file", "anon", "special")
KINDS = ("", "shared", "hugetlb", "shared,hugetlb", "cow", "swap")
RESULTS = ("", "minor", "major", "sigbus", "sigsegv", "oom", "hwpoison", "error")
MINOR, MAJOR = 1, 2  # codes of result; higher ones are failures

# A fault's line begins with these words in this order; key=value words follow in any order.
LINE = (
    "PID",
    "=",
    "pid",
    "Page",
    "Fault",
    "at",
    "Address",
    "address",
    "at",
    "Time",
    "time_ns",
)
# A meaning is a line of documentation, see describe().
COLUMNS = {
    column.name: column
    for column in (
        Column(
            "time_ns",
            np.uint64,
            DECIMAL,
            "CLOCK_MONOTONIC when the fault was first entered, in ns",
        ),
        Column("address", np.uint64, HEXADECIMAL, "the touched address"),
        Column("pid", np.uint32, DECIMAL, "the process"),
        Column("tid", np.uint32, DECIMAL, "the thread"),
        Column("cpu", np.uint16, DECIMAL, "the CPU that recorded it, by number"),
        Column("ip", np.uint64, HEXADECIMAL, "the address of the instruction; 0: none"),
        Column("access", np.uint8, WORD, "what was attempted", ACCESSES),
        Column(
            "mode",
            np.uint8,
            WORD,
            "by what: the program, a system call, pinning, another process",
            MODES,
        ),
        Column("region", np.uint8, WORD, "the kind of memory", REGIONS),
        Column(
            "kind", np.uint8, WORD, "properties of the mapping or fault, if any", KINDS
        ),
        Column(
            "result",
            np.uint8,
            WORD,
            "minor, major (it had to wait), or an error",
            RESULTS,
        ),
        Column(
            "latency_ns",
            np.uint64,
            DECIMAL,
            "from the first entry to the last return, in ns",
        ),
        Column("tries", np.uint8, DECIMAL, "how often the fault was entered"),
        Column(
            "map", np.uint16, WORD, "the mapped file, or a name such as [heap]", ("",)
        ),
        Column(
            "offset", np.uint64, HEXADECIMAL, "where in the file the page is, in bytes"
        ),
        # Only in files of other recorders.
        Column("comm", np.uint16, WORD, "the name of the thread", ("",)),
        Column(
            "function",
            np.uint16,
            WORD,
            "the function that contains the instruction",
            ("",),
        ),
        Column(
            "code", np.uint16, WORD, "the file that contains the instruction", ("",)
        ),
    )
}
AT_MS = "at_ms"  # a further column of Log.to_pandas(), as in the view of a .sqlite
OF_OTHERS = ("comm", "function", "code")
MAX_PID = 1 << 22  # the kernel's limit
NO_PAGE = np.uint64((1 << 64) - 1)  # of a fault of which no page is known
# In place of a column that was not read. Its type is that of a column, as outputs and filters use
# only those whose names they give.
NOT_READ: Any = None
ALWAYS = ("time_ns", "address", "pid")  # also in logs of 2020; not in those of others


def percentile(values: NDArray[np.integer[Any]], percent: int) -> int:
    """The smallest of the values, (n,) with n > 0, that percent of them do not exceed.

    All outputs and the reader use this definition.
    """
    rank = -(-len(values) * percent // 100) - 1
    return int(np.partition(values, rank)[rank])


def has_failed(result: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Which codes of RESULTS, (n,), are failures; codes of other words are not."""
    return (result > MAJOR) & (result < len(RESULTS))


@dataclass(frozen=True)
class Event:
    """A "# child" or "# exec" line."""

    kind: str  # "child", "exec"
    time_ns: int
    pid: int
    ppid: int | None  # of a child
    comm: str
    shares: bool = False  # a child that has its parent's memory, as after vfork()
    line: int = field(default=0, compare=False)  # its number, from 1


@dataclass(frozen=True)
class Oddities:
    """What is wrong with the text of a log. Numbers count lines unless a comment differs."""

    nr_bad: int = 0  # left out, for any reason
    first_bad: int = 0  # line number, from 1
    nr_cut: int = 0  # bad, as they end too early
    nr_nul: int = 0  # bad, as they contain a NUL byte
    nr_early: int = 0  # bad, with a Time before the recording began
    nr_late: int = 0  # bad, with a Time more than a year after that
    nr_heads: int = 0
    nr_repeated: int = 0  # by the line counter, or by time, thread and address
    nr_skipped: int = 0  # missing by the line counter, without the bad ones
    nr_back: int = 0  # whose counter is not above that of the previous line
    has_counters: bool = False
    source: str = ""  # what is wrong with the file, for the user


@dataclass
class Log:
    """A log's n faults in columns, and its other lines.

    A column is an array of shape (n,) with the type in COLUMNS; None if it was not read.
    The order is that of the lines: by time, or with outcomes by the end of the faults.
    """

    time_ns: NDArray[np.uint64]
    address: NDArray[np.uint64]
    pid: NDArray[np.uint32]
    tid: NDArray[np.uint32] = NOT_READ
    cpu: NDArray[np.uint16] = NOT_READ
    ip: NDArray[np.uint64] = NOT_READ
    access: NDArray[np.uint8] = NOT_READ
    mode: NDArray[np.uint8] = NOT_READ
    region: NDArray[np.uint8] = NOT_READ
    kind: NDArray[np.uint8] = NOT_READ
    result: NDArray[np.uint8] = NOT_READ
    latency_ns: NDArray[np.uint64] = NOT_READ
    tries: NDArray[np.uint8] = NOT_READ
    map: NDArray[np.uint16] = NOT_READ
    offset: NDArray[np.uint64] = NOT_READ
    comm: NDArray[np.uint16] = NOT_READ
    function: NDArray[np.uint16] = NOT_READ
    code: NDArray[np.uint16] = NOT_READ
    # Of columns, bool (n,): faults whose value is the number that means a missing one.
    largest: dict[str, NDArray[np.bool_]] = field(default_factory=dict)
    names: dict[str, list[str]] = field(default_factory=dict)  # of each WORD column
    paths: list[bytes] = field(default_factory=list)  # names of map as raw bytes
    events: list[Event] = field(default_factory=list)  # in the order of the lines
    head: dict[str, str] = field(default_factory=dict)  # of the first head; "probe": X
    summary: dict[str, int | str] = field(default_factory=dict)  # the last one
    areas: Areas = field(default_factory=Areas)
    oddities: Oddities = Oddities()
    roots: Roots = Roots()  # find the files of paths on this machine
    recorder: str = ""  # another one that made the file, by name
    first_code: int = 0  # names["map"][first_code + i]: the file with number i in code
    boot_ns: int | None = None  # see clock.py; set if times of day are to be shown

    def __len__(self) -> int:
        return len(self.time_ns)

    def known(
        self, column: str, rows: NDArray[np.int64] | slice = slice(None)
    ) -> NDArray[np.bool_]:
        """Which of these faults have a value in this column; bool (n,)."""
        values = getattr(self, column)[rows]
        if column == "time_ns" or column in ALWAYS and not self.recorder:
            return np.ones(len(values), dtype=bool)
        has_value = values != COLUMNS[column].unknown
        if column in self.largest:
            has_value |= self.largest[column][rows]
        return has_value

    def spent_ns(
        self, rows: NDArray[np.int64] | slice = slice(None)
    ) -> NDArray[np.uint64]:
        """Latencies of these faults, 0 where unknown, so that they can be summed; uint64."""
        return np.where(
            self.known("latency_ns", rows), self.latency_ns[rows], np.uint64(0)
        )

    def ends_ns(self) -> NDArray[np.uint64]:
        """When each fault ended; its begin where the latency is unknown; uint64 (n,)."""
        if self.latency_ns is None:
            return self.time_ns
        ends = self.spent_ns()
        np.minimum(ends, ~self.time_ns, out=ends)  # no overflow of 64 bits
        ends += self.time_ns
        return ends

    @cached_property
    def duration_ns(self) -> int:
        """From the begin of the first fault until the last end; there must be a fault."""
        return int(self.ends_ns().max() - self.time_ns.min())

    def take(self, which: NDArray[Any] | slice) -> Log:
        """A log of some of the faults; all else is shared.

        which: bool (n,), indices, or a slice, for which the columns are views.
        """
        columns = {
            f.name: getattr(self, f.name)[which]
            for f in fields(self)
            if f.name in COLUMNS and getattr(self, f.name) is not None
        }
        largest = {name: is_it[which] for name, is_it in self.largest.items()}
        return replace(self, **columns, largest=largest)

    def to_pandas(self) -> pandas.DataFrame:
        """A row for each fault, in the order of the log."""
        from . import frame

        return frame.of_log(self)

    def count(self, key: str) -> int:
        """A number of the summary; 0 if it has none."""
        value = self.summary.get(key, 0)
        return value if isinstance(value, int) else 0

    @property
    def page_shift(self) -> int:
        """log2 of the page size in bytes; the default is 4096 bytes."""
        page = self.head.get("page", "")
        size = int(page) if re.fullmatch("[0-9]{4,10}", page) else 4096
        if size < 4096 or size > 1 << 30 or size & (size - 1):
            size = 4096
        return size.bit_length() - 1

    @property
    def page(self) -> NDArray[np.uint64]:
        """The number of the page that each fault touched; uint64 (n,).

        Of a fault without an address, but with an offset in a file, it is a number above all
        pages of addresses; faults with neither have NO_PAGE.
        """
        page = self.address >> np.uint64(self.page_shift)
        if self.recorder:
            lost = ~self.known("address")
            page[lost] = NO_PAGE
            if self.offset is not None and self.map is not None:
                lost &= self.known("offset")
                inside = self.offset[lost] >> np.uint64(self.page_shift)
                inside &= np.uint64((1 << 47) - 1)
                of_file = self.map[lost].astype(np.uint64) << np.uint64(47)
                page[lost] = np.uint64(1 << 63) | of_file | inside
        return page

    @cached_property
    def pages(self) -> NDArray[np.uint64]:
        """The numbers of the touched pages of all processes, ascending; uint64 (m,)."""
        found = distinct(self.page)
        return found[found != NO_PAGE] if self.recorder else found

    @property
    def has_areas(self) -> bool:
        """Has it lines about mappings, so that no file of an instruction must be inferred?"""
        return self.head.get("maps") in ("exec", "all")

    @property
    def loaded_ns(self) -> int | None:
        """CLOCK_MONOTONIC when the recording began; None if unknown."""
        loaded = self.head.get("loaded", "")
        return int(loaded) if re.fullmatch("[0-9]{1,19}", loaded) else None

    @property
    def nr_children(self) -> int:
        """Number of children that were recorded with the process."""
        nr_births = sum(event.kind == "child" for event in self.events)
        return self.count("children") or nr_births

    @property
    def has_several(self) -> bool:
        """Are there faults of several processes?"""
        may_be = bool(self.nr_children or self.recorder)
        return may_be and not self.is_of_one_process

    @property
    def outcome_hint(self) -> str:
        """Why there are no results and latencies."""
        return f"{self.recorder} has none" if self.recorder else OUTCOME_HINT

    @property
    def main_name(self) -> str:
        """The name of the traced process; "": unknown."""
        if self.recorder and self.main_pid is not None:
            return self.last_names().get(self.main_pid, "")
        return self.head.get("comm", "")

    @property
    def is_of_one_process(self) -> bool:
        """Are all faults of one process? There must be a fault."""
        return bool((self.process == self.process[0]).all())

    @property
    def has_outcomes(self) -> bool:
        """Does it have results of faults?"""
        return bool(self.result.any())

    @property
    def main_pid(self) -> int | None:
        """The traced process by the head, or else the first that faulted; None: no fault."""
        pid = self.head.get("pid", "")
        if re.fullmatch("[0-9]{1,9}", pid):
            return int(pid)
        return int(self.pid[0]) if len(self) else None

    @cached_property
    def process(self) -> NDArray[np.uint32]:
        """Each fault's process: its pid, or its number in reused; uint32 (n,)."""
        if not self.reused:
            return self.pid
        first = {pid: pid for pid, _ in self.reused.values()}
        found = self._by_events(self.events_by_time(), self.process_of_event, first)
        return np.where(found, found, self.pid)

    @cached_property
    def process_of_event(self) -> list[int]:
        """The process, as in process, of each event in the order of time."""
        return self._processes[0]

    @cached_property
    def reused(self) -> dict[int, tuple[int, int]]:
        """Processes whose pid another had before: number to pid, and its place among them."""
        return self._processes[1]

    @cached_property
    def _processes(self) -> tuple[list[int], dict[int, tuple[int, int]]]:
        """A "# child" line with a pid that is known already begins a new process."""
        events = self.events_by_time()
        free = itertools.count(max([MAX_PID, *(event.pid for event in events)]) + 1)
        head = self.head.get("pid", "")
        now = {int(head): int(head)} if re.fullmatch("[0-9]{1,9}", head) else {}
        births: dict[int, int] = {}
        numbers: list[int] = []
        reused: dict[int, tuple[int, int]] = {}
        for event in events:
            if event.kind == "child":
                if event.pid in now and births.get(event.pid) != event.time_ns:
                    _, nr_before = reused.get(now[event.pid], (event.pid, 1))
                    now[event.pid] = next(free)
                    reused[now[event.pid]] = event.pid, nr_before + 1
                births[event.pid] = event.time_ns
            numbers.append(now.setdefault(event.pid, event.pid))
        return numbers, reused

    def process_text(self, process: int) -> str:
        """The name of a process: its pid; for the second process with a pid, 500~2.

        "?": the file of another recorder has only threads.
        """
        if self.recorder and process == COLUMNS["pid"].unknown:
            return "?"
        pid, which = self.reused.get(process, (process, 1))
        return f"{pid}~{which}" if which > 1 else str(pid)

    def last_names(self) -> dict[int, str]:
        """The last known name of each process, as in process."""
        if self.comm is not None:
            return self._last_comms()
        events = self.events_by_time()
        names = {p: event.comm for p, event in zip(self.process_of_event, events)}
        if self.main_pid is not None and self.head.get("comm"):
            names.setdefault(self.main_pid, self.head["comm"])
        return names

    def _last_comms(self) -> dict[int, str]:
        """The last name of each process's first thread, or else of any of its threads."""
        names: dict[int, str] = {}
        if not self.known("pid").any():
            return names
        first_threads = np.flatnonzero(self.tid == self.pid)
        ways: tuple[slice | NDArray[np.int64], ...] = (slice(None), first_threads)
        for which in ways:
            found, last = np.unique(self.process[which][::-1], return_index=True)
            codes = self.comm[which][::-1][last]
            names |= zip(found.tolist(), (self.names["comm"][code] for code in codes))
        return names

    def programs(self) -> tuple[list[str], NDArray[np.uint32]]:
        """The program of each fault, by "# child" and "# exec" lines and the head.

        Returns names and, for each fault, the index of its name; uint32 (n,). An unknown
        process is "?". Before its first line a process has the name in that line; the
        traced process begins with the name in the head. Other recorders have the name of the
        thread in each fault.
        """
        if self.comm is not None:
            return ["?", *self.names["comm"][1:]], self.comm.astype(np.uint32)
        names = {"?": 0}

        def code(comm: str) -> int:
            return names.setdefault(comm, len(names))

        first = {}
        if self.main_pid is not None and self.head.get("comm"):
            first[self.main_pid] = code(self.head["comm"])
        events = self.events_by_time()
        codes = self._by_events(events, [code(event.comm) for event in events], first)
        return list(names), codes

    def spaces(self) -> NDArray[np.uint32]:
        """A number for each fault; those with the same share addresses; uint32 (n,).

        A child has its parent's layout of memory until one of the two executes another
        program: at the "# space" line, or in a log without any at the "# exec" line.
        """
        numbers = itertools.count(1)
        first: dict[int, int] = {}  # of processes that exist at the beginning
        now: dict[int, int] = {}

        def of(pid: int) -> int:
            if pid not in now:
                now[pid] = first[pid] = next(numbers)
            return now[pid]

        events, codes = self._changes_of_space(), []
        if self.main_pid is not None:
            of(self.main_pid)
        for event in events:
            if event.kind == "child" and event.ppid is not None:
                now[event.pid] = of(event.ppid)
            else:
                now[event.pid] = next(numbers)
            codes.append(now[event.pid])
        for pid in distinct(self.pid).tolist():
            of(pid)
        return self._by_events(events, codes, first)

    def _changes_of_space(self) -> list[Event]:
        """The events that give a process another address space, by time."""
        lines = self.areas.tables["space"]
        if not len(lines["pid"]):
            return self.events_by_time()
        rows = zip(*(lines[name].tolist() for name in ("time", "pid", "line")))
        news = [Event("space", time, pid, None, "", line=n) for time, pid, n in rows]
        news += [event for event in self.events if event.kind == "child"]
        return sorted(news, key=lambda event: (event.time_ns, event.line))

    def events_by_time(self) -> list[Event]:
        """Events by time; those of equal times in the order of the lines, the last is valid."""
        return sorted(self.events, key=lambda event: event.time_ns)

    def _by_events(
        self, events: list[Event], codes: list[int], first: dict[int, int]
    ) -> NDArray[np.uint32]:
        """The code that is valid for each fault's process at its time; uint32 (n,).

        codes: of events, which are sorted by time; above 0. first: codes at the beginning,
        by pid; other processes begin with the code of their first event, or 0 without any.
        """
        pids, rank = np.unique(self.pid, return_inverse=True)
        index = {pid: i for i, pid in enumerate(pids.tolist())}
        known = [i for i, event in enumerate(events) if event.pid in index]
        events, codes = [events[i] for i in known], [codes[i] for i in known]
        begin = np.zeros(len(pids), dtype=np.uint32)
        for pid in first.keys() & index.keys():
            begin[index[pid]] = first[pid]
        for event, code in zip(events, codes):
            i = index[event.pid]
            begin[i] = begin[i] or code
        found = begin[rank]
        if events:
            times = np.array([event.time_ns for event in events], dtype=np.uint64)
            process = np.array([index[event.pid] for event in events])
            code_of = np.array(codes, dtype=np.uint32)
            order = np.argsort(process, kind="stable")
            # Process and time in one number; the time is how many events are earlier.
            span = len(events) + 1
            steps = (process * span + np.arange(1, span))[order]
            nr_before = np.searchsorted(times, self.time_ns, side="right")
            last = np.searchsorted(steps, rank * span + nr_before, side="right") - 1
            last = order[np.maximum(last, 0)]
            has_event = (process[last] == rank) & (times[last] <= self.time_ns)
            found[has_event] = code_of[last[has_event]]
        return found


def describe() -> str:
    """A line for each of COLUMNS: its name and its meaning, with the words that it can have."""
    width = max(map(len, COLUMNS)) + 2
    texts = []
    for column in COLUMNS.values():
        words = ", ".join(filter(None, column.words))
        texts += textwrap.wrap(
            column.meaning + (f": {words}" if words else ""),
            88,
            initial_indent=f"    {column.name:{width}}",
            subsequent_indent=" " * (width + 6),
        )
    return "\n".join(texts)


Log.to_pandas.__doc__ = f"""A pandas DataFrame with a row for each fault, in the order of the log.

It has those of these columns that were read. Numbers are pandas' integers (UInt64, UInt32 ...),
and words are categories; both are missing (NA) where the log has no value.

{describe()}

{AT_MS}, which is always there, is when the fault began, in ms since the log's first fault: a float.
comm, function and code are in files of other recorders only. The frame's attrs has the log's head
and summary, both dictionaries, and notes, a list of what is missing or contradictory in the log;
notes are also shown as a warning. Raises ImportError if pandas is not installed.
"""
