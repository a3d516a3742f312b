# SPDX-License-Identifier: GPL-2.0-or-later
"""What the headers of an ELF file say: where its code is, and which file it is.

The traced process chooses the files: nothing in them is trusted.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass

from .debug import Refused, read_links
from .files import open_stored

MAX_HEADERS = 128
MAX_CODE = 16  # loaded segments with code; a program has one or two


@dataclass(frozen=True)
class Segment:
    """A loaded part of an ELF file; bytes."""

    offset: int
    vaddr: int
    size: int  # in the file
    is_code: bool

    def begin(self, page: int) -> int:
        """The file offset at which its mapping begins."""
        return self.offset // page * page

    def holds(self, low: int, high: int, page: int) -> bool:
        """Does its mapping contain the pages at these file offsets?"""
        return self.begin(page) <= low and high < self.offset + self.size


# By the first 6 bytes of a little-endian ELF file of 32 and of 64 bits: where its header has the
# offset of the program headers, and what follows it up to their number; a program header; where
# in that are flags, offset, vaddr and filesz.
LAYOUTS = {
    b"\x7fELF\1\1": (28, "<I10xHH", "<8I", (6, 1, 2, 4)),
    b"\x7fELF\2\1": (32, "<Q14xHH", "<IIQQQQQQ", (1, 2, 3, 5)),
}


def read_segments(path: bytes) -> list[Segment]:
    """The loaded segments of a little-endian ELF file; none for other files."""
    try:
        with open(open_stored(path), "rb") as file:
            head = file.read(64)
            layout = LAYOUTS.get(head[:6])
            if not layout or len(head) < 64:
                return []
            place, form, row_form, order = layout
            at, each, count = struct.unpack_from(form, head, place)
            size = struct.calcsize(row_form)
            if each != size or count > MAX_HEADERS or at > 1 << 40:
                return []
            file.seek(at)
            table = file.read(each * count)
    except (OSError, ValueError):
        return []
    segments = []
    for row in struct.iter_unpack(row_form, table[: len(table) // size * size]):
        flags, offset, vaddr, filesz = (row[i] for i in order)
        if row[0] == 1 and max(offset, vaddr, filesz) < 1 << 62:
            segments.append(Segment(offset, vaddr, filesz, bool(flags & 1)))
    # All code is in the ranges of each place where the file is loaded, so its size is bounded.
    return segments if sum(s.is_code for s in segments) <= MAX_CODE else []


def build_id_of(path: bytes) -> str:
    """The build-id of a file, hexadecimal; "": it has none, or is no program."""
    try:
        file = open_stored(path)
    except (OSError, ValueError):
        return ""
    try:
        return read_links(file).build_id.hex()
    except (OSError, Refused):
        return ""
    finally:
        os.close(file)
