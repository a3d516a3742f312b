# SPDX-License-Identifier: GPL-2.0-or-later
"""Faults in groups: by which keys, and the figures of each group."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Callable, Iterable

import numpy as np

from . import symbols
from .log import MAJOR, MINOR, Log, has_failed
from .packed import compact, pack
from .spread import spread
from .words import exact_text, round_width, time_unit, whole_unit

NOT_TOLD = "-"
MAX_MOMENTS = 100
OF_RESULT, OF_LATENCY = ("minor", "major", "failed"), ("total", "p50", "p99", "max")


@dataclass(frozen=True)
class Groups:
    """Which group each of n faults is in, and what the groups are called."""

    codes: np.ndarray  # int64 (n,), each below count
    count: int
    label: Callable[[int], str]  # for people
    plain: Callable[[int], str]  # for programs: "" if it is not told, numbers alone
    notes: tuple[str, ...] = ()  # what must be told of the names


@dataclass(frozen=True)
class Figures:
    """The figures of g groups; arrays of shape (g,), times in ns.

    Without outcomes minor, major and failed are 0; latencies are those of faults that tell
    one. A percentile is that of log.percentile(); 0 where none is told.
    """

    faults: np.ndarray
    minor: np.ndarray
    major: np.ndarray
    failed: np.ndarray
    pages: np.ndarray  # distinct ones; each process has its own
    timed: np.ndarray  # faults that tell a latency
    total: np.ndarray
    p50: np.ndarray
    p99: np.ndarray
    max: np.ndarray


def absent(rows: Figures, i: int) -> set[str]:
    """The figures of group i that none of its faults has."""
    has_result = rows.minor[i] + rows.major[i] + rows.failed[i] or not rows.faults[i]
    found = set(() if has_result else OF_RESULT)
    if not rows.timed[i]:
        found |= set(OF_LATENCY)
    if rows.total[i]:  # of faults that began before
        found.discard("total")
    return found


def figures(
    log: Log, codes: np.ndarray, count: int, spent: np.ndarray | None = None
) -> Figures:
    """The figures of each group; codes: the group of each fault, int64 (n,) below count.

    The log has the columns result and latency_ns. spent: as Members.spent_ns, then codes
    and count are those of group().
    """
    all_codes, codes = codes, codes[: len(log)]

    def tally(which: np.ndarray | slice) -> np.ndarray:
        return np.bincount(codes[which], minlength=count)

    page = log.address >> np.uint64(log.page_shift)
    places = np.sort(pack(codes, log.process, page))
    is_new = np.diff(places, prepend=places[:1] ^ np.uint64(1)) != 0
    # In order of the groups, so the first of each page stands for it.
    by_group = np.repeat(np.arange(count), tally(slice(None)))
    told = np.flatnonzero(log.told("latency_ns"))
    timed = tally(told)
    order = told[np.argsort(pack(codes[told], log.latency_ns[told]))]
    latency = log.latency_ns[order]
    before = np.cumsum(timed) - timed
    some = timed > 0
    total = np.zeros(count, dtype=np.uint64)
    if spent is not None:
        np.add.at(total, all_codes, spent)
    elif len(latency):
        total[some] = np.add.reduceat(latency, before[some])

    def percentile(percent: int) -> np.ndarray:
        value = np.zeros(count, dtype=np.uint64)
        rank = -(-timed[some] * percent // 100) - 1
        value[some] = latency[before[some] + rank]
        return value

    return Figures(
        faults=tally(slice(None)),
        minor=tally(log.result == MINOR),
        major=tally(log.result == MAJOR),
        failed=tally(has_failed(log.result)),
        pages=np.bincount(by_group[is_new], minlength=count),
        timed=timed,
        total=total,
        p50=percentile(50),
        p99=percentile(99),
        max=percentile(100),
    )


@dataclass(frozen=True)
class Key:
    """What faults can be grouped by."""

    columns: tuple[str, ...]  # that it takes
    group: Callable[[Log, Log], Groups]  # the faults, and the whole log they are of


def _ranks(names: list[str]) -> tuple[list[str], np.ndarray]:
    """Names in alphabetical order, and the place of each there; int64 (n,)."""
    order = sorted(range(len(names)), key=names.__getitem__)
    ranks = np.empty(len(names), dtype=np.int64)
    ranks[order] = np.arange(len(names))
    return [names[i] for i in order], ranks


def _named(codes: np.ndarray, names: list[str]) -> Groups:
    """Groups by codes of names, in alphabetical order; "" is not told."""
    names, ranks = _ranks(names)
    return Groups(
        ranks[codes],
        len(names),
        lambda i: names[i] or NOT_TOLD,
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
        not_told = ~log.told(column)
        if not_told.any():
            # The largest number stands for them, and they come last, behind those that tell it.
            some_tell = column in log.largest and bool(log.largest[column].any())
            codes = codes + (not_told & some_tell)
            texts[len(texts) - (not some_tell) :] = [""]
        return Groups(
            codes, len(texts), lambda i: texts[i] or NOT_TOLD, texts.__getitem__
        )

    return Key((column,), group)


def _processes(log: Log, whole: Log) -> Groups:
    """By process; people see its last program's name, too."""
    names = whole.last_names()
    values, codes = np.unique(log.process, return_inverse=True)
    numbers = values.tolist()
    if log.reused:  # behind those that had their pids before
        order = sorted(
            range(len(values)),
            key=lambda i: log.reused.get(numbers[i], (numbers[i], 1)),
        )
        codes, numbers = np.argsort(order)[codes], [numbers[i] for i in order]

    def label(i: int) -> str:
        return f"{plain(i)} {names.get(numbers[i], '')}".rstrip()

    def plain(i: int) -> str:
        return log.process_text(numbers[i])

    return Groups(codes, len(numbers), label, plain)


