# SPDX-License-Identifier: GPL-2.0-or-later
"""Finds the files with a program's debug information, and checks them before elfutils opens them.

elfutils opens any file that a program's .gnu_debuglink names. So the files are found and opened
here, and elfutils gets their descriptors.
"""

from __future__ import annotations

import os
import struct
import tempfile
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import Iterable, Iterator

from .files import open_stored, would_do_something

MAX_SECTIONS = 4096
MAX_TEXT = 1 << 20  # bytes of the names of sections
MAX_LINK = 4096  # bytes that are read of a section
SYSTEM = b"/usr/lib/debug"  # the system's own, where elfutils may look by itself
COMPRESSED = 1 << 11  # flag of a section
# By the first 6 bytes of a little-endian ELF file of 32 and of 64 bits: where its header has the
# offset of the section headers, and what follows it; a section header.
LAYOUTS = {
    b"\x7fELF\1\1": (32, "<I10xHHH", "<10I"),
    b"\x7fELF\2\1": (40, "<Q10xHHH", "<IIQQQQIIQQ"),
}
LINK, ALT_LINK, BUILD_ID = (
    b".gnu_debuglink",
    b".gnu_debugaltlink",
    b".note.gnu.build-id",
)


class Refused(Exception):
    """A program names a file for its debug information that must not be opened."""


@dataclass(frozen=True)
class Links:
    """The links of a program to its debug information; b"": none."""

    name: bytes = b""
    alternative: bytes = b""  # a path
    build_id: bytes = b""


def read_links(file: int) -> Links:
    """Read the links of a little-endian ELF file; raises Refused, also for others."""
    found = _sections(file)
    name, _, _ = found.get(LINK, b"").partition(b"\0")
    alternative, _, _ = found.get(ALT_LINK, b"").partition(b"\0")
    if b"/" in name or name in (b".", b".."):
        raise Refused
    return Links(name, alternative, _build_id(found.get(BUILD_ID, b"")))


def _build_id(note: bytes) -> bytes:
    if len(note) < 16:
        return b""
    name_size, size, kind = struct.unpack_from("<III", note)
    is_it = (name_size, kind, note[12:16]) == (4, 3, b"GNU\0")
    return note[16 : 16 + size] if is_it and 2 <= size <= 64 else b""


def _sections(file: int) -> dict[bytes, bytes]:
    """The beginnings of the sections with links, by name; raises Refused."""
    head = os.pread(file, 64, 0)
    if len(head) < 64:
        return {}
    if head[:6] not in LAYOUTS:
        raise Refused
    place, form, row_form = LAYOUTS[head[:6]]
    at, each, count, names = struct.unpack_from(form, head, place)
    if not at:
        return {}
    # Larger numbers of sections are stored elsewhere; programs have few.
    is_table = each == struct.calcsize(row_form) and at < 1 << 62
    if not is_table or not 0 < count <= MAX_SECTIONS or names >= count:
        raise Refused
    table = os.pread(file, each * count, at)
    if len(table) < each * count:
        raise Refused
    rows = list(struct.iter_unpack(row_form, table))

    def text(row: tuple, most: int) -> bytes:
        offset, size = row[4], row[5]
        return os.pread(file, min(size, most), offset) if offset < 1 << 62 else b""

    texts, found = text(rows[names], MAX_TEXT), {}
    for row in rows:
        name = texts[row[0] : row[0] + 32].partition(b"\0")[0]
        if name in (LINK, ALT_LINK, BUILD_ID) and name not in found:
            if row[2] & COMPRESSED:
                raise Refused
            found[name] = text(row, MAX_LINK)
    return found


@contextmanager
def debug_paths(
    path: bytes, file: int, folders: Iterable[bytes]
) -> Iterator[tuple[bytes, tuple[int, ...]]]:
    """The value of elfutils' --debuginfo-path, and the descriptors that it needs.

    path, file: of the program, its descriptor; folders: more folders with debug information.
    Raises Refused.
    """
    links = read_links(file)
    _check(links, path)
    with ExitStack() as stack:
        files = []
        for name, there in _candidates(path, links, folders):
            with suppress(OSError, ValueError, Refused):
                other = open_stored(there)
                stack.callback(os.close, other)
                _check(read_links(other), there)
                files.append((name, other))
        if not files:
            yield SYSTEM, ()
            return
        # elfutils tries the next place if the file in one is of another program.
        top = os.fsencode(stack.enter_context(tempfile.TemporaryDirectory()))
        os.chmod(top, 0o755)
        place = os.open(top, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        stack.callback(os.close, place)
        paths = [SYSTEM]
        for i, (name, other) in enumerate(files):
            link = os.path.join(top, b"%d" % i, name)
            os.makedirs(os.path.dirname(link))
            os.symlink(b"/proc/self/fd/%d" % other, link)
            paths.append(b"/proc/self/fd/%d/%d" % (place, i))
        yield b":".join(paths), (place, *(other for _, other in files))


def _check(links: Links, path: bytes) -> None:
    """Raise Refused if a file's links lead to a file whose opening has side effects."""
    if links.alternative:
        folders = (os.path.dirname(path), b"/proc/self/fd", b"/")
        if any(would_do_something(os.path.join(f, links.alternative)) for f in folders):
            raise Refused


def _candidates(
    path: bytes, links: Links, folders: Iterable[bytes]
) -> Iterator[tuple[bytes, bytes]]:
    """The places where elfutils looks: the name that it expects there, and the path."""
    inside = os.path.dirname(os.path.realpath(path))
    name = links.name or os.path.basename(path) + b".debug"
    by_id = links.build_id.hex().encode()
    for folder in folders:
        if by_id:
            link = os.path.join(b".build-id", by_id[:2], by_id[2:] + b".debug")
            yield link, os.path.join(folder, link)
    yield name, os.path.join(inside, name)
    yield name, os.path.join(inside, b".debug", name)
    for folder in folders:
        parts = inside.strip(b"/").split(b"/")
        for i in range(len(parts) + 1):
            yield name, os.path.join(folder, *parts[i:], name)
