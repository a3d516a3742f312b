# SPDX-License-Identifier: GPL-2.0-or-later
"""A log read in parts by helpers equals the log read by one reader."""

from __future__ import annotations

import os
import pickle
import random
import signal
import subprocess
import time
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from faultlog.base import helper
from faultlog.base.helper import Helpers
from faultlog.parse import lines, source
from faultlog.parse.areas import Areas
from faultlog.parse.read import read_log
from faultlog.parse.source import open_log
from logs import *

import spaces

COUNTED = b"".join(
    fault(10**12 + i, 4096 * i, counter=i, map=f"/{i % 300}", tid=i % 7)
    for i in range(3000)
)
TEXTS = {
    "a compiler": compiler_log(3000),
    "with outcomes": compiler_log(3000, outcomes=True),
    "a family": FAMILY * 40,
    "of 2020": OLD * 900,
    "address spaces": HEAD
    + b"".join(
        spaces.file(i, f"/lib{i}.so")
        + spaces.area(10**12 + i, 1, 4096 * i, 4096 * (i + 1), i)
        + spaces.comm(10**12 + i, 1, i % 9, f"name{i % 50}")
        + fault(10**12 + i, 4096 * i, map=f"/lib{i % 7}.so", offset="0x0")
        for i in range(1000)
    ),
    "two logs": compiler_log(1000) + compiler_log(800, seed=2),
    "no last newline": COUNTED[:-1],
    "cut off": COUNTED[:-40],
    "many names": b"".join(
        fault(i, 4096 * i, access=f"a{i % 400}", map=f"/{i}") for i in range(4000)
    ),
    "one line": HEAD + b"x" * 400_000,
}


def whole(text: bytes) -> dict:
    """Everything that was read, by name."""
    log = read(text)
    return contents(log)


def contents(log: Log) -> dict:
    """Everything in a log, by name."""
    return {f.name: plain(getattr(log, f.name)) for f in fields(log)}


def plain(value: Any) -> Any:
    """The same, with lists instead of arrays, so that it can be compared."""
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, Areas):
        return {f.name: plain(getattr(value, f.name)) for f in fields(value)}
    return value


def in_parts(path: Path, monkeypatch: pytest.MonkeyPatch, nr: int) -> dict:
    """The same, read by this number of helpers, if the log has as many lines."""
    given = []

    class Watched(Helpers):
        def __init__(self, function, items) -> None:
            given.append(len(items))
            super().__init__(function, items)

    monkeypatch.setattr("faultlog.parse.read.Helpers", Watched)
    monkeypatch.setattr("faultlog.parse.read.nr_helpers", lambda: nr)
    monkeypatch.setattr(helper, "nr_helpers", lambda: nr)
    monkeypatch.setattr("faultlog.parse.read.MIN_PART_BYTES", 1000)
    monkeypatch.setattr(source, "LINE_BYTES", 1000)
    with open_log(str(path)) as file:
        log = read_log(file)
    assert given == [nr if path.read_bytes().count(b"\n") > nr else 0]
    return contents(log)


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("nr", (2, 3, 7))
def test_parts_are_as_the_whole(tmp_path, monkeypatch, name, nr):
    path = tmp_path / "a.log"
    path.write_bytes(TEXTS[name])
    assert in_parts(path, monkeypatch, nr) == whole(TEXTS[name])


def test_parts_of_damaged_logs(tmp_path, monkeypatch):
    """Lines that are missing, doubled, out of order, cut, or contain rubbish or a NUL."""
    rng = random.Random(7)
    path = tmp_path / "a.log"
    for nr in (2, 3, 4, 8) * 5:
        text = [HEAD, *COUNTED.splitlines(True)[:900], summary(900)]
        for _ in range(rng.randrange(1, 30)):
            at = rng.randrange(len(text))
            line = text[at]
            text[at] = rng.choice(
                (
                    b"",
                    line * 2,
                    line[: rng.randrange(len(line))] + b"\n",
                    line.replace(b"Fault", b"Fa\0lt"),
                    line.replace(b" tid=", b" rubbish tid="),
                    HEAD,
                    b"# exec time=10 pid=7 comm=sh\n",
                    b"   77:: nothing\n\n",
                )
            )
        joined = b"".join(text)
        path.write_bytes(joined)
        assert in_parts(path, monkeypatch, nr) == whole(joined)


