# SPDX-License-Identifier: GPL-2.0-or-later
"""Numbers, times and sizes as text for people; makes names from a log harmless."""

from __future__ import annotations

import re
import textwrap
from difflib import get_close_matches
from typing import Iterable, Iterator

NO_BREAK = "\N{NO-BREAK SPACE}"
UNITS = (
    (86400e9, "d"),
    (3600e9, "h"),
    (60e9, "min"),
    (1e9, "s"),
    (1e6, "ms"),
    (1e3, "µs"),
)
# The place before a formula, also behind quotes: where a ; ends a cell, they begin the next: ;""=.
FORMULA = re.compile("(?:^|(?<=;))(?=[\\s\"]*['=+\\-@＝＋－＠])")
COMPARED_CHARS = 99  # of a word, to find a similar one
ENOUGH = {"d": 2, "h": 2, "min": 2}  # at least so many of these: 90 s, not 1.5 min


def time_unit(duration_ns: float) -> tuple[float, str]:
    """The unit for a duration: its length in ns, and its name."""
    for length, name in UNITS:
        if duration_ns >= length * ENOUGH.get(name, 1):
            return length, name
    return 1.0, "ns"


def time_text(time_ns: float) -> str:
    """A duration with three digits and a unit."""
    length, name = time_unit(time_ns)
    text = _three_digits(time_ns / length, length)
    if text == "1000":  # by rounding; it is 1.00 of the next unit
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
    """Round times in ns, ascending; from 20 s on, those of clocks and calendars."""
    second, day = 10**9, 86400 * 10**9
    yield from (m * 10**e for e in range(10) for m in (1, 2, 5))
    yield from (10 * second, 20 * second, 30 * second)
    yield from (60 * second * minutes for minutes in (1, 2, 5, 10, 20, 30))
    yield from (3600 * second * hours for hours in (1, 2, 3, 6, 12))
    yield from (m * 10**e * day for e in range(6) for m in (1, 2, 5))


ROUND_TIMES = tuple(_round_times())


def round_width(duration_ns: int, nr_parts: int) -> int:
    """The shortest round time, in ns, that fits into a duration fewer than nr_parts times."""
    return next(t for t in ROUND_TIMES if duration_ns // t < nr_parts)


def axis_unit(duration_ns: int, nr_ticks: int) -> tuple[float, str]:
    """The unit for an axis of a duration; ticks in minutes or longer are whole or half units."""
    length, name = time_unit(duration_ns)
    if length <= 1e9:
        return length, name
    step = round_width(duration_ns, nr_ticks)
    return next((n, unit) for n, unit in UNITS if step % (n // 2) == 0)


def whole_unit(time_ns: int) -> tuple[int, str]:
    """The longest unit that divides a round time: its length in ns, and its name."""
    return next(
        ((int(n), unit) for n, unit in UNITS if time_ns % n == 0 and time_ns), (1, "ns")
    )


def exact_text(time_ns: int, length: int, comma: str = ",") -> str:
    """A time with all its digits, in a unit of length ns, a power of 10.

    comma: separates thousands; may be "".
    """
    whole, rest = divmod(time_ns, length)
    digits = f"{rest:0{len(str(length)) - 1}}".rstrip("0") if rest else ""
    return f"{whole:{comma}}.{digits}" if digits else f"{whole:{comma}}"


def short_time_text(time_ns: int) -> str:
    """A round duration without decimals: 1 µs, 100 ms, 90 s."""
    length, name = whole_unit(time_ns)
    return f"{time_ns // length:,} {name}"


def size_text(size: int) -> str:
    """A number of bytes in KiB to EiB: 4 KiB, 41.2 TiB."""
    rounded = size + (size >> 11)  # 1 MiB less a page is not 1,024 KiB
    power = max(min((rounded.bit_length() - 1) // 10, 6), 1)
    value = size / (1 << 10 * power)
    text = f"{value:,.{0 if value >= 100 else 1}f}"
    return f"{text[:-2] if text.endswith('.0') else text} {' KMGTPE'[power]}iB"


def plural(n: int, noun: str) -> str:
    """1 fault, 2 faults."""
    if n == 1:
        return f"{n:,} {noun}"
    return f"{n:,} {noun}es" if noun.endswith("s") else f"{n:,} {noun}s"


def did_you_mean(word: str, words: Iterable[str]) -> str:
    """The end of a message about a word that is none of these: "; did you mean X?", or ""."""
    close = get_close_matches(word[:COMPARED_CHARS], words, 1)
    return f"; did you mean {close[0]}?" if close else ""


def unescaped(text: bytes) -> bytes:
    """Undo the kernel's octal escapes."""
    return re.sub(rb"\\([0-3][0-7]{2})", lambda m: bytes([int(m[1], 8)]), text)


def plain(text: bytes) -> str:
    """Undo the kernel's octal escapes; unprintable characters become U+FFFD."""
    return printable(unescaped(text).decode("utf-8", "replace"))


def printable(text: str) -> str:
    """A text that cannot harm a terminal: unprintable characters become U+FFFD."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def csv_cell(text: str) -> str:
    """A name as a cell of CSV; one that a spreadsheet would take for a formula begins with '.

    For some spreadsheets a ; ends a cell. A name that begins with ' gets another one, so that
    different names stay different.
    """
    return FORMULA.sub("'", text)


def wrapped(text: str, width: int) -> list[str]:
    """A text in lines of at most width characters; numbers stay with their units."""
    kept = re.sub(r"(?<=\d) (?=[\w%])", NO_BREAK, text)
    return [line.replace(NO_BREAK, " ") for line in textwrap.wrap(kept, width)]
