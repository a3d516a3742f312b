# SPDX-License-Identifier: GPL-2.0-or-later
"""The filters, which select faults of a log for all outputs."""

from __future__ import annotations

import argparse
import os
import re
from dataclasses import dataclass
from fnmatch import fnmatchcase

import numpy as np

from .log import MAJOR, Log, LogError
from .words import printable, size_text

UNIT_NS = {
    "ns": 1,
    "us": 10**3,
    "µs": 10**3,
    "ms": 10**6,
    "s": 10**9,
    "": 10**9,
}
UNIT_NS |= {"min": 60 * 10**9, "h": 3600 * 10**9, "d": 86400 * 10**9}
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


def time(text: str) -> Time:
    """Parse the value of --from or --to: 1.5, 20ms (since the first fault), or @NS."""
    match = re.fullmatch(r"(\d{1,18}(?:\.\d{0,9})?)(ns|us|µs|ms|s|min|h|d|)", text)
    if match:
        whole, _, part = match[1].partition(".")
        unit = UNIT_NS[match[2]]
        ns = int(whole) * unit + int(part or 0) * unit // 10 ** len(part)
        return Time(text, ns, False)
    match = re.fullmatch(r"@(\d{1,20})", text)
    if match:
        return Time(text, int(match[1]), True)
    raise argparse.ArgumentTypeError(
        f"{text}: not a time; use 1.5 or 20ms (since the first fault), or @NS (a Time of the log)"
    )


def address_range(text: str) -> tuple[int, int]:
    """Parse the value of --address: LO-HI in hexadecimal, without HI."""
    match = re.fullmatch(r"(?:0x)?([0-9a-fA-F]{1,17})-(?:0x)?([0-9a-fA-F]{1,17})", text)
    low, high = (int(match[1], 16), int(match[2], 16)) if match else (0, 0)
    if low >= high or high > TOP + 1:  # HI may be one above the largest address
        raise argparse.ArgumentTypeError(
            f"{text}: not a range like 0x7f0000000000-0x7f0000200000"
        )
    return low, high


def number(text: str) -> int:
    """Parse the value of --pid or --tid."""
    if not re.fullmatch(r"\d{1,10}", text):
        raise argparse.ArgumentTypeError(f"{text}: not a number")
    return int(text)


@dataclass(frozen=True)
class Filters:
    """The filters given. A fault must match one value of each kind that has any."""

    from_time: Time | None = None
    to_time: Time | None = None  # excluded
    pids: tuple[int, ...] = ()
    tids: tuple[int, ...] = ()
    maps: tuple[str, ...] = ()  # a path, its last part, or a pattern of one of them
    regions: tuple[str, ...] = ()
    accesses: tuple[str, ...] = ()
    addresses: tuple[tuple[int, int], ...] = ()  # [low, high)
    major: bool = False

    def columns(self) -> set[str]:
        """The columns that the filters need."""
        wanted = {
            "tid": self.tids,
            "map": self.maps,
            "region": self.regions,
            "access": self.accesses,
            "result": self.major,
            "latency_ns": self.from_time,
        }
        return {name for name, given in wanted.items() if given}

    def __bool__(self) -> bool:
        return self != Filters()

    def text(self) -> str:
        """What is kept, for people: "only region=heap, major faults"; "": no filter."""
        words = []
        if self.from_time or self.to_time:
            begin = f"from {self.from_time.text}" if self.from_time else ""
            to = "to" if self.from_time else "until"
            end = f"{to} {self.to_time.text}" if self.to_time else ""
            words.append(f"{begin} {end}".strip())
        for key, values in (
            ("pid", self.pids),
            ("tid", self.tids),
            ("map", self.maps),
            *self.words().items(),
        ):
            if values:
                words.append(printable(f"{key}={','.join(map(str, values))}"))
        for low, high in self.addresses:
            words.append(f"{low:#x}-{high:#x} ({size_text(high - low)})")
        if self.major:
            words.append("major faults")
        return "only " + ", ".join(words) if words else ""

    def words(self) -> dict[str, tuple[str, ...]]:
        """The filters that compare the words of a column, by its name."""
        return {"region": self.regions, "access": self.accesses}

    def apply(self, log: Log, may_be_none: bool = False) -> Log:
        """A log of the faults that match; raises LogError if none does, unless may_be_none."""
        if not self:
            return log
        keep = np.ones(len(log), dtype=bool)
        first_ns = int(log.time_ns.min()) if len(log) else 0
        if self.from_time:
            begin_ns = self.from_time.monotonic_ns(first_ns)
            keep &= _is_from(log.time_ns, begin_ns) | _is_from(
                log.ends_ns(), begin_ns + 1
            )
        if self.to_time:
            keep &= ~_is_from(log.time_ns, self.to_time.monotonic_ns(first_ns))
        if self.pids:
            keep &= np.isin(log.pid, self.pids)
        if self.tids:
            keep &= np.isin(log.tid, self.tids) & log.told("tid")
        if self.maps:
            names = zip(log.names["map"], map(os.fsdecode, log.paths))
            keep &= np.array([any_match(self.maps, *both) for both in names])[log.map]
        for column, wanted in self.words().items():
            if wanted:
                is_it = np.array([name in wanted for name in log.names[column]])
                keep &= is_it[getattr(log, column)]
        if self.addresses:
            inside = np.zeros(len(log), dtype=bool)
            for low, high in self.addresses:
                above = log.address >= np.uint64(low)
                inside |= above & (log.address <= np.uint64(high - 1))
            keep &= inside & log.told("address")
        if self.major:
            keep &= log.result == MAJOR
        if not keep.any() and not may_be_none:
            raise LogError(self.why_none(log))
        return log.take(keep)

    def why_none(self, log: Log) -> str:
        """Why no fault of this log matches."""
        given = self.text().removeprefix("only ")
        text = f"no faults match the filters ({given})" if self else "no faults"
        for column, wanted in self.words().items():
            codes = np.unique(getattr(log, column)) if wanted else ()
            there = ", ".join(filter(None, (log.names[column][i] for i in codes)))
            text += f"; {column} in this log: {there}" if there else ""
        if self.major and len(log) and not log.has_outcomes:
            text += f"; the log does not say which were major: {log.outcome_hint}"
        return text


