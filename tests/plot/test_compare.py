# SPDX-License-Identifier: GPL-2.0-or-later
"""Two sides of logs held against each other."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from faultlog import fit
from faultlog.compare import is_more, percent_text
from logs import HEAD_AT_0, OLD, fault, read, run, summary
from test_table import CC1, CC1_TEXT, HOSTILE, hostile


def log_of(tmp_path: Path, name: str, **latencies: list[int]) -> Path:
    """A log with these latencies in each mapping; those of 1,000 ns and more are major."""
    lines = [HEAD_AT_0]
    for map, values in latencies.items():
        for latency_ns in values:
            result = "major" if latency_ns >= 1000 else "minor"
            keys = {"tid": 1, "result": result, "latency_ns": latency_ns}
            lines.append(fault(len(lines), 0x1000, **keys, map=f"/{map}"))
    path = tmp_path / name
    path.write_bytes(b"".join(lines) + summary(len(lines) - 1))
    return path


def compared(*options: object) -> list[dict[str, str]]:
    done = run(*options, "--csv")
    assert (done.returncode, done.stderr) == (0, "")
    return list(csv.DictReader(io.StringIO(done.stdout)))


def test_one_run_a_side(tmp_path):
    a = log_of(tmp_path, "a.log", x=[5000, 100], y=[50], gone=[7])
    b = log_of(tmp_path, "b.log", x=[100, 200], y=[50], new=[9, 9])
    done = run(a, "--compare", b)
    assert done.returncode == 0
    rows = [line.split() for line in done.stdout.splitlines() if "s  " in line]
    assert rows == [
        "5.10 µs 300 ns -4.80 µs -94.1 % 1 0 /x".split(),
        "0 ns 18 ns +18 ns new 0 0 /new".split(),
        "7 ns 0 ns -7 ns -100.0 % 0 0 /gone".split(),
        "50 ns 50 ns 0 ns 0.0 % 0 0 /y".split(),
        "5.16 µs 368 ns -4.79 µs -92.9 % 1 0 (all)".split(),
    ]
    assert "takes several on each side" in " ".join(done.stdout.split())
    rows = {row["map"]: row for row in compared(a, "--compare", b)}
    assert rows["/x"]["total_ns_before"], rows["/x"]["total_ns_after"] == (
        "5100",
        "300",
    )
    assert (rows["/new"]["faults_before"], rows["/new"]["faults_after"]) == ("0", "2")
    assert {row["total_ns_beyond"] for row in rows.values()} == {""}


def test_several_runs_tell_what_is_beyond_chance(tmp_path):
    before = [log_of(tmp_path, f"a{i}", x=[100 + i], y=[50 + 20 * i]) for i in range(3)]
    after = [log_of(tmp_path, f"b{i}", x=[200 + i], y=[60 + 20 * i]) for i in range(3)]
    rows = {row["map"]: row for row in compared(*before, "--compare", *after)}
    assert (rows["/x"]["total_ns_before"], rows["/x"]["total_ns_after"]) == (
        "101",
        "201",
    )
    assert (rows["/x"]["total_ns_beyond"], rows["/y"]["total_ns_beyond"]) == (
        "yes",
        "no",
    )
    text = run(*before, "--compare", *after).stdout
    assert "Before: 3 runs, after: 3 runs; time in faults, means" in text
    assert [line.split()[-4] for line in text.splitlines() if " /" in line] == [
        "yes",
        "no",
    ]


@pytest.mark.parametrize(
    "before, after, expected",
    [
        ([1], [9], None),
        ([1, 1], [9], None),
        ([1, 2], [3, 4], True),
        ([1, 2], [4, 5], True),
        ([1, 5], [6, 7], False),  # 3.5 apart, and the runs before are 4 apart
        ([1, 3], [2, 9], False),
        ([4, 5], [1, 2], True),
        ([1, 1], [1, 1], False),
    ],
)
def test_is_more(before, after, expected):
    assert is_more(before, after) is expected


def test_percent():
    assert percent_text(0, 0) == "0.0 %"
    assert percent_text(0, 1) == "new"
    assert percent_text(4, 3) == "-25.0 %"
    assert percent_text(1, 100) == "+9,900.0 %"


def test_a_real_log_does_not_differ_from_itself():
    rows = compared(CC1, CC1, "--compare", CC1, CC1, "--by", "region,access")
    assert len(rows) > 7
    for row in rows:
        for name in ("faults", "major", "total_ns"):
            assert row[f"{name}_before"] == row[f"{name}_after"]
            assert row[f"{name}_beyond"] == "no"
    total = sum(int(row["total_ns_after"]) for row in rows)
    assert total == int(read(CC1_TEXT).latency_ns.sum())


def test_a_filter_may_leave_nothing_of_a_side(tmp_path):
    a = log_of(tmp_path, "a.log", x=[5000])
    b = log_of(tmp_path, "b.log", x=[100])
    (row,) = compared(a, "--compare", b, "--major")
    assert (row["faults_before"], row["faults_after"]) == ("1", "0")


def test_losses_of_each_log_are_told(tmp_path):
    a = log_of(tmp_path, "a.log", x=[5000])
    b = log_of(tmp_path, "b.log", x=[100])
    b.write_bytes(b.read_bytes().replace(b"dropped=0", b"dropped=7"))
    done = run(a, "--compare", b)
    assert "Not complete: 7 dropped" in done.stderr
    assert "b.log: Not complete: 7 dropped" in done.stdout.replace("\n", " ")


def test_hostile_names(tmp_path):
    path = tmp_path / "x.log"
    path.write_bytes(hostile(HOSTILE))
    for row in compared(path, "--compare", path):
        assert not row["map"].lstrip().startswith(tuple("=+-@＝"))
    for line in run(path, "--compare", path, "--top", "0").stdout.splitlines():
        assert line.isprintable() and fit.columns_of(line) < 80


@pytest.mark.parametrize(
    "options, message",
    [
        ([CC1], "several logs: --compare LOG tells what to hold them against"),
        (["--compare", CC1, "--by", "page"], "--by page: it can't be found again"),
        (
            ["--compare", CC1, "--sort", "p99"],
            "--sort p99: only time, faults and major",
        ),
        (["--compare", "none.log"], "none.log: No such file or directory"),
        (
            ["--compare", "old.log", "--sort", "time"],
            "not all of the logs tell latencies",
        ),
        (
            ["--compare", "old.log", "--sort", "major"],
            "not all of the logs tell results",
        ),
    ],
)
def test_what_cannot_be_compared(tmp_path, options, message):
    (tmp_path / "old.log").write_bytes(OLD)
    done = run(CC1, *options, cwd=tmp_path)
    assert done.returncode == 1 and message in done.stderr
    assert done.stderr.count("\n") == 1 and done.stdout == ""


def test_logs_of_2020_are_compared_by_faults(tmp_path):
    (tmp_path / "old.log").write_bytes(OLD)
    done = run("old.log", "--compare", CC1, cwd=tmp_path)
    assert "; faults. " in done.stdout.replace("\n", " ")
    assert (
        done.stdout.splitlines()[-1].split()
        == "1 3,849 +3,848 +384,800.0 % (all)".split()
    )
