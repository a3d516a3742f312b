# SPDX-License-Identifier: GPL-2.0-or-later
"""Comparing two sides of logs."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

import pytest
from faultlog.base import fit
from faultlog.parse.log import MAJOR
from faultlog.report.compare import percent_text
from logs import HEAD_AT_0, OLD, fault, read, run, summary, table_lines
from printing import CC1, CC1_TEXT, HOSTILE, hostile


def log_of(tmp_path: Path, name: str, **latencies: list[int]) -> Path:
    """A log with these latencies in each mapping; faults of at least 1,000 ns are major."""
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
        "5.10 µs 300 ns -4.80 µs -94.1 % 1 to 0 /x".split(),
        "0 ns 18 ns +18 ns new 0 to 0 /new".split(),
        "7 ns 0 ns -7 ns -100.0 % 0 to 0 /gone".split(),
        "50 ns 50 ns 0 ns 0.0 % 0 to 0 /y".split(),
        "5.16 µs 368 ns -4.79 µs -92.9 % 1 to 0 (all)".split(),
    ]
    assert "Too few runs to test whether" in " ".join(done.stdout.split())
    rows = {row["map"]: row for row in compared(a, "--compare", b)}
    assert rows["/x"]["total_ns_before"], rows["/x"]["total_ns_after"] == (
        "5100",
        "300",
    )
    assert (rows["/new"]["faults_before"], rows["/new"]["faults_after"]) == ("0", "2")
    assert {row["total_ns_differs"] for row in rows.values()} == {""}


def test_too_few_runs_are_not_judged(tmp_path):
    """With 2 + 2 runs of one kind every fifth row was reported as different."""
    before = [log_of(tmp_path, f"a{i}", x=[100 + i], y=[50]) for i in range(4)]
    after = [log_of(tmp_path, f"b{i}", x=[900 + i], y=[50]) for i in range(4)]
    done = run(*before, "--compare", *after)
    words = " ".join(done.stdout.split())
    assert "Before: 4 runs, after: 4 runs; time in faults, means. Too few runs" in words
    assert "each side needs 5" in words
    assert " yes " not in words and " no " not in words
    rows = compared(*before, "--compare", *after)
    assert {row["total_ns_differs"] for row in rows} == {""}


def test_with_several_runs_significant_differences_are_reported(tmp_path):
    runs = range(5)
    before = [
        log_of(tmp_path, f"a{i}", x=[100 + i], y=[50 + 20 * i], z=[9]) for i in runs
    ]
    after = [
        log_of(tmp_path, f"b{i}", x=[400 + i], y=[60 + 20 * i], z=[9]) for i in runs
    ]
    rows = {row["map"]: row for row in compared(*before, "--compare", *after)}
    assert (rows["/x"]["total_ns_before"], rows["/x"]["total_ns_after"]) == (
        "102",
        "402",
    )
    said = {name: row["total_ns_differs"] for name, row in rows.items()}
    assert said == {"/x": "yes", "/y": "no", "/z": "no"}
    assert {row["faults_differs"] for row in rows.values()} == {""}  # not judged
    text = run(*before, "--compare", *after, "--top", "2").stdout
    words = " ".join(text.split())
    assert "Before: 5 runs, after: 5 runs; time in faults, means" in words
    assert "The totals differ significantly" in words
    marks = {line.split()[-1]: line for line in table_lines(text)}
    assert (
        " yes " in marks["/x"] and " no " in marks["/y"] and " yes " in marks["(all)"]
    )
    (more,) = [line for line in table_lines(text) if "more)" in line]
    assert " yes " not in more and " no " not in more


def test_percent():
    assert percent_text(0, 0) == "0.0 %"
    assert percent_text(0, 1) == "new"
    assert percent_text(4, 3) == "-25.0 %"
    assert percent_text(1, 100) == "+9,900.0 %"


def test_a_real_log_does_not_differ_from_itself():
    logs = (*[CC1] * 5, "--compare", *[CC1] * 5, "--by", "region,access")
    rows = compared(*logs)
    assert len(rows) > 7
    for row in rows:
        for name in ("faults", "major", "total_ns"):
            assert row[f"{name}_before"] == row[f"{name}_after"]
        assert row["total_ns_differs"] == "no"
    total = sum(int(row["total_ns_after"]) for row in rows)
    assert total == int(read(CC1_TEXT).latency_ns.sum())


def test_a_filter_may_leave_one_side_empty(tmp_path):
    a = log_of(tmp_path, "a.log", x=[5000])
    b = log_of(tmp_path, "b.log", x=[100])
    done = run(a, "--compare", b, "--major", "--csv")
    assert (
        done.stderr
        == f"page_fault_plot.py: {b}: no faults match the filters (major faults)\n"
    )
    (row,) = csv.DictReader(io.StringIO(done.stdout))
    assert (row["faults_before"], row["faults_after"]) == ("1", "0")


def test_an_empty_log_is_a_run_like_one_that_a_filter_empties(tmp_path):
    """The first was refused, the second was not."""
    a = log_of(tmp_path, "a.log", x=[5000])
    b = log_of(tmp_path, "b.log", x=[100])
    none = log_of(tmp_path, "none.log")
    rows = []
    for log, options in ((none, ()), (b, ("--map", "x", "--major"))):
        done = run(a, "--compare", log, *options)
        assert (done.returncode, done.stderr) == (0, "")
        assert f"{log.name}: no faults" in " ".join(done.stdout.split())
        rows.append(table_lines(done.stdout)[-2].split())
        done = run(a, "--compare", log, *options, "-o", tmp_path / "x.svg")
        assert done.returncode == 0
        assert "B: no faults" in (tmp_path / "x.svg").read_text()
    assert rows[0] == rows[1] == "5.00 µs 0 ns -5.00 µs -100.0 % 1 to 0 /x".split()
    for options in ((), ("-o", tmp_path / "y.svg")):
        done = run(none, "--compare", none, *options)
        assert (
            done.returncode == 1 and "nothing was recorded (recorded=0)" in done.stderr
        )
        done = run(b, "--compare", b, "--major", *options)
        assert (
            done.returncode == 1
            and "no faults match the filters (major faults)" in done.stderr
        )
    none.write_bytes(HEAD_AT_0)  # cut short: more faults may have been recorded
    done = run(a, "--compare", none)
    assert done.returncode == 1 and "no fault follows the head" in done.stderr


def test_figures_missing_in_some_logs_are_dashes(tmp_path):
    """They were 0 in --csv, and sorting by them was refused."""
    a = log_of(tmp_path, "a.log", x=[5000, 100], y=[50])
    old = tmp_path / "old.log"
    lines = [fault(i, 4096, tid=1, map="/x") for i in (1, 2)]
    old.write_bytes(HEAD_AT_0 + b"".join(lines) + summary(2))
    hint = "Not all of the logs have results and latencies: record with outcome=1"
    for sort in ("time", "major", "faults"):
        done = run(a, "--compare", old, "--sort", sort)
        assert done.returncode == 0
        assert done.stdout.replace("\n", " ").count(hint) == 1
        lines = [line.split() for line in table_lines(done.stdout)]
        (row,) = [line for line in lines if line[-1] == "/x"]
        expected = {
            "time": "5.10 µs - - 1 to - /x",
            "major": "1 - - /x",
            "faults": "2 2 0 0.0 % 1 to - /x",
        }
        assert row == expected[sort].split()
    done = run(a, "--compare", old, "--csv")
    rows = {row["map"]: row for row in csv.DictReader(io.StringIO(done.stdout))}
    assert [rows["/x"][k] for k in ("major_before", "major_after")] == ["1", ""]
    assert [rows["/x"][k] for k in ("total_ns_before", "total_ns_after")] == [
        "5100",
        "",
    ]
    assert done.stderr == f"page_fault_plot.py: {hint}\n"


def test_losses_of_each_log_are_reported(tmp_path):
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
    done = run(path, "--compare", path, "--top", "0", COLUMNS="80")
    for line in done.stdout.splitlines():
        assert line.isprintable() and fit.columns_of(line) < 80


@pytest.mark.parametrize(
    "options, message",
    [
        ([CC1], "several logs: use --compare LOG to compare them with others"),
        (["--compare", CC1, "--by", "page"], "--by page: its values differ"),
        (
            ["--compare", CC1, "--sort", "p99"],
            "--sort p99: only time, faults and major",
        ),
        (["--compare", "none.log"], "none.log: No such file or directory"),
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
    (nr_majors,) = re.findall(r" - to +(\d+)  \(all\)", done.stdout)
    assert int(nr_majors) == int((read(CC1_TEXT).result == MAJOR).sum())
    assert (
        table_lines(done.stdout)[-1].split()
        == f"1 3,849 +3,848 +384,800.0 % - to {nr_majors} (all)".split()
    )
