# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads the lines about address spaces: # map, # file, # space, # comm, # exit, # maps-lost.

There may be hundreds of thousands of them, so they become columns, as faults do; only "# file"
lines, one a file, are read one by one. The traced process chooses their number and their values:
what does not fit is a bad line, and so is each line of a kind beyond MAX_LINES.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..base.arrays import NDArray
from .areas import NO_FILE, Areas, File, Table
from .block import Block, Prefixes, word_of
from .log import COLUMNS, DECIMAL, HEXADECIMAL, WORD, Column
from .names import MAX_NAME, MAX_NAMES_BYTES, Names

MAX_LINES = 1 << 20  # of each kind; the module keeps no more of them
MAX_FILES = 1 << 16
MAX_TIME_NS = (1 << 63) - 1  # the kernel's clock and SQLite's integers are signed
MAX_ID = 10**9  # above all pids
UNKNOWN = "?"  # in place of a file that has no number


@dataclass(frozen=True)
class Key:
    """A key of these lines: the form of its value, the type here, and what is too large."""

    form: str
    dtype: type = np.uint64
    end: int = 1 << 64


TIME, ID, ADDRESS = (
    Key(DECIMAL, end=MAX_TIME_NS + 1),
    Key(DECIMAL, np.uint32, MAX_ID),
    Key(HEXADECIMAL),
)
SKIPPED = Key("")  # not needed here
NUMBER_OR_WORD = Key("number or word", np.int64, 1 << 62)
# The keys of each kind of line, in the order in which the modules write them.
KINDS = {
    "map": {
        "time": TIME,
        "pid": ID,
        "start": ADDRESS,
        "end": ADDRESS,
        "prot": SKIPPED,
        "offset": ADDRESS,
        "file": NUMBER_OR_WORD,
    },
    "space": {"time": TIME, "pid": ID},
    "comm": {"time": TIME, "pid": ID, "tid": ID, "comm": Key(WORD, np.uint16)},
    "exit": {"time": TIME, "pid": ID},
    "maps-lost": {"time": TIME},
}
NAMES = {
    "comm": COLUMNS["comm"],
    # What "# map" lines have in place of a file's number: anon, [vdso] ...
    "file": Column("file", np.uint16, WORD, "", ("", UNKNOWN)),
}
FILE = re.compile(
    rb"# file time=(\d{1,19}) nr=(\d{1,9}) dev=([0-9a-f]{1,8}:[0-9a-f]{1,8}) ino=(\d{1,20})"
    rb" size=(\d{1,20}) mtime=(-?\d{1,20}\.\d{9}) build_id=([0-9a-f]{2,128}|\?) path=(\S+)"
    rb"(?: \S+)*\s*"
)


