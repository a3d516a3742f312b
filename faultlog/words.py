# SPDX-License-Identifier: GPL-2.0-or-later
"""Numbers, times and sizes as people read them; names from outside made harmless."""

from __future__ import annotations

import re
import textwrap
from typing import Iterator

NO_BREAK = "\N{NO-BREAK SPACE}"
UNITS = (
    (86400e9, "d"),
    (3600e9, "h"),
    (60e9, "min"),
    (1e9, "s"),
    (1e6, "ms"),
    (1e3, "µs"),
)
FORMULA = re.compile("(?:^|(?<=;))(?=\\s*['=+\\-@＝＋－＠])")  # before what begins so
ENOUGH = {"d": 2, "h": 2, "min": 2}  # of these, so many at least: 90 s, not 1.5 min


def time_unit(duration_ns: float) -> tuple[float, str]:
    """The unit to tell a duration in: its length in ns, and its name."""
    for length, name in UNITS:
        if duration_ns >= length * ENOUGH.get(name, 1):
            return length, name
    return 1.0, "ns"


def time_text(time_ns: float) -> str:
    """A duration in three digits and a unit."""
    length, name = time_unit(time_ns)
    text = _three_digits(time_ns / length, length)
    if text == "1000":  # by rounding: of the next unit it's 1.00
        length, name = time_unit(time_ns * 1.001)
        text = _three_digits(time_ns / length, length)
    return f"{float(text):,.0f} {name}" if len(text) > 4 else f"{text} {name}"


def _three_digits(value: float, length: float) -> str:
    if length == 1.0:
        return f"{value:.0f}"
    for digits in (2, 1):
        text = f"{value:.{digits}f}"
        if len(text) <= 4:
            return text
    return f"{value:.0f}"


def _round_times() -> Iterator[int]:
    """Times as people cut them, in ns, ever longer: beyond 20 s as clocks and calendars do."""
    second, day = 10**9, 86400 * 10**9
    yield from (m * 10**e for e in range(10) for m in (1, 2, 5))
    yield from (10 * second, 20 * second, 30 * second)
    yield from (60 * second * minutes for minutes in (1, 2, 5, 10, 20, 30))
    yield from (3600 * second * hours for hours in (1, 2, 3, 6, 12))
    yield from (m * 10**e * day for e in range(6) for m in (1, 2, 5))


ROUND_TIMES = tuple(_round_times())


def round_width(duration_ns: int, nr_parts: int) -> int:
    """The round time, in ns, of which fewer than so many fit into a duration."""
    return next(t for t in ROUND_TIMES if duration_ns // t < nr_parts)


def axis_unit(duration_ns: int, nr_ticks: int) -> tuple[float, str]:
    """The unit for an axis of that length: of minutes and more, ticks are whole or half ones."""
    length, name = time_unit(duration_ns)
    if length <= 1e9:
        return length, name
    step = round_width(duration_ns, nr_ticks)
    return next((n, unit) for n, unit in UNITS if step % (n // 2) == 0)


def whole_unit(time_ns: int) -> tuple[int, str]:
    """The longest unit that a round time is a multiple of: its length in ns, and its name."""
    return next(
        ((int(n), unit) for n, unit in UNITS if time_ns % n == 0 and time_ns), (1, "ns")
    )


def exact_text(time_ns: int, length: int, comma: str = ",") -> str:
    """A time in a unit of so many ns, a power of 10, with all its digits.

    comma: between thousands, or "".
    """
    whole, rest = divmod(time_ns, length)
    digits = f"{rest:0{len(str(length)) - 1}}".rstrip("0") if rest else ""
    return f"{whole:{comma}}.{digits}" if digits else f"{whole:{comma}}"


def short_time_text(time_ns: int) -> str:
    """A round duration without decimals: 1 µs, 100 ms, 90 s."""
    length, name = whole_unit(time_ns)
    return f"{time_ns // length:,} {name}"


def size_text(size: int) -> str:
    """Bytes, in KiB to EiB: 4 KiB, 41.2 TiB."""
    rounded = size + (size >> 11)  # no 1,024 KiB for a page less than 1 MiB
    power = max(min((rounded.bit_length() - 1) // 10, 6), 1)
    value = size / (1 << 10 * power)
    text = f"{value:,.{0 if value >= 100 else 1}f}"
    return f"{text[:-2] if text.endswith('.0') else text} {' KMGTPE'[power]}iB"


def plural(n: int, noun: str) -> str:
    """1 fault, 2 faults."""
    if n == 1:
        return f"{n:,} {noun}"
    return f"{n:,} {noun}es" if noun.endswith("s") else f"{n:,} {noun}s"


def unescaped(text: bytes) -> bytes:
    """Undo the kernel's octal escapes."""
    return re.sub(rb"\\([0-3][0-7]{2})", lambda m: bytes([int(m[1], 8)]), text)


def plain(text: bytes) -> str:
    """Undo the kernel's octal escapes; what can't be printed becomes a U+FFFD."""
    return printable(unescaped(text).decode("utf-8", "replace"))


def printable(text: str) -> str:
    """A text that does nothing to a terminal: what can't be printed becomes a U+FFFD."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def csv_cell(text: str) -> str:
    """A name as a cell of CSV that no spreadsheet takes for a formula: with a ' in front.

    Some take a ; for the end of a cell. A ' that is there already gets one more, so that
    each name is told in its own way.
    """
    return FORMULA.sub("'", text)


def wrapped(text: str, width: int) -> list[str]:
    """A text in lines of at most width characters; a number stays with its unit."""
    kept = re.sub(r"(?<=\d) (?=\w)", NO_BREAK, text)
    return [line.replace(NO_BREAK, " ") for line in textwrap.wrap(kept, width)]
