# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads a log's text into columns.

A log of a million faults has 150 MB of text, so no Python statement runs for each fault.
numpy splits a block of lines into words, the first 8 bytes of each word become one
integer, and whole columns of words are compared and converted at once. The tables LINE
and COLUMNS of log.py define the format. Other lines, a few thousand at most, are read one
by one.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import replace
from typing import Any, Iterable, Iterator

import numpy as np

from ..base.arrays import NDArray
from ..base.words import plain, unescaped
from . import dmesg, others
from .area_lines import AreaLines
from .block import KEEP_BYTES, Block, Prefixes, word_of
from .log import (
    ALWAYS,
    COLUMNS,
    DECIMAL,
    LINE,
    OF_OTHERS,
    WORD,
    Column,
    Event,
    Log,
    Oddities,
)
from .names import Names
from .recorder import BAD, Recorder

MAX_EVENTS = 1 << 18  # child and exec lines; the module keeps a fourth of that
MAX_COMM = 256  # bytes of a program's name in the text; the module's have up to 60
MAX_MORE = 64  # keys of "# more" lines; the module has three
MAX_EVENT_NS = (1 << 63) - 1  # the kernel's clock and SQLite's integers are signed
OTHER_LINE = re.compile(rb"\s*(?:\d+::\s*)?(?:EXIT_CODE\s*|#.*)?", re.DOTALL)
OPTIONAL = ("kind", "offset")  # some lines of a log have them, others do not
# A line without a key that more than this share of the lines have was cut short. Without a head,
# the lines may be from several logs.
CUT_SHARE, CUT_SHARE_NO_HEAD = 0.5, 0.9
LONGEST_NS = 366 * 86400 * 10**9  # no recording is longer
KEYS = tuple(name for name in COLUMNS if name not in LINE)
# The columns of LINE by their index in it, and the words between them by the first one's index.
PLACES = {LINE.index(name): COLUMNS[name] for name in LINE if name in COLUMNS}
PHRASES = {
    before: [word.encode() for word in LINE[before:place]]
    for before, place in zip([0, *(place + 1 for place in PLACES)], PLACES)
    if before < place
}


def _prefix(key: str) -> bytes:
    """The beginning of the words with this key."""
    return f"{key}=".encode()


