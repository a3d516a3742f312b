#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Draw a log of page faults: time on X, the touched addresses on Y.

The log is what `user` writes, or /proc/pf_probe_X itself, or a log of 2020. Every
fault becomes a mark at its time and its address. Address space that was not touched
is left out: each touched area gets a panel of its own, highest addresses on top.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import sys
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Iterable

try:
    import matplotlib
    import numpy as np
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D
    from matplotlib.ticker import FuncFormatter, Locator, MaxNLocator
except ImportError as err:
    sys.exit(
        f"page_fault_plot.py: {err}; numpy and matplotlib are needed "
        f"(Debian: apt install python3-matplotlib, then {sys.executable} "
        "must be the system's python3)"
    )

VERSION = "1.0"
PROG = "page_fault_plot.py"
SUFFIXES = (".png", ".svg", ".pdf")


class PlotError(Exception):
    """The log can't be drawn; the text says why, for the user."""


# ---------------------------------------------------------------------------
# Reading
#
# A log of a million faults has 150 MB of text, so no Python statement runs once a
# line. A block of lines is split into words (numpy finds where they begin and end),
# each word's first 8 bytes become one integer, and whole columns of words are compared
# and converted at once. A line that doesn't fit goes to FAULT_LINE, the exact rule.

BLOCK_BYTES = 4 << 20
LINE_BYTES = 1 << 20  # no line is longer; what follows in one that is, is not looked at
PAD = b" " * 16  # words are loaded 8 bytes at a time, past the end of the last one too

FAULT_LINE = re.compile(
    rb"\s*(?:\d+::\s*)?PID\s*=\s*(\d{1,20})\s+Page\s+Fault\s+at\s+Address"
    rb"\s+0x([0-9a-fA-F]{1,16})\s+at\s+Time\s+(\d{1,20})(\s.*)?",
    re.DOTALL,
)
OTHER_LINE = re.compile(rb"\s*(?:\d+::\s*)?(?:EXIT_CODE\s*|#.*)?", re.DOTALL)

ACCESSES = ("read", "write", "exec", "")  # "" is what a log of 2020 says: nothing
NO_ACCESS = len(ACCESSES) - 1
MAX_REGIONS = 255


def _word(text: bytes) -> int:
    """The first 8 bytes of text, as the little-endian integer that a load gives."""
    return int.from_bytes(text[:8].ljust(8, b"\0"), "little")


PID_WORD = _word(b"PID")
FIXED_WORDS = (
    (1, _word(b"=")),
    (3, _word(b"Page")),
    (4, _word(b"Fault")),
    (5, _word(b"at")),
    (6, _word(b"Address")),
    (8, _word(b"at")),
    (9, _word(b"Time")),
)
NR_FIXED = 11  # "PID" to the time, in words
KEEP_BYTES = np.array([(1 << 8 * n) - 1 for n in range(9)], dtype=np.uint64)

# What a byte is worth as a digit; 255: it is none.
DECIMAL = np.full(256, 255, dtype=np.uint8)
DECIMAL[48:58] = np.arange(10)
HEXADECIMAL = DECIMAL.copy()
HEXADECIMAL[65:71] = HEXADECIMAL[97:103] = np.arange(10, 16)


def _numbers(
    text: np.ndarray, start: np.ndarray, end: np.ndarray, base: int
) -> tuple[np.ndarray, np.ndarray]:
    """The numbers text[start:end], and which of them are numbers and fit in 64 bits.

    text: uint8; start, end: int64 of shape (n,). Returns uint64 (n,) and bool (n,).
    Decimal ones of 20 digits count as not fitting: FAULT_LINE's path decides.
    """
    digits, limit = (HEXADECIMAL, 16) if base == 16 else (DECIMAL, 19)
    width = end - start
    fits = (width > 0) & (width <= limit)
    value = np.zeros(len(start), dtype=np.uint64)
    if not fits.any():
        return value, fits
    common, longest = width[fits].min(), width[fits].max()
    for i in range(longest):
        digit = digits[text[np.minimum(start + i, end)]]
        if i < common:
            fits &= digit < 16
            value = value * np.uint64(base) + digit
        else:
            here = i < width
            fits &= (digit < 16) | ~here
            value = np.where(here, value * np.uint64(base) + digit, value)
    return value, fits


