# SPDX-License-Identifier: GPL-2.0-or-later
"""Where a log's text comes from: a file, a pipe, "-"; packed by gzip, xz or zstd or not."""

from __future__ import annotations

import gzip
import io
import lzma
import os
import shutil
import signal
import stat
import subprocess
import sys
import threading
import zlib
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Iterator

from .log import LogError

GZIP, XZ, ZSTD = b"\x1f\x8b", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd"
PACKED_SUFFIXES = (".gz", ".xz", ".zst")
CHUNK_BYTES = 1 << 17
LINE_BYTES = 1 << 20  # no line is longer; what follows in one that is, is not looked at


@dataclass
class Range:
    """A part of a file, which others may read meanwhile; whole lines."""

    fd: int
    at: int
    end: int

    def read(self, size: int) -> bytes:
        """At most size bytes; none at the end."""
        data = os.pread(self.fd, min(size, self.end - self.at), self.at)
        self.at += len(data)
        return data


class Source:
    """A stream to read. If its packing breaks off, it ends there, and trouble says so."""

    def __init__(self, file: BinaryIO, is_packed: bool) -> None:
        self.file, self.is_packed = file, is_packed
        self.trouble = ""

    def take_ranges(self, nr_ranges: int, min_bytes: int) -> list[Range]:
        """So many ranges of whole lines, of like size; what is left to read() is small.

        There are fewer if they would be smaller than min_bytes, and none of what is no
        file, or packed.
        """
        if self.is_packed or not stat.S_ISREG(os.fstat(self.file.fileno()).st_mode):
            return []
        fd, begin = self.file.fileno(), self.file.tell()
        # It may grow, so the end is nobody's range; nor is a last line without a newline.
        size = os.fstat(fd).st_size - LINE_BYTES - begin
        nr_ranges = max(min(nr_ranges, size // min_bytes), 0)
        ranges: list[Range] = []
        for i in range(1, nr_ranges + 1):
            at = ranges[-1].end if ranges else begin
            nominal = begin + size * i // nr_ranges
            newline = os.pread(fd, LINE_BYTES, nominal).find(b"\n")
            if newline >= 0:
                ranges.append(Range(fd, at, nominal + newline + 1))
        if ranges:
            self.file.seek(ranges[-1].end)
        return ranges

    def read(self, size: int) -> bytes:
        """At most size bytes; none at the end.

        As it comes: /proc/pf_probe_X goes on behind an end, which is the log's end to us.
        """
        if not self.is_packed:
            return self.file.read1(size)
        parts = []
        while size > 0 and not self.trouble:
            try:
                data = self.file.read(min(size, CHUNK_BYTES))
            except (EOFError, lzma.LZMAError, gzip.BadGzipFile, zlib.error) as err:
                self.trouble = f"the packed file is damaged ({err})"
                break
            if not data:
                break
            parts.append(data)
            size -= len(data)
        return b"".join(parts)


def is_standard_input(name: str) -> bool:
    """Is it to be read from standard input?"""
    return name == "-"


def unpacked_name(name: str) -> Path:
    """The log's path without the suffix of its packing."""
    path = Path(name)
    return path.with_suffix("") if path.suffix in PACKED_SUFFIXES else path


@contextmanager
def open_log(name: str) -> Iterator[Source]:
    """Open a log for reading; raises OSError, LogError where zstd is missing."""
    if is_standard_input(name):
        raw = open(sys.stdin.fileno(), "rb", buffering=0, closefd=False)
    else:
        raw = open(name, "rb", buffering=0)
    with io.BufferedReader(raw) as file:
        try:
            magic = file.peek(len(XZ))
        except OSError as err:
            err.filename = name
            raise
        if magic.startswith(GZIP):
            yield Source(gzip.GzipFile(fileobj=file), is_packed=True)
        elif magic.startswith(XZ):
            yield Source(lzma.LZMAFile(file), is_packed=True)
        elif magic.startswith(ZSTD):
            with _zstd(name, file) as source:
                yield source
        else:
            yield Source(file, is_packed=False)


@contextmanager
def _zstd(name: str, file: io.BufferedReader) -> Iterator[Source]:
    """Python has no zstd before 3.14: the program unpacks; a thread feeds it the file."""
    try:
        process = subprocess.Popen(
            ["zstd", "-dcq"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd="/",  # so a PATH with . or an empty word in it does not find one here
        )
    except FileNotFoundError:
        raise LogError(f"{name}: it takes zstd to unpack it (Debian: apt install zstd)")

    def feed() -> None:
        with suppress(BrokenPipeError), process.stdin:
            shutil.copyfileobj(file, process.stdin)

    # If it gives up on a damaged file, that must not end us as well.
    on_pipe = signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    feeder = threading.Thread(target=feed, daemon=True)
    feeder.start()
    source = _Zstd(process)
    try:
        yield source
    finally:
        process.stdout.close()
        feeder.join()
        process.wait()
        signal.signal(signal.SIGPIPE, on_pipe)


class _Zstd(Source):
    """What zstd writes; at its end it tells whether that is all."""

    def __init__(self, process: subprocess.Popen) -> None:
        super().__init__(process.stdout, is_packed=False)
        self.process = process

    def read(self, size: int) -> bytes:
        """As Source.read()."""
        data = super().read(size)
        if not data and self.process.wait():
            self.trouble = "the packed file is damaged (zstd failed)"
        return data
