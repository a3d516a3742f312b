# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads the file of a log; parts of a large one in helper processes."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import BinaryIO, Callable, Iterable

from ..base.error import LogError
from ..base.helper import Helpers, nr_helpers
from . import others
from .lines import Reader
from .log import COLUMNS, Column, Log
from .source import LINE_BYTES, Range, Source

BLOCK_BYTES = 1 << 20
MIN_PART_BYTES = 8 << 20  # less is read faster than a helper starts
EMPTY = "the file is empty: the recording was cut off, or user still writes to it"


def read_log(
    file: BinaryIO | Source,
    columns: Iterable[str] = tuple(COLUMNS),
    block_bytes: int = BLOCK_BYTES,
    meanwhile: Callable[[], None] = lambda: None,
    name: str = "-",
) -> Log:
    """Read a whole log, block_bytes at a time; columns: names of those to read.

    meanwhile: called while helpers read a large log; name: of the file, for errors. Of a file that
    can't be read to its end (see source.py), the log has what could be read, and Oddities.source
    the reason. The files of other recorders are read, too (see others.py). Raises LogError for a
    tar archive.
    """
    start, is_read = others.start_of(file)
    if others.is_tar(start):
        text = f"{name}: it is a tar archive; unpack it (tar -xf), and give one of its logs"
        raise LogError(text)
    recorder = others.recognize(start)
    reader, parts = Reader(columns, recorder), []
    if isinstance(file, Source) and not recorder:
        parts = file.take_ranges(nr_helpers(), MIN_PART_BYTES)
    with Helpers(partial(_part, reader.columns, block_bytes), parts) as found:
        meanwhile()
        for part, read in zip(parts, found):
            if read:
                reader.join(read)
            else:
                _read(part, reader, block_bytes)
    _read(file, reader, block_bytes, start if is_read else b"")
    if recorder:
        reader.feed(recorder.end(), can_be_printed=False)
    return reader.log(getattr(file, "trouble", "") or EMPTY * (not start))


def _part(columns: list[Column], block_bytes: int, part: Range) -> Reader | None:
    """Read a part of a file, in a helper.

    None: there are too many names. Which of them become OTHER depends on the text before.
    """
    reader = Reader(column.name for column in columns)
    _read(replace(part), reader, block_bytes)
    too_many = any(names.are_too_many for names in reader.names.values())
    too_many |= reader.areas.are_too_many
    return None if too_many else reader


def _read(
    file: BinaryIO | Source | Range,
    reader: Reader,
    block_bytes: int,
    start: bytes = b"",
) -> None:
    """Read the rest of a file; start: what has been read of it already."""
    carry = b""
    while True:
        data, start = start or file.read(block_bytes), b""
        if not data:
            break
        cut = data.rfind(b"\n") + 1
        if cut:
            reader.feed(carry, memoryview(data)[: cut - 1])
            carry = data[cut:]
        else:
            carry += data
        carry = carry[:LINE_BYTES]
    if carry:
        reader.feed_cut_off(carry)