@dataclass
class Log:
    """A log's faults, in columns of n, and what it says about the recording."""

    time_ns: np.ndarray  # uint64
    address: np.ndarray  # uint64
    pid: np.ndarray  # uint32
    tid: np.ndarray  # uint32, 0: the log doesn't say
    access: np.ndarray  # uint8, index into ACCESSES
    region: np.ndarray  # uint8, index into regions
    regions: list[str] = field(default_factory=lambda: [""])  # [0] "": not said
    head: dict[str, str] = field(default_factory=dict)
    summary: dict[str, int] = field(default_factory=dict)
    nr_bad: int = 0
    first_bad: int = 0  # line number, from 1

    def __len__(self) -> int:
        return len(self.time_ns)

    @property
    def page_shift(self) -> int:
        """log2 of the page size in bytes; 4096 where the log doesn't tell."""
        page = self.head.get("page", "")
        size = int(page) if re.fullmatch("[0-9]{4,10}", page) else 4096
        if size < 4096 or size > 1 << 30 or size & (size - 1):
            size = 4096
        return size.bit_length() - 1


COLUMNS = {
    "time_ns": np.uint64,
    "address": np.uint64,
    "pid": np.uint32,
    "tid": np.uint32,
    "access": np.uint8,
    "region": np.uint8,
}


