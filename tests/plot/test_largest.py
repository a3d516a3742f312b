# SPDX-License-Identifier: GPL-2.0-or-later
"""The largest number of a column means "missing", but it can also be a value."""

from __future__ import annotations

import base64
import csv
import gzip
import io
import json
import re
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from faultlog import cli
from faultlog.draw.lanes import find_threads
from faultlog.parse import source
from faultlog.parse.read import read_log
from faultlog.parse.source import open_log
from logs import fault, numbers, read, run

TOP = (1 << 64) - 1
PID_TOP = (1 << 32) - 1
LARGEST = {
    "tid": PID_TOP,
    "cpu": 65535,
    "ip": TOP,
    "latency_ns": TOP,
    "tries": 255,
    "offset": TOP,
}
WORDS = {k: hex(v) if k in ("ip", "offset") else v for k, v in LARGEST.items()}
TEXT = fault(1, 0x1000, 7) + fault(TOP, TOP, PID_TOP, **WORDS, map="/a")
TEXT += fault(2, 0x2000, 8, map="/a")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "x.log").write_bytes(TEXT)
    return tmp_path / "x.log"


def test_it_is_read():
    log = read(TEXT)
    for name, value in LARGEST.items():
        assert numbers(log, name) == [-1, value, -1]
        assert log.take(np.array([1, 0])).known(name).tolist() == [True, False]
    assert log.known("time_ns").all() and log.known("address").all()
    assert log.spent_ns().tolist() == [0, TOP, 0]


def test_helpers_read_it(tmp_path, monkeypatch):
    monkeypatch.setattr("faultlog.parse.read.MIN_PART_BYTES", 10_000)
    monkeypatch.setattr(source, "LINE_BYTES", 1000)
    (tmp_path / "x.log").write_bytes(TEXT * 300)
    with open_log(str(tmp_path / "x.log")) as file:
        log = read_log(file, block_bytes=3000)
    for name, value in LARGEST.items():
        assert numbers(log, name) == [-1, value, -1] * 300


def test_it_is_in_every_export(path):
    for suffix in (".csv", ".jsonl", ".sqlite", ".trace.json"):
        assert run(path, "-o", path.with_suffix(suffix)).returncode == 0
    csv_rows = list(csv.DictReader(path.with_suffix(".csv").open(newline="")))
    json_rows = [json.loads(x) for x in path.with_suffix(".jsonl").open()]
    events = json.loads(path.with_suffix(".trace.json").read_text())["traceEvents"]
    with closing(sqlite3.connect(path.with_suffix(".sqlite"))) as database:
        database.row_factory = sqlite3.Row
        sql_rows = list(database.execute("SELECT * FROM faults ORDER BY id"))
    args = [event["args"] for event in events if event.get("cat") == "fault"]
    for name, value in [*LARGEST.items(), ("address", TOP), ("time_ns", TOP)]:
        is_signed = value == TOP
        got = [row[name] for row in csv_rows]
        assert int(got[1], 0) == value and bool(got[0]) == (name not in LARGEST)
        got = [row[name] for row in json_rows]
        assert int(str(got[1]), 0) == value
        assert (got[0] is None) == (name in LARGEST)
        got = [row[name] for row in sql_rows]
        assert got[1] == (-1 if is_signed else value)
        assert (got[0] is None) == (name in LARGEST)
        if name not in ("time_ns", "tid"):
            got = [a.get(name) for a in args]
            assert int(str(got[1]), 0) == value
            assert (got[0] is None) == (name in LARGEST)


@pytest.mark.parametrize(
    "key, names",
    [
        ("thread", ["", str(PID_TOP)]),
        ("cpu", ["", "65535"]),
        ("offset", ["", "/a", f"/a+{TOP:#x}"]),
        ("page", ["7:0x1000", "8:0x2000", f"{PID_TOP}:{TOP - 4095:#x}"]),
    ],
)
def test_it_is_in_tables(path, key, names):
    rows = list(csv.DictReader(io.StringIO(run(path, "--by", key, "--csv").stdout)))
    assert sorted(row[key] for row in rows) == sorted(names)
    assert [int(row["total_ns"] or 0) for row in rows].count(TOP) == 1


@pytest.mark.parametrize(
    "options",
    [
        ["--address", "0xfffffffffffff000-0x10000000000000000"],
        ["--address", f"{TOP:#x}-{TOP + 1:#x}"],
        ["--from", f"@{TOP}"],
        ["--from", f"@{TOP}", "--to", f"@{TOP + 1}"],
        ["--tid", str(PID_TOP)],
        ["--pid", str(PID_TOP)],
    ],
    ids=" ".join,
)
def test_it_can_be_selected(path, options):
    (row,) = csv.DictReader(io.StringIO(run(path, "--by", "--csv", *options).stdout))
    assert (row["faults"], row["total_ns"]) == ("1", str(TOP))


@pytest.mark.parametrize(
    "options",
    [
        ["--address", f"{TOP:#x}-{TOP + 2:#x}"],
        ["--address", "0-0"],
        ["--from", f"@{TOP + 1}"],
        ["--tid", str(PID_TOP - 1)],
    ],
    ids=" ".join,
)
def test_nothing_is_beyond(path, options):
    assert run(path, "--by", "--csv", *options).returncode in (1, 2)


def test_it_is_in_the_page(path):
    assert cli.main([str(path), "-o", str(path.with_suffix(".html"))]) == 0
    page = path.with_suffix(".html").read_bytes()
    data = {
        name.decode(): gzip.decompress(base64.b64decode(text))
        for name, text in re.findall(rb' id="([a-z]+)\.0">([^<]*)<', page)
    }
    meta = json.loads(data["meta"])
    for name in ("ip", "offset", "latency"):
        width = meta["widths"][name]
        planes = np.frombuffer(data[name], dtype=np.uint8).reshape(width, 3)
        values = [int.from_bytes(planes[:, i].tobytes(), "little") for i in range(3)]
        assert values == [0, TOP + 1, 0]
    groups = np.frombuffer(data["group"], dtype=np.uint8).tolist()
    for name in ("tid", "cpu", "tries"):
        at = meta["shared"].index(name)
        got = [meta["groups"][group][at] for group in groups]
        assert got == [-1, LARGEST[name], -1]


def test_pictures_are_drawn_of_it(path):
    for view in ("address", "mapping", "threads", "memory"):
        done = run(path, "-o", path.with_suffix(".png"), "--view", view)
        assert done.returncode == 0


def test_thread_0_is_shown():
    """A process in another PID namespace may have it; it was taken for a missing one."""
    log = read(fault(1, 0x1000, 7, tid=0) + fault(2, 0x1000, 7))
    assert find_threads(log).names == ["? 0", "? unknown"]
