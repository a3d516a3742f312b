# SPDX-License-Identifier: GPL-2.0-or-later
"""Groups faults by keys, and computes the figures of each group."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Callable, Iterable

import numpy as np

from ..base.arrays import NDArray
from ..base.error import LogError
from ..base.packed import number, pack
from ..base.words import exact_text, round_width, short_time_text, time_unit, whole_unit
from ..parse import clock
from ..parse.log import MAJOR, MINOR, NO_PAGE, Log, has_failed
from . import symbols, threads
from .resolver import is_anonymous
from .runs import numbered, owners
from .spread import spread

UNKNOWN = "-"  # in place of a value that was not recorded
MAX_MOMENTS = 100
# Where intervals of latencies begin, in ns: 0, 1, 2, 5, 10, 20, 50 ... up to the end of 64 bits.
LATENCIES = (0, *(m * 10**e for e in range(20) for m in (1, 2, 5)))[:-2]
OF_RESULT, OF_LATENCY = ("minor", "major", "failed"), ("total", "p50", "p99", "max")


@dataclass(frozen=True)
class Groups:
    """Which group each of n faults is in, and the names of the groups."""

    codes: NDArray[np.int64]  # int64 (n,), each below count
    count: int
    label: Callable[[int], str]  # for people
    plain: Callable[[int], str]  # for programs: numbers only, "" if not recorded
    notes: tuple[str, ...] = ()  # about the names, for the reader


@dataclass(frozen=True)
class Figures:
    """The figures of g groups; arrays of shape (g,), times in ns.

    Without outcomes minor, major and failed are 0. Only faults with a latency count in the
    times. Percentiles are as in log.percentile(); 0 in groups without a latency.
    """

    faults: NDArray[np.int64]
    minor: NDArray[np.int64]
    major: NDArray[np.int64]
    failed: NDArray[np.int64]
    pages: NDArray[np.int64]  # distinct ones; address spaces share none, see runs.py
    timed: NDArray[np.int64]  # faults with a latency
    total: NDArray[np.uint64]
    p50: NDArray[np.uint64]
    p99: NDArray[np.uint64]
    max: NDArray[np.uint64]


def absent(rows: Figures, i: int) -> set[str]:
    """Names of the figures that group i lacks, because no fault in it recorded them."""
    has_result = rows.minor[i] + rows.major[i] + rows.failed[i] or not rows.faults[i]
    found = set(() if has_result else OF_RESULT)
    if not rows.timed[i]:
        found |= set(OF_LATENCY)
    if not rows.pages[i] and rows.faults[i]:
        found.add("pages")
    if rows.total[i]:  # the time of faults that began in an earlier group
        found.discard("total")
    return found


def figures(
    log: Log,
    codes: NDArray[np.int64],
    count: int,
    spent: NDArray[np.uint64] | None = None,
) -> Figures:
    """The figures of each group; codes: the group of each fault, int64 (n,) below count.

    The log must have the columns result and latency_ns. spent: Members.spent_ns; if given,
    codes and count must be those of group_by().
    """
    all_codes, codes = codes, codes[: len(log)]

    def tally(which: NDArray[Any] | slice) -> NDArray[np.int64]:
        return np.bincount(codes[which], minlength=count)

    page = log.page
    owner = owners(log)
    places = np.sort(pack(codes, owner, page))
    is_new = np.diff(places, prepend=places[:1] ^ np.uint64(1)) != 0
    # places is sorted by group, so is_new marks the first fault of each page in each group.
    by_group = np.repeat(np.arange(count), tally(slice(None)))
    pages = np.bincount(by_group[is_new], minlength=count)
    if log.recorder:
        lost = np.flatnonzero(page == NO_PAGE)
        _, first = np.unique(pack(codes[lost], owner[lost]), return_index=True)
        pages -= np.bincount(codes[lost[first]], minlength=count)
    rows = np.flatnonzero(log.known("latency_ns"))
    timed = tally(rows)
    order = rows[np.argsort(pack(codes[rows], log.latency_ns[rows]))]
    latency = log.latency_ns[order]
    before = np.cumsum(timed) - timed
    some = timed > 0
    total = np.zeros(count, dtype=np.uint64)
    if spent is not None:
        np.add.at(total, all_codes, spent)
    elif len(latency):
        total[some] = np.add.reduceat(latency, before[some])

    def percentile(percent: int) -> NDArray[np.uint64]:
        value = np.zeros(count, dtype=np.uint64)
        rank = -(-timed[some] * percent // 100) - 1
        value[some] = latency[before[some] + rank]
        return value

    return Figures(
        faults=tally(slice(None)),
        minor=tally(log.result == MINOR),
        major=tally(log.result == MAJOR),
        failed=tally(has_failed(log.result)),
        pages=pages,
        timed=timed,
        total=total,
        p50=percentile(50),
        p99=percentile(99),
        max=percentile(100),
    )


@dataclass(frozen=True)
class Key:
    """Something that faults can be grouped by."""

    columns: tuple[str, ...]  # that it needs
    groups: Callable[[Log, Log], Groups]  # takes the selected faults and the whole log


def _ranks(names: list[str]) -> tuple[list[str], NDArray[np.int64]]:
    """The names in alphabetical order, and the position there of each name; (k,) both."""
    order = sorted(range(len(names)), key=names.__getitem__)
    ranks = np.empty(len(names), dtype=np.int64)
    ranks[order] = np.arange(len(names))
    return [names[i] for i in order], ranks


def _named(codes: NDArray[np.integer[Any]], names: list[str]) -> Groups:
    """Groups by names, in alphabetical order; those without faults are groups, too.

    codes: each fault's index in names, (n,); names: distinct, "" stands for not recorded.
    """
    names, ranks = _ranks(names)
    return Groups(
        ranks[codes],
        len(names),
        lambda i: names[i] or UNKNOWN,
        lambda i: names[i],
    )


def _words(column: str) -> Key:
    def group(log: Log, _whole: Log) -> Groups:
        return _named(getattr(log, column), log.names[column])

    return Key((column,), group)


def _numbers(column: str) -> Key:
    def group(log: Log, _whole: Log) -> Groups:
        values, codes = np.unique(getattr(log, column), return_inverse=True)
        texts = list(map(str, values.tolist()))
        missing = ~log.known(column)
        if missing.any():
            # A missing number is stored as the largest of its type. That can also be a real
            # value: then missing ones get a group of their own, after it.
            is_real_too = column in log.largest and bool(log.largest[column].any())
            codes = codes + (missing & is_real_too)
            texts[len(texts) - (not is_real_too) :] = [""]
        return Groups(
            codes, len(texts), lambda i: texts[i] or UNKNOWN, texts.__getitem__
        )

    return Key((column,), group)


def _threads(log: Log, whole: Log) -> Groups:
    """By thread; the label for people includes its last name."""
    found = _numbers("tid").groups(log, whole)
    names = threads.last_names(log, found.codes, found.count)
    return replace(found, label=lambda i: f"{found.label(i)} {names[i]}".rstrip())


def _thread_names(log: Log, _whole: Log) -> Groups:
    names, codes = threads.thread_names(log)
    return _named(codes, names)


def _processes(log: Log, whole: Log) -> Groups:
    """By process; the label for people includes the name of its last program."""
    names = whole.last_names()
    values, codes = np.unique(log.process, return_inverse=True)
    numbers = values.tolist()
    if log.reused:  # sorted behind the processes that had the same pid before
        order = sorted(
            range(len(values)),
            key=lambda i: log.reused.get(numbers[i], (numbers[i], 1)),
        )
        codes, numbers = np.argsort(order)[codes], [numbers[i] for i in order]

    def label(i: int) -> str:
        return f"{plain(i)} {names.get(numbers[i], '')}".rstrip() or UNKNOWN

    def plain(i: int) -> str:
        text = log.process_text(numbers[i])
        return "" if text == "?" else text

    return Groups(codes, len(numbers), label, plain)


def _programs(log: Log, _whole: Log) -> Groups:
    names, codes = log.programs()
    return _named(codes, ["" if name == "?" else name for name in names])


def _pages(log: Log, whole: Log) -> Groups:
    """By page of each address space; labels have its process if the log has several.

    After an exec, which gives a process another one, the process is 500+1.

    A page without an address, in a file of another recorder, is named by its file and offset.
    """
    shift = np.uint64(log.page_shift)
    page, has_address = log.page, log.known("address")
    run = numbered(log, whole)
    codes, first = number(log.process, run, page)
    several = len(np.unique(owners(whole))) > 1

    def label(i: int) -> str:
        if page[first[i]] == NO_PAGE:
            return ""
        if not has_address[first[i]]:
            name, offset = log.names["map"][log.map[first[i]]], log.offset[first[i]]
            return f"{name}+{int(offset):#x}"
        address = f"{int(page[first[i]] << shift):#x}"
        if not several:
            return address
        process = log.process_text(int(log.process[first[i]]))
        nr_before = int(run[first[i]])
        return f"{process}{f'+{nr_before}' if nr_before else ''}:{address}"

    return Groups(codes, len(first), lambda i: label(i) or UNKNOWN, label)


def _moments(log: Log, whole: Log) -> Groups:
    """By time since the whole log's first fault, in intervals of one round length.

    There is a group for each interval from that of the first fault to that in which the
    last fault ends.
    """
    width = moment_ns(log)
    elapsed = log.time_ns - whole.time_ns.min()
    elapsed += np.uint64(_before_ns(whole, width))
    low, last_ns = int(elapsed.min()), int(elapsed.min()) + log.duration_ns
    begins = range(low // width, last_ns // width + 1)
    codes = (elapsed // np.uint64(width)).astype(np.int64) - begins[0]
    # In the notation of --from.
    unit, unit_name = min(time_unit(last_ns), (1e9, "s"))
    if width >= 60 * 10**9:
        unit, unit_name = whole_unit(width)

    def label(i: int) -> str:
        ends = (begins[i] * width, (begins[i] + 1) * width)
        if unit > 1e9:
            return f"{ends[0] // unit} to {ends[1] // unit} {unit_name}"
        begin, end = (exact_text(end, int(unit), "") for end in ends)
        return f"{begin} to {end} {unit_name}"

    if whole.boot_ns is None:
        return Groups(codes, len(begins), label, lambda i: str(begins[i] * width))
    first_ns = whole.boot_ns + int(whole.time_ns.min()) - _before_ns(whole, width)
    day_ns = first_ns + begins[0] * width, first_ns + begins[-1] * width
    with_date = not clock.is_of_one_day(*day_ns)

    def of_day(i: int) -> str:
        at_ns = first_ns + begins[i] * width
        return " to ".join(
            clock.text(ns, width, with_date) for ns in (at_ns, at_ns + width)
        )

    def in_utc(i: int) -> str:
        at_ns = np.array([first_ns + begins[i] * width])
        return clock.utc(at_ns, 0)[0].decode()

    return Groups(codes, len(begins), of_day, in_utc)


def _before_ns(whole: Log, width: int) -> int:
    """How long before the first fault the first interval begins.

    0, unless times of day are shown: then intervals begin at multiples of their width.
    """
    if whole.boot_ns is None:
        return 0
    of_day_ns = whole.boot_ns + int(whole.time_ns.min())
    return (of_day_ns + clock.offset_ns(of_day_ns)) % width


def moment_ns(log: Log) -> int:
    """The length of an interval of _moments()."""
    return round_width(log.duration_ns, MAX_MOMENTS)


def _latencies(log: Log, whole: Log) -> Groups:
    """By latency, in intervals of 1 to 2, 2 to 5 and 5 to 10 times a power of 10."""
    if not whole.known("latency_ns").any():
        raise LogError(f"--by latency: the log has no latencies: {log.outcome_hint}")
    bounds = np.array(LATENCIES, dtype=np.uint64)
    codes = np.searchsorted(bounds, log.latency_ns, side="right") - 1
    codes = np.where(log.known("latency_ns"), codes, len(LATENCIES))
    texts = [*map(str, LATENCIES), ""]
    return Groups(
        codes, len(texts), lambda i: latency_text(texts[i]), texts.__getitem__
    )


def latency_text(begin_ns: str) -> str:
    """The interval of LATENCIES that begins here: 10 µs to 20 µs; "": not recorded."""
    if not begin_ns:
        return UNKNOWN
    i = LATENCIES.index(int(begin_ns))
    if i == len(LATENCIES) - 1:
        return f"{short_time_text(LATENCIES[i])} or more"
    begin = short_time_text(LATENCIES[i]) if i else "0"
    return f"{begin} to {short_time_text(LATENCIES[i + 1])}"


def _offsets(log: Log, _whole: Log) -> Groups:
    """By file and page in it; faults in no file by their mapping only."""
    _, ranks = _ranks(log.names["map"])
    has_offset = log.known("offset")
    keys: list[NDArray[Any]] = [ranks[log.map], log.offset, ~has_offset]
    codes, first = number(*keys[: 2 + ("offset" in log.largest)])

    def plain(i: int) -> str:
        name, offset = log.names["map"][log.map[first[i]]], int(log.offset[first[i]])
        return f"{name}+{offset:#x}" if has_offset[first[i]] else name

    return Groups(codes, len(first), lambda i: plain(i) or UNKNOWN, plain)


def place_label(
    places: symbols.Places, i: int, whole: Log, text: Callable[[symbols.Name, str], str]
) -> str:
    """The name of a place, or its offset in its file; "?" without either, "" without an ip.

    An instruction in anonymous memory, as of code made at run time, is "? [anon]".
    """
    file = places.files[i]
    if file == symbols.NOWHERE:
        return places.names[i].function or "?" * places.has_ip[i]
    if is_anonymous(whole.names["map"][file]):
        return f"? [{whole.names['map'][file].strip('[]')}]"
    base = whole.names["map"][file].rpartition("/")[2]
    return text(places.names[i], base) or f"{base}+{places.offsets[i]:#x}"


def _instructions(text: Callable[[symbols.Name, str], str]) -> Key:
    """By the faulting instruction's place; text() names a place, "" if it has no symbol."""

    def group(log: Log, whole: Log) -> Groups:
        places = symbols.find(log, whole)
        known: dict[tuple[int, str], int] = {}
        code_of_place = []
        for i, file in enumerate(places.files):
            label = place_label(places, i, whole, text)
            code_of_place.append(known.setdefault((file, label), len(known)))
        names = [label for _, label in known]
        named = _named(np.array(code_of_place)[places.codes], names)
        return replace(named, notes=tuple(places.notes))

    return Key(("ip", "access", "mode", "map", "offset"), group)


