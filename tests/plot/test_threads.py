# SPDX-License-Identifier: GPL-2.0-or-later
"""Names of threads: at the time of a fault, in every output."""

from __future__ import annotations

import json
import re
import sqlite3
import zlib
from base64 import b64decode
from contextlib import closing
from pathlib import Path

import pytest
from faultlog.analyse.threads import thread_names
from faultlog.draw.lanes import find_threads
from faultlog.parse.log import Log
from logs import HEAD_AT_0, fault, read, run, summary
from printing import table_of
from spaces import HEAD, child, comm, execs


def by(time_ns: int, pid: int, tid: int) -> bytes:
    keys = {"cpu": 0, "ip": "0x1000", "access": "write", "mode": "user"}
    keys |= {"region": "heap", "result": "minor", "latency_ns": 7, "map": "[heap]"}
    return fault(time_ns, 0x1000 * time_ns, pid, tid=tid, **keys)


def names_of(log: Log) -> list[str]:
    names, codes = thread_names(log)
    return [names[code] for code in codes.tolist()]


TEXT = (
    HEAD
    + comm(1, 9, 9, "main")
    + comm(1, 9, 11, "worker\\0401")
    + by(5, 9, 9)
    + by(6, 9, 11)
    + comm(7, 9, 11, "idle")
    + by(7, 9, 11)
    + by(8, 9, 12)
)


def test_a_name_is_the_one_at_the_time_of_the_fault():
    assert names_of(read(TEXT)) == ["main", "worker 1", "idle", ""]


def test_a_child_and_an_exec_name_the_first_thread():
    text = TEXT + child(10, 20, 9, comm="main") + by(11, 20, 20)
    text += comm(12, 20, 21, "helper") + by(13, 20, 21)
    text += execs(14, 20, "cc1") + by(15, 20, 20)
    assert names_of(read(text))[4:] == ["main", "helper", "cc1"]


def test_a_process_with_the_same_pid_has_no_names_of_its_predecessor_s_threads():
    text = TEXT + child(10, 20, 9, comm="one") + comm(12, 20, 21, "helper")
    text += by(13, 20, 21) + child(20, 20, 9, comm="two") + by(21, 20, 20)
    text += by(22, 20, 21) + comm(23, 20, 21, "new") + by(24, 20, 21)
    assert names_of(read(text))[4:] == ["helper", "two", "", "new"]


def test_a_log_without_such_lines_has_no_names():
    text = HEAD_AT_0 + child(1, 9, 4494) + by(5, 9, 9)
    assert names_of(read(text)) == [""]
    assert find_threads(read(text)).names == ["sh 9"]


@pytest.fixture(name="path")
def _path(tmp_path) -> Path:
    path = tmp_path / "x.log"
    path.write_bytes(TEXT + summary(4))
    return path


def test_tables_have_the_names(path):
    rows = table_of(path, "--by", "threadname", "--sort", "key")
    found = [(row["threadname"], row["faults"]) for row in rows]
    assert sorted(found) == [("", "1"), ("idle", "1"), ("main", "1"), ("worker 1", "1")]
    rows = table_of(path, "--by", "thread", "--sort", "key")
    assert [row["thread"] for row in rows] == ["9", "11", "12"]
    lines = run(path, "--by", "thread", "--sort", "key").stdout.splitlines()
    ends = [line.split()[-2:] for line in lines if " 28.0 ns" in line or "7 ns" in line]
    assert ["9", "main"] in ends and ["11", "idle"] in ends
    assert "idle 11" in run(path, "--slowest", "9").stdout
    rows = table_of(path, "--slowest", "9")
    found = [(row["tid"], row["threadname"]) for row in rows]
    assert found == [("9", "main"), ("11", "worker 1"), ("11", "idle"), ("12", "")]


def test_exported_files_have_the_names(path, tmp_path):
    expected = ["main", "worker 1", "idle", None]
    lines = run(path, "-o", "-.jsonl").stdout.splitlines()
    assert [json.loads(line)["threadname"] for line in lines] == expected
    output = tmp_path / "x.sqlite"
    run(path, "-o", output)
    with closing(sqlite3.connect(output)) as database:
        rows = database.execute("SELECT threadname FROM faults ORDER BY id").fetchall()
    assert [name for (name,) in rows] == expected
    events = json.loads(run(path, "-o", "-.trace.json").stdout)["traceEvents"]
    found = {
        e["tid"]: e["args"]["name"] for e in events if e.get("name") == "thread_name"
    }
    assert found == {9: "main", 11: "idle", 12: "thread 12"}


def test_lanes_have_the_last_names():
    assert find_threads(read(TEXT)).names == ["main 9", "idle 11", "? 12"]


def test_a_page_has_the_threads_numbers_and_names(path, tmp_path):
    """Its rows and filter by thread had numbers only."""
    pytest.importorskip("plotly")
    page = tmp_path / "x.html"
    run(path, "-o", page)
    packed = re.search(r'id="meta.0">([^<]*)<', page.read_text())[1]
    meta = json.loads(zlib.decompress(b64decode(packed), wbits=31))
    expected = {"-1": "", "9": "9 main", "11": "11 idle", "12": "12"}
    assert meta["names"]["tid"] == expected
    path.write_bytes(HEAD_AT_0 + by(5, 9, 9) + summary(1))
    run(path, "-o", page)
    packed = re.search(r'id="meta.0">([^<]*)<', page.read_text())[1]
    assert (
        "tid" not in json.loads(zlib.decompress(b64decode(packed), wbits=31))["names"]
    )
