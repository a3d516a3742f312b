# SPDX-License-Identifier: GPL-2.0-or-later
"""Logs as CSV, JSON lines, SQLite and traces, compared with what awk and Python read."""

from __future__ import annotations

import csv
import json
import re
import sqlite3
import subprocess
from collections import Counter, defaultdict
from contextlib import closing
from pathlib import Path

import pytest
from faultlog.report import perfetto
from faultlog.report.database import AT_ONCE
from faultlog.report.rows import HEADER
from logs import *

HOSTILE = b'=cmd|"/c\\040calc"!A1,</script>\\012\\134%s{}'  # a name, as a log has it
HOSTILE_TEXT = '=cmd|"/c calc"!A1,</script>\N{REPLACEMENT CHARACTER}\\%s{}'
DOC = SCRIPT.parent / "doc/queries.md"
QUERIES = re.findall(r"^(\S[^\n]*)\n\n```sql\n(.*?)```", DOC.read_text(), re.M | re.S)


def converted(tmp_path: Path, text: bytes, suffix: str, *options: str) -> Path:
    log, output = tmp_path / "a.log", tmp_path / f"a{suffix}"
    log.write_bytes(text)
    done = run(log, "-o", output, *options)
    assert (done.returncode, done.stdout) == (0, f"{output}\n"), done.stderr
    assert {p.name for p in tmp_path.iterdir()} == {log.name, output.name}
    return output


