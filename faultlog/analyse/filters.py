# SPDX-License-Identifier: GPL-2.0-or-later
"""What each filter selects, and what the log has if it selects nothing."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import Any, Callable, Iterator

import numpy as np

from ..base.arrays import NDArray
from ..base.error import LogError
from ..base.words import printable, size_text, time_text
from ..parse.log import MAJOR, Log
from . import groups
from .choice import MISSING, Value, chosen, combined, nearest, some, split, wanted_only

TOP = (1 << 64) - 1


@dataclass(frozen=True)
class Time:
    """A time in ns, since the first fault or by CLOCK_MONOTONIC."""

    text: str
    ns: int
    is_absolute: bool

    def monotonic_ns(self, first_ns: int) -> int:
        """The time by CLOCK_MONOTONIC; first_ns: that of the log's first fault."""
        return min(self.ns + (0 if self.is_absolute else first_ns), TOP + 1)


@dataclass(frozen=True)
class Range:
    """Addresses, [low, high)."""

    low: int
    high: int
    is_excluded: bool


class Filter:
    """One filter, with all values that were given for it."""

    columns: tuple[str, ...] = ()  # of the log, that it needs
    is_slow = False  # then it is applied last, to the faults that are left

    def text(self) -> str:
        """The filter for people."""
        raise NotImplementedError

    def keeps(self, log: Log, whole: Log, notes: list[str]) -> NDArray[np.bool_]:
        """Which faults of log, a part of whole, it selects; bool (n,). Notes are appended."""
        raise NotImplementedError

    def there(self, log: Log, whole: Log) -> str:
        """What the log has instead, if it selects none of its faults; "": nothing to say."""
        raise NotImplementedError


class Times(Filter):
    """--from and --to."""

    columns = ("latency_ns",)

    def __init__(self, begin: Time | None, end: Time | None) -> None:
        """end: excluded. One of the two may be None."""
        self.begin, self.end = begin, end

    def text(self) -> str:
        begin = f"from {self.begin.text}" if self.begin else ""
        to = "to" if self.begin else "until"
        end = f"{to} {self.end.text}" if self.end else ""
        return f"{begin} {end}".strip()

    def keeps(self, log: Log, whole: Log, notes: list[str]) -> NDArray[np.bool_]:
        keep = np.ones(len(log), dtype=bool)
        first_ns = int(whole.time_ns.min()) if len(whole) else 0
        if self.begin:
            begin_ns = self.begin.monotonic_ns(first_ns)
            keep &= _is_from(log.time_ns, begin_ns) | _is_from(
                log.ends_ns(), begin_ns + 1
            )
        if self.end:
            keep &= ~_is_from(log.time_ns, self.end.monotonic_ns(first_ns))
        return keep

    def there(self, log: Log, whole: Log) -> str:
        first_ns = int(whole.time_ns.min())
        if any(time and time.is_absolute for time in (self.begin, self.end)):
            last_ns = first_ns + whole.duration_ns
            return f"the faults in this log are from @{first_ns} to @{last_ns}"
        return f"the faults in this log are from 0 to {time_text(whole.duration_ns)}"


class Numbers(Filter):
    """--pid, --tid (or --thread) and --cpu."""

    def __init__(self, key: str, values: tuple[Value, ...]) -> None:
        self.key, self.values = key, values
        self.columns = () if key == "pid" else (key,)

    def text(self) -> str:
        return f"{self.key}={','.join(map(str, self.values))}"

    def keeps(self, log: Log, whole: Log, notes: list[str]) -> NDArray[np.bool_]:
        known, column = log.known(self.key), getattr(log, self.key)

        def match(value: Value) -> NDArray[np.bool_]:
            if value.text in MISSING:
                return ~known
            pid, _, place = value.text.partition("~")
            if place:  # of the processes that had the same PID
                numbers = [p for p in log.reused if log.process_text(p) == value.text]
                return np.isin(log.process, numbers)
            return known & (column == int(pid))

        return combined(self.values, match, len(log))

    def there(self, log: Log, whole: Log) -> str:
        values = np.unique(getattr(log, self.key)[log.known(self.key)]).tolist()
        if not values:
            return f"no {self.key} is in this log"
        texts = [text.partition("~")[0] for text in wanted_only(self.values)]
        wanted = [int(text) for text in texts if text != "-"]
        values.sort(key=lambda n: min((abs(n - w) for w in wanted), default=0))
        return f"{self.key} in this log: {some([str(n) for n in values])}"


