#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Draw a log of page faults: time on X, the touched addresses on Y.

The log is what `user` writes, or /proc/pf_probe_X itself, or a log of 2020. Every
fault becomes a mark at its time and its address. Address space that was not touched
is left out: each touched area gets a panel of its own, highest addresses on top.
What a log tells beyond that is drawn too: how each fault ended and how long it took,
the files that are mapped, the processes.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import sys
import warnings
from collections import Counter
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
    if sys.executable == "/usr/bin/python3":
        hint = ""
    else:
        hint = f", and run it by /usr/bin/python3, not {sys.executable}"
    sys.exit(
        f"{Path(__file__).name}: {err}; numpy and matplotlib are needed "
        f"(Debian: apt install python3-matplotlib{hint})"
    )

VERSION = "1.0"
PROG = Path(__file__).name  # another where it is installed
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

# How a fault ended. "" is what a log without outcomes says.
RESULTS = ("", "minor", "major", "sigbus", "sigsegv", "oom", "hwpoison", "error")
NO_RESULT, MINOR, MAJOR = range(3)  # all above MAJOR have failed
MAX_MAPS = 65535
MAX_NAME = 4096  # bytes of a mapping's name, as it is written
NO_OFFSET = (1 << 64) - 1


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


def _hashes(loads: np.ndarray, start: np.ndarray, width: np.ndarray) -> np.ndarray:
    """Hashes of the byte strings of these widths at start; uint64 of shape (n,).

    loads: uint64, the 8 bytes at each place of the text; start, width: int64 (n,).
    """
    value = width.astype(np.uint64)
    left = np.flatnonzero(width > 0)
    at = 0
    while len(left):
        part = loads[start[left] + at] & KEEP_BYTES[np.minimum(width[left] - at, 8)]
        part = (value[left] ^ part) * np.uint64(0x9FB21C651E98DF25)
        value[left] = part ^ (part >> np.uint64(29))
        at += 8
        left = left[width[left] > at]
    return value


@dataclass
class Log:
    """A log's faults, in columns of n, and what it says about the recording."""

    time_ns: np.ndarray  # uint64
    address: np.ndarray  # uint64
    pid: np.ndarray  # uint32
    tid: np.ndarray  # uint32, 0: the log doesn't say
    access: np.ndarray  # uint8, index into ACCESSES
    region: np.ndarray  # uint8, index into regions
    result: np.ndarray  # uint8, index into RESULTS
    latency_ns: np.ndarray  # uint64, 0: not said
    map: np.ndarray  # uint16, index into maps
    offset: np.ndarray  # uint64, of the page in the mapped file; NO_OFFSET: not said
    regions: list[str] = field(default_factory=lambda: [""])  # [0] "": not said
    maps: list[str] = field(default_factory=lambda: [""])  # [0] "": not said
    comms: dict[int, str] = field(default_factory=dict)  # a PID's name, the last one
    nr_births: int = 0  # "# child" lines
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

    @property
    def nr_children(self) -> int:
        """Children that were recorded along with the process; 0 where none is told."""
        return self.summary.get("children", self.nr_births)

    @property
    def has_outcomes(self) -> bool:
        """Does it say how faults ended?"""
        return bool(self.result.any())

    def comm_of(self, pid: int) -> str:
        """The last name that is told of a process."""
        if pid not in self.comms and self.head.get("pid") == str(pid):
            return self.head.get("comm", "?")
        return self.comms.get(pid, "?")


COLUMNS = {
    "time_ns": np.uint64,
    "address": np.uint64,
    "pid": np.uint32,
    "tid": np.uint32,
    "access": np.uint8,
    "region": np.uint8,
    "result": np.uint8,
    "latency_ns": np.uint64,
    "map": np.uint16,
    "offset": np.uint64,
}