def csv_rows(path: Path) -> list[dict]:
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def jsonl_rows(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def plain_rows(text: bytes) -> list[dict]:
    """A log's faults, read by a few lines of Python that share nothing with the package."""
    rows = []
    for line in text.decode().splitlines():
        match = re.match(
            r"(?: *\d+:: )?PID = +(\d+) Page Fault at Address (\S+) at Time (\d+)", line
        )
        if match:
            row = dict(pid=match[1], address=match[2], time_ns=match[3])
            rows.append(
                row | dict(w.split("=", 1) for w in line[match.end() :].split())
            )
    return rows


# The larger number is more than a block.
@pytest.mark.parametrize("outcomes, nr_faults", [(False, 3000), (True, 70000)])
def test_csv_and_jsonl_have_each_fault_as_the_log_has_it(tmp_path, outcomes, nr_faults):
    text = compiler_log(nr_faults, outcomes=outcomes)
    expected = plain_rows(text)
    (tmp_path / "c").mkdir()
    (tmp_path / "j").mkdir()
    rows = csv_rows(converted(tmp_path / "c", text, ".csv"))
    lines = jsonl_rows(converted(tmp_path / "j", text, ".jsonl"))
    assert len(rows) == len(lines) == len(expected) == nr_faults
    for row, line, fault in zip(rows, lines, expected):
        assert tuple(row) == tuple(line) == HEADER
        fault = {name: fault.get(name, "") for name in HEADER[:-7]}
        if fault["offset"]:
            fault["offset"] = str(int(fault["offset"], 16))
        assert {name: row[name] for name in fault} == fault
        got = {n: "" if line[n] is None else str(line[n]) for n in fault}
        assert got == fault
        assert (row["program"], line["program"]) == ("cc1plus", "cc1plus")
        assert row["boot"] == line["boot"] == "2020-05-04T01:24:28Z"
        assert (row["host"], line["host"]) == ("", None)
        assert len(row["recording"]) == 16 and row["recording"] == line["recording"]
        # The file is not here. Without a file in the log, nothing is known.
        function = "cc1plus+0x4ce1b5" if outcomes else None
        assert (row["function"], line["function"]) == (function or "", function)
        assert (row["line"], line["line"]) == ("", None)


def test_csv_sums_are_those_of_awk_on_the_log(tmp_path):
    text = compiler_log(5000, outcomes=True)
    output = converted(tmp_path, text, ".csv")

    def awk(program: str, path: Path) -> list[str]:
        done = subprocess.run(["awk", program, path], capture_output=True, text=True)
        assert done.returncode == 0
        return sorted(done.stdout.splitlines())

    of_log = awk(
        """/ Page Fault / { for (i = 1; i <= NF; i++) if (split($i, p, "=") == 2) v[p[1]] = p[2]
        n[v["region"] "/" v["result"]]++; sum[v["region"] "/" v["result"]] += v["latency_ns"] }
        END { for (k in n) print k, n[k], sum[k] }""",
        tmp_path / "a.log",
    )
    place = {name: i + 1 for i, name in enumerate(HEADER)}
    key = f'${place["region"]} "/" ${place["result"]}'
    of_csv = awk(
        f"""BEGIN {{ FS = "," }} NR > 1 {{ n[{key}]++; sum[{key}] += ${place["latency_ns"]} }}
        END {{ for (k in n) print k, n[k], sum[k] }}""",
        output,
    )
    assert of_log == of_csv and len(of_csv) > 5


def test_a_filter_and_a_log_of_2020(tmp_path):
    rows = csv_rows(converted(tmp_path, FAMILY, ".csv", "--major"))
    assert [row["result"] for row in rows] == ["major"]
    rows = csv_rows(converted(tmp_path, OLD, ".csv"))
    assert rows[0]["time_ns"] == "1389595218602"
    assert rows[0]["ip"] == rows[0]["tid"] == rows[0]["latency_ns"] == ""


def test_other_logs_are_other_recordings(tmp_path):
    def name(text: bytes) -> str:
        return csv_rows(converted(tmp_path, text, ".csv"))[0]["recording"]

    other = HEAD.replace(b"pid=4494", b"pid=4495")
    assert name(HEAD + NEW) == name(HEAD + NEW + NEW) != name(other + NEW)


def test_hostile_names_stay_text(tmp_path):
    keys = dict(tid=7, access="read", region="file", map=HOSTILE.decode())
    text = HEAD_AT_0 + fault(10, 0x1000, 7, **keys) + fault(20, 0x2000, 7, **keys)
    text += b"# exec time=5 pid=7 comm=@SUM(A1)\n" + summary(2)
    row = csv_rows(converted(tmp_path, text, ".csv"))[1]
    assert (row["map"], row["program"]) == ("'" + HOSTILE_TEXT, "'@SUM(A1)")
    (tmp_path / "a.csv").unlink()
    line = jsonl_rows(converted(tmp_path, text, ".jsonl"))[1]
    assert (line["map"], line["program"]) == (HOSTILE_TEXT, "@SUM(A1)")
    (tmp_path / "a.jsonl").unlink()
    events = trace_events(converted(tmp_path, text, ".trace.json"))
    assert HOSTILE_TEXT in [e["args"].get("map") for e in events]
    (tmp_path / "a.trace.json").unlink()
    with closing(sqlite3.connect(converted(tmp_path, text, ".sqlite"))) as database:
        assert database.execute(
            "SELECT DISTINCT map, program FROM faults"
        ).fetchall() == [(HOSTILE_TEXT, "@SUM(A1)")]


def test_a_failed_write_leaves_the_old_file(tmp_path):
    (tmp_path / "a.log").write_bytes(FAMILY)
    for name in ("a.csv", "a.sqlite", "a.trace.json"):
        (tmp_path / name).mkdir()
        done = run(tmp_path / "a.log", "-o", tmp_path / name)
        assert done.returncode == 1 and len(done.stderr.splitlines()) == 1
    assert len(list(tmp_path.iterdir())) == 4  # nothing half-done beside them


# SQLite


@pytest.mark.parametrize("nr_faults", [3000, 2 * AT_ONCE])
def test_sqlite_has_each_fault(tmp_path, nr_faults):
    text = compiler_log(nr_faults, outcomes=True)
    path = converted(tmp_path, text, ".sqlite")
    names = (
        "pid, time_ns, tid, cpu, access, region, kind, result, latency_ns, tries, map"
    )
    with closing(sqlite3.connect(path)) as database:
        found = database.execute(
            f"SELECT printf('0x%x', address), printf('0x%x', ip), {names} FROM faults "
            "ORDER BY id"
        ).fetchall()
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        recording = database.execute("SELECT complete, notes FROM recording").fetchall()
    keys = ["address", "ip", *names.split(", ")]
    expected = [tuple(row[key] for key in keys) for row in plain_rows(text)]
    assert [tuple(map(str, row)) for row in found] == expected
    assert recording == [(1, "")]


def test_sqlite_has_programs_by_time_and_addresses_up_to_64_bits(tmp_path):
    text = FAMILY.replace(b"0x7ffc0e6d8010", b"0xffffffffff600010")
    with closing(sqlite3.connect(converted(tmp_path, text, ".sqlite"))) as database:
        processes = database.execute("SELECT pid, ppid, program, since_ns FROM process")
        assert processes.fetchall() == [
            (124, None, "make", None),
            (125, 124, "a sh", 4928860995),
            (125, 124, "make", 4928860895),
        ]
        found = database.execute(
            "SELECT pid, program, printf('0x%x', address) FROM faults"
        )
        assert found.fetchall() == [
            (124, "make", "0xfc4b008"),
            (125, "a sh", "0x7f9c0e6d8000"),
            (124, "make", "0xffffffffff600010"),
        ]


def test_sqlite_has_a_view_with_plain_names_and_relative_times(tmp_path):
    """Times in the view were CLOCK_MONOTONIC only."""
    path = converted(tmp_path, FAMILY, ".sqlite", "--region", "stack")
    with closing(sqlite3.connect(path)) as database:
        found = database.execute(
            "SELECT at_ms, latency_ms, pid, program, map, address_hex, ip_hex FROM faults"
        ).fetchall()
        views = database.execute("SELECT name FROM sqlite_schema WHERE type = 'view'")
        assert views.fetchall() == [("faults",)]
        names = [row[1] for row in database.execute("PRAGMA table_info(faults)")]
    # Relative to the log's first fault, which the filter leaves out.
    assert found == [
        (
            *(0.009105, 0.000999, 124, "make", "[stack]"),
            *("0x7ffc0e6d8010", "0x7f9c0e6d8106"),
        )
    ]
    assert "function" in names and "line" in names and "process" not in names
    (tmp_path / "a.sqlite").unlink()
    with closing(sqlite3.connect(converted(tmp_path, OLD, ".sqlite"))) as database:
        found = database.execute("SELECT at_ms, ip_hex, function, line FROM faults")
        assert found.fetchall() == [(0.0, None, None, None)]


def test_there_are_eleven_queries():
    assert len(QUERIES) == 11


@pytest.mark.parametrize("query", [q for _, q in QUERIES], ids=[t for t, _ in QUERIES])
def test_queries_of_the_manual(tmp_path, query):
    """SQLite's engine runs each of them, and its sums are those of the log's lines."""
    text = compiler_log(4000, outcomes=True)
    expected = plain_rows(text)
    with closing(sqlite3.connect(converted(tmp_path, text, ".sqlite"))) as database:
        database.row_factory = sqlite3.Row
        rows = [dict(row) for row in database.execute(query)]
    assert rows
    if "faults" in rows[0] and "LIMIT" not in query:
        assert sum(row["faults"] for row in rows) == 4000
    pages = {(row["pid"], int(row["address"], 16) >> 12) for row in expected}
    if "new_pages" in rows[0]:
        assert sum(row["new_pages"] for row in rows) == len(pages)
    if "page" in rows[0]:
        counts = Counter(int(row["address"], 16) >> 12 for row in expected)
        assert [row["faults"] for row in rows] == sorted(counts.values())[::-1][:20]
    if "percent" in rows[0]:
        spent, counts = defaultdict(int), Counter(row["map"] for row in expected)
        for row in expected:
            spent[row["map"]] += int(row["latency_ns"])
        for row in rows:
            assert row["ms"] == pytest.approx(spent[row["map"]] / 1e6)
            assert row["faults"] == counts[row["map"]]
        assert sum(row["percent"] for row in rows) == pytest.approx(100, abs=0.5)
    if "p50" in rows[0]:
        for row in rows:
            latencies = [
                int(r["latency_ns"]) for r in expected if r["result"] == row["result"]
            ]
            assert (row["p0"], row["p100"]) == (min(latencies), max(latencies))
            for name, share in (("p50", 0.5), ("p99", 0.99)):
                rank = -(-len(latencies) * round(100 * share) // 100)
                assert row[name] == sorted(latencies)[rank - 1]
    if "at_ms" in rows[0]:
        slowest = sorted((int(row["latency_ns"]) for row in expected), reverse=True)
        assert [row["latency_ms"] for row in rows] == [ns / 1e6 for ns in slowest[:10]]
    if "at_mib" in rows[0]:
        majors = [
            row for row in expected if row["result"] == "major" and "offset" in row
        ]
        counts = Counter((r["map"], int(r["offset"], 16) >> 20) for r in majors)
        for row in rows:
            assert row["major"] == counts[row["map"], row["at_mib"]]
    if "complete" in rows[0]:
        assert rows == [{"complete": 1, "notes": "", "filter": "", "recorded": 4000}]


# Traces


def trace_events(path: Path) -> list[dict]:
    """The events of a trace that follows the rules of the Trace Event Format."""
    text = path.read_text()
    trace = json.loads(text)
    events = trace["traceEvents"]
    open_ends = defaultdict(list)
    slices = [event for event in events if event["ph"] == "X"]
    for event in events:
        assert event["ph"] in "XiMC"
        assert isinstance(event["name"], str) and isinstance(event["pid"], int)
        assert isinstance(event["args"], dict)
        if event["ph"] != "M":
            assert event["ts"] >= 0
        if event["ph"] in "Xi":
            assert isinstance(event["tid"], int)
        if event["ph"] == "i":
            assert event["s"] in ("t", "p") and "dur" not in event
        if event["ph"] == "C":
            assert all(isinstance(v, int) and v >= 0 for v in event["args"].values())
        if event["ph"] == "M":
            assert event["name"] in ("process_name", "thread_name")
    for event in sorted(slices, key=lambda e: (ns(e["ts"]), -ns(e["dur"]))):
        track, begin = open_ends[event["pid"], event["tid"]], ns(event["ts"])
        while track and track[-1] <= begin:
            track.pop()
        end = begin + ns(event["dur"])
        assert not track or end <= track[-1], "slices of a track must nest"
        track.append(end)
    return events


def ns(microseconds: float) -> int:
    return round(microseconds * 1000)


def test_trace_has_each_fault_as_a_slice_or_an_instant(tmp_path):
    text = compiler_log(70000, outcomes=True)
    events = trace_events(converted(tmp_path, text, ".trace.json"))
    faults = [event for event in events if event.get("cat") == "fault"]
    for event, row in zip(faults, plain_rows(text), strict=True):
        assert ns(event["ts"]) == int(row["time_ns"])
        assert event["args"]["latency_ns"] == int(row["latency_ns"])
        assert event["args"]["address"] == row["address"]
        assert (event["pid"], event["tid"]) == (int(row["pid"]), int(row["tid"]))
        assert event["args"]["map"] == row["map"]
        if event["ph"] == "X":
            assert ns(event["dur"]) == int(row["latency_ns"])
    names = {(e["name"], e["tid"]): e["args"]["name"] for e in events if e["ph"] == "M"}
    assert names == {
        ("process_name", 4494): "cc1plus",
        ("thread_name", 4494): "cc1plus",
        **{("thread_name", tid): f"thread {tid}" for tid in range(4495, 4499)},
    }
    counted = Counter()
    for event in events:
        if event["ph"] == "C":
            counted[event["name"].split(": ")[1]] += event["args"]["faults"]
    assert counted == Counter(row["region"] for row in plain_rows(text))


def test_trace_without_latencies_is_instants(tmp_path):
    events = trace_events(converted(tmp_path, OLD + NEW, ".trace.json"))
    assert [e["ph"] for e in events if e.get("cat") == "fault"] == ["i", "i"]


def test_trace_has_children_and_their_programs(tmp_path):
    events = trace_events(converted(tmp_path, FAMILY, ".trace.json"))
    got = [(e["name"], e["pid"]) for e in events if e["ph"] == "i"]
    assert got == [("child make", 125), ("exec a sh", 125)]
    names = [e["args"]["name"] for e in events if e["name"] == "process_name"]
    assert names == ["make", "a sh"]


def test_trace_slices_nest_in_any_log():
    """A fault may lie within another; one that ends after the other becomes an instant."""
    keys = dict(access="read", result="minor")
    lines = [(100, 50), (110, 20), (120, 5), (140, 20), (150, 10), (100, 60), (90, 5)]
    text = HEAD_AT_0 + b"".join(
        fault(t, 0x1000, 4494, tid=4494, latency_ns=d, **keys) for t, d in lines
    )
    top = fault((1 << 64) - 9, 0x1000, 4494, tid=1, latency_ns=(1 << 64) - 3, **keys)
    log = read(text.replace(HEAD_AT_0, b"") + top)
    slices = perfetto.as_slices(log, perfetto._tids(log))
    assert slices.tolist() == [True, True, True, False, True, True, True, True]


def test_steps_of_counters():
    assert [perfetto.step(ns) for ns in (0, 500, 501, 10**9)] == [1, 1, 10, 10**7]
    minute = 60 * 10**9
    assert [perfetto.step(n * minute) for n in (400, 1000, 60000)] == [
        minute,
        2 * minute,
        120 * minute,
    ]