@dataclass(frozen=True)
class Names:
    """What a filter of names compares: n faults, k names."""

    codes: NDArray[np.integer[Any]]  # of each fault's name, (n,)
    shown: list[str]  # k names, as a message shows them
    same: list[tuple[str, ...]]  # for each name, all texts that stand for it
    notes: tuple[str, ...] = ()


def _words(column: str) -> Callable[[Log, Log], Names]:
    def names(log: Log, _whole: Log) -> Names:
        words = log.names[column]
        same = [(word,) if word else MISSING for word in words]
        return Names(getattr(log, column), words, same)

    return names


def _kinds(log: Log, _whole: Log) -> Names:
    """A kind may be several words, of which each stands for it: shared,hugetlb."""
    words = log.names["kind"]
    same = [(word, *word.split(",")) if word else MISSING for word in words]
    return Names(log.kind, words, same)


def _last_part(name: str) -> str:
    return name.removesuffix(" (deleted)").rpartition("/")[2]


def _maps(log: Log, _whole: Log) -> Names:
    """By the path, as it is printed and as it is in the command line, or its last part."""
    shown = [_last_part(name) or name for name in log.names["map"]]
    same = []
    for name, raw in zip(log.names["map"], map(os.fsdecode, log.paths)):
        texts = {name, raw, _last_part(name), _last_part(raw)} - {""}
        same.append(tuple(texts) if name and raw else MISSING)
    return Names(log.map, shown, same)


def _programs(log: Log, _whole: Log) -> Names:
    names, codes = log.programs()
    return Names(codes, names, [(n,) if n != "?" else (*MISSING, "?") for n in names])


def _functions(log: Log, whole: Log) -> Names:
    """By the label in a table; it also counts without its file, and without parameters."""
    found = groups.KEYS["function"].groups(log, whole)
    labels = [found.plain(i) for i in range(found.count)]
    same = []
    for label in labels:
        name = re.sub(r" \[[^]]*\]$", "", label)
        texts = {label, name, name.partition("(")[0]} - {""}
        is_known = label not in ("", "?")
        same.append(tuple(texts) if is_known else (*MISSING, "?"))
    return Names(found.codes, labels, same, found.notes)


class Named(Filter):
    """A filter by names, such as --map."""

    NAMES: dict[str, tuple[tuple[str, ...], Callable[[Log, Log], Names]]] = {
        "map": (("map",), _maps),
        **{
            key: ((key,), _words(key)) for key in ("region", "access", "mode", "result")
        },
        "kind": (("kind",), _kinds),
        "program": ((), _programs),
        "function": (
            ("ip", "access", "mode", "map", "offset", "latency_ns"),
            _functions,
        ),
    }

    def __init__(self, key: str, texts: tuple[str, ...]) -> None:
        self.key, self.texts = key, texts
        self.columns, self.names = self.NAMES[key]
        self.is_slow = key == "function"
        self.has_commas = key in ("map", "program", "function")

    def text(self) -> str:
        if any("!" in text for text in self.texts):
            return printable(" and ".join(f"{self.key}={t}" for t in self.texts))
        return printable(f"{self.key}={','.join(self.texts)}")

    def keeps(self, log: Log, whole: Log, notes: list[str]) -> NDArray[np.bool_]:
        if not len(log):
            return np.zeros(0, dtype=bool)
        names = self.names(log, whole)
        notes += names.notes
        return chosen(self.texts, names.same, self.has_commas)[names.codes]

    def there(self, log: Log, whole: Log) -> str:
        names = self.names(log, whole)
        counts = np.bincount(names.codes, minlength=len(names.shown))
        order = np.argsort(-counts, kind="stable").tolist()
        there = [i for i in order if counts[i] and names.shown[i]]
        wanted = [t for text in self.texts for t in wanted_only(split(text))]
        found = nearest(wanted, list(dict.fromkeys(names.shown[i] for i in there)))
        if not found:
            hint = f": {log.outcome_hint}" if self.key == "result" else ""
            return f"no {self.key} is in this log{hint}"
        return f"{self.key} in this log: {some(found)}"