def test_joining_parts_keeps_no_arrays():
    """The frame that read stays alive, held by exceptions that matplotlib's import keeps."""
    first, later = (lines.Reader(["tid", "map"]) for _ in range(2))
    for reader in (first, later):
        reader.feed(COUNTED[:-1])
    first.join(later)
    assert (later.parts, later.lines) == ({}, [])
    assert len(first.log()) == 6000


@pytest.mark.parametrize("nr", (0, 1, 2, 3))
def test_pieces_come_in_order(monkeypatch, nr):
    monkeypatch.setattr(helper, "nr_helpers", lambda: nr)
    for nr_items in (0, 1, 2, 7):
        with Helpers(lambda x: (x * x, os.getpid()), range(nr_items)) as found:
            pieces = list(found)
        assert [piece[0] for piece in pieces] == [x * x for x in range(nr_items)]
        pids = {piece[1] for piece in pieces}
        assert len(pids) == min(nr or 1, nr_items)
        assert (os.getpid() in pids) == (nr == 0 and nr_items > 0)


@pytest.mark.parametrize("how", (signal.SIGKILL, signal.SIGTERM, MemoryError, "half"))
def test_the_part_of_a_failed_helper_is_read_here(monkeypatch, how):
    """One of two helpers is killed, or fails, at its second piece or in the middle of one."""
    monkeypatch.setattr(helper, "nr_helpers", lambda: 2)
    ours, whole = os.getpid(), pickle.dump

    def dump(piece, out, protocol) -> None:
        if how == "half" and piece == (2, 1 << 20):
            out.write(pickle.dumps(piece)[:9])
            raise OSError
        whole(piece, out, protocol)

    def piece(i: int) -> tuple[int, int]:
        if os.getpid() != ours and i == 2:
            if isinstance(how, signal.Signals):
                os.kill(os.getpid(), how)
            if how is MemoryError:
                raise MemoryError
        return i, 1 << 20

    monkeypatch.setattr(pickle, "dump", dump)
    with Helpers(piece, range(6)) as found:
        assert list(found) == [(i, 1 << 20) for i in range(6)]


def test_an_exception_in_a_helper_is_raised_here(monkeypatch):
    monkeypatch.setattr(helper, "nr_helpers", lambda: 2)
    with pytest.raises(ZeroDivisionError), Helpers(lambda i: 1 // i, [1, 0]) as found:
        assert next(found) == 1
        next(found)


def test_no_helper_is_left_when_we_are_killed(tmp_path):
    """And none continues if nobody reads its output."""
    script = (
        "import sys, time\n"
        f"sys.path.insert(0, {str(SCRIPT.parent)!r})\n"
        "from faultlog.base.helper import Helper\n"
        "def work():\n"
        "    time.sleep(0.5)\n"
        "    yield bytes(1 << 20)\n"
        "helpers = [Helper(work) for _ in range(3)]\n"
        "print(*(helper.pid for helper in helpers), flush=True)\n"
        "time.sleep(60)\n"
    )
    process = subprocess.Popen(["/usr/bin/python3", "-c", script], stdout=-1, text=True)
    pids = [int(pid) for pid in process.stdout.readline().split()]
    process.kill()
    process.wait()
    end = time.monotonic() + 30
    while left := [pid for pid in pids if alive(pid)]:
        assert time.monotonic() < end, left
        time.sleep(0.05)


def test_started_by_a_process_that_ignores_its_children(tmp_path):
    """Then the number of a helper that has ended could be reused at once."""
    path = tmp_path / "a.log"
    path.write_bytes(compiler_log(40_000))
    line = ["env", "--ignore-signal=CHLD", "/usr/bin/python3", SCRIPT, path]
    line += ["-o", tmp_path / "a.csv"]
    done = subprocess.run(line, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "a.csv").read_text().count("\n") == 40_001


def alive(pid: int) -> bool:
    """Whether the process exists and is not a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().split(") ")[1][0] != "Z"
    except FileNotFoundError:
        return False