class _Reader:
    """Takes blocks of whole lines, gives a Log."""

    def __init__(self) -> None:
        self.parts: dict[str, list[np.ndarray]] = {name: [] for name in COLUMNS}
        self.region_names = [""]
        self.region_codes = {_word(b""): 0}
        self.access_codes = {_word(a.encode()): i for i, a in enumerate(ACCESSES)}
        self.result_codes = {_word(r.encode()): i for i, r in enumerate(RESULTS)}
        self.map_names = {b"": 0}
        self.map_codes: dict[int, int] = {}  # by hash
        self.comms: dict[int, str] = {}
        self.nr_births = 0
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
        rows["offset"][:] = NO_OFFSET
        good = np.zeros(len(line_end), dtype=bool)
        good[line[fits]] = True
        rows["pid"][line] = pid
        rows["address"][line] = address
        rows["time_ns"][line] = time_ns

        # The key=value words, in any order; a key of no interest costs nothing here.
        line_of = np.repeat(np.arange(len(line_end)), nr_words)
        first_4 = word & KEEP_BYTES[4]
        found = np.flatnonzero(first_4 == _word(b"tid="))
        tid, is_number = _numbers(text, start[found] + 4, end[found], 10)
        is_number &= tid < 1 << 32
        rows["tid"][line_of[found]] = np.where(is_number, tid, 0)
        found = np.flatnonzero(first_4 == _word(b"map="))
        rows["map"][line_of[found]] = self._map(
            block, loads, start[found] + 4, end[found]
        )
        found = np.flatnonzero(word == _word(b"latency_"))
        found = found[loads[start[found] + 3] == _word(b"ency_ns=")]
        latency, is_number = _numbers(text, start[found] + 11, end[found], 10)
        rows["latency_ns"][line_of[found]] = np.where(is_number, latency, 0)
        found = np.flatnonzero(word & KEEP_BYTES[7] == _word(b"offset="))
        offset, is_number = _numbers(text, start[found] + 9, end[found], 16)
        is_number &= loads[start[found] + 7] & KEEP_BYTES[2] == _word(b"0x")
        rows["offset"][line_of[found]] = np.where(is_number, offset, NO_OFFSET)
        for name, code in (
            ("access", self._access),
            ("region", self._region),
            ("result", self._result),
        ):
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
        tells a time before that of the fault above. If that one has a mapping, times
        may step back, and it's by the lack of a mapping that the cut is seen.
        """
        self.feed(line + b"\n")
        times, maps = self.parts["time_ns"], self.parts["map"]
        if len(times) > 1 and len(times[-2]) and len(times[-1]):
            if maps[-2][-1]:
                is_cut = not maps[-1][0]
                maps[-1][:] = 0  # it may be cut off in the name
            else:
                is_cut = times[-1][0] < times[-2][-1]
            if is_cut:
                for parts in self.parts.values():
                    parts.pop()
                self.bad(self.nr_lines)

    def _access(self, value: np.ndarray) -> np.ndarray:
        """Words to codes of ACCESSES; one that is new to us is told as none."""
        return _codes(value, self.access_codes, NO_ACCESS)

    def _result(self, value: np.ndarray) -> np.ndarray:
        """Words to codes of RESULTS; one that is new to us is told as none."""
        return _codes(value, self.result_codes, NO_RESULT)

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

    def _map(
        self, block: bytes, loads: np.ndarray, start: np.ndarray, end: np.ndarray
    ) -> np.ndarray:
        """Mappings' names, block[start:end], to their codes; uint16 of shape (n,)."""
        width = end - start
        found, first, which = np.unique(
            _hashes(loads, start, np.where(width <= MAX_NAME, width, 0)),
            return_index=True,
            return_inverse=True,
        )
        codes = np.zeros(len(found), dtype=np.uint16)
        for i in np.argsort(first):
            value, at = int(found[i]), first[i]
            if value not in self.map_codes:
                self.map_codes[value] = self._map_code(block[start[at] : end[at]])
            codes[i] = self.map_codes[value]
        return codes[which]

    def _map_code(self, name: bytes) -> int:
        """A name's index in map_names, 0 where there's no room for it."""
        if len(name) > MAX_NAME:
            return 0
        if name not in self.map_names and len(self.map_names) <= MAX_MAPS:
            self.map_names[name] = len(self.map_names)
        return self.map_names.get(name, 0)

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
                result = keys.get(b"result", b"").decode("latin-1")
                known = result in RESULTS
                rows["result"][i] = RESULTS.index(result) if known else NO_RESULT
                latency = keys.get(b"latency_ns", b"")
                known = re.fullmatch(rb"\d{1,19}", latency)
                rows["latency_ns"][i] = int(latency) if known else 0
                rows["map"][i] = self._map_code(keys.get(b"map", b""))
                offset = keys.get(b"offset", b"")
                known = re.fullmatch(rb"0x[0-9a-fA-F]{1,16}", offset)
                rows["offset"][i] = int(offset, 16) if known else NO_OFFSET
                return
        elif OTHER_LINE.fullmatch(line):
            self._comment(line.lstrip())
            return
        self.bad(self.nr_lines + int(i) + 1)

    def _comment(self, line: bytes) -> None:
        """Of the lines about the recording, the first head and the last summary.

        And the names that processes got at birth or later.
        """
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
        elif line.startswith((b"# child ", b"# exec ")):
            pairs = _pairs(line)
            self.nr_births += line.startswith(b"# child ")
            if re.fullmatch(rb"\d{1,9}", pairs.get(b"pid", b"")):
                self.comms[int(pairs[b"pid"])] = plain(pairs.get(b"comm", b""))

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
            maps=[plain(name) for name in self.map_names],
            comms=self.comms,
            nr_births=self.nr_births,
            head=self.head,
            summary=self.summary,
            nr_bad=self.nr_bad,
            first_bad=self.first_bad,
        )