class Addresses(Filter):
    """--address."""

    def __init__(self, ranges: tuple[Range, ...]) -> None:
        self.ranges = ranges

    def text(self) -> str:
        return ", ".join(
            f"{'!' * r.is_excluded}{r.low:#x}-{r.high:#x} ({size_text(r.high - r.low)})"
            for r in self.ranges
        )

    def keeps(self, log: Log, whole: Log, notes: list[str]) -> NDArray[np.bool_]:
        is_known = log.known("address")

        def match(one: Range) -> NDArray[np.bool_]:
            above = log.address >= np.uint64(one.low)
            return is_known & above & (log.address <= np.uint64(one.high - 1))

        return combined(self.ranges, match, len(log))

    def there(self, log: Log, whole: Log) -> str:
        known = log.address[log.known("address")]
        if not len(known):
            return "no address is in this log"
        low, high = int(known.min()), int(known.max())
        return f"addresses in this log: {low:#x} to {high:#x}"


class LongerThan(Filter):
    """--longer-than; faults without a latency are left out."""

    columns = ("latency_ns",)

    def __init__(self, least: Time) -> None:
        self.least = least

    def text(self) -> str:
        return f"longer than {self.least.text}"

    def keeps(self, log: Log, whole: Log, notes: list[str]) -> NDArray[np.bool_]:
        if self.least.ns >= TOP:
            return np.zeros(len(log), dtype=bool)
        return log.known("latency_ns") & (log.latency_ns > np.uint64(self.least.ns))

    def there(self, log: Log, whole: Log) -> str:
        if not log.known("latency_ns").any():
            return f"the log has no latencies: {log.outcome_hint}"
        return f"the longest fault took {time_text(int(log.spent_ns().max()))}"


class Major(Filter):
    """--major."""

    columns = ("result",)

    def text(self) -> str:
        return "major faults"

    def keeps(self, log: Log, whole: Log, notes: list[str]) -> NDArray[np.bool_]:
        return log.result == MAJOR

    def there(self, log: Log, whole: Log) -> str:
        if log.has_outcomes:
            return ""
        return f"the log does not say which were major: {log.outcome_hint}"


@dataclass(frozen=True)
class Filters:
    """The filters given. A fault must match all of them; they match one of their values."""

    all: tuple[Filter, ...] = ()

    def columns(self) -> set[str]:
        """The columns that the filters need."""
        return {name for each in self.all for name in each.columns}

    def __bool__(self) -> bool:
        return bool(self.all)

    def text(self) -> str:
        """What is kept, for people: "only region=heap, major faults"; "": no filter."""
        words = [each.text() for each in self.all]
        return "only " + ", ".join(words) if words else ""

    def apply(
        self, log: Log, may_be_none: bool = False, notes: list[str] | None = None
    ) -> Log:
        """A log of the faults that match; raises LogError if none does, unless may_be_none.

        notes: what the user must know about names is appended.
        """
        if not self:
            return log
        found: list[str] = []
        part = log.take(self.kept(log, found))
        if notes is not None:
            notes += found
        if not len(part) and not may_be_none:
            raise LogError(self.why_none(log))
        return part

    def kept(self, log: Log, notes: list[str]) -> NDArray[np.bool_]:
        """Which faults match; bool (n,)."""
        keep = np.ones(len(log), dtype=bool)
        for each in self.all:
            if not each.is_slow:
                keep &= each.keeps(log, log, notes)
        for each in self.all:
            if each.is_slow:
                rows = np.flatnonzero(keep)
                keep[rows] = each.keeps(log.take(rows), log, notes)
        return keep

    def why_none(self, log: Log) -> str:
        """Why no fault of this log matches."""
        given = self.text().removeprefix("only ")
        text = f"no faults match the filters ({given})" if self else "no faults"
        if not self or not len(log):
            return text
        return "; ".join([text, *filter(None, self._reasons(log))])

    def _reasons(self, log: Log) -> Iterator[str]:
        """For each filter that selects nothing, what the log has."""
        quick = [each for each in self.all if not each.is_slow]
        empty = [each for each in quick if not each.keeps(log, log, []).any()]
        for each in empty:
            yield each.there(log, log)
        if empty:
            return
        part = log.take(Filters(tuple(quick)).kept(log, []))
        slow = [each for each in self.all if each.is_slow]
        if len(part) and slow:
            notes: list[str] = []
            slow[0].keeps(part, log, notes)
            yield slow[0].there(part, log)
            yield from notes
        else:
            yield "each of these matches faults, but no fault matches all of them"


def _is_from(time_ns: NDArray[np.uint64], begin_ns: int) -> NDArray[np.bool_]:
    """Which times are begin_ns, which may exceed 64 bits, or later; bool (n,)."""
    if begin_ns > TOP:
        return np.zeros(len(time_ns), dtype=bool)
    return time_ns >= np.uint64(begin_ns)
