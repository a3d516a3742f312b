# SPDX-License-Identifier: GPL-2.0-or-later
"""Lines about address spaces, as the modules write them, for logs of the tests."""

from __future__ import annotations

from logs import HEAD_AT_0

HEAD = HEAD_AT_0.replace(b"\n", b" maps=exec\n")


def line(kind: str, time_ns: int, **keys: object) -> bytes:
    words = "".join(f" {key}={value}" for key, value in keys.items())
    return f"# {kind} time={time_ns}{words}\n".encode()


def file(number: int, path: object, build_id: str = "?", **keys: object) -> bytes:
    about = {"dev": "fd:01", "ino": 100 + number, "size": 1 << 20}
    about |= {"mtime": "1588000000.123456789", **keys}
    return line("file", 1, nr=number, **about, build_id=build_id, path=path)


def area(time_ns: int, pid: int, start: int, end: int, file: object, offset: int = 0):
    keys = {"pid": pid, "start": hex(start), "end": hex(end), "prot": "r-xp"}
    return line("map", time_ns, **keys, offset=hex(offset), file=file)


def space(time_ns: int, pid: int) -> bytes:
    return line("space", time_ns, pid=pid)


def comm(time_ns: int, pid: int, tid: int, name: str) -> bytes:
    return line("comm", time_ns, pid=pid, tid=tid, comm=name)


def child(time_ns: int, pid: int, ppid: int, space: str = "copy", comm: str = "sh"):
    return line("child", time_ns, pid=pid, ppid=ppid, comm=comm, space=space)


def execs(time_ns: int, pid: int, comm: str = "cc") -> bytes:
    return line("exec", time_ns, pid=pid, comm=comm)
