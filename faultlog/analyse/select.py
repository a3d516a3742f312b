# SPDX-License-Identifier: GPL-2.0-or-later
"""The options that select faults of a log, for all outputs."""

from __future__ import annotations

import argparse
import re
from typing import Any, Callable

from ..base.error import LogError
from .choice import Value, listed, numbers, split
from .filters import (
    TOP,
    Addresses,
    Filter,
    Filters,
    LongerThan,
    Major,
    Named,
    Numbers,
    Range,
    Time,
    Times,
)

UNIT_NS = {
    "ns": 1,
    "us": 10**3,
    "µs": 10**3,
    "ms": 10**6,
    "s": 10**9,
    "": 10**9,
}
UNIT_NS |= {"min": 60 * 10**9, "h": 3600 * 10**9, "d": 86400 * 10**9}


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
    """Parse a range of --address: LO-HI in hexadecimal, without HI."""
    match = re.fullmatch(r"(?:0x)?([0-9a-fA-F]{1,17})-(?:0x)?([0-9a-fA-F]{1,17})", text)
    low, high = (int(match[1], 16), int(match[2], 16)) if match else (0, 0)
    if low >= high or high > TOP + 1:  # HI may be one above the largest address
        raise argparse.ArgumentTypeError(
            f"{text}: not a range like 0x7f0000000000-0x7f0000200000"
        )
    return low, high


def address_ranges(text: str) -> tuple[Range, ...]:
    """Parse the value of --address: one or more ranges, which may be excluded."""
    return tuple(Range(*address_range(v.text), v.is_excluded) for v in split(text))


def duration(text: str) -> Time:
    """Parse the value of --longer-than."""
    try:
        found = time(text)
    except argparse.ArgumentTypeError:
        found = None
    if not found or found.is_absolute:
        raise argparse.ArgumentTypeError(
            f"{text}: not a duration; use 1.5 (seconds) or 20ms"
        )
    return found


def processes(text: str) -> tuple[Value, ...]:
    """Parse the value of --pid; 500~2 is the second process of this PID, as in tables."""
    return numbers(text, r"\d{1,10}(~\d{1,9})?")


LISTS: tuple[tuple[str, str, Callable[[str], Any]], ...] = (
    ("pid", "faults of this process", processes),
    ("tid", "faults of this thread", numbers),
    ("cpu", "faults on this CPU", numbers),
    (
        "map",
        "faults on this mapping's memory: path, file name or pattern (lib*.so*)",
        listed,
    ),
    ("region", "code, data, heap, stack, file, anon or special", listed),
    (
        "kind",
        "shared, hugetlb, cow (a write that copied a page of a file) or swap",
        listed,
    ),
    ("access", "read, write or exec", listed),
    (
        "mode",
        "user, kernel (a system call), gup (the kernel pinned pages) or remote (another "
        "process's memory)",
        listed,
    ),
    ("result", "minor, major or an error", listed),
    ("program", "faults of processes while they ran this program", listed),
    (
        "function",
        "faults of instructions in this function, with or without its file: malloc, "
        "'malloc [libc.so.6]'",
        listed,
    ),
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the filters' options."""
    group = parser.add_argument_group(
        "filters",
        "They select faults. Each takes a list (--region heap,stack), and may be repeated: a "
        "fault must match any of the values. A ! excludes (--map '!lib*'): a fault must match "
        "none of these. Different filters must all match. Names may be patterns; a comma in a "
        "name is written \\,. A value that was not recorded is -.",
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
    many: dict[str, Any] = {"action": "append", "default": []}
    for name, text, parse in LISTS:
        group.add_argument(f"--{name}", type=parse, help=text, **many)
        if name == "tid":
            group.add_argument(
                "--thread",
                dest=name,
                metavar="TID",
                type=parse,
                help="the same as --tid",
                **many,
            )
    group.add_argument(
        "--address",
        metavar="LO-HI",
        type=address_ranges,
        help="addresses in hexadecimal; HI is exclusive",
        **many,
    )
    group.add_argument(
        "--longer-than",
        metavar="DURATION",
        type=duration,
        help="faults with a latency above this, for example 1ms",
    )
    group.add_argument("--major", action="store_true", help="only major faults")


def filters(args: argparse.Namespace) -> Filters:
    """The filters that the options give."""
    found: list[Filter] = []
    begin, end = args.from_time, args.to_time
    if begin and end and begin.is_absolute == end.is_absolute and begin.ns >= end.ns:
        raise LogError(f"--from {begin.text} must be before --to {end.text}")
    if begin or end:
        found.append(Times(args.from_time, args.to_time))
    for name, _, parse in LISTS:
        given = getattr(args, name)
        if given and parse is not listed:
            found.append(Numbers(name, tuple(v for values in given for v in values)))
        elif given:
            found.append(Named(name, tuple(given)))
    if args.address:
        found.append(Addresses(tuple(v for values in args.address for v in values)))
    if args.longer_than:
        found.append(LongerThan(args.longer_than))
    if args.major:
        found.append(Major())
    return Filters(tuple(found))