def _codes(value: np.ndarray, table: dict[int, int], other: int) -> np.ndarray:
    """Words (uint64) to the codes that the table has for them; uint8."""
    codes = np.full(len(value), other, dtype=np.uint8)
    for word, code in table.items():
        codes[value == word] = code
    return codes


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

# What stands out of the minor faults.
MAJOR_MARK = {
    "marker": "o",
    "markersize": 5.5,
    "markerfacecolor": "none",
    "markeredgecolor": INK,
    "markeredgewidth": 0.9,
}
FAILED_MARK = {
    "marker": "x",
    "markersize": 6,
    "markeredgecolor": ALARM,
    "markeredgewidth": 1.6,
}
UNSEEN = ("abandoned", "unfinished")  # counted, but not in the log

# Inches.
WIDTH, LEFT, RIGHT, TOP, BOTTOM = 12.0, 1.35, 1.95, 0.85, 0.72
LOSS_LINE, STRIP, GAP, MIN_PANEL, EDGE = 0.22, 0.95, 0.26, 0.36, 0.035
CELL = 1 / 75  # of a binned picture: 2 pixels of a PNG
DPI = 150

LANE, LATENCY = 0.17, 0.85  # heights: of a process, of the panel of latencies
NAMES = 1.3  # room for the names of mapped files, between the panels and their labels
NAME_CHARS, NAME_PITCH = 21, 0.125
MAX_SAME = 3  # a name is shown so often in a panel, or not at all
RING = 0.07  # marks of major and failed faults are at least that far apart

MAX_MARKS = 1500  # per square inch; where there are more, they are binned
STRIP_BINS = 200
MAX_LANES = 12


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


def short_time_text(time_ns: int) -> str:
    """A round duration without decimals: 1 µs, 100 ms."""
    length, name = time_unit(time_ns)
    return f"{time_ns / length:,.0f} {name}"


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
    if not log.summary and (log.head or log.tid.any()):  # one of 2020 has neither
        told.append("the log has no summary, a part may be missing")
    return told


@dataclass(frozen=True)
class Lanes:
    """Who faulted, a row each: a process, or all that run one program if many do."""

    names: list[str]  # in the order of their first faults, what is left over last
    lane: np.ndarray  # uint8 (n,), index into names