class _Reader:
    """Takes blocks of whole lines, gives a Log."""

    def __init__(self) -> None:
        self.parts: dict[str, list[np.ndarray]] = {name: [] for name in COLUMNS}
        self.region_names = [""]
        self.region_codes = {_word(b""): 0}
        self.access_codes = {_word(a.encode()): i for i, a in enumerate(ACCESSES)}
        self.head: dict[str, str] = {}
        self.summary: dict[str, int] = {}
        self.nr_lines = self.nr_bad = self.first_bad = 0

    def feed(self, block: bytes) -> None:
        """Parse block, whose last byte is a newline."""
        text = np.frombuffer(block + PAD, dtype=np.uint8)
        loads = np.ndarray(len(text) - 7, dtype="<u8", buffer=text, strides=1)

        # Words: [start, end) each, none spans lines.
        blank = (text == 32) | (text == 10) | (text == 13) | (text == 9)
        edges = np.flatnonzero(blank[1:] != blank[:-1]) + 1
        if not blank[0]:
            edges = np.concatenate(([0], edges))
        start, end = edges[0::2], edges[1::2]
        word = loads[start] & KEEP_BYTES[np.minimum(end - start, 8)]

        line_end = np.flatnonzero(text == 10)
        first_word = np.searchsorted(start, line_end)
        nr_words = np.diff(first_word, prepend=0)
        first_word = first_word - nr_words

        # Lines with all the fixed words in place, behind a counter or without one.
        line = np.flatnonzero(nr_words >= NR_FIXED)
        at = first_word[line]
        counted = word[at] != PID_WORD
        before = at[counted]
        _, is_number = _numbers(text, start[before], end[before] - 2, 10)
        fits = nr_words[line] >= NR_FIXED + counted
        fits[counted] &= is_number
        fits[counted] &= loads[end[before] - 2] & KEEP_BYTES[2] == _word(b"::")
        line, at = line[fits], (at + counted)[fits]
        fits = word[at] == PID_WORD
        for i, expected in FIXED_WORDS:
            fits &= word[at + i] == expected
        fits &= loads[start[at + 7]] & KEEP_BYTES[2] == _word(b"0x")
        pid, is_number = _numbers(text, start[at + 2], end[at + 2], 10)
        fits &= is_number & (pid < 1 << 32)
        address, is_number = _numbers(text, start[at + 7] + 2, end[at + 7], 16)
        fits &= is_number
        time_ns, is_number = _numbers(text, start[at + 10], end[at + 10], 10)
        fits &= is_number

        rows = {name: np.zeros(len(line_end), t) for name, t in COLUMNS.items()}
        rows["access"][:] = NO_ACCESS
        good = np.zeros(len(line_end), dtype=bool)
        good[line[fits]] = True
        rows["pid"][line] = pid
        rows["address"][line] = address
        rows["time_ns"][line] = time_ns

        # The key=value words, in any order; a key of no interest costs nothing here.
        line_of = np.repeat(np.arange(len(line_end)), nr_words)
        found = np.flatnonzero(word & KEEP_BYTES[4] == _word(b"tid="))
        tid, is_number = _numbers(text, start[found] + 4, end[found], 10)
        is_number &= tid < 1 << 32
        rows["tid"][line_of[found]] = np.where(is_number, tid, 0)
        for name, code in (("access", self._access), ("region", self._region)):
            key = name.encode() + b"="
            found = np.flatnonzero(word & KEEP_BYTES[7] == _word(key))
            width = end[found] - start[found] - 7
            good[line_of[found[width > 8]]] = False
            found, width = found[width <= 8], width[width <= 8]
            value = loads[start[found] + 7] & KEEP_BYTES[width]
            rows[name][line_of[found]] = code(value)

        begin = np.concatenate(([0], line_end[:-1] + 1))
        for i in np.flatnonzero(~good & (nr_words > 0)):
            self._odd_line(block[begin[i] : line_end[i]], i, rows, good)
        for name, parts in self.parts.items():
            parts.append(rows[name][good])
        self.nr_lines += len(line_end)

    def feed_cut_off(self, line: bytes) -> None:
        """Parse a last line without a newline.

        It may be whole. If it was cut off within its time, the number that is left
        tells a time before that of the fault above.
        """
        self.feed(line + b"\n")
        times = self.parts["time_ns"]
        if len(times) > 1 and len(times[-2]) and len(times[-1]):
            if times[-1][0] < times[-2][-1]:
                for parts in self.parts.values():
                    parts.pop()
                self.bad(self.nr_lines)

    def _access(self, value: np.ndarray) -> np.ndarray:
        """Words to codes of ACCESSES; one that is new to us is told as none."""
        codes = np.full(len(value), NO_ACCESS, dtype=np.uint8)
        for word, code in self.access_codes.items():
            codes[value == word] = code
        return codes

    def _region(self, value: np.ndarray) -> np.ndarray:
        """Words to indices of region_names, which grows as new ones come."""
        codes = np.zeros(len(value), dtype=np.uint8)
        left = np.ones(len(value), dtype=bool)
        for word, code in self.region_codes.items():
            same = value == word
            codes[same] = code
            left &= ~same
        if left.any():
            for word in np.unique(value[left]):
                if len(self.region_names) > MAX_REGIONS:
                    break
                name = int(word).to_bytes(8, "little").rstrip(b"\0")
                codes[value == word] = self._region_code(name)
        return codes

    def _region_code(self, name: bytes) -> int:
        text = plain(name)
        if text not in self.region_names:
            if len(self.region_names) > MAX_REGIONS:
                return 0
            self.region_names.append(text)
        code = self.region_names.index(text)
        if len(name) <= 8:
            self.region_codes[_word(name)] = code
        return code

    def _odd_line(
        self, line: bytes, i: int, rows: dict[str, np.ndarray], good: np.ndarray
    ) -> None:
        """A line that is no plain fault: a comment, or a fault by the exact rule."""
        match = FAULT_LINE.fullmatch(line)
        if match:
            numbers = int(match[1]), int(match[2], 16), int(match[3])
            if numbers[0] < 1 << 32 and max(numbers) < 1 << 64:
                good[i] = True
                rows["pid"][i], rows["address"][i], rows["time_ns"][i] = numbers
                keys = _pairs(match[4] or b"")
                tid = keys.get(b"tid", b"")
                rows["tid"][i] = int(tid) if re.fullmatch(rb"\d{1,9}", tid) else 0
                access = keys.get(b"access", b"").decode("latin-1")
                known = access in ACCESSES
                rows["access"][i] = ACCESSES.index(access) if known else NO_ACCESS
                rows["region"][i] = self._region_code(keys.get(b"region", b""))
                return
        elif OTHER_LINE.fullmatch(line):
            self._comment(line.lstrip())
            return
        self.bad(self.nr_lines + int(i) + 1)

    def _comment(self, line: bytes) -> None:
        """Of the lines about the recording, the first head and the last summary."""
        if line.startswith(b"# pf_probe_") and not self.head:
            pairs = _pairs(line)
            self.head = {plain(k): plain(v) for k, v in pairs.items()}
            self.head["probe"] = plain(line.split()[1])
        elif line.startswith(b"# recorded="):
            self.summary = {
                plain(k): int(v)
                for k, v in _pairs(line).items()
                if re.fullmatch(rb"\d{1,20}", v)
            }

    def bad(self, line_number: int) -> None:
        """Count a bad line."""
        self.nr_bad += 1
        self.first_bad = self.first_bad or line_number

    def log(self) -> Log:
        """What was read; the reader is used up."""
        columns = {}
        for name, dtype in COLUMNS.items():
            parts = self.parts.pop(name)
            columns[name] = np.concatenate(parts or [np.zeros(0, dtype)])
        return Log(
            **columns,
            regions=self.region_names,
            head=self.head,
            summary=self.summary,
            nr_bad=self.nr_bad,
            first_bad=self.first_bad,
        )


def _pairs(text: bytes) -> dict[bytes, bytes]:
    """The key=value words of text."""
    return dict(w.split(b"=", 1) for w in text.split() if b"=" in w)


def plain(text: bytes) -> str:
    """Undo the kernel's octal escapes; what can't be printed becomes a U+FFFD."""
    raw = re.sub(rb"\\([0-3][0-7]{2})", lambda m: bytes([int(m[1], 8)]), text)
    decoded = raw.decode("utf-8", "replace")
    return "".join(
        c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in decoded
    )