def _is_from(time_ns: np.ndarray, begin_ns: int) -> np.ndarray:
    """Which times are begin_ns, which may exceed 64 bits, or later; bool (n,)."""
    if begin_ns > TOP:
        return np.zeros(len(time_ns), dtype=bool)
    return time_ns >= np.uint64(begin_ns)


def any_match(patterns: tuple[str, ...], *names: str) -> bool:
    """Does one of the names, or its last part, match one of these patterns?

    names: a mapping's, as it is printed and as it is in the command line.
    """
    files = [name.removesuffix(" (deleted)").rpartition("/")[2] for name in names]
    parts = {*names, *files}
    return all(names) and any(
        part == pattern or fnmatchcase(part, pattern)
        for pattern in patterns
        for part in parts
    )


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the filters' options."""
    group = parser.add_argument_group(
        "filters",
        "They select faults. A repeated filter matches any of the values given; different "
        "filters must all match.",
    )
    group.add_argument(
        "--from",
        dest="from_time",
        metavar="TIME",
        type=time,
        help="faults in progress at or after TIME, counted from the first fault: 1.5 (seconds) or "
        "20ms; @NS is a Time value from the log",
    )
    group.add_argument(
        "--to",
        dest="to_time",
        metavar="TIME",
        type=time,
        help="faults that began before TIME",
    )
    many = {"action": "append", "default": []}
    group.add_argument("--pid", type=number, help="faults of this process", **many)
    group.add_argument("--tid", type=number, help="faults of this thread", **many)
    group.add_argument(
        "--map",
        help="faults on this mapping's memory: path, file name or pattern (lib*.so*)",
        **many,
    )
    group.add_argument(
        "--region", help="code, data, heap, stack, file, anon or special", **many
    )
    group.add_argument("--access", help="read, write or exec", **many)
    group.add_argument(
        "--address",
        metavar="LO-HI",
        type=address_range,
        help="addresses in hexadecimal; HI is exclusive",
        **many,
    )
    group.add_argument("--major", action="store_true", help="only major faults")


def filters(args: argparse.Namespace) -> Filters:
    """The filters that the options give."""
    return Filters(
        from_time=args.from_time,
        to_time=args.to_time,
        pids=tuple(args.pid),
        tids=tuple(args.tid),
        maps=tuple(args.map),
        regions=tuple(args.region),
        accesses=tuple(args.access),
        addresses=tuple(args.address),
        major=args.major,
    )
