# SPDX-License-Identifier: GPL-2.0-or-later
"""A log's text to columns.

A log of a million faults has 150 MB of text, so no Python statement runs once a fault.
A block of lines is split into words (numpy finds where they begin and end), each word's
first 8 bytes become one integer, and whole columns of words are compared and converted
at once. The rule itself is the tables LINE and COLUMNS of log.py. Lines about the
recording, some thousand at the most, are read one by one.
"""

from __future__ import annotations

import os
import re
from typing import BinaryIO, Iterable

import numpy as np

from .log import ALWAYS, COLUMNS, DECIMAL, HEXADECIMAL, LINE, OTHER, WORD
from .log import Column, Event, Log, Oddities
from .words import plain, unescaped

BLOCK_BYTES = 1 << 20
LINE_BYTES = 1 << 20  # no line is longer; what follows in one that is, is not looked at
MAX_NAME = 4096  # bytes of a name, as it is written; a longer one is not told
PAD = b" " * 16  # words are loaded 8 bytes at a time, past the end of the last one too
END = b"\n" + PAD  # of a block
OTHER_LINE = re.compile(rb"\s*(?:\d+::\s*)?(?:EXIT_CODE\s*|#.*)?", re.DOTALL)
OPTIONAL = ("kind", "offset")  # a line may lack them though its neighbours have them
# What more than so many of the lines have, a line without it has lost; without a head it
# may be of several logs.
CUT_SHARE, CUT_SHARE_NO_HEAD = 0.5, 0.9
LONGEST_NS = 366 * 86400 * 10**9  # no recording is longer

KEEP_BYTES = np.array([(1 << 8 * n) - 1 for n in range(9)], dtype=np.uint64)

# Numbers are read 8 digits at a time, as the bytes of a word: these have one value in each.
EACH_1, EACH_6, EACH_9, EACH_F = (
    np.uint64(n * 0x0101010101010101) for n in (1, 6, 9, 15)
)
EACH_80, EACH_ZERO = EACH_1 << np.uint64(7), EACH_1 * np.uint64(ord("0"))
MASKS = [np.uint64(m) for m in (0x00FF00FF00FF00FF, 0x0000FFFF0000FFFF, 0xFFFFFFFF)]
# Times that, the first n bytes of a word are its last ones, zeros before them.
TO_END = np.array([0, *(1 << 8 * (8 - n) for n in range(1, 9))], dtype=np.uint64)
MAX_DIGITS = {DECIMAL: 20, HEXADECIMAL: 16}  # of 64 bits
TOP_DIGITS, TOP_REST = divmod(1 << 64, 10**16)


def _word(text: bytes) -> int:
    """The first 8 bytes of text, as the little-endian integer that a load gives."""
    return int.from_bytes(text[:8].ljust(8, b"\0"), "little")


def _joined(digits: np.ndarray, base: int) -> np.ndarray:
    """The number of 8 digits, a byte each, the first one first; (n,) to (n,)."""
    value = digits
    for i, mask in enumerate(MASKS):
        below = value >> np.uint64(8 << i)
        value = value * np.uint64(base ** (1 << i))
        value += below
        value &= mask
    return value