class AreaLines:
    """The lines about address spaces of a text so far."""

    def __init__(self) -> None:
        self.tables: dict[str, dict[str, list[NDArray[Any]]]] = {
            kind: {name: [] for name in ("line", *_read(kind))} for kind in KINDS
        }
        self.names = {name: Names(column) for name, column in NAMES.items()}
        self.files: dict[int, File | None] = {}  # by number; None: it has several
        self.nr_bytes = 0  # of the files' paths
        self.counts = dict.fromkeys(KINDS, 0)
        self.prefixes = {
            kind: Prefixes([f"{key}=".encode() for key in keys])
            for kind, keys in KINDS.items()
        }

    @property
    def are_too_many(self) -> bool:
        """Is something missing here that would not be in one reader of the whole text?"""
        return any(names.are_too_many for names in self.names.values())

    def feed(
        self, block: Block, lines: NDArray[np.int64], nr_before: int
    ) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Read those of these lines that are about address spaces.

        lines: indices of lines of the block, (n,); nr_before: lines before the block.
        Returns which of them were read or are bad, and which are bad; bool (n,) each.
        """
        is_mine, is_bad = np.zeros((2, len(lines)), dtype=bool)
        first = block.first_word[lines]
        can_be = block.nr_words[lines] >= 2
        can_be &= block.word[first] == word_of(b"#")
        if not can_be.any():
            return is_mine, is_bad
        second = np.minimum(first + 1, len(block.word) - 1)
        length = block.end[second] - block.start[second]
        for kind in KINDS:
            which = can_be & (block.word[second] == word_of(kind.encode()))
            which &= length == len(kind)
            rows = np.flatnonzero(which)
            if len(rows):
                is_mine[rows] = True
                is_bad[rows] = ~self._take(block, kind, lines[rows], nr_before)
        which = can_be & (block.word[second] == word_of(b"file")) & (length == 4)
        for row in np.flatnonzero(which).tolist():
            is_mine[row] = True
            is_bad[row] = not self._take_file(block.line(int(lines[row])))
        return is_mine, is_bad

    def _take(
        self, block: Block, kind: str, lines: NDArray[np.int64], nr_before: int
    ) -> NDArray[np.bool_]:
        """Read lines of a kind; which are good, bool (n,)."""
        good = np.ones(len(lines), dtype=bool)
        room = MAX_LINES - self.counts[kind]
        good[max(room, 0) :] = False
        values: dict[str, NDArray[Any]] = {"line": lines + (nr_before + 1)}
        for name, (found, row) in self._words(block, kind, lines).items():
            key = KINDS[kind][name]
            if key == SKIPPED:
                continue
            has_it = np.zeros(len(lines), dtype=bool)
            value: NDArray[Any] = np.zeros(len(lines), dtype=key.dtype)
            read, fits = self._values(block, name, key, found)
            value[row] = read
            has_it[row] = fits
            values[name] = value
            good &= has_it
        if kind == "map":
            good &= values["start"] < values["end"]
        for name, column in values.items():
            self.tables[kind][name].append(column[good])
        self.counts[kind] += int(np.count_nonzero(good))
        return good

    def _words(
        self, block: Block, kind: str, lines: NDArray[np.int64]
    ) -> dict[str, tuple[NDArray[np.int64], NDArray[np.int64] | slice]]:
        """For each key of the kind its words, and the row in lines of each."""
        at = block.first_word[lines] + 2
        prefixes = self.prefixes[kind]
        in_order = block.in_order(lines, at, prefixes.texts)
        if in_order is not None:
            return dict(zip(KINDS[kind], in_order))
        row_of_line = np.full(len(block.line_end), -1)
        row_of_line[lines] = np.arange(len(lines))
        row_of_word = row_of_line[block.line_of_word()]
        found: dict[str, tuple[NDArray[np.int64], NDArray[np.int64] | slice]] = {}
        for name, words in zip(KINDS[kind], block.starting(prefixes)):
            rows = row_of_word[words]
            found[name] = words[rows >= 0], rows[rows >= 0]
        return found

    def _values(
        self, block: Block, name: str, key: Key, found: NDArray[np.int64]
    ) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """The values of these words, (n,), and which are valid; bool (n,)."""
        start, end = block.start[found] + len(name) + 1, block.end[found]
        if key.form == WORD:
            return self.names[name].find(block, start, end), start < end
        if key.form in (DECIMAL, HEXADECIMAL):
            value, fits = block.numbers(start, end, key.form)
            fits &= value <= np.uint64(key.end - 1)
            return np.where(fits, value, np.uint64(0)), fits
        value, is_number = block.numbers(start, end, DECIMAL)
        is_number &= value < np.uint64(key.end)
        number = np.where(is_number, value, np.uint64(0)).astype(np.int64)
        words = np.flatnonzero(~is_number)
        codes = self.names[name].find(block, start[words], end[words])
        number[words] = -1 - codes.astype(np.int64)
        return number, start < end

    def _take_file(self, line: bytes) -> bool:
        """Read a "# file" line; is it good?"""
        found = FILE.fullmatch(line.strip())
        if not found or len(found[8]) > MAX_NAME:
            return False
        number = int(found[2])
        build_id = b"" if found[7] == b"?" else found[7]
        about = b" ".join(found.group(3, 4, 5, 6))
        file = File(found[8], build_id.decode(), about.decode())
        return self._add_file(number, file)

    def _add_file(self, number: int, file: File | None) -> bool:
        """Add a file; False: there are too many. The files of two logs may share a number."""
        if number in self.files:
            if self.files[number] != file:
                self.files[number] = None
            return True
        nr_bytes = self.nr_bytes + (len(file.path) if file else 0)
        if len(self.files) >= MAX_FILES or nr_bytes > MAX_NAMES_BYTES:
            return False
        self.files[number], self.nr_bytes = file, nr_bytes
        return True

    def join(self, later: AreaLines, nr_lines: int) -> int:
        """Add what was read from the text that follows; nr_lines: lines before that.

        Returns how many lines there was no room for.
        """
        nr_lost = 0
        for name, column in NAMES.items():
            codes = self.names[name].codes_of(later.names[name]).astype(np.int64)
            kind = "comm" if name == "comm" else "map"
            parts = later.tables[kind][name]
            if name == "comm":
                parts = [codes[part].astype(column.dtype) for part in parts]
            else:
                is_word = [part < 0 for part in parts]
                words = [np.where(w, -1 - part, 0) for w, part in zip(is_word, parts)]
                parts = [
                    np.where(w, -1 - codes[word], part)
                    for w, word, part in zip(is_word, words, parts)
                ]
            later.tables[kind][name] = parts
        for kind, table in self.tables.items():
            room = MAX_LINES - self.counts[kind]
            for name, parts in later.tables.pop(kind).items():
                whole = np.concatenate(parts or [np.zeros(0, _dtype(kind, name))])
                whole = whole + nr_lines if name == "line" else whole
                table[name].append(whole[:room])
            nr_lost += max(later.counts[kind] - room, 0)
            self.counts[kind] += min(later.counts[kind], room)
        for number, file in later.files.items():
            nr_lost += not self._add_file(number, file)
        return nr_lost

    def areas(self, names: Names | None) -> tuple[Areas, list[bytes]]:
        """The lines in columns; the reader cannot be used any more.

        names: of the column map. Returns also more names, as in the log, whose codes follow.
        """
        tables: dict[str, Table] = {}
        for kind in KINDS:
            parts = self.tables.pop(kind)
            tables[kind] = {
                name: np.concatenate(some or [np.zeros(0, _dtype(kind, name))])
                for name, some in parts.items()
            }
        numbers, which = np.unique(tables["map"]["file"], return_inverse=True)
        codes = np.full(len(numbers), NO_FILE, dtype=np.int64)
        more: list[bytes] = []
        files: dict[int, File] = {}
        if names is not None:
            words = list(self.names["file"].codes)
            for i, number in enumerate(numbers.tolist()):
                about = self.files.get(number) if number >= 0 else None
                name = about.path if about else b""
                if number < 0 and words[-1 - number] != UNKNOWN.encode():
                    name = words[-1 - number]
                if not name:
                    continue
                codes[i] = names.codes.get(name, -1)
                if codes[i] < 0 or codes[i] in files:  # another file with this path
                    codes[i] = len(names.codes) + len(more)
                    more.append(name)
                if about:
                    files[int(codes[i])] = about
        tables["map"]["file"] = codes[which]
        return Areas(tables, files, self.names["comm"].texts()), more


def _read(kind: str) -> list[str]:
    """The keys of a kind that are read."""
    return [name for name, key in KINDS[kind].items() if key != SKIPPED]


def _dtype(kind: str, name: str) -> type:
    return np.int64 if name == "line" else KINDS[kind][name].dtype