def function_text(name: symbols.Name, base: str) -> str:
    """A function and its file; "": unknown."""
    return name.function and f"{name.function} [{base}]"


def _line(name: symbols.Name, base: str) -> str:
    return f"{name.line} [{base}]" if name.line else function_text(name, base)


KEYS = {
    "map": _words("map"),
    "offset": Key(("map", "offset"), _offsets),
    "function": _instructions(function_text),
    "line": _instructions(_line),
    "region": _words("region"),
    "kind": _words("kind"),
    "access": _words("access"),
    "mode": _words("mode"),
    "result": _words("result"),
    "thread": Key(("tid",), _threads),
    "threadname": Key(("tid",), _thread_names),
    "process": Key((), _processes),
    "program": Key((), _programs),
    "cpu": _numbers("cpu"),
    "page": Key((), _pages),
    "time": Key((), _moments),
    "latency": Key(("latency_ns",), _latencies),
}


def columns(keys: Iterable[str]) -> set[str]:
    """The columns that these keys and the figures need."""
    return {"result", "latency_ns"}.union(*(KEYS[key].columns for key in keys))


@dataclass(frozen=True)
class Members:
    """The names of the groups."""

    parts: list[Groups]  # one for each key
    first: NDArray[np.int64]  # for each group, an index into the parts' codes; (g,)
    # The time of each of group_by()'s codes; None: each fault's latency.
    spent_ns: NDArray[np.uint64] | None = None

    def __len__(self) -> int:
        return len(self.first)

    @property
    def notes(self) -> list[str]:
        """Notes about the names, without repetitions."""
        return list(dict.fromkeys(note for part in self.parts for note in part.notes))

    def labels(self, i: int) -> list[str]:
        """For people: group i's texts, one for each key."""
        return [part.label(int(part.codes[self.first[i]])) for part in self.parts]

    def plain(self, i: int) -> list[str]:
        """For programs: group i's texts, one for each key."""
        return [part.plain(int(part.codes[self.first[i]])) for part in self.parts]


