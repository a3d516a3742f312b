# SPDX-License-Identifier: GPL-2.0-or-later
"""Opens a log: a file, a pipe or "-" (standard input), also compressed by gzip, xz or zstd."""

from __future__ import annotations

import gzip
import io
import lzma
import os
import select
import signal
import stat
import subprocess
import sys
import threading
import zlib
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Iterable, Iterator

from ..base import progress
from ..base.error import LogError

GZIP, XZ, ZSTD = b"\x1f\x8b", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd"
PACKED_SUFFIXES = (".gz", ".xz", ".zst")
CHUNK_BYTES = 1 << 17
LINE_BYTES = 1 << 20  # the rest of a longer line is ignored
# In a compressed log each line takes some bytes, as its time is unique. A file with fewer bytes per
# line was made to exhaust memory; a small number of lines is always read.
LEAST_BYTES = 2
FREE_LINES = 1 << 18
LONG_LINE = 1 << 8  # bytes that count as a line, as many as most lines have
XZ_MEMORY = 256 << 20  # bytes; a file of xz -9 needs 65 MiB


@dataclass
class Range:
    """A part of a file, of whole lines. Several can be read at the same time."""

    fd: int
    at: int
    end: int

    def read(self, size: int) -> bytes:
        """At most size bytes; none at the end."""
        data = os.pread(self.fd, min(size, self.end - self.at), self.at)
        self.at += len(data)
        progress.add(len(data))
        return data


