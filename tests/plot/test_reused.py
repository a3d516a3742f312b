# SPDX-License-Identifier: GPL-2.0-or-later
"""A PID that a later child reuses: every output shows two processes."""

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
from faultlog.analyse.placer import NOWHERE, Placer
from faultlog.draw.drawing import count_pages
from faultlog.draw.lanes import find_lanes, find_threads
from faultlog.draw.panels import by_mapping
from logs import HEAD_AT_0, fault, read, run, summary, texts, drawn

HEAD = HEAD_AT_0.replace(b"pid=4494 comm=cc1plus", b"pid=100 comm=make")


def event(kind: str, time_ns: int, pid: int, comm: str, ppid: int = 100) -> bytes:
    of = f" ppid={ppid}" if kind == "child" else ""
    return f"# {kind} time={time_ns} pid={pid}{of} comm={comm}\n".encode()


def log_of(*comms: str, pid: int = 500) -> bytes:
    """A log of make and children with one PID, one after the other; the ith has i + 1 faults."""
    keys = dict(map="anon", region="anon", result="minor", latency_ns=3)
    lines = [HEAD, fault(1, 0x1000, 100, tid=100, **keys)]
    for i, comm in enumerate(comms):
        begin = 1000 * (i + 1)
        lines.append(event("child", begin, pid, "make", ppid=100 + i))
        lines.append(event("exec", begin + 5, pid, comm))
        for k in range(i + 1):
            lines.append(
                fault(begin + 10 + k, 0x1000 + 0x1000 * k, pid, tid=pid, **keys)
            )
    nr = 1 + sum(range(1, len(comms) + 1))
    end = summary(nr).replace(b"\n", b" children=%d\n" % len(comms))
    return b"".join(lines) + end


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "x.log").write_bytes(log_of("cc1", "as", "as"))
    return tmp_path / "x.log"


NAMES = ["100", "500", "500~2", "500~3"]


def table(path: Path, key: str, *options: str) -> list[dict[str, str]]:
    done = run(path, "--by", key, "--csv", *options)
    assert (done.returncode, done.stderr) == (0, "")
    return list(csv.DictReader(io.StringIO(done.stdout)))


def test_tables(path):
    rows = table(path, "process", "--sort", "key")
    assert [row["process"] for row in rows] == NAMES
    assert [row["faults"] for row in rows] == ["1", "1", "2", "3"]
    output = run(path, "--by", "process").stdout
    for name in ("100 make", "500 cc1", "500~2 as", "500~3 as"):
        assert re.search(rf"  {re.escape(name)}$", output, re.M)
    # Each process has its own pages.
    assert [row["pages"] for row in table(path, "region")] == ["7"]
    assert len(table(path, "page")) == 7
    assert {row["page"] for row in table(path, "page", "--pid", "500")} >= {
        "500~2:0x1000"
    }
    # A filter does not renumber the processes.
    rows = table(path, "process", "--from", "@3000")
    assert [row["process"] for row in rows] == ["500~3"]


def test_the_traced_process_may_be_the_first(tmp_path):
    text = log_of("cc1", pid=100)
    log = read(text)
    assert (
        log.process.tolist()[0] == 100
        and log.process_text(int(log.process[1])) == "100~2"
    )
    assert log.last_names() == {100: "make", int(log.process[1]): "cc1"}


def test_a_doubled_line_is_one_child():
    text = log_of("cc1")
    child = event("child", 1000, 500, "make")
    assert read(text.replace(child, child * 2)).reused == {}
    assert (
        len(read(text.replace(child, child + event("child", 1001, 500, "x"))).reused)
        == 1
    )


def test_pictures():
    log = read(log_of("cc1", "as", "as"))
    assert find_lanes(log).names == ["make 100", "cc1 500", "as 500~2", "as 500~3"]
    names = find_threads(log).names
    assert names == ["make 100", "cc1 500", "as 500~2", "as 500~3"]
    assert np.bincount(find_threads(log).lane).tolist() == [1, 1, 2, 3]
    assert count_pages(log) == 7
    assert "7 pages" in by_mapping(log).panels[0].notes
    words = texts(drawn(log_of("cc1", "as", "as")))
    assert "as 500~2" in words and "on 7 pages" in words


def test_the_page(path):
    page = path.with_suffix(".html")
    assert run(path, "-o", page).returncode == 0
    packed = re.search(rb'id="meta.0">([^<]*)<', page.read_bytes())[1]
    meta = json.loads(gzip.decompress(base64.b64decode(packed)))
    at = meta["shared"].index("pid")
    processes = [group[at] for group in meta["groups"]]
    names = [meta["names"]["pid"][str(process)] for process in processes]
    assert sorted(names) == NAMES
    assert meta["nr_codes"]["page"] == 7


def test_the_trace(path):
    output = path.with_suffix(".trace.json")
    assert run(path, "-o", output).returncode == 0
    events = json.loads(output.read_text())["traceEvents"]
    names = {e["pid"]: e["args"]["name"] for e in events if e["name"] == "process_name"}
    assert sorted(names.values()) == ["as (PID 500~2)", "as (PID 500~3)", "cc1", "make"]
    faults = [names[e["pid"]] for e in events if e.get("cat") == "fault"]
    assert faults.count("as (PID 500~3)") == 3 and faults.count("cc1") == 1
    born = {e["pid"]: e["args"]["ppid"] for e in events if e.get("cat") == "child"}
    assert sorted(born.values()) == [100, 101, 102] and set(born) == set(names) - {100}


def test_the_database(path):
    output = path.with_suffix(".sqlite")
    assert run(path, "-o", output).returncode == 0
    with closing(sqlite3.connect(output)) as database:
        found = database.execute(
            "SELECT pid, ppid, program, since_ns, count(fault.id) FROM process"
            " LEFT JOIN fault ON fault.process = process.id GROUP BY process.id"
        ).fetchall()
    assert {row for row in found if row[4]} == {
        (100, None, "make", None, 1),
        (500, 100, "cc1", 1005, 1),
        (500, 101, "as", 2005, 2),
        (500, 102, "as", 3005, 3),
    }


def test_functions_are_placed_by_each_process_s_own_mappings():
    """The second process used the mappings of the first, or of their parent."""
    keys = dict(tid=1, access="exec", region="file", map="/no/old", offset="0x1000")
    heap = dict(tid=1, access="write", map="[heap]", region="heap", ip="0x501234")
    text = HEAD + fault(1, 0x601000, 101, **keys | {"map": "/no/other"}, ip="0x601000")
    text += event("child", 10, 500, "a") + event("exec", 11, 500, "b")
    text += fault(12, 0x501000, 500, **keys, ip="0x501000") + fault(13, 0, 500, **heap)
    text += event("child", 20, 500, "a", ppid=101)
    text += fault(21, 0, 500, **heap) + fault(22, 0, 500, **heap | {"ip": "0x601234"})
    log = read(text)
    file, _ = Placer(log).place(log)
    names = [log.names["map"][f] if f != NOWHERE else "" for f in file]
    assert names == ["/no/other", "/no/old", "/no/old", "", "/no/other"]
