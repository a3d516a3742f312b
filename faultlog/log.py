# SPDX-License-Identifier: GPL-2.0-or-later
"""A log in columns: one numpy array a key of the fault lines, and what else is told."""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass, field, fields, replace
from functools import cached_property

import numpy as np

from .packed import distinct
from .roots import Roots


class LogError(Exception):
    """What was asked for can't be made of this log; the text says why, for the user."""


# Said where "-" stands for what a log does not have.
OUTCOME_HINT = "record with outcome=1"
DECIMAL, HEXADECIMAL, WORD = "decimal", "hexadecimal", "word"


@dataclass(frozen=True)
class Column:
    """One key of a fault's line: how it's written, how it's kept.

    A number that is not told is kept as the largest of its type; the columns in ALWAYS are
    told. (A fault that tells that very number is in Log.largest.) A word is kept as an
    index into the log's names of that column, of which the first are these words; [0] is
    "", not told. max_names bounds what a log can make us keep; words beyond are OTHER.
    """

    name: str
    dtype: type
    form: str
    words: tuple[str, ...] = ()

    @property
    def unknown(self) -> int:
        """What stands for "not told"."""
        return 0 if self.form == WORD else int(np.iinfo(self.dtype).max)

    @property
    def max_names(self) -> int:
        """How many names can be told apart, "" and OTHER among them."""
        return int(np.iinfo(self.dtype).max) + 1


OTHER = "…"  # a word when there are more than can be told apart
ACCESSES = ("", "read", "write", "exec")
MODES = ("", "user", "kernel", "gup", "remote")
REGIONS = ("", "code", "data", "heap", "stack", "file", "anon", "special")
KINDS = ("", "shared", "hugetlb", "shared,hugetlb", "cow", "swap")
RESULTS = ("", "minor", "major", "sigbus", "sigsegv", "oom", "hwpoison", "error")
MINOR, MAJOR = 1, 2  # codes of result; all above have failed

# The rule of a fault's line: what comes first, in this order; then key=value in any order.
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
COLUMNS = {
    column.name: column
    for column in (
        Column(
            "time_ns", np.uint64, DECIMAL
        ),  # CLOCK_MONOTONIC, when it was entered first
        Column("address", np.uint64, HEXADECIMAL),
        Column("pid", np.uint32, DECIMAL),
        Column("tid", np.uint32, DECIMAL),
        Column("cpu", np.uint16, DECIMAL),
        Column("ip", np.uint64, HEXADECIMAL),  # 0: there is none
        Column("access", np.uint8, WORD, ACCESSES),
        Column("mode", np.uint8, WORD, MODES),
        Column("region", np.uint8, WORD, REGIONS),
        Column("kind", np.uint8, WORD, KINDS),
        Column("result", np.uint8, WORD, RESULTS),
        Column("latency_ns", np.uint64, DECIMAL),
        Column("tries", np.uint8, DECIMAL),
        Column("map", np.uint16, WORD, ("",)),
        Column(
            "offset", np.uint64, HEXADECIMAL
        ),  # of the page in the mapped file, bytes
    )
}
MAX_PID = 1 << 22  # no process has a higher one
ALWAYS = ("time_ns", "address", "pid")  # in logs of 2020, too