class Source:
    """A stream to read. It ends where compressed data are damaged; trouble has the reason."""

    def __init__(
        self,
        file: io.BufferedReader | gzip.GzipFile | Xz,
        packed: Counted | None = None,
    ) -> None:
        """packed: the compressed file."""
        self.file, self.packed = file, packed
        self.nr_lines = 0
        self.trouble = ""

    def _bounded(self, data: bytes) -> bytes:
        """The data, or none and a trouble if too many lines were unpacked."""
        self.nr_lines += max(data.count(b"\n"), len(data) // LONG_LINE)
        assert self.packed
        most = FREE_LINES + self.packed.nr_bytes // LEAST_BYTES
        if self.nr_lines > most:
            self.trouble = (
                f"only the first {most:,} lines of the compressed file were read"
            )
            return b""
        return data

    @property
    def regular(self) -> io.BufferedReader | None:
        """The file, if it is an uncompressed regular file."""
        if self.packed or not isinstance(self.file, io.BufferedReader):
            return None
        is_regular = stat.S_ISREG(os.fstat(self.file.fileno()).st_mode)
        return self.file if is_regular else None

    def take_ranges(self, nr_ranges: int, min_bytes: int) -> list[Range]:
        """Up to nr_ranges ranges of whole lines, of equal size; read() returns the rest.

        There are fewer if they would be smaller than min_bytes, and none unless it is an
        uncompressed regular file.
        """
        file = self.regular
        if not file:
            return []
        fd, begin = file.fileno(), file.tell()
        # No range contains the end, as the file may grow or end without a newline.
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
            file.seek(ranges[-1].end)
        return ranges

    def read(self, size: int) -> bytes:
        """At most size bytes; none at the end.

        It returns what is available: /proc/pf_probe_X may continue after its end, which is
        the end of the log here.
        """
        if isinstance(self.file, io.BufferedReader):
            return self.file.read1(size)
        parts = []
        while size > 0 and not self.trouble:
            try:
                data = self.file.read(min(size, CHUNK_BYTES))
            except (EOFError, lzma.LZMAError, gzip.BadGzipFile, zlib.error) as err:
                self.trouble = f"the compressed file is damaged ({err})"
                break
            data = self._bounded(data)
            if not data:
                break
            parts.append(data)
            size -= len(data)
        return b"".join(parts)


class Counted(io.FileIO):
    """A file that counts the bytes read."""

    nr_bytes = 0

    def readinto(self, buffer: bytearray) -> int | None:  # type: ignore[override]
        nr_bytes = super().readinto(buffer)
        self.nr_bytes += nr_bytes or 0
        progress.add(nr_bytes or 0)
        return nr_bytes


class Arriving:
    """A file to unpack; a read from a pipe does not wait for more than has arrived."""

    LEAST = (
        1 << 10
    )  # shorter reads, as of a header's fields, return all that was asked for

    def __init__(self, file: io.BufferedReader) -> None:
        self.file = file

    def read(self, size: int) -> bytes:
        """At most size bytes; none at the end."""
        return self.file.read(size) if size < self.LEAST else self.file.read1(size)


class Xz:
    """Unpacks streams of xz; LZMAFile would take 4 GiB of memory if a file asks for that."""

    def __init__(self, file: Arriving) -> None:
        self.file = file
        self.unpacker = lzma.LZMADecompressor(memlimit=XZ_MEMORY)

    def read(self, size: int) -> bytes:
        """At most size bytes; none at the end. Raises LZMAError, EOFError."""
        while True:
            data = b""
            if self.unpacker.eof:
                data = self.unpacker.unused_data.lstrip(b"\0")
                while not data:
                    data = self.file.read(CHUNK_BYTES)
                    if not data:
                        return b""
                    data = data.lstrip(b"\0")
                if not data.startswith(XZ[: len(data)]):  # something else follows
                    return b""
                self.unpacker = lzma.LZMADecompressor(memlimit=XZ_MEMORY)
            elif self.unpacker.needs_input:
                data = self.file.read(CHUNK_BYTES)
                if not data:
                    raise EOFError("it ends too early")
            unpacked = self.unpacker.decompress(data, size)
            if unpacked:
                return unpacked


def is_standard_input(name: str) -> bool:
    """Does the name stand for standard input?"""
    return name == "-"


def is_stream(name: str) -> bool:
    """Is it a name of a stream, as /dev/stdin, beside which nothing belongs?"""
    path = os.path.abspath(name)
    try:
        is_file = stat.S_ISREG(os.lstat(path).st_mode)
    except OSError:
        return False
    return path.startswith(("/dev/", "/proc/")) and not is_file


def size(names: Iterable[str]) -> int | None:
    """The bytes of all these logs, as they are stored; None: unknown, as one is no file."""
    total = 0
    for name in names:
        status = None if is_standard_input(name) else os.stat(name)
        if not status or not stat.S_ISREG(status.st_mode):
            return None
        total += status.st_size
    return total


def unpacked_name(name: str) -> Path:
    """The log's path without the suffix of its compression."""
    path = Path(name)
    return path.with_suffix("") if path.suffix in PACKED_SUFFIXES else path


@contextmanager
def open_log(name: str) -> Iterator[Source]:
    """Open a log for reading; raises OSError, and LogError if zstd is missing."""
    if is_standard_input(name) and sys.stdin is None:
        raise LogError("-: standard input is closed")
    if is_standard_input(name):
        raw = Counted(sys.stdin.fileno(), closefd=False)
    else:
        raw = Counted(name)
    with io.BufferedReader(raw) as file:
        try:
            magic = file.peek(len(XZ))
        except OSError as err:
            err.filename = name
            raise
        if magic.startswith(GZIP):
            # It only reads, and never goes back.
            arriving = Arriving(file)
            unpacked = gzip.GzipFile(fileobj=arriving, mode="rb")  # type: ignore[call-overload]
            yield Source(unpacked, packed=raw)
        elif magic.startswith(XZ):
            yield Source(Xz(Arriving(file)), packed=raw)
        elif magic.startswith(ZSTD):
            with _zstd(name, file, raw) as source:
                yield source
        else:
            yield Source(file)


@contextmanager
def _zstd(name: str, file: io.BufferedReader, raw: Counted) -> Iterator[Source]:
    """Python has no zstd before 3.14, so the program zstd unpacks; a thread feeds it."""
    try:
        process = subprocess.Popen(
            ["zstd", "-dcq"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd="/",  # a relative PATH must not find a program in the current folder
        )
    except FileNotFoundError as err:
        text = f"{name}: zstd is needed to unpack it (Debian: apt install zstd)"
        raise LogError(text) from err
    assert process.stdin and isinstance(process.stdout, io.BufferedReader)
    to_zstd, from_zstd = process.stdin, process.stdout

    done, stop = os.pipe()

    def feed() -> None:
        """Copy until the end, or until stop is closed: a pipe may stay open for ever."""
        ready = select.poll()
        ready.register(done, 0)
        ready.register(raw.fileno(), select.POLLIN)
        data = file.read1(CHUNK_BYTES)  # that open_log() has peeked at
        with suppress(BrokenPipeError), to_zstd:
            while data:
                to_zstd.write(data)
                if any(fd == done for fd, _ in ready.poll()):
                    break
                data = file.read1(CHUNK_BYTES)

    # If zstd ends early, the signal must not end this process.
    on_pipe = signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    feeder = threading.Thread(target=feed, daemon=True)
    feeder.start()
    source = _Zstd(process, from_zstd, raw)
    try:
        yield source
    finally:
        from_zstd.close()
        os.close(stop)
        feeder.join()
        os.close(done)
        process.wait()
        signal.signal(signal.SIGPIPE, on_pipe)


class _Zstd(Source):
    """The output of zstd, whose exit status shows whether it is complete."""

    def __init__(
        self, process: subprocess.Popen[bytes], file: io.BufferedReader, raw: Counted
    ) -> None:
        super().__init__(file, packed=raw)
        self.process = process

    def read(self, size: int) -> bytes:
        """As Source.read()."""
        if self.trouble:
            return b""
        data = super().read(size)
        if not data and self.process.wait():
            self.trouble = "the compressed file is damaged (zstd failed)"
        return self._bounded(data)