def read_log(file: BinaryIO, block_bytes: int = BLOCK_BYTES) -> Log:
    """Read a whole log, block_bytes of it at a time."""
    reader = _Reader()
    carry = b""
    while True:
        data = file.read(block_bytes)
        if not data:
            break
        cut = data.rfind(b"\n") + 1
        if cut:
            reader.feed(carry + data[:cut])
            carry = data[cut:]
        else:
            carry += data
        carry = carry[:LINE_BYTES]
    if carry:
        reader.feed_cut_off(carry)
    return reader.log()


# ---------------------------------------------------------------------------
# Panels: which parts of the address space are shown

MAX_PANELS = 10
MIN_GAP_PAGES = 16
MIN_GAP_PART = 1 / 4  # of what its panel would span with it
ALIKE = 1.25  # gaps within this factor are cut all, or none


@dataclass(frozen=True)
class Panel:
    """A touched area: whole pages first to last, both touched."""

    first: int  # page numbers
    last: int

    @property
    def nr_pages(self) -> int:
        """Pages that the panel spans, touched or not."""
        return self.last - self.first + 1


def find_panels(pages: np.ndarray, max_panels: int = MAX_PANELS) -> list[Panel]:
    """Cut the address space at its wide gaps; the panels, lowest first.

    pages: uint64, at least one page number, in any order. A gap is cut out if it would
    leave a good part of its panel blank, the widest gaps first. If that makes too many
    panels, the narrowest cuts are taken back. Every page is in exactly one panel.
    """
    pages = np.unique(pages)
    gaps = np.diff(pages) - np.uint64(1)

    def widest(first: int, last: int) -> tuple[int, int, int, int]:
        """The gap to cut in pages[first..last]: its width (0: none), where; and both."""
        if first == last:
            return 0, first, first, last
        at = first + int(gaps[first:last].argmax())
        gap, span = int(gaps[at]), int(pages[last]) - int(pages[first]) + 1
        cut = gap >= MIN_GAP_PAGES and gap >= MIN_GAP_PART * span
        return gap if cut else 0, at, first, last

    parts = [widest(0, len(pages) - 1)]
    cuts = []  # (width, index of the page below), ever narrower
    while True:
        gap, at, first, last = part = max(parts)
        if not gap:
            break
        if len(parts) == max_panels:
            cuts = [cut for cut in cuts if cut[0] > gap * ALIKE]
            break
        cuts.append((gap, at))
        parts.remove(part)
        parts += [widest(first, at), widest(at + 1, last)]
    below = sorted(at for _, at in cuts)
    firsts = [0] + [at + 1 for at in below]
    lasts = below + [len(pages) - 1]
    return [Panel(int(pages[a]), int(pages[b])) for a, b in zip(firsts, lasts)]


def panel_of(pages: np.ndarray, panels: list[Panel]) -> np.ndarray:
    """For each page, the index of its panel; uint8."""
    firsts = np.array([p.first for p in panels], dtype=np.uint64)
    return (np.searchsorted(firsts, pages, side="right") - 1).astype(np.uint8)