def group_by(
    log: Log, whole: Log, keys: list[str]
) -> tuple[NDArray[np.int64], Members]:
    """Group the faults of log, a selection from the whole log, by keys of KEYS.

    Returns the group of each fault, int64, and the names of the groups. With the key "time"
    a fault is in the group of the interval in which it began. If it lasted into later
    intervals, its time is spread over these: the codes of these further entries follow the
    faults' codes, and Members.spent_ns has the time of each entry.
    """
    parts = [KEYS[key].groups(log, whole) for key in keys]
    spent = None
    if "time" in keys:
        parts, spent = _spread(log, whole, parts, keys.index("time"))
    codes, first = number(*(part.codes for part in parts))
    return codes, Members(parts, first, spent)


def _spread(
    log: Log, whole: Log, parts: list[Groups], at: int
) -> tuple[list[Groups], NDArray[np.uint64] | None]:
    """Extend the parts' codes by entries for time in later intervals, see group_by().

    at: the index of the key "time". Returns the parts and the time of each entry; if every
    fault ended in the interval in which it began, the parts unchanged and None.
    """
    others = [part.codes for i, part in enumerate(parts) if i != at]
    key: NDArray[np.integer[Any]] = np.zeros(len(log), dtype=np.uint8)
    fault_of_key = np.zeros(1, dtype=np.int64)
    if others:
        key, fault_of_key = number(*others)
    start, width = whole.time_ns.min(), moment_ns(log)
    before = np.uint64(_before_ns(whole, width))
    ends = np.minimum(log.ends_ns() - start, ~before)  # no overflow of 64 bits
    ends += before
    within, later = spread(log.time_ns - start + before, ends, width, key)
    del ends
    if not len(later.key):
        return parts, None
    first_moment = int((log.time_ns.min() - start + before) // np.uint64(width))
    rows = fault_of_key[later.key]
    spent = np.concatenate([within, later.spent_ns])
    del within, key
    longer = []
    for i, part in enumerate(parts):
        more = later.piece - first_moment if i == at else part.codes[rows]
        longer.append(replace(part, codes=np.concatenate([part.codes, more])))
    return longer, spent