def find_lanes(log: Log, max_lanes: int = MAX_LANES) -> Lanes | None:
    """The rows of processes; None if the log is of one process, or not of children."""
    if not log.nr_children:
        return None
    pids, which = np.unique(log.pid, return_inverse=True)
    if len(pids) < 2:
        return None
    comms = [log.comm_of(pid) for pid in pids.tolist()]
    if len(pids) <= max_lanes:
        names = [f"{comm} {pid}" for comm, pid in zip(comms, pids)]
    else:
        many = {comm: n for comm, n in Counter(comms).items() if n > 1}
        names = [f"{c} \u00d7{many[c]:,}" if c in many else c for c in comms]
    titles, lane_of_pid = np.unique(names, return_inverse=True)
    lane = lane_of_pid[which]
    first = np.full(len(titles), np.iinfo(np.uint64).max, dtype=np.uint64)
    np.minimum.at(first, lane, log.time_ns)
    shown = np.arange(len(titles))
    if len(titles) > max_lanes:
        shown = np.argsort(-np.bincount(lane), kind="stable")[: max_lanes - 1]
    shown = shown[np.argsort(first[shown], kind="stable")]
    row = np.full(len(titles), len(shown))
    row[shown] = np.arange(len(shown))
    rows = titles[shown].tolist()
    nr_others = np.count_nonzero(row[lane_of_pid] == len(shown))
    if nr_others:
        rows.append(f"{nr_others:,} others")
    return Lanes(rows, row[lane].astype(np.uint8))


def _nr_pages(log: Log, pages: np.ndarray) -> int:
    """How many pages were touched; each process counts its own."""
    if not log.nr_children:
        return _nr_distinct(pages)
    order = np.lexsort((pages, log.pid))
    page, pid = pages[order], log.pid[order]
    return int(np.count_nonzero((np.diff(page) != 0) | (np.diff(pid) != 0))) + 1


def draw(figure: Figure, log: Log) -> None:
    """Draw a log that has at least one fault, and set the figure's size."""
    shift = np.uint64(log.page_shift)
    pages = log.address >> shift
    panels = find_panels(pages)
    where = panel_of(pages, panels)
    nr_pages = _nr_pages(log, pages)
    del pages
    lanes = find_lanes(log)
    files = np.array(["/" in name for name in log.maps])
    aside = NAMES * bool(files[log.map].any())

    start = log.time_ns.min()
    duration = int(log.time_ns.max() - start)
    unit, unit_name = time_unit(duration)
    elapsed = (log.time_ns - start) / unit

    page = _Page(
        figure,
        top=TOP + LOSS_LINE * bool(losses(log)),
        aside=aside,
        nr_lanes=len(lanes.names) if lanes else 0,
        has_latency=log.has_outcomes,
        panels=panels,
        page_shift=log.page_shift,
    )
    strip = page.strip
    pad = duration / unit * 0.01 or 1.0
    strip.set_xlim(-pad, duration / unit + pad)
    strip.xaxis.set_major_locator(
        MaxNLocator(11, steps=[1, 2, 5, 10], integer=unit == 1)
    )
    page.lowest.set_xlabel(
        f"time since the first fault ({unit_name})", size=9, color=INK
    )

    _draw_strip(strip, log, start, duration, unit)
    order = None
    if log.has_outcomes:  # then the log is in the order in which faults ended
        order = np.argsort(log.time_ns, kind="stable")
        where = where[order]
    binned, shared, cells = [], False, bool(lanes)
    for i, (axis, panel) in enumerate(zip(page.areas, panels)):
        here = np.flatnonzero(where == i)
        if order is not None:
            here = order[here]
        base = panel.first << log.page_shift
        above = (log.address[here] - np.uint64(base)).astype(np.float64)
        access = log.access[here]
        if len(here) <= MAX_MARKS * np.prod(_inches(axis)):
            _draw_marks(axis, elapsed[here], above, access)
        else:
            binned.append((axis, _count_cells(axis, elapsed[here], above, access)))
        shared |= _draw_rings(axis, elapsed[here], above, log.result[here])
        _label_panel(axis, panel, log, here, aside)
        if aside:
            _name_files(axis, log, here, above, files)
    _draw_cells(binned)
    if lanes:
        _draw_lanes(page.lanes, log, lanes, elapsed, aside)
    if log.has_outcomes:
        cells |= _draw_latencies(page.latency, log, order, elapsed, aside)
    notes = []
    if binned or cells:
        notes.append("a spot has the colour of its most frequent access")
        notes.append("darker: more faults at one spot")
    if binned:
        most = max(int(counts.sum(axis=2).max()) for _, counts in binned)
        notes[-1] += f", up to {most:,} by address"
    if shared:
        such = (("ring", log.result == MAJOR), ("cross", log.result > MAJOR))
        marks = [name for name, where in such if where.any()]
        notes.append(f"a {' or '.join(marks)} may stand for several faults")
    _draw_title(page, log, nr_pages, duration, notes)