def _programs(log: Log, _whole: Log) -> Groups:
    names, codes = log.programs()
    return _named(codes, ["" if name == "?" else name for name in names])


def _pages(log: Log, whole: Log) -> Groups:
    """By page; each process has its own, so its number is told where there are several."""
    shift = np.uint64(log.page_shift)
    page = log.address >> shift
    _, first, codes = np.unique(
        pack(log.process, page), return_index=True, return_inverse=True
    )
    several = not whole.is_of_one_process

    def label(i: int) -> str:
        address = f"{int(page[first[i]] << shift):#x}"
        process = int(log.process[first[i]])
        return f"{log.process_text(process)}:{address}" if several else address

    return Groups(codes, len(first), label, label)


def _moments(log: Log, whole: Log) -> Groups:
    """By time since the whole log's first fault, in pieces of one round length.

    A group for each from the first fault's to that in which the last has ended.
    """
    elapsed = log.time_ns - whole.time_ns.min()
    width = moment_ns(log)
    low, last_ns = int(elapsed.min()), int(elapsed.min()) + log.duration_ns
    begins = range(low // width, last_ns // width + 1)
    codes = (elapsed // np.uint64(width)).astype(np.int64) - begins[0]
    # As --from takes it.
    unit, unit_name = min(time_unit(last_ns), (1e9, "s"))
    if width >= 60 * 10**9:
        unit, unit_name = whole_unit(width)

    def label(i: int) -> str:
        ends = (begins[i] * width, (begins[i] + 1) * width)
        if unit > 1e9:
            return f"{ends[0] // unit} to {ends[1] // unit} {unit_name}"
        begin, end = (exact_text(end, int(unit), "") for end in ends)
        return f"{begin} to {end} {unit_name}"

    return Groups(codes, len(begins), label, lambda i: str(begins[i] * width))


def moment_ns(log: Log) -> int:
    """How long a moment is."""
    return round_width(log.duration_ns, MAX_MOMENTS)


def _offsets(log: Log, _whole: Log) -> Groups:
    """By file and page in it; what is in no file by its mapping alone."""
    _, ranks = _ranks(log.names["map"])
    is_told = log.told("offset")
    keys = [ranks[log.map], log.offset, ~is_told][: 2 + ("offset" in log.largest)]
    _, first, codes = np.unique(pack(*keys), return_index=True, return_inverse=True)

    def plain(i: int) -> str:
        name, offset = log.names["map"][log.map[first[i]]], int(log.offset[first[i]])
        return f"{name}+{offset:#x}" if is_told[first[i]] else name

    return Groups(codes, len(first), lambda i: plain(i) or NOT_TOLD, plain)


def _instructions(text: Callable[[symbols.Name, str], str]) -> Key:
    """By the place of the instruction; text: of a place's name and file, "" if unknown."""

    def group(log: Log, whole: Log) -> Groups:
        places = symbols.find(log, whole)
        known: dict[tuple[int, str], int] = {}
        code_of_place = []
        for i, file in enumerate(places.files):
            told = "?" if places.has_ip[i] else ""
            if file != symbols.NOWHERE:
                base = whole.names["map"][file].rpartition("/")[2]
                told = text(places.names[i], base) or f"{base}+{places.offsets[i]:#x}"
            code_of_place.append(known.setdefault((file, told), len(known)))
        names = [told for _, told in known]
        named = _named(np.array(code_of_place)[places.codes], names)
        return replace(named, notes=tuple(places.notes))

    return Key(("ip", "access", "map", "offset"), group)


def _function(name: symbols.Name, base: str) -> str:
    return name.function and f"{name.function} [{base}]"


def _line(name: symbols.Name, base: str) -> str:
    return f"{name.line} [{base}]" if name.line else _function(name, base)


KEYS = {
    "map": _words("map"),
    "offset": Key(("map", "offset"), _offsets),
    "function": _instructions(_function),
    "line": _instructions(_line),
    "region": _words("region"),
    "kind": _words("kind"),
    "access": _words("access"),
    "mode": _words("mode"),
    "result": _words("result"),
    "thread": _numbers("tid"),
    "process": Key((), _processes),
    "program": Key((), _programs),
    "cpu": _numbers("cpu"),
    "page": Key((), _pages),
    "time": Key((), _moments),
}


def columns(keys: Iterable[str]) -> set[str]:
    """The columns that these keys and the figures take."""
    return {"result", "latency_ns"}.union(*(KEYS[key].columns for key in keys))


@dataclass(frozen=True)
class Members:
    """What the groups are called."""

    parts: list[Groups]  # of each key
    first: np.ndarray  # a fault of each group, an index of the parts' codes; (g,)
    # The time of each of group()'s codes; None: of each fault its latency.
    spent_ns: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.first)

    @property
    def notes(self) -> list[str]:
        """What must be told of the names, each thing once."""
        return list(dict.fromkeys(note for part in self.parts for note in part.notes))

    def labels(self, i: int) -> list[str]:
        """Of group i, a text a key, for people."""
        return [part.label(int(part.codes[self.first[i]])) for part in self.parts]

    def plain(self, i: int) -> list[str]:
        """Of group i, a text a key, for programs."""
        return [part.plain(int(part.codes[self.first[i]])) for part in self.parts]


def group(log: Log, whole: Log, keys: list[str]) -> tuple[np.ndarray, Members]:
    """Group the faults of log, which are some of the whole log's, by keys of KEYS.

    Returns the group of each fault, int64, and what the groups are called. By time a fault is
    in the group of its beginning; those of its later time follow behind, and the time itself
    is spread over them.
    """
    parts = [KEYS[key].group(log, whole) for key in keys]
    spent = None
    if "time" in keys:
        parts, spent = _spread(log, whole, parts, keys.index("time"))
    codes, first = compact(pack(*(part.codes for part in parts)))
    return codes, Members(parts, first, spent)


def _spread(
    log: Log, whole: Log, parts: list[Groups], at: int
) -> tuple[list[Groups], np.ndarray | None]:
    """The parts with codes for time after the moments in which faults began, and all times.

    at: which of the parts is that of moments. Where no fault goes on after its moment, these
    are the parts as they are, and None.
    """
    others = [part.codes for i, part in enumerate(parts) if i != at]
    key, fault_of_key = np.zeros(len(log), dtype=np.uint8), np.zeros(1, dtype=np.int64)
    if others:
        key, fault_of_key = compact(pack(*others))
    start, width = whole.time_ns.min(), moment_ns(log)
    ends = log.ends_ns()
    ends -= start
    within, later = spread(log.time_ns - start, ends, width, key)
    del ends
    if not len(later.key):
        return parts, None
    first_moment = int((log.time_ns.min() - start) // np.uint64(width))
    rows = fault_of_key[later.key]
    spent = np.concatenate([within, later.spent_ns])
    del within, key
    longer = []
    for i, part in enumerate(parts):
        more = later.piece - first_moment if i == at else part.codes[rows]
        longer.append(replace(part, codes=np.concatenate([part.codes, more])))
    return longer, spent
