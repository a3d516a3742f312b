# SPDX-License-Identifier: GPL-2.0-or-later
"""Times of day: the head of a log has one, at a known CLOCK_MONOTONIC."""

from __future__ import annotations

import argparse
import re
from datetime import datetime, timedelta, timezone

import numpy as np

from ..base.arrays import NDArray
from ..base.error import LogError
from .log import Log

S = 10**9  # ns
LAST_NS = (1 << 63) - 1  # of numpy's times, in the year 2262
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def boot_ns(log: Log) -> int | None:
    """The time of day when CLOCK_MONOTONIC was 0, in ns since 1970; None: unknown.

    It is wrong for times after the clock was set or the machine was suspended.
    """
    epoch = log.head.get("epoch", "")
    if log.loaded_ns is None or not re.fullmatch(r"\d{1,11}(\.\d{0,9})?", epoch):
        return None
    whole, _, part = epoch.partition(".")
    return int(whole) * S + int(part.ljust(9, "0")) - log.loaded_ns


def required(log: Log, name: str) -> int:
    """As boot_ns(); raises LogError if it is unknown. name: of the log."""
    found = boot_ns(log)
    if found is None:
        raise LogError(
            f"{name}: no time of day for --wall-clock; the head of the log must have epoch "
            "and loaded"
        )
    if not 0 <= int(log.ends_ns().max()) + found <= LAST_NS:
        raise LogError(f"{name}: --wall-clock: times before 1970 or after 2262")
    return found


def local(ns: int) -> datetime:
    """A time of day, in ns since 1970, in the local time zone, without parts of a second."""
    return (EPOCH + timedelta(seconds=ns // S)).astimezone()


def offset_ns(ns: int) -> int:
    """By how much the local time zone is ahead of UTC at this time of day."""
    return round((local(ns).utcoffset() or timedelta()).total_seconds()) * S


def text(ns: int, step_ns: int, with_date: bool) -> str:
    """A time of day with as many digits as multiples of step_ns need."""
    form = "%H:%M" if step_ns % (60 * S) == 0 else "%H:%M:%S"
    digits = 9
    while digits and step_ns % 10 ** (10 - digits) == 0:
        digits -= 1
    part = f".{ns % S:09}"[: digits + 1] if digits else ""
    return local(ns).strftime(("%Y-%m-%d " if with_date else "") + form) + part


def is_of_one_day(first_ns: int, last_ns: int) -> bool:
    """Do both times have the same date?"""
    return local(first_ns).date() == local(last_ns).date()


def note(log: Log) -> str:
    """What to print above a table with times of day."""
    first = local((log.boot_ns or 0) + int(log.time_ns.min()))
    zone = first.strftime("%z")
    ahead = "" if zone == "+0000" else f"{zone[:3]}:{zone[3:]}"
    return f"Times are times of day, from {first:%Y-%m-%d}, UTC{ahead}"


def utc(time_ns: NDArray[np.uint64], boot: int) -> NDArray[np.bytes_]:
    """Times of day of these times by CLOCK_MONOTONIC; uint64 (n,) to bytes of ASCII (n,)."""
    # The difference may be negative; the sum is not, see required().
    of_day = (time_ns.astype(np.int64) + np.int64(boot)).astype("datetime64[ns]")
    return np.char.add(np.datetime_as_string(of_day), "Z").astype("S30")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the option."""
    parser.add_argument(
        "--wall-clock",
        action="store_true",
        help="print times of day, in the local time zone; in .csv, .jsonl and --csv as a "
        "further column, in UTC. For --by time, --slowest, .csv and .jsonl",
    )