def _nr_distinct(values: np.ndarray) -> int:
    ordered = np.sort(values)
    return int(np.count_nonzero(ordered[1:] != ordered[:-1])) + 1


def _inches(axis: Axes) -> tuple[float, float]:
    """How wide and how tall the axes are."""
    box = axis.get_position()
    wide, tall = axis.figure.get_size_inches()
    return wide * box.width, tall * box.height


class _Page:
    """The axes, sharing X, from the top: strip, lanes, areas (lowest first), latency."""

    def __init__(
        self,
        figure: Figure,
        top: float,  # inches, as aside
        aside: float,
        nr_lanes: int,
        has_latency: bool,
        panels: list[Panel],
        page_shift: int,
    ) -> None:
        self.figure = figure
        self.width, self.right = WIDTH + aside, RIGHT + aside
        head = top + STRIP + (nr_lanes * LANE + GAP if nr_lanes else 0)
        foot = BOTTOM + (LATENCY + GAP if has_latency else 0)
        self.height = height = head + foot + 4.4 + 0.32 * len(panels)
        figure.set_size_inches(self.width, height)
        figure.set_facecolor("white")
        self.strip_middle = height - top - STRIP / 2
        self.strip = self._add(height - top - STRIP, STRIP)
        self.areas = self._add_areas(panels, page_shift, foot, height - head - 0.2)
        self.lanes = self.latency = None
        if nr_lanes:
            self.lanes = self._add(height - head, nr_lanes * LANE, sharex=self.strip)
        if has_latency:
            self.latency = self._add(BOTTOM, LATENCY, sharex=self.strip)
        self.lowest = self.latency or self.areas[0]
        for axis in figure.axes:
            axis.tick_params(labelbottom=axis is self.lowest)

    def _add(self, bottom: float, tall: float, **kwargs: object) -> Axes:
        width, height = self.width, self.height
        wide = 1 - (LEFT + self.right) / width
        box = LEFT / width, bottom / height, wide, tall / height
        axis = self.figure.add_axes(box, facecolor=GROUND, **kwargs)
        for side in ("top", "right"):
            axis.spines[side].set_visible(False)
        for side in ("bottom", "left"):
            axis.spines[side].set_color(FAINT)
        axis.grid(True, axis="x", color="white", linewidth=1.2)
        axis.set_axisbelow(True)
        axis.tick_params(color=FAINT, labelcolor=INK, labelsize=8, length=3)
        return axis

    def _add_areas(
        self, panels: list[Panel], page_shift: int, bottom: float, top: float
    ) -> list[Axes]:
        """The areas' axes, in the room from bottom to top (inches)."""
        # Heights grow with the logarithm of the areas', so that none drowns another.
        weights = [np.log2(1 + panel.nr_pages) ** 2 for panel in panels]
        room = top - bottom - (len(panels) - 1) * GAP - len(panels) * MIN_PANEL
        axes = []
        for i, (panel, weight) in enumerate(zip(panels, weights)):
            tall = MIN_PANEL + room * weight / sum(weights)
            axis = self._add(bottom, tall, sharex=self.strip)
            axis.tick_params(bottom=i == 0)
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
                _draw_break(self, bottom - GAP, left_out)
            bottom += tall + GAP
            axes.append(axis)
        return axes