def percentile(values: np.ndarray, percent: int) -> int:
    """The least of the values, (n,) with n > 0, that so many percent do not exceed.

    It is one of the values. Tables, pictures, pages and the reader have no other.
    """
    rank = -(-len(values) * percent // 100) - 1
    return int(np.partition(values, rank)[rank])


def has_failed(result: np.ndarray) -> np.ndarray:
    """Which codes of result stand for a fault that failed; words new to us do not."""
    return (result > MAJOR) & (result < len(RESULTS))


@dataclass(frozen=True)
class Event:
    """A "# child" or "# exec" line."""

    kind: str  # "child", "exec"
    time_ns: int
    pid: int
    ppid: int | None  # of a child
    comm: str


@dataclass(frozen=True)
class Oddities:
    """What the text had that a whole log has not; numbers of lines unless told."""

    nr_bad: int = 0  # not understood, left out
    first_bad: int = 0  # line number, from 1
    nr_cut: int = 0  # of the bad ones, those that end too early
    nr_nul: int = 0  # of the bad ones, those with a NUL byte
    nr_early: int = 0  # of the bad ones, those with a Time before the recording began
    nr_late: int = 0  # and a Time that's absurdly after
    nr_heads: int = 0
    nr_repeated: int = (
        0  # by the counter in front, or the same time, thread and address
    )
    nr_skipped: int = 0  # by the counter in front, those that were bad not among them
    nr_back: int = 0  # whose counter is not above that of the line before
    has_counters: bool = False
    source: str = ""  # what is wrong with the file around it, in words


@dataclass
class Log:
    """A log's n faults, in columns, and what it says about the recording.

    A column is an array of shape (n,), its type in COLUMNS; None if it was not asked for.
    The order is that of the lines: by time, or with outcomes as the faults ended.
    """

    time_ns: np.ndarray
    address: np.ndarray
    pid: np.ndarray
    tid: np.ndarray | None = None
    cpu: np.ndarray | None = None
    ip: np.ndarray | None = None
    access: np.ndarray | None = None
    mode: np.ndarray | None = None
    region: np.ndarray | None = None
    kind: np.ndarray | None = None
    result: np.ndarray | None = None
    latency_ns: np.ndarray | None = None
    tries: np.ndarray | None = None
    map: np.ndarray | None = None
    offset: np.ndarray | None = None
    # Of columns, bool (n,): which faults tell the number that else is that of none.
    largest: dict[str, np.ndarray] = field(default_factory=dict)
    names: dict[str, list[str]] = field(default_factory=dict)  # of each WORD column
    paths: list[bytes] = field(default_factory=list)  # names of map, bytes as they are
    events: list[Event] = field(default_factory=list)  # in the order of the lines
    head: dict[str, str] = field(default_factory=dict)  # of the first head; "probe": X
    summary: dict[str, int | str] = field(default_factory=dict)  # the last one
    oddities: Oddities = Oddities()
    roots: Roots = Roots()  # where the files of paths are on this machine

    def __len__(self) -> int:
        return len(self.time_ns)

    def told(self, column: str, rows: np.ndarray | slice = slice(None)) -> np.ndarray:
        """Which of these faults tell this column; bool (n,)."""
        values = getattr(self, column)[rows]
        if column in ALWAYS:
            return np.ones(len(values), dtype=bool)
        told = values != COLUMNS[column].unknown
        if column in self.largest:
            told |= self.largest[column][rows]
        return told

    def spent_ns(self, rows: np.ndarray | slice = slice(None)) -> np.ndarray:
        """Latencies of these faults to be summed: 0 where none is told; uint64."""
        return np.where(
            self.told("latency_ns", rows), self.latency_ns[rows], np.uint64(0)
        )

    def ends_ns(self) -> np.ndarray:
        """When each fault ended, or its time where no latency is told; uint64 (n,)."""
        if self.latency_ns is None:
            return self.time_ns
        ends = self.spent_ns()
        np.minimum(ends, ~self.time_ns, out=ends)  # as far as 64 bits go
        ends += self.time_ns
        return ends

    @cached_property
    def duration_ns(self) -> int:
        """From the first fault, of which there is one, until the last of all has ended."""
        return int(self.ends_ns().max() - self.time_ns.min())

    def take(self, which: np.ndarray | slice) -> Log:
        """A log of some of its faults; which: bool (n,), indices or a slice, then the
        columns are views. All else is shared."""
        columns = {
            f.name: getattr(self, f.name)[which]
            for f in fields(self)
            if f.name in COLUMNS and getattr(self, f.name) is not None
        }
        largest = {name: told[which] for name, told in self.largest.items()}
        return replace(self, **columns, largest=largest)

    def count(self, key: str) -> int:
        """A number of the summary; 0 where it is not told."""
        value = self.summary.get(key, 0)
        return value if isinstance(value, int) else 0

    @property
    def page_shift(self) -> int:
        """log2 of the page size in bytes; 4096 where the log doesn't tell."""
        page = self.head.get("page", "")
        size = int(page) if re.fullmatch("[0-9]{4,10}", page) else 4096
        if size < 4096 or size > 1 << 30 or size & (size - 1):
            size = 4096
        return size.bit_length() - 1

    @cached_property
    def pages(self) -> np.ndarray:
        """The numbers of the pages that were touched, by whomever, ascending; uint64 (m,)."""
        return distinct(self.address >> np.uint64(self.page_shift))

    @property
    def loaded_ns(self) -> int | None:
        """CLOCK_MONOTONIC when the recording began; None if it's not told."""
        loaded = self.head.get("loaded", "")
        return int(loaded) if re.fullmatch("[0-9]{1,19}", loaded) else None

    @property
    def nr_children(self) -> int:
        """Children that were recorded along with the process; 0 where none is told."""
        nr_births = sum(event.kind == "child" for event in self.events)
        return self.count("children") or nr_births

    @property
    def is_of_one_process(self) -> bool:
        """Are all faults, of which there is one at least, of one process?"""
        return bool((self.process == self.process[0]).all())

    @property
    def has_outcomes(self) -> bool:
        """Does it say how faults ended?"""
        return bool(self.result.any())

    @property
    def main_pid(self) -> int | None:
        """The traced process, by the head; else the first that faulted; None: no fault."""
        pid = self.head.get("pid", "")
        if re.fullmatch("[0-9]{1,9}", pid):
            return int(pid)
        return int(self.pid[0]) if len(self) else None

    @cached_property
    def process(self) -> np.ndarray:
        """Each fault's process: its pid, or for one of reused the number there; uint32 (n,)."""
        if not self.reused:
            return self.pid
        first = {pid: pid for pid, _ in self.reused.values()}
        told = self._told_by(self.events_by_time(), self.process_of_event, first)
        return np.where(told, told, self.pid)

    @cached_property
    def process_of_event(self) -> list[int]:
        """The processes, as in process, that events are about; these are in order of time."""
        return self._processes[0]

    @cached_property
    def reused(self) -> dict[int, tuple[int, int]]:
        """Processes with a pid that another had before: of each the pid, and which it is."""
        return self._processes[1]

    @cached_property
    def _processes(self) -> tuple[list[int], dict[int, tuple[int, int]]]:
        """A "# child" line of a pid that is there already begins another process."""
        events = self.events_by_time()
        free = itertools.count(max([MAX_PID, *(event.pid for event in events)]) + 1)
        head = self.head.get("pid", "")
        now = {int(head): int(head)} if re.fullmatch("[0-9]{1,9}", head) else {}
        births, numbers, reused = {}, [], {}
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
        """What a process is called: its pid, and for one of reused which one with it: 500~2."""
        pid, which = self.reused.get(process, (process, 1))
        return f"{pid}~{which}" if which > 1 else str(pid)

    def last_names(self) -> dict[int, str]:
        """The last name that is told of each process, as in process."""
        events = self.events_by_time()
        names = {p: event.comm for p, event in zip(self.process_of_event, events)}
        if self.main_pid is not None and self.head.get("comm"):
            names.setdefault(self.main_pid, self.head["comm"])
        return names

    def programs(self) -> tuple[list[str], np.ndarray]:
        """What ran when each fault happened, by "# child" and "# exec" lines and the head.

        Returns names and, for each fault, the index of its name; uint32 (n,). A process
        of which nothing is told is "?"; before the first line about it, it has that
        one's name, unless it is the head's process, which begins with the head's.
        """
        names = {"?": 0}

        def code(comm: str) -> int:
            return names.setdefault(comm, len(names))

        first = {}
        if self.main_pid is not None and self.head.get("comm"):
            first[self.main_pid] = code(self.head["comm"])
        events = self.events_by_time()
        codes = self._told_by(events, [code(event.comm) for event in events], first)
        return list(names), codes

    def spaces(self) -> np.ndarray:
        """Which faults have addresses in common: those of one number; uint32 (n,).

        A child has its parent's address space, page for page where it was, until one of
        the two executes another program.
        """
        numbers = itertools.count(1)
        first: dict[int, int] = {}  # of those that are there from the beginning
        now: dict[int, int] = {}

        def of(pid: int) -> int:
            if pid not in now:
                now[pid] = first[pid] = next(numbers)
            return now[pid]

        events, told = self.events_by_time(), []
        if self.main_pid is not None:
            of(self.main_pid)
        for event in events:
            if event.kind == "child" and event.ppid is not None:
                now[event.pid] = of(event.ppid)
            else:
                now[event.pid] = next(numbers)
            told.append(now[event.pid])
        for pid in distinct(self.pid).tolist():
            of(pid)
        return self._told_by(events, told, first)

    def events_by_time(self) -> list[Event]:
        """Of one time in the order of the lines: the last counts."""
        return sorted(self.events, key=lambda event: event.time_ns)

    def _told_by(
        self, events: list[Event], codes: list[int], first: dict[int, int]
    ) -> np.ndarray:
        """What events tell of each fault's process at its time; uint32 (n,).

        codes: what each of the events tells, which are in the order of time, above 0;
        first: what processes begin with, by pid. Others have from the beginning what is
        told first; 0 if nothing is.
        """
        pids, rank = np.unique(self.pid, return_inverse=True)
        index = {pid: i for i, pid in enumerate(pids.tolist())}
        such = [i for i, event in enumerate(events) if event.pid in index]
        events, codes = [events[i] for i in such], [codes[i] for i in such]
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
            told = np.array(codes, dtype=np.uint32)
            order = np.argsort(process, kind="stable")
            # Process and time in one number: how many events came before, of all.
            span = len(events) + 1
            steps = (process * span + np.arange(1, span))[order]
            nr_before = np.searchsorted(times, self.time_ns, side="right")
            last = np.searchsorted(steps, rank * span + nr_before, side="right") - 1
            last = order[np.maximum(last, 0)]
            such = (process[last] == rank) & (times[last] <= self.time_ns)
            found[such] = told[last[such]]
        return found