def _decimal(text: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The numbers of 8 digits, each less b"0", and which of them are some; (n,) to (n,)."""
    bad = text + (EACH_80 - EACH_9 - EACH_1)
    bad |= text
    bad &= EACH_80
    return _joined(text, 10), bad == 0


def _hexadecimal(text: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """As _decimal(); of letters, which are 0x51 to 0x56 or 0x71 to 0x76 now, too."""
    is_letter = text >> np.uint64(6) & EACH_1
    digits = text & EACH_F
    digits += is_letter * np.uint64(9)
    is_ten = digits + EACH_6 >> np.uint64(4)  # or more
    bad = (text >> np.uint64(4) ^ is_letter) | (is_ten ^ is_letter)
    bad |= text >> np.uint64(5) & ~is_letter
    bad |= text >> np.uint64(7)
    bad |= digits >> np.uint64(4)
    bad &= EACH_1
    return _joined(digits, 16), bad == 0


class _Block:
    """Whole lines of text, cut into words. All arrays of places are int64."""

    def __init__(self, block: bytes) -> None:
        """block: it ends with END."""
        self.bytes = block
        self.text = text = np.frombuffer(block, dtype=np.uint8)
        self.loads = np.ndarray(len(text) - 7, dtype="<u8", buffer=text, strides=1)
        blank = text <= 32  # other control characters are no matter: NUL is looked for
        edges = np.flatnonzero(blank[1:] != blank[:-1])
        edges += 1
        if not blank[0]:
            edges = np.concatenate(([0], edges))
        # Of words; none spans lines.
        self.start, self.end = edges[0::2].copy(), edges[1::2].copy()
        self.word = (
            self.loads[self.start] & KEEP_BYTES[np.minimum(self.end - self.start, 8)]
        )
        self.line_end = np.flatnonzero(text == 10)
        last = np.searchsorted(self.start, self.line_end)
        self.nr_words = np.diff(last, prepend=0)
        self.first_word = last - self.nr_words
        self.line_of_word = np.repeat(np.arange(len(self.line_end)), self.nr_words)

    def line(self, i: int) -> bytes:
        """The text of line i, without its newline."""
        begin = int(self.line_end[i - 1]) + 1 if i else 0
        return self.bytes[begin : self.line_end[i]]

    def with_byte(self, value: int) -> np.ndarray:
        """The lines that have this byte; indices."""
        places = np.flatnonzero(self.text == value)
        return np.unique(np.searchsorted(self.line_end, places))

    def starting(self, prefixes: _Prefixes) -> list[np.ndarray]:
        """For each prefix the words that start with it; indices."""
        kind = prefixes.kind_of_hash[prefixes.hashes(self.word)]
        order = np.argsort(kind, kind="stable")
        ends = np.cumsum(np.bincount(kind, minlength=len(prefixes.texts) + 1))
        return [
            self._those_with(text, order[ends[i] : ends[i + 1]])
            for i, text in enumerate(prefixes.texts)
        ]

    def _those_with(self, prefix: bytes, found: np.ndarray) -> np.ndarray:
        """Of these words, those that start with prefix, of 3 to 16 bytes; indices."""
        word = self.word[found]
        fits = (word & KEEP_BYTES[min(len(prefix), 8)]) == _word(prefix)
        if len(prefix) > 8:
            start = self.start[found]
            fits &= self.end[found] - start >= len(prefix)
            fits &= self.loads[start + (len(prefix) - 8)] == _word(prefix[-8:])
        return found if fits.all() else found[fits]

    def numbers(
        self, start: np.ndarray, end: np.ndarray, form: str
    ) -> tuple[np.ndarray, np.ndarray]:
        """The numbers text[start:end], and which of them are numbers and fit in 64 bits.

        start, end: shape (n,). Returns uint64 (n,) and bool (n,).
        """
        value = np.zeros(len(start), dtype=np.uint64)
        fits = np.ones(len(start), dtype=bool)
        if form == HEXADECIMAL:
            fits = self.loads[start] & KEEP_BYTES[2] == _word(b"0x")
            start = start + 2
        width = end - start
        fits &= (width > 0) & (width <= MAX_DIGITS[form])
        if not fits.any():
            return value, fits
        read, step = (_decimal, 10**8) if form == DECIMAL else (_hexadecimal, 1 << 32)
        above_16 = None
        longest = int(width[fits].max())
        for left in range((longest - 1) // 8 * 8, -1, -8):
            # The 8 digits with so many to their right; there may be fewer.
            nr_digits = np.minimum(np.maximum(width - left, 0), 8)
            text = self.loads[np.maximum(end - (left + 8), start)] ^ EACH_ZERO
            text *= TO_END[nr_digits]
            digits, are_digits = read(text)
            fits &= are_digits
            if left == 16:
                above_16 = digits
            else:
                value *= np.uint64(step)
                value += digits
        if above_16 is not None:
            at_top = (above_16 == TOP_DIGITS) & (value < np.uint64(TOP_REST))
            fits &= (above_16 < TOP_DIGITS) | at_top
            value += above_16 * np.uint64(10**16)
        return value, fits

    def hashes(
        self, start: np.ndarray, end: np.ndarray, secrets: np.ndarray
    ) -> np.ndarray:
        """Hashes of the byte strings text[start:end]; secrets: of _mixed(); uint64 (n,).

        Of strings of up to 8 bytes each has a hash of its own.
        """
        width = end - start
        value = width.astype(np.uint64)
        part = self.loads[start] & KEEP_BYTES[np.minimum(width, 8)]
        value = _mixed(value ^ part, secrets)
        at = 8
        left = np.flatnonzero(width > at)
        while len(left):
            part = self.loads[start[left] + at]
            part &= KEEP_BYTES[np.minimum(width[left] - at, 8)]
            value[left] = _mixed(value[left] ^ part, secrets)
            at += 8
            left = left[width[left] > at]
        return value


def _mixed(value: np.ndarray, secrets: np.ndarray) -> np.ndarray:
    """Each of its bits spread over most, by two odd numbers; changes value.

    What becomes of a difference must not be known: one multiplication alone leaves one
    in the highest bit as it is, whatever the number.
    """
    value *= secrets[0]
    value ^= value >> np.uint64(32)
    value *= secrets[1]
    value ^= value >> np.uint64(29)
    return value


class _Prefixes:
    """What words can begin with, told apart by a hash of their first 3 bytes."""

    HEAD, BITS = 3, 8

    def __init__(self, texts: list[bytes]) -> None:
        """texts: of 3 to 16 bytes each, of which the first 3 differ."""
        self.texts = texts
        heads = np.array([_word(text[: self.HEAD]) for text in texts], dtype=np.uint64)
        for factor in range(0x9E3779B97F4A7C15, 0, -2):  # soon one will do
            self.factor = np.uint64(factor)
            places = self.hashes(heads)
            if len(set(places.tolist())) == len(texts):
                break
        self.kind_of_hash = np.zeros(1 << self.BITS, dtype=np.uint8)
        self.kind_of_hash[places] = np.arange(1, len(texts) + 1)

    def hashes(self, word: np.ndarray) -> np.ndarray:
        """A hash of the first bytes of each word; uint64 (n,) to int64 (n,)."""
        value = word & KEEP_BYTES[self.HEAD]
        value *= self.factor
        value >>= np.uint64(64 - self.BITS)
        return value.view(np.int64)


class _Names:
    """The words that a column has had so far, and their codes."""

    SLOT_BITS = 13

    def __init__(self, column: Column) -> None:
        # Who chooses the names must not be able to choose two of one hash.
        self.secrets = np.frombuffer(os.urandom(16), dtype=np.uint64) | np.uint64(1)
        self.max_names = column.max_names
        self.codes: dict[bytes, int] = {}
        self.code_of_hash: dict[int, int] = {}
        # Where the hash's first bits are its own, code_at that has its code.
        self.hash_at = np.ones(1 << self.SLOT_BITS, dtype=np.uint64)
        self.hash_at[0] = 1 << 63  # as of none: these are of other slots
        self.code_at = np.zeros(1 << self.SLOT_BITS, dtype=np.uint16)
        for name in column.words:
            self.codes[name.encode()] = len(self.codes)

    def find(self, block: _Block, start: np.ndarray, end: np.ndarray) -> np.ndarray:
        """The codes of block.text[start:end], which get one if they are new; (n,)."""
        too_long = end - start > MAX_NAME
        value = block.hashes(start, np.where(too_long, start, end), self.secrets)
        slot = (value >> np.uint64(64 - self.SLOT_BITS)).view(np.int64)
        codes = self.code_at[slot]
        is_known = self.hash_at[slot] == value
        if is_known.all():
            return codes
        left = np.flatnonzero(~is_known)
        found, first, which = np.unique(
            value[left], return_index=True, return_inverse=True
        )
        code_of = np.zeros(len(found), dtype=np.uint16)
        for i in np.argsort(first):
            new, at = int(found[i]), left[first[i]]
            if new not in self.code_of_hash:
                name = b"" if too_long[at] else block.bytes[start[at] : end[at]]
                self.code_of_hash[new] = self._code(name)
                self.hash_at[slot[at]] = new
                self.code_at[slot[at]] = self.code_of_hash[new]
            code_of[i] = self.code_of_hash[new]
        codes[left] = code_of[which]
        return codes

    def _code(self, name: bytes) -> int:
        if name not in self.codes:
            if len(self.codes) >= self.max_names - 1:
                name = OTHER.encode()
            self.codes.setdefault(name, len(self.codes))
        return self.codes[name]

    def texts(self) -> list[str]:
        """The names, by code."""
        return [plain(name) if name != OTHER.encode() else OTHER for name in self.codes]

    def raw(self) -> list[bytes]:
        """The names as they are, by code: with whatever bytes."""
        return [unescaped(name) for name in self.codes]


class Reader:
    """Takes blocks of whole lines, gives a Log."""

    def __init__(self, columns: Iterable[str]) -> None:
        self.columns = [c for c in COLUMNS.values() if c.name in {*columns, *ALWAYS}]
        self.keys = [column for column in self.columns if column.name not in LINE]
        self.parts: dict[str, list[np.ndarray]] = {c.name: [] for c in self.columns}
        self.lines: list[np.ndarray] = []  # each fault's line number, while it matters
        self.prefixes = _Prefixes([c.name.encode() + b"=" for c in self.keys])
        self.names = {c.name: _Names(c) for c in self.keys if c.form == WORD}
        self.events: list[Event] = []
        self.head: dict[str, str] = {}
        self.summary: dict[str, int | str] = {}
        self.nr_lines = self.nr_bad = self.first_bad = self.nr_cut = self.nr_nul = 0
        self.nr_heads = self.nr_repeated = self.nr_skipped = 0
        self.next_counter = 0

    def feed(self, text: bytes) -> None:
        """Parse text, whose lines are whole and which ends with END."""
        block = _Block(text)
        nr_lines = len(block.line_end)
        lines, rows, counter = self._fixed(block)
        good = np.zeros(nr_lines, dtype=bool)
        good[lines] = True
        empty = block.nr_words == 0
        if b"\0" in text:  # two words may differ in nothing but NUL bytes
            with_nul = block.with_byte(0)
            self.nr_nul += len(with_nul)
            keep = ~np.isin(lines, with_nul)
            lines, counter = lines[keep], counter[keep]
            rows = {name: row[keep] for name, row in rows.items()}
            good[with_nul] = empty[with_nul] = False
        row_of_line = np.cumsum(good) - 1
        for column, found in zip(self.keys, block.starting(self.prefixes)):
            rows[column.name] = self._key(block, column, found, good, row_of_line)
        for i in np.flatnonzero(~good & ~empty):
            self._other_line(block.line(i), self.nr_lines + int(i) + 1)
        self._follow(rows, counter)
        for name, parts in self.parts.items():
            parts.append(rows[name])
        self.lines.append(lines + (self.nr_lines + 1))
        self.nr_lines += nr_lines

    def _fixed(
        self, block: _Block
    ) -> tuple[np.ndarray, dict[str, np.ndarray], np.ndarray]:
        """The lines that begin as LINE tells, behind a counter or without one.

        Returns their indices, the columns of LINE, and the counters; -1: there is none.
        """
        word, start, end = block.word, block.start, block.end
        line = np.flatnonzero(block.nr_words >= len(LINE))
        at = block.first_word[line]
        counter = np.full(len(line), -1, dtype=np.int64)
        has_counter = word[at] != _word(LINE[0].encode())
        if has_counter.any():
            before = at[has_counter]
            number, fits = block.numbers(start[before], end[before] - 2, DECIMAL)
            fits &= block.loads[end[before] - 2] & KEEP_BYTES[2] == _word(b"::")
            fits &= block.nr_words[line[has_counter]] > len(LINE)
            counter[has_counter] = number.astype(np.int64)
            at += has_counter
            if not fits.all():
                keep = ~has_counter
                keep[has_counter] = fits
                line, at, counter = line[keep], at[keep], counter[keep]
        fits = np.ones(len(line), dtype=bool)
        rows = {}
        for i, expected in enumerate(LINE):
            if expected in COLUMNS:
                column = COLUMNS[expected]
                value, is_number = block.numbers(
                    start[at + i], end[at + i], column.form
                )
                fits &= is_number & (value <= np.iinfo(column.dtype).max)
                rows[expected] = value.astype(column.dtype)
            else:
                fits &= word[at + i] == _word(expected.encode())
        if fits.all():
            return line, rows, counter
        return (
            line[fits],
            {name: row[fits] for name, row in rows.items()},
            counter[fits],
        )

    def _key(
        self,
        block: _Block,
        column: Column,
        found: np.ndarray,
        good: np.ndarray,
        row_of_line: np.ndarray,
    ) -> np.ndarray:
        """A column of key=value words, for the good lines, in their order.

        found: the words that begin with the key; indices.
        """
        nr_good = int(row_of_line[-1]) + 1
        line = block.line_of_word[found]
        keep = good[line]
        if not keep.all():
            found, line = found[keep], line[keep]
        start, end = block.start[found] + len(column.name + "="), block.end[found]
        if column.form == WORD:
            value = self.names[column.name].find(block, start, end)
        else:
            value, is_number = block.numbers(start, end, column.form)
            is_number &= value <= np.uint64(column.unknown)
            value = np.where(is_number, value, np.uint64(column.unknown))
        at = row_of_line[line]
        if len(at) == nr_good and (at == np.arange(nr_good)).all():
            return value.astype(column.dtype)
        row = np.full(nr_good, column.unknown, dtype=column.dtype)
        row[at] = value
        return row

    def _follow(self, rows: dict[str, np.ndarray], counter: np.ndarray) -> None:
        """Do the counters go up by one, and are no two lines the same?"""
        if not len(counter):
            return
        if counter[0] >= 0 and counter.min() >= 0:
            steps = np.diff(counter, prepend=self.next_counter - 1)
            self.nr_repeated += int((1 - steps[steps < 1]).sum())
            self.nr_skipped += int((steps[steps > 1] - 1).sum())
            self.next_counter = int(counter[-1]) + 1
        elif len(counter) > 1 and "tid" in rows and counter.max() < 0:
            same = np.ones(len(counter) - 1, dtype=bool)
            for name in ("time_ns", "address", "tid"):
                same &= rows[name][1:] == rows[name][:-1]
            same &= rows["tid"][1:] != COLUMNS["tid"].unknown
            self.nr_repeated += int(np.count_nonzero(same))

    def feed_cut_off(self, line: bytes) -> None:
        """Parse a last line without a newline: its last word may have lost its end.

        With that word left out, the line is whole if it has the keys of the one above.
        Of a log of 2020 the last word is the time; that it has lost digits is seen from
        the one above.
        """
        last_time = self.parts["time_ns"][-1][-1:] if self.parts["time_ns"] else ()
        before, _, last_word = line.rpartition(b" ")
        whole = before if b"=" in last_word else line
        self.feed(whole + END)
        time_ns = self.parts["time_ns"][-1]
        if not len(time_ns):
            return
        if whole == line and len(last_time) and time_ns[0] < last_time[0]:
            for parts in self.parts.values():
                parts[-1] = parts[-1][:0]
            self.lines[-1] = self.lines[-1][:0]
            self.nr_cut += 1
            self.bad(self.nr_lines)

    def _other_line(self, line: bytes, number: int) -> None:
        if b"\0" in line or not OTHER_LINE.fullmatch(line):
            self.bad(number)
            return
        line = line.lstrip()
        if line.startswith(b"# pf_probe_"):
            self.nr_heads += 1
            if not self.head:
                pairs = _pairs(line)
                self.head = {plain(k): plain(v) for k, v in pairs.items()}
                self.head["probe"] = plain(line.split()[1])
        elif line.startswith(b"# recorded="):
            self.summary = {
                plain(k): int(v) if re.fullmatch(rb"\d{1,20}", v) else plain(v)
                for k, v in _pairs(line).items()
            }
        elif line.startswith((b"# child ", b"# exec ")):
            self._event(line.split(None, 2)[1].decode(), _pairs(line), number)

    def _event(self, kind: str, pairs: dict[bytes, bytes], number: int) -> None:
        time_ns, pid = pairs.get(b"time", b""), pairs.get(b"pid", b"")
        if not re.fullmatch(rb"\d{1,19}", time_ns) or not re.fullmatch(
            rb"\d{1,9}", pid
        ):
            self.bad(number)
            return
        ppid = pairs.get(b"ppid", b"")
        self.events.append(
            Event(
                kind,
                int(time_ns),
                int(pid),
                int(ppid) if re.fullmatch(rb"\d{1,9}", ppid) else None,
                plain(pairs.get(b"comm", b"")),
            )
        )

    def bad(self, line_number: int) -> None:
        """Count a bad line."""
        self.nr_bad += 1
        self.first_bad = min(self.first_bad or line_number, line_number)

    def log(self, source: str = "") -> Log:
        """What was read; the reader is used up. source: what is wrong with the file."""
        columns = {}
        for column in self.columns:
            parts = self.parts.pop(column.name)
            columns[column.name] = np.concatenate(parts or [np.zeros(0, column.dtype)])
        lines, self.lines = self.lines, []
        nr_unread = self.nr_bad  # by the counter, they are missing
        log = Log(
            **columns,
            names={name: names.texts() for name, names in self.names.items()},
            paths=self.names["map"].raw() if "map" in self.names else [],
            events=self.events,
            head=self.head,
            summary=self.summary,
        )
        cut = self._cut_short(log)
        early, late = impossible_times(log)
        bad = cut | early | late
        if bad.any():
            first = int(np.concatenate(lines)[bad.argmax()])
            self.nr_bad += np.count_nonzero(bad) - 1
            self.bad(first)
            log = log.take(~bad)
        nr_cut = self.nr_cut + np.count_nonzero(cut)
        log.oddities = Oddities(
            nr_bad=self.nr_bad,
            first_bad=self.first_bad,
            nr_cut=nr_cut,
            nr_nul=self.nr_nul,
            nr_early=np.count_nonzero(early & ~cut),
            nr_late=np.count_nonzero(late & ~cut),
            nr_heads=self.nr_heads,
            nr_repeated=self.nr_repeated,
            nr_skipped=max(self.nr_skipped - nr_unread, 0),
            source=source,
        )
        return log

    def _cut_short(self, log: Log) -> np.ndarray:
        """The lines that end before a key that nearly all have; bool (n,).

        What is left of the last number in such a line is wrong, be it the time itself.
        """
        cut = np.zeros(len(log), dtype=bool)
        share = CUT_SHARE if log.head else CUT_SHARE_NO_HEAD
        for column in self.keys:
            if column.name not in OPTIONAL:
                told = log.told(column.name)
                nr_told = np.count_nonzero(told)
                if share * len(log) < nr_told < len(log):
                    cut |= ~told
        return cut


def impossible_times(log: Log) -> tuple[np.ndarray, np.ndarray]:
    """The faults before the recording began, and those absurdly after; bool (n,) each.

    If that is most of them, it's the beginning that is told wrongly: none then.
    """
    none = np.zeros(len(log), dtype=bool)
    if log.loaded_ns is None:
        return none, none
    early = log.time_ns < np.uint64(log.loaded_ns)
    late = log.time_ns > np.uint64(log.loaded_ns + LONGEST_NS)
    is_few = np.count_nonzero(early | late) * 2 < len(log)
    return (early, late) if is_few else (none, none)


def _pairs(text: bytes) -> dict[bytes, bytes]:
    """The key=value words of text."""
    return dict(w.split(b"=", 1) for w in text.split() if b"=" in w)


def read_log(
    file: BinaryIO,
    columns: Iterable[str] = tuple(COLUMNS),
    block_bytes: int = BLOCK_BYTES,
) -> Log:
    """Read a whole log, block_bytes of it at a time; columns: what is wanted of it.

    A file that can't be read to its end (see source.py) gives what could be read, and
    the log says so.
    """
    reader = Reader(columns)
    carry = b""
    while True:
        data = file.read(block_bytes)
        if not data:
            break
        cut = data.rfind(b"\n") + 1
        if cut:
            reader.feed(b"".join((carry, memoryview(data)[: cut - 1], END)))
            carry = data[cut:]
        else:
            carry += data
        carry = carry[:LINE_BYTES]
    if carry:
        reader.feed_cut_off(carry)
    return reader.log(getattr(file, "trouble", ""))