def _draw_break(page: _Page, bottom: float, left_out: int) -> None:
    """Mark a gap between two panels: zigzag edges, and how much is not shown."""
    rise = np.array([0.0, 0.3, 0.4, 0.6, 0.7, 1.0]) * GAP
    aside = np.array([0.0, 0.0, -0.05, 0.05, 0.0, 0.0])
    line = Line2D(
        (LEFT + aside) / page.width,
        (bottom + rise) / page.height,
        transform=page.figure.transFigure,
        color=FAINT,
        linewidth=0.8,
    )
    page.figure.add_artist(line)
    page.figure.text(
        (LEFT + page.width - page.right) / 2 / page.width,
        (bottom + GAP / 2) / page.height,
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


def _draw_rings(axis: Axes, x: np.ndarray, y: np.ndarray, result: np.ndarray) -> bool:
    """Marks around major faults and on failed ones; True if one stands for several."""
    shared = False
    wide, tall = _inches(axis)
    (left, right), (low, high) = axis.get_xlim(), axis.get_ylim()
    for is_such, style in (
        (result == MAJOR, MAJOR_MARK),
        (result > MAJOR, FAILED_MARK),
    ):
        such = np.flatnonzero(is_such)
        spot = ((y[such] - low) * (tall / RING / (high - low))).astype(np.int64) << 32
        spot += ((x[such] - left) * (wide / RING / (right - left))).astype(np.int64)
        places = np.unique(spot, return_index=True)[1]
        shared |= len(places) < len(such)
        such = such[places]
        if len(such):
            style = style | {"markersize": 5.5 if len(such) <= 100 else 4}
            axis.plot(x[such], y[such], linestyle="", zorder=3, clip_on=False, **style)
    return shared


def _count_cells(
    axis: Axes, x: np.ndarray, y: np.ndarray, access: np.ndarray, rows: int = 0
) -> np.ndarray:
    """Faults a cell of the panel, by access: int64 of shape (rows, columns, accesses)."""
    wide, tall = _inches(axis)
    columns, rows = int(wide / CELL), rows or max(int(tall / CELL), 1)
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


def _draw_lanes(
    axis: Axes, log: Log, lanes: Lanes, elapsed: np.ndarray, aside: float
) -> None:
    """A row a process: its faults over time, and on the right how many there are."""
    nr_lanes = len(lanes.names)
    axis.set_ylim(0, nr_lanes)
    row = nr_lanes - 1 - lanes.lane.astype(np.float64) + 0.5  # the first one on top
    _draw_cells([(axis, _count_cells(axis, elapsed, row, log.access, nr_lanes))])
    for y in range(1, nr_lanes):
        axis.axhline(y, color="white", linewidth=1.5, zorder=3)
    axis.set_yticks(np.arange(nr_lanes) + 0.5)
    names = [literal(lane_label(name)) for name in reversed(lanes.names)]
    axis.set_yticklabels(names, size=7.5)
    axis.tick_params(axis="y", length=0)
    axis.tick_params(axis="x", bottom=False)
    axis.spines["bottom"].set_visible(False)
    counts = np.bincount(lanes.lane, minlength=nr_lanes)
    spent = np.bincount(lanes.lane, log.latency_ns, nr_lanes)
    for i, count in enumerate(counts):
        words = plural(count, "fault")
        if log.has_outcomes:
            words += f", {time_text(spent[i])}"
        _note(axis, words, aside, (1 - (i + 0.5) / nr_lanes), size=7.5, color=FAINT)


def _draw_latencies(
    axis: Axes, log: Log, order: np.ndarray, elapsed: np.ndarray, aside: float
) -> bool:
    """How long faults took, on a logarithmic scale; True if they had to be binned."""
    order = order[log.result[order] != NO_RESULT]
    latency = log.latency_ns[order]
    height = np.log10(np.maximum(latency, 1))
    low, high = np.floor(height.min()), np.ceil(height.max())
    high = max(high, low + 1)
    edge = (high - low) * EDGE / (LATENCY - 2 * EDGE)
    axis.set_ylim(low - edge, high + edge)
    axis.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    axis.yaxis.set_major_formatter(
        FuncFormatter(lambda y, _: short_time_text(round(10**y)))
    )
    axis.grid(True, axis="y", color="white", linewidth=0.8)
    x, access = elapsed[order], log.access[order]
    binned = len(order) > MAX_MARKS * np.prod(_inches(axis))
    if binned:
        _draw_cells([(axis, _count_cells(axis, x, height, access))])
    else:
        _draw_marks(axis, x, height, access)
    _draw_rings(axis, x, height, log.result[order])
    _note(axis, "time a fault took", aside, 0.5, 6, size=9, weight="bold", color=INK)
    words = f"median {time_text(np.median(latency))}, max {time_text(latency.max())}"
    _note(axis, words, aside, 0.5, -6, size=8, color=FAINT)
    return binned


def _name_files(
    axis: Axes, log: Log, here: np.ndarray, above: np.ndarray, files: np.ndarray
) -> None:
    """Beside the panel, where a mapped file was touched: its name, if there is room.

    here: indices of the panel's faults; above: their addresses, from the panel's first;
    files: of which of log.maps there is a name. Those with most faults come first.
    """
    known = np.flatnonzero(files[log.map[here]])
    if not len(known):
        return
    here, above = here[known], above[known]
    # Where the file would begin in memory: one for all parts of a library.
    page = log.address[here] >> np.uint64(log.page_shift) << np.uint64(log.page_shift)
    begin = page - log.offset[here]
    begin[log.offset[here] == NO_OFFSET] = 0
    order = np.lexsort((begin, log.map[here]))
    begin, number, above = begin[order], log.map[here][order], above[order]
    change = (begin[1:] != begin[:-1]) | (number[1:] != number[:-1])
    first = np.concatenate(([0], np.flatnonzero(change) + 1))
    counts = np.diff(first, append=len(order))
    names = [file_label(log.maps[i]) for i in number[first].tolist()]
    places = Counter(names)
    lows = np.minimum.reduceat(above, first)
    highs = np.maximum.reduceat(above, first)

    low, high = axis.get_ylim()
    per_inch = (high - low) / _inches(axis)[1]
    taken: list[float] = []
    for i in np.argsort(-counts, kind="stable"):
        middle = (lows[i] + highs[i]) / 2
        if places[names[i]] > MAX_SAME:
            continue
        if any(abs(middle - other) < NAME_PITCH * per_inch for other in taken):
            continue
        taken.append(middle)
        half = max(highs[i] - lows[i], 0.05 * per_inch) / 2
        axis.add_line(
            Line2D(
                [1.005, 1.005],
                [middle - half, middle + half],
                transform=axis.get_yaxis_transform(),
                clip_on=False,
                color=FAINT,
                linewidth=1.5,
                solid_capstyle="butt",
            )
        )
        _note(axis, names[i], -0.02, (middle - low) / (high - low), size=7, color=FAINT)


def lane_label(name: str, width: int = 20) -> str:
    """A row's name, short enough for its place; its number stays whole."""
    comm, blank, number = name.rpartition(" ")
    room = width - len(blank + number)
    return name if len(comm) <= room else comm[: room - 1] + "…" + blank + number


def file_label(path: str) -> str:
    """A file's name without its folder, short enough for its place."""
    name = path.removesuffix(" (deleted)").rsplit("/", 1)[1]
    return name if len(name) <= NAME_CHARS else name[: NAME_CHARS - 1] + "…"


def _note(
    axis: Axes, words: str, aside: float, y: float, up: float = 0, **kwargs: object
) -> None:
    """Words on the right, aside by inches, y: in parts of the height, up: in points."""
    axis.annotate(
        literal(words),
        (1, y),
        xytext=(8 + 72 * aside, up),
        xycoords="axes fraction",
        textcoords="offset points",
        ha="left",
        va="center",
        annotation_clip=False,
        **kwargs,
    )


def _label_panel(
    axis: Axes, panel: Panel, log: Log, here: np.ndarray, aside: float
) -> None:
    """On the right: which regions, the size, the faults (here: their indices)."""
    counts = np.bincount(log.region[here], minlength=len(log.regions))
    names = [log.regions[i] for i in np.argsort(-counts, kind="stable") if counts[i]]
    label = region_label([name for name in names if name])
    size = size_text(panel.nr_pages << log.page_shift)
    lines = [f"{size}, {plural(len(here), 'fault')}"]
    if log.has_outcomes:
        lines.append(outcome_text(log, here))
    middle = 6 * len(lines) if label else 6 * (len(lines) - 1)
    if label:
        _note(axis, label, aside, 0.5, middle, size=9, weight="bold", color=INK)
    for i, line in enumerate(lines):
        up = middle - 12 * (i + bool(label))
        _note(axis, line, aside, 0.5, up, size=8, color=FAINT)


def outcome_text(log: Log, here: np.ndarray) -> str:
    """How long these faults took, and how many of them were not minor."""
    words = [time_text(int(log.latency_ns[here].sum()))]
    nr_major = np.count_nonzero(log.result[here] == MAJOR)
    nr_failed = np.count_nonzero(log.result[here] > MAJOR)
    if nr_major:
        words.append(f"{nr_major:,} major")
    if nr_failed:
        words.append(f"{nr_failed:,} failed")
    return ", ".join(words)


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
    page: _Page, log: Log, nr_pages: int, duration: int, notes: list[str]
) -> None:
    """Title, counts, losses, legend; at the bottom, notes and where the log is from."""
    pids = {str(pid) for pid in np.unique(log.pid)}
    pid = log.head.get("pid") or str(log.pid[0])
    comm = log.head.get("comm")
    title = f"Page faults of {comm}, PID {pid}" if comm else f"Page faults of PID {pid}"
    others = len(pids - {pid})
    if log.nr_children:
        title += f" and {log.nr_children:,} child{'ren' if log.nr_children > 1 else ''}"
    elif others:
        title += f" and {others:,} other process{'es' if others > 1 else ''}"
    results = np.bincount(log.result, minlength=len(RESULTS))
    nr_failed = int(results[MAJOR + 1 :].sum())
    faults = plural(len(log), "fault")
    if log.has_outcomes:
        faults += f" ({results[MINOR]:,} minor, {results[MAJOR]:,} major"
        faults += f", {nr_failed:,} failed)" if nr_failed else ")"
    parts = [f"{faults} in {time_text(duration)}"]
    parts.append(f"on {plural(nr_pages, 'page')}")
    tids = np.unique(log.tid)
    if tids.any():
        parts.append(f"by {plural(np.count_nonzero(tids), 'thread')}")
    subtitle = " ".join(parts)
    if log.has_outcomes:
        subtitle += f", taking {time_text(int(log.latency_ns.sum()))} in all"
    lost = losses(log)
    if not lost and log.summary:
        subtitle += "; nothing lost"

    def text(x: float, y: float, words: str, **kwargs: object) -> None:
        page.figure.text(x / page.width, y / height, literal(words), **kwargs)

    height = page.height
    text(LEFT, height - 0.42, title, size=15, weight="bold", color=INK)
    text(LEFT, height - 0.68, subtitle, size=10, color=INK)
    if lost:
        words = "Not complete: " + ", ".join(lost)
        text(LEFT, height - 0.91, words, size=9.5, weight="bold", color=ALARM)

    counts = np.bincount(log.access, minlength=len(ACCESSES))
    entries = []
    if counts[:NO_ACCESS].any():
        entries = [
            (
                {"marker": "s", "markersize": 6, "color": COLOURS[i]},
                f"{ACCESSES[i] or 'not told'} {counts[i]:,}",
            )
            for i in np.flatnonzero(counts)
        ]
    if results[MAJOR]:
        entries.append((MAJOR_MARK, f"major {results[MAJOR]:,}"))
    if nr_failed:
        entries.append((FAILED_MARK, f"failed {nr_failed:,}"))
    if entries:
        page.figure.legend(
            [Line2D([], [], linestyle="", **style) for style, _ in entries],
            [words for _, words in entries],
            loc="center left",
            bbox_to_anchor=(1 - page.right / page.width, page.strip_middle / height),
            borderaxespad=0.2,
            frameon=False,
            fontsize=9,
            handletextpad=0.1,
            labelcolor=INK,
        )
    if log.head:
        words = f"{log.head['probe']} on Linux {log.head.get('kernel', '')} "
        notes.insert(0, (words + log.head.get("arch", "")).rstrip())
    unseen = [f"{log.summary[k]:,} {k}" for k in UNSEEN if log.summary.get(k)]
    if unseen:
        notes.append("faults without an outcome, not shown: " + ", ".join(unseen))
    text(LEFT, 0.14, "   ".join(notes), size=7.5, color=FAINT)


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
    except BaseException as err:
        part.unlink(missing_ok=True)
        if isinstance(err, OSError):
            err.filename = str(output)
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
    matplotlib.rcParams["svg.hashsalt"] = "pf_probe"
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