class PageLocator(Locator):
    """Ticks at round hexadecimal addresses; positions are bytes above base.

    (Addresses themselves don't fit: a double can't tell pages apart at the top of the
    64-bit range.)
    """

    def __init__(self, base: int, page_size: int, max_ticks: int) -> None:
        self.base, self.page_size, self.max_ticks = base, page_size, max_ticks

    def __call__(self) -> list[int]:
        return self.tick_values(*self.axis.get_view_interval())

    def tick_values(self, vmin: float, vmax: float) -> list[int]:
        """Multiples of the smallest power of two that gives max_ticks at the most."""
        low, high = sorted((vmin, vmax))
        low, high = self.base - int(-low // 1), self.base + int(high // 1)
        low, high = max(low, 0), min(high, (1 << 64) - 1)
        step = self.page_size
        while high // step - (low - 1) // step > self.max_ticks:
            step *= 2
        return [t - self.base for t in range(-(-low // step) * step, high + 1, step)]


# ---------------------------------------------------------------------------
# Drawing

# Told apart by colour-blind readers too: they differ in lightness as well as in hue.
COLOURS = ("#4ba3dd", "#d55e00", "#8e1a78", "#4d5560")
INK, FAINT, GROUND, ALARM = "#22262b", "#7b828b", "#f5f6f8", "#b00020"

# Inches.
WIDTH, LEFT, RIGHT, TOP, BOTTOM = 12.0, 1.35, 1.95, 0.85, 0.72
LOSS_LINE, STRIP, GAP, MIN_PANEL, EDGE = 0.22, 0.95, 0.26, 0.36, 0.035
CELL = 1 / 75  # of a binned picture: 2 pixels of a PNG
DPI = 150

MAX_MARKS = 1500  # per square inch; where there are more, they are binned
STRIP_BINS = 200


def time_unit(duration_ns: int) -> tuple[float, str]:
    """The unit to tell a duration in: its length in ns, and its name."""
    for length, name in ((1e9, "s"), (1e6, "ms"), (1e3, "µs")):
        if duration_ns >= length:
            return length, name
    return 1.0, "ns"


def time_text(time_ns: int) -> str:
    """A duration in three digits and a unit."""
    length, name = time_unit(time_ns)
    value = time_ns / length
    digits = 0 if value >= 100 or length == 1 else 1 if value >= 10 else 2
    return f"{value:,.{digits}f} {name}"


def size_text(size: int) -> str:
    """Bytes, in KiB to EiB: 4 KiB, 41.2 TiB."""
    rounded = size + (size >> 11)  # no 1,024 KiB for a page less than 1 MiB
    power = max(min((rounded.bit_length() - 1) // 10, 6), 1)
    value = size / (1 << 10 * power)
    text = f"{value:,.{0 if value >= 100 else 1}f}"
    return f"{text[:-2] if text.endswith('.0') else text} {' KMGTPE'[power]}iB"


def plural(n: int, noun: str) -> str:
    """1 fault, 2 faults."""
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"


def losses(log: Log) -> list[str]:
    """What is missing in the log, in words; empty if all that happened is there."""
    told = [
        f"{log.summary[key]:,} {key}"
        for key in ("dropped", "overwritten", "missed")
        if log.summary.get(key)
    ]
    kept = log.summary.get("recorded", 0) - log.summary.get("overwritten", 0)
    if len(log) < kept:
        told.append(f"{kept - len(log):,} recorded but not in this log")
    if log.nr_bad:
        told.append(f"{plural(log.nr_bad, 'bad line')} left out")
    if log.head and not log.summary:
        told.append("the log has no summary, its end may be missing")
    return told


def draw(figure: Figure, log: Log) -> None:
    """Draw a log that has at least one fault, and set the figure's size."""
    shift = np.uint64(log.page_shift)
    pages = log.address >> shift
    panels = find_panels(pages)
    where = panel_of(pages, panels)
    nr_pages = _nr_distinct(pages)
    del pages

    start = log.time_ns.min()
    duration = int(log.time_ns.max() - start)
    unit, unit_name = time_unit(duration)
    elapsed = (log.time_ns - start) / unit

    top = TOP + LOSS_LINE * bool(losses(log))
    height = top + STRIP + BOTTOM + 4.4 + 0.32 * len(panels)
    figure.set_size_inches(WIDTH, height)
    figure.set_facecolor("white")
    axes = _lay_out(figure, height, top, panels, log.page_shift)
    strip, areas = axes[0], axes[1:]
    pad = duration / unit * 0.01 or 1.0
    strip.set_xlim(-pad, duration / unit + pad)
    strip.xaxis.set_major_locator(
        MaxNLocator(11, steps=[1, 2, 5, 10], integer=unit == 1)
    )
    areas[0].set_xlabel(f"time since the first fault ({unit_name})", size=9, color=INK)

    _draw_strip(strip, log, start, duration, unit)
    binned = []
    for i, (axis, panel) in enumerate(zip(areas, panels)):
        here = np.flatnonzero(where == i)
        base = panel.first << log.page_shift
        above = (log.address[here] - np.uint64(base)).astype(np.float64)
        access = log.access[here]
        if len(here) <= MAX_MARKS * np.prod(_inches(axis)):
            _draw_marks(axis, elapsed[here], above, access)
        else:
            binned.append((axis, _count_cells(axis, elapsed[here], above, access)))
        _label_panel(axis, panel, log, here)
    _draw_cells(binned)
    _draw_title(
        figure, height, height - top - STRIP / 2, log, nr_pages, duration, binned
    )


def _nr_distinct(values: np.ndarray) -> int:
    ordered = np.sort(values)
    return int(np.count_nonzero(ordered[1:] != ordered[:-1])) + 1


def _inches(axis: Axes) -> tuple[float, float]:
    """How wide and how tall the axes are."""
    box = axis.get_position()
    wide, tall = axis.figure.get_size_inches()
    return wide * box.width, tall * box.height


def _lay_out(
    figure: Figure, height: float, top: float, panels: list[Panel], page_shift: int
) -> list[Axes]:
    """The axes: the strip's, then the panels', lowest first, sharing X."""

    def add(bottom: float, tall: float, **kwargs: object) -> Axes:
        box = LEFT / WIDTH, bottom / height, 1 - (LEFT + RIGHT) / WIDTH, tall / height
        axis = figure.add_axes(box, facecolor=GROUND, **kwargs)
        for side in ("top", "right"):
            axis.spines[side].set_visible(False)
        for side in ("bottom", "left"):
            axis.spines[side].set_color(FAINT)
        axis.grid(True, axis="x", color="white", linewidth=1.2)
        axis.set_axisbelow(True)
        axis.tick_params(color=FAINT, labelcolor=INK, labelsize=8, length=3)
        return axis

    strip = add(height - top - STRIP, STRIP)
    strip.tick_params(labelbottom=False)

    # Heights grow with the logarithm of the areas', so that none drowns another.
    weights = [np.log2(1 + panel.nr_pages) ** 2 for panel in panels]
    nr_gaps = len(panels) - 1
    room = height - top - STRIP - 0.2 - BOTTOM - nr_gaps * GAP - len(panels) * MIN_PANEL
    bottom = BOTTOM
    axes = [strip]
    for i, (panel, weight) in enumerate(zip(panels, weights)):
        tall = MIN_PANEL + room * weight / sum(weights)
        axis = add(bottom, tall, sharex=strip)
        axis.tick_params(labelbottom=i == 0, bottom=i == 0)
        axis.spines["bottom"].set_visible(i == 0)
        axis.grid(True, axis="y", color="white", linewidth=0.8)
        base, size = panel.first << page_shift, panel.nr_pages << page_shift
        edge = size * EDGE / (tall - 2 * EDGE)
        axis.set_ylim(-edge, size + edge)
        ticks = min(max(int(tall / 0.2), 1), 8)
        axis.yaxis.set_major_locator(PageLocator(base, 1 << page_shift, ticks))
        axis.yaxis.set_major_formatter(
            FuncFormatter(lambda y, _, base=base: f"{base + int(y):#x}")
        )
        for label in axis.get_yticklabels():
            label.set_family("monospace")
        if i:
            left_out = (panel.first - panels[i - 1].last - 1) << page_shift
            _draw_break(figure, height, bottom - GAP, left_out)
        bottom += tall + GAP
        axes.append(axis)
    return axes


def _draw_break(figure: Figure, height: float, bottom: float, left_out: int) -> None:
    """Mark a gap between two panels: zigzag edges, and how much is not shown."""
    rise = np.array([0.0, 0.3, 0.4, 0.6, 0.7, 1.0]) * GAP
    aside = np.array([0.0, 0.0, -0.05, 0.05, 0.0, 0.0])
    line = Line2D(
        (LEFT + aside) / WIDTH,
        (bottom + rise) / height,
        transform=figure.transFigure,
        color=FAINT,
        linewidth=0.8,
    )
    figure.add_artist(line)
    figure.text(
        (LEFT + WIDTH - RIGHT) / 2 / WIDTH,
        (bottom + GAP / 2) / height,
        f"{size_text(left_out)} not touched",
        ha="center",
        va="center_baseline",
        size=7.5,
        style="italic",
        color=FAINT,
    )


def _draw_strip(
    axis: Axes, log: Log, start: np.uint64, duration: int, unit: float
) -> None:
    """Faults over time, stacked by access."""
    width = 1
    for width in (m * 10**e for e in range(20) for m in (1, 2, 5)):
        if duration // width < STRIP_BINS:
            break
    nr_bins = duration // width + 1
    bins = ((log.time_ns - start) // np.uint64(width)).astype(np.int64)
    kinds = len(ACCESSES)
    counts = np.bincount(bins * kinds + log.access, minlength=nr_bins * kinds)
    counts = counts.reshape(nr_bins, kinds)
    left = np.arange(nr_bins) * (width / unit)
    below = np.zeros(nr_bins)
    span = width / unit if duration else axis.get_xlim()[1] / 2
    for kind in range(kinds):
        if counts[:, kind].any():
            axis.bar(
                left,
                counts[:, kind],
                span,
                bottom=below,
                align="edge" if duration else "center",
                color=COLOURS[kind],
                linewidth=0,
            )
            below += counts[:, kind]
    axis.set_ylim(0, below.max() * 1.05)
    axis.yaxis.set_major_locator(MaxNLocator(3, integer=True))
    axis.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{int(y):,}"))
    length, name = time_unit(width)
    axis.set_ylabel(f"faults per\n{width / length:g} {name}", size=8, color=INK)


def _draw_marks(axis: Axes, x: np.ndarray, y: np.ndarray, access: np.ndarray) -> None:
    """A mark a fault, in the order of time, smaller where there are many."""
    colours = np.array([matplotlib.colors.to_rgba(c) for c in COLOURS])[access]
    axis.scatter(
        x,
        y,
        s=12 if len(x) <= 100 else 6 if len(x) <= 1000 else 3,
        c=colours,
        alpha=0.8,
        linewidths=0,
        rasterized=len(x) > 1000,
        zorder=2,
    )


def _count_cells(
    axis: Axes, x: np.ndarray, y: np.ndarray, access: np.ndarray
) -> np.ndarray:
    """Faults a cell of the panel, by access: int64 of shape (rows, columns, accesses)."""
    wide, tall = _inches(axis)
    columns, rows = int(wide / CELL), max(int(tall / CELL), 1)
    kinds = len(ACCESSES)
    (left, right), (low, high) = axis.get_xlim(), axis.get_ylim()
    cell = ((y - low) * (rows / (high - low))).astype(np.int64)
    cell *= columns
    cell += ((x - left) * (columns / (right - left))).astype(np.int64)
    cell *= kinds
    cell += access
    counts = np.bincount(cell, minlength=rows * columns * kinds)
    return counts.reshape(rows, columns, kinds)


def _draw_cells(binned: list[tuple[Axes, np.ndarray]]) -> None:
    """Binned panels: the colour of a cell's most frequent access, darker for more."""
    most = max((counts.sum(axis=2).max() for _, counts in binned), default=1)
    colours = np.array([matplotlib.colors.to_rgba(c) for c in COLOURS])
    for axis, counts in binned:
        picture = colours[counts.argmax(axis=2)]
        total = counts.sum(axis=2)
        shade = np.log(np.maximum(total, 1)) / max(np.log(most), 1.0)
        picture[..., 3] = np.where(total, 0.55 + 0.45 * shade, 0.0)
        axis.imshow(
            picture,
            extent=(*axis.get_xlim(), *axis.get_ylim()),
            origin="lower",
            aspect="auto",
            interpolation="nearest",
            zorder=2,
        )


def _label_panel(axis: Axes, panel: Panel, log: Log, here: np.ndarray) -> None:
    """On the right: which regions, the size, the faults (here: their indices)."""
    counts = np.bincount(log.region[here], minlength=len(log.regions))
    names = [log.regions[i] for i in np.argsort(-counts, kind="stable") if counts[i]]
    label = region_label([name for name in names if name])
    size = size_text(panel.nr_pages << log.page_shift)
    place = {"xycoords": "axes fraction", "textcoords": "offset points"}
    place.update(xy=(1, 0.5), ha="left", annotation_clip=False)
    if label:
        axis.annotate(
            literal(label),
            xytext=(8, 6),
            va="center",
            size=9,
            weight="bold",
            color=INK,
            **place,
        )
    axis.annotate(
        f"{size}, {plural(len(here), 'fault')}",
        xytext=(8, -6 if label else 0),
        va="center",
        size=8,
        color=FAINT,
        **place,
    )


def region_label(names: list[str], width: int = 20) -> str:
    """As many of the names as fit, and how many more there are."""
    for shown in range(len(names), 0, -1):
        more = f" +{len(names) - shown}" if shown < len(names) else ""
        label = ", ".join(names[:shown])
        if len(label + more) <= width or shown == 1:
            return (label if len(label) <= width else label[: width - 1] + "…") + more
    return ""


def literal(text: str) -> str:
    """Text that matplotlib must not read as mathematics."""
    return text.replace("$", r"\$")


def _draw_title(
    figure: Figure,
    height: float,
    strip: float,
    log: Log,
    nr_pages: int,
    duration: int,
    binned: list,
) -> None:
    """Title, counts, losses, legend; at the bottom, where the log is from."""
    pids = {str(pid) for pid in np.unique(log.pid)}
    pid = log.head.get("pid") or str(log.pid[0])
    comm = log.head.get("comm")
    title = f"Page faults of {comm}, PID {pid}" if comm else f"Page faults of PID {pid}"
    others = len(pids - {pid})
    if others:
        title += f" and {others:,} other process{'es' if others > 1 else ''}"
    parts = [f"{plural(len(log), 'fault')} in {time_text(duration)}"]
    parts.append(f"on {plural(nr_pages, 'page')}")
    tids = np.unique(log.tid)
    if tids.any():
        parts.append(f"by {plural(np.count_nonzero(tids), 'thread')}")
    subtitle = " ".join(parts)
    lost = losses(log)
    if not lost and log.summary:
        subtitle += "; nothing lost"

    def text(x: float, y: float, words: str, **kwargs: object) -> None:
        figure.text(x / WIDTH, y / height, literal(words), **kwargs)

    text(LEFT, height - 0.42, title, size=15, weight="bold", color=INK)
    text(LEFT, height - 0.68, subtitle, size=10, color=INK)
    if lost:
        words = "Not complete: " + ", ".join(lost)
        text(LEFT, height - 0.91, words, size=9.5, weight="bold", color=ALARM)

    counts = np.bincount(log.access, minlength=len(ACCESSES))
    if counts[:NO_ACCESS].any():
        handles = [
            Line2D([], [], linestyle="", marker="s", markersize=6, color=COLOURS[i])
            for i in np.flatnonzero(counts)
        ]
        names = [
            f"{ACCESSES[i] or 'not told'} {counts[i]:,}" for i in np.flatnonzero(counts)
        ]
        figure.legend(
            handles,
            names,
            loc="center left",
            bbox_to_anchor=((WIDTH - RIGHT) / WIDTH, strip / height),
            borderaxespad=0.2,
            frameon=False,
            fontsize=9,
            handletextpad=0.1,
            labelcolor=INK,
        )
    notes = [
        f"{log.head['probe']} on Linux {log.head.get('kernel', '')} "
        f"{log.head.get('arch', '')}".rstrip()
        if log.head
        else ""
    ]
    if binned:
        most = max(int(c.sum(axis=2).max()) for _, c in binned)
        notes.insert(0, f"darker: more faults at one spot, up to {most:,}")
    text(LEFT, 0.14, "   ".join(filter(None, notes)), size=7.5, color=FAINT)


# ---------------------------------------------------------------------------
# The program


def save(figure: Figure, output: Path) -> None:
    """Write the picture; output is whole, or as it was."""
    kind = output.suffix[1:].lower()
    metadata = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(kind)
    part = output.with_name(f".{output.name}.{os.getpid()}")
    try:
        with open(part, "xb") as file:
            figure.savefig(file, format=kind, dpi=DPI, metadata=metadata)
        os.replace(part, output)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def has_display() -> bool:
    """Can a window be opened?"""
    if not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return False
    try:
        import matplotlib.pyplot as plt

        plt.close(plt.figure())
    except Exception:  # each toolkit has its own for a display that is not there
        return False
    return matplotlib.get_backend() in matplotlib.rcsetup.interactive_bk


def check(log: Log, name: str) -> None:
    """Say on stderr what is wrong with a log; raise if there is nothing to draw."""
    if not len(log):
        if log.summary.get("recorded") == 0:
            lost = "".join(f", {text}" for text in losses(log))
            raise PlotError(f"{name}: nothing was recorded (recorded=0{lost})")
        if log.head:
            raise PlotError(f"{name}: no fault follows the head of the log")
        raise PlotError(f"{name}: no page fault in it; is it a log of pf_probe_X?")
    if log.nr_bad:
        print(
            f"{PROG}: {name}: {plural(log.nr_bad, 'bad line')} left out, "
            f"the first is line {log.first_bad}",
            file=sys.stderr,
        )


def run(argv: Iterable[str] | None = None) -> None:
    """The program, but for what becomes of its errors."""
    parser = argparse.ArgumentParser(
        prog=PROG,
        description="Draw a log of page faults: time on X, the touched addresses on Y.",
        epilog="Without -o: a window where there is a display, else LOG with the "
        "suffix .png. The path of a written picture is printed.",
    )
    parser.add_argument(
        "log", metavar="LOG", help="what user wrote: out/pf_probe_B.log"
    )
    parser.add_argument(
        "-o", metavar="FILE", dest="output", help="picture to write: .png, .svg or .pdf"
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {VERSION}")
    args = parser.parse_args(argv)

    if args.output and Path(args.output).suffix.lower() not in SUFFIXES:
        names = f"{', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}"
        raise PlotError(f"{args.output}: a picture's name must end in {names}")
    with open(args.log, "rb", buffering=0) as file:
        log = read_log(file)
    check(log, args.log)

    matplotlib.rcdefaults()  # the same picture whatever the user's style
    warnings.filterwarnings("ignore", message="Glyph .* missing from")
    matplotlib.rcParams["svg.hashsalt"] = PROG
    if args.output or not has_display():
        output = Path(args.output or Path(args.log).with_suffix(".png"))
        if output.exists() and output.samefile(args.log):
            raise PlotError(f"{output}: the picture would replace the log; use -o")
        figure = Figure()
        draw(figure, log)
        save(figure, output)
        print(output, flush=True)
    else:
        import matplotlib.pyplot as plt

        draw(plt.figure(args.log), log)
        plt.show()


def main(argv: Iterable[str] | None = None) -> int:
    """Run; every error is one line on stderr and status 1."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    if sys.stdout:
        sys.stdout.reconfigure(errors="surrogateescape")
    try:
        run(argv)
    except PlotError as err:
        print(f"{PROG}: {err}", file=sys.stderr)
    except OSError as err:
        where = f"{err.filename}: " if err.filename else ""
        print(f"{PROG}: {where}{err.strerror or err}", file=sys.stderr)
    except MemoryError:
        print(f"{PROG}: not enough memory for this log", file=sys.stderr)
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    else:
        return 0
    return 1


if __name__ == "__main__":
    sys.exit(main())
