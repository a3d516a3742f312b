# SPDX-License-Identifier: GPL-2.0-or-later
"""For the tests of tables: logs, and functions that print a table and read it."""

from __future__ import annotations

import csv
import fcntl
import gzip
import io
import os
import pty
import struct
import subprocess
import sys
import termios
from contextlib import suppress
from pathlib import Path

from logs import ENV, HEAD_AT_0, SCRIPT, fault, run, summary, table_lines

CC1 = Path(__file__).with_name("cc1.log.gz")  # a real log, from make demo
CC1_TEXT = gzip.decompress(CC1.read_bytes())


def table_of(path: Path, *options: str) -> list[dict[str, str]]:
    done = run(path, "--csv", *options)
    messages = [
        line
        for line in done.stderr.splitlines()
        if ": Names" not in line and ": No symbols found for " not in line
    ]
    assert (done.returncode, messages) == (0, [])
    return list(csv.DictReader(io.StringIO(done.stdout)))


def printed(tmp_path: Path, text: bytes, *options: str, **env: str) -> list[str]:
    path = tmp_path / "x.log"
    path.write_bytes(text)
    done = run(path, *options, **env)
    assert done.returncode == 0
    return table_lines(done.stdout)


def hostile(names: list[str]) -> bytes:
    lines = [HEAD_AT_0]
    for i, name in enumerate(names):
        keys = {"tid": 1, "region": "file", "result": "minor", "latency_ns": 5}
        lines.append(fault(i, 0x1000 * i, **keys, map=name))
    return b"".join(lines) + summary(len(names))


HOSTILE = [
    "=cmd|'/c\\040calc'!A0",
    "+1+1",
    "-2+3",
    "@SUM(1)",
    "\\011=1+1",
    "\\040\\040=1+1",
    "＝1+1",
    '"quoted",\\012=1',
    "/tmp/$(touch\\040x)`id`",
    "/tmp/\\033[2J\\007",
    "/tmp/\\342\\200\\256gpj.exe",
    "/tmp/\\377\\376",
    "/" + "z" * 3000,
]


def on_terminal(columns: int, *args: object, **env: str) -> str:
    """What the program prints on a terminal of this width."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("4H", 24, columns, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-B", SCRIPT, *map(str, args)],
        env={**ENV, "LANG": "C.UTF-8", **env},
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=subprocess.STDOUT,
    )
    os.close(theirs)
    text = b""
    with suppress(OSError):  # at the end
        while piece := os.read(ours, 1 << 16):
            text += piece
    os.close(ours)
    assert process.wait(60) == 0
    return text.decode().replace("\r\n", "\n")