class Reader:
    """Makes a Log of blocks of whole lines."""

    def __init__(
        self, columns: Iterable[str], recorder: Recorder | None = None
    ) -> None:
        """columns: names of those to read; recorder: converts the text of another one."""
        self.recorder = recorder
        wanted = {*columns, *ALWAYS} - {*OF_OTHERS}
        if recorder:
            wanted |= {"tid", "map", "offset", *OF_OTHERS}
        self.order = tuple(n for n in KEYS if recorder or n not in OF_OTHERS)
        self.columns = [c for c in COLUMNS.values() if c.name in wanted]
        self.keys = [column for column in self.columns if column.name not in LINE]
        self.parts: dict[str, list[NDArray[Any]]] = {c.name: [] for c in self.columns}
        self.lines: list[NDArray[np.int64]] = []  # each fault's line number
        self.prefixes = Prefixes([_prefix(c.name) for c in self.keys])
        self.names = {c.name: Names(c) for c in self.keys if c.form == WORD}
        self.nr_rows = 0
        self.largest: defaultdict[str, list[NDArray[np.int64]]] = defaultdict(
            list
        )  # row numbers
        self.events: list[Event] = []
        self.areas = AreaLines()
        self.head: dict[str, str] = {}
        self.summary: dict[str, int | str] = {}
        self.nr_lines = self.nr_bad = self.first_bad = self.nr_cut = self.nr_nul = 0
        self.nr_heads = self.nr_repeated = 0
        # Of a kernel's log: printed faults, and other lines, which are not bad there.
        self.nr_printed = self.nr_other = self.first_other = 0
        # Runs of consecutive line counters: the first and the last of each.
        self.runs: list[NDArray[np.int64]] = []

    def feed(self, *parts: bytes | memoryview, can_be_printed: bool = True) -> None:
        """Parse whole lines; the last one has no newline.

        parts: consecutive pieces of text; can_be_printed: it may be a kernel's log.
        """
        if self.recorder and can_be_printed:
            converted = map(self.recorder.line, b"".join(parts).split(b"\n"))
            self.feed(b"\n".join(converted), can_be_printed=False)
            return
        block = Block(*parts)
        nr_lines = len(block.line_end)
        lines, at, rows, counter = self._fixed(block)
        good = np.zeros(nr_lines, dtype=bool)
        good[lines] = True
        empty = block.nr_words == 0
        if can_be_printed:
            first = block.text[block.start[block.first_word[~good & ~empty]]]
            if (first != ord("#")).any():
                text, nr_printed = dmesg.as_log(b"".join(parts))
                self.nr_printed += nr_printed
                self.feed(text, can_be_printed=False)
                return
        if (
            b"\0" in block.framed
        ):  # words that differ only in NUL bytes would look equal
            with_nul = block.with_byte(0)
            self.nr_nul += len(with_nul)
            keep = ~np.isin(lines, with_nul)
            lines, at, counter = lines[keep], at[keep], counter[keep]
            rows = {name: row[keep] for name, row in rows.items()}
            good[with_nul] = empty[with_nul] = False
        for column, words in zip(self.keys, self._keyed(block, lines, at)):
            rows[column.name] = self._key(block, column, *words, len(lines))
        for i in self._areas(block, np.flatnonzero(~good & ~empty)).tolist():
            self._other_line(block.line(i), self.nr_lines + i + 1)
        self._follow(rows, counter)
        for name, arrays in self.parts.items():
            arrays.append(rows[name])
        self.lines.append(lines + (self.nr_lines + 1))
        self.nr_lines += nr_lines
        self.nr_rows += len(lines)

    def _areas(self, block: Block, lines: NDArray[np.int64]) -> NDArray[np.int64]:
        """Read the lines about address spaces; indices of the others of these lines."""
        if not len(lines) or self.recorder:
            return lines
        if b"\0" in block.framed:
            lines_left = lines[~np.isin(lines, block.with_byte(0))]
        else:
            lines_left = lines
        is_mine, is_bad = self.areas.feed(block, lines_left, self.nr_lines)
        for i in lines_left[is_bad].tolist():
            self.bad(self.nr_lines + i + 1)
        return np.setdiff1d(lines, lines_left[is_mine], assume_unique=True)

    def _fixed(
        self, block: Block
    ) -> tuple[
        NDArray[np.int64], NDArray[np.int64], dict[str, NDArray[Any]], NDArray[np.int64]
    ]:
        """The lines that begin like LINE, with or without a counter before it.

        Returns their indices, the first word after LINE of each, the columns of LINE, and
        the counters, -1 for none.
        """
        start, end = block.start, block.end
        line = np.flatnonzero(block.nr_words >= len(LINE))
        at = block.first_word[line]
        counter = np.full(len(line), -1, dtype=np.int64)
        has_counter = ~block.begin_with(LINE[0].encode(), start[at])
        if has_counter.any():
            before = at[has_counter]
            number, fits = block.numbers(start[before], end[before] - 2, DECIMAL)
            fits &= block.loads[end[before] - 2] & KEEP_BYTES[2] == word_of(b"::")
            fits &= block.nr_words[line[has_counter]] > len(LINE)
            counter[has_counter] = number.astype(np.int64)
            at += has_counter
            if not fits.all():
                keep = ~has_counter
                keep[has_counter] = fits
                line, at, counter = line[keep], at[keep], counter[keep]
        fits = np.ones(len(line), dtype=bool)
        rows: dict[str, NDArray[Any]] = {}
        for place, words in PHRASES.items():
            fits &= block.have(words, at + place)
        for place, column in PLACES.items():
            value, is_number = block.numbers(
                start[at + place], end[at + place], column.form
            )
            fits &= is_number & (value <= np.iinfo(column.dtype).max)
            rows[column.name] = value.astype(column.dtype)
        at += len(LINE)
        if fits.all():
            return line, at, rows, counter
        rows = {name: row[fits] for name, row in rows.items()}
        return line[fits], at[fits], rows, counter[fits]

    def _keyed(
        self, block: Block, lines: NDArray[np.int64], at: NDArray[np.int64]
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64] | slice]]:
        """For each of self.keys its words, and the row of each word.

        lines: indices; at: the first key=value word of each line; (n,) both. Rows are
        indices in lines.
        """
        in_order = block.in_order(lines, at, [_prefix(name) for name in self.order])
        if in_order:  # that of the modules; several times faster
            wanted = {column.name for column in self.keys}
            yield from (x for name, x in zip(self.order, in_order) if name in wanted)
            return
        row_of_line = np.full(len(block.line_end), -1)
        row_of_line[lines] = np.arange(len(lines))
        row_of_word = row_of_line[block.line_of_word()]
        for found in block.starting(self.prefixes):
            row = row_of_word[found]
            keep = row >= 0
            yield found[keep], row[keep]

    def _key(
        self,
        block: Block,
        column: Column,
        found: NDArray[np.int64],
        row: NDArray[np.int64] | slice,
        nr_rows: int,
    ) -> NDArray[Any]:
        """A column of key=value words; (nr_rows,).

        found: indices of the key's words; row: the row of each.
        """
        start, end = block.start[found] + len(_prefix(column.name)), block.end[found]
        value: NDArray[np.unsignedinteger[Any]]
        if column.form == WORD:
            value = self.names[column.name].find(block, start, end)
        else:
            value, is_number = block.numbers(start, end, column.form)
            fits = is_number & (value < np.uint64(column.unknown))
            if not fits.all():
                largest = np.flatnonzero(is_number & (value == column.unknown))
                if len(largest):
                    at = largest if isinstance(row, slice) else row[largest]
                    self.largest[column.name].append(self.nr_rows + at)
                value[~fits] = column.unknown
        if isinstance(row, slice):
            return value.astype(column.dtype, copy=False)
        values: NDArray[Any] = np.full(nr_rows, column.unknown, dtype=column.dtype)
        values[row] = value
        return values

    def _follow(
        self, rows: dict[str, NDArray[Any]], counter: NDArray[np.int64]
    ) -> None:
        """Note the runs of counters; without counters, count lines that are repeated."""
        if not len(counter) or self.recorder:
            return
        if counter[0] >= 0 and counter.min() >= 0:
            ends = np.flatnonzero(np.diff(counter) != 1)
            first, last = np.append(0, ends + 1), np.append(ends, len(counter) - 1)
            self.runs.append(counter[np.stack([first, last])])
        elif len(counter) > 1 and "tid" in rows and counter.max() < 0:
            same = np.ones(len(counter) - 1, dtype=bool)
            for name in ("time_ns", "address", "tid"):
                same &= rows[name][1:] == rows[name][:-1]
            same &= rows["tid"][1:] != COLUMNS["tid"].unknown
            self.nr_repeated += int(np.count_nonzero(same))

    def _by_counter(self) -> tuple[int, int, int]:
        """How many lines are repeated, are missing, and are followed by a lower counter."""
        if not self.runs:
            return 0, 0, 0
        first, last = np.concatenate(self.runs, axis=1)
        nr_lines = int((last - first).sum()) + len(first)
        nr_back = int(np.count_nonzero(first[1:] <= last[:-1]))
        order = np.argsort(first, kind="stable")
        first, last = first[order], last[order]
        reach = np.maximum.accumulate(last)
        before = np.append(-1, reach[:-1])  # the first line's number is 0
        nr_there = int(np.maximum(last - np.maximum(first - 1, before), 0).sum())
        return nr_lines - nr_there, int(reach[-1]) + 1 - nr_there, nr_back

    def join(self, later: Reader) -> None:
        """Add what another reader of the same columns has read from the text that follows.

        later cannot be used any more: its arrays move here, which frees memory early.
        """
        for column in self.keys:
            if column.form == WORD:
                codes = self.names[column.name].codes_of(later.names[column.name])
                if (codes != np.arange(len(codes))).any():
                    codes = codes.astype(column.dtype)
                    parts = later.parts[column.name]
                    later.parts[column.name] = [codes[part] for part in parts]
        for name, parts in self.parts.items():
            parts += later.parts.pop(name)
        self.lines += [lines + self.nr_lines for lines in later.lines]
        later.lines.clear()
        for name, found in later.largest.items():
            self.largest[name] += [at + self.nr_rows for at in found]
        self.events += [
            replace(event, line=event.line + self.nr_lines) for event in later.events
        ]
        nr_lost = self.areas.join(later.areas, self.nr_lines)
        if nr_lost:
            later.first_bad = later.first_bad or later.nr_lines
            later.nr_bad += nr_lost
        self.head = self.head or later.head
        is_whole = "recorded" in later.summary
        self.summary = later.summary if is_whole else self.summary | later.summary
        if later.first_bad:
            self.first_bad = self.first_bad or self.nr_lines + later.first_bad
        if later.first_other:
            other = self.nr_lines + later.first_other
            self.first_other = self.first_other or other
        for name in (
            *("nr_rows", "nr_printed", "nr_other"),
            *("nr_lines", "nr_bad", "nr_cut", "nr_nul"),
            *("nr_heads", "nr_repeated"),
        ):
            setattr(self, name, getattr(self, name) + getattr(later, name))
        self.runs += later.runs

    def feed_cut_off(self, line: bytes) -> None:
        """Parse a last line without a newline, whose last word may be cut short.

        A key=value word is left out; if most lines have its key, the line counts as cut. In a
        log of 2020 the last word is the time; it is cut if it is below the previous one. Of
        another recorder's text the whole line is left out.
        """
        if self.recorder:
            if self.recorder.line(line) or self.recorder.end():
                self.nr_cut += 1
                self.feed(BAD, can_be_printed=False)
            return
        times = self.parts["time_ns"]
        last_time = times[-1][-1:] if times else np.zeros(0, dtype=np.uint64)
        before, _, last_word = line.rpartition(b" ")
        whole = before if b"=" in last_word else line
        self.feed(whole)
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
            if dmesg.can_be_other(line):
                self.nr_other += 1
                self.first_other = self.first_other or number
            else:
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
        elif line.startswith(b"# more "):
            found = re.match(rb"# more ([a-z]{1,32})=(\d{1,20})$", line)
            if found and len(self.summary) < MAX_MORE:
                self.summary[plain(found[1])] = int(found[2])
        elif line.startswith((b"# child ", b"# exec ")):
            self._event(line.split(None, 2)[1].decode(), _pairs(line), number)

    def _event(self, kind: str, pairs: dict[bytes, bytes], number: int) -> None:
        time_ns, pid = pairs.get(b"time", b""), pairs.get(b"pid", b"")
        if not re.fullmatch(rb"\d{1,19}", time_ns) or int(time_ns) > MAX_EVENT_NS:
            self.bad(number)
            return
        if not re.fullmatch(rb"\d{1,9}", pid) or len(self.events) >= MAX_EVENTS:
            self.bad(number)
            return
        ppid, comm = pairs.get(b"ppid", b""), pairs.get(b"comm", b"")
        self.events.append(
            Event(
                kind,
                int(time_ns),
                int(pid),
                int(ppid) if re.fullmatch(rb"\d{1,9}", ppid) else None,
                plain(comm) if len(comm) <= MAX_COMM else "",
                shares=pairs.get(b"space") == b"shared",
                line=number,
            )
        )

    def bad(self, line_number: int) -> None:
        """Count a bad line."""
        self.nr_bad += 1
        self.first_bad = min(self.first_bad or line_number, line_number)

    def log(self, source: str = "") -> Log:
        """The log; the reader cannot be used any more. source: what is wrong with the file."""
        columns = {}
        for column in self.columns:
            parts = self.parts.pop(column.name)
            columns[column.name] = np.concatenate(parts or [np.zeros(0, column.dtype)])
        lines, self.lines = self.lines, []
        if self.nr_printed * 2 <= len(columns["time_ns"]) and self.nr_other:
            self.nr_bad += self.nr_other - 1
            self.bad(self.first_other)
        nr_unread = self.nr_bad  # their counters are missing
        nr_repeated, nr_skipped, nr_back = self._by_counter()
        largest = {}
        for name, found in self.largest.items():
            at = np.concatenate(found)
            largest[name] = np.zeros(len(columns[name]), dtype=bool)
            largest[name][at[at < len(columns[name])]] = True
        names = {name: names.texts() for name, names in self.names.items()}
        areas, more = self.areas.areas(self.names.get("map"))
        paths = self.names["map"].raw() if "map" in self.names else []
        if more:
            names["map"] += map(plain, more)
            paths += map(unescaped, more)
        log = Log(
            **columns,
            largest=largest,
            names=names,
            paths=paths,
            areas=areas,
            events=self.events,
            head=self.head,
            summary=self.summary,
        )
        if self.recorder:
            log = others.completed(log, self.recorder, self.names["code"].raw())
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
            nr_repeated=self.nr_repeated + nr_repeated,
            nr_skipped=max(nr_skipped - nr_unread, 0),
            nr_back=nr_back,
            has_counters=bool(self.runs),
            source=source,
        )
        return log

    def _cut_short(self, log: Log) -> NDArray[np.bool_]:
        """The lines without a key that nearly all others have; bool (n,).

        The last number of a line that was cut is wrong, even if it is the time.
        """
        cut = np.zeros(len(log), dtype=bool)
        if self.recorder:
            return cut
        share = CUT_SHARE if log.head else CUT_SHARE_NO_HEAD
        for column in self.keys:
            if column.name not in OPTIONAL:
                has_value = log.known(column.name)
                nr_values = np.count_nonzero(has_value)
                if share * len(log) < nr_values < len(log):
                    cut |= ~has_value
        return cut


def impossible_times(log: Log) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """The faults before the recording began, and more than a year after; bool (n,) each.

    If those are most faults, the begin in the head is wrong, and none are returned.
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
    words = (word.partition(b"=") for word in text.split() if b"=" in word)
    return {key: value for key, _, value in words}
