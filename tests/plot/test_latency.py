# SPDX-License-Identifier: GPL-2.0-or-later
"""Tables of latencies: a histogram, and the slowest faults; where LOG stands beside options."""

from __future__ import annotations

import csv
import io
import re
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from faultlog import cli
from faultlog.analyse import groups
from faultlog.base import fit
from faultlog.report import slowest
from faultlog.report.rows import BLOCK
from logs import FAMILY, HEAD_AT_0, OLD, compiler_log, fault, read, run, summary
from logs import table_lines
from printing import CC1, CC1_TEXT, on_terminal, table_of
from test_hostile import NAMES, log_of

HINT = "record with outcome=1\n"


def parsed(text: bytes) -> list[dict[str, str]]:
    """The faults of a log, read without any code of the plotter."""
    lines = [x for x in text.decode().splitlines() if " Page Fault at Address " in x]
    found = []
    for line in lines:
        words = re.findall(r"(\w+)=(\S+)", line.partition(" at Time ")[2])
        place = re.search(r"Address (\S+) at Time (\d+)", line)
        found.append({**dict(words), "address": place[1], "time_ns": place[2]})
    return found


def bucket(ns: int) -> int:
    """The begin of the interval of a latency."""
    begins = [0] + [m * 10**e for e in range(19) for m in (1, 2, 5)]
    return max(begin for begin in begins if begin <= ns)


def test_the_histogram_counts_each_latency_in_its_interval():
    rows = table_of(CC1, "--by", "latency")
    faults = parsed(CC1_TEXT)
    expected = Counter(bucket(int(x["latency_ns"])) for x in faults)
    major = Counter(
        bucket(int(x["latency_ns"])) for x in faults if x["result"] == "major"
    )
    assert {int(row["latency"]): int(row["faults"]) for row in rows} == expected
    assert {int(row["latency"]): int(row["major"]) for row in rows} == {
        begin: major[begin] for begin in expected
    }
    assert [int(row["latency"]) for row in rows] == sorted(expected)


def test_the_histogram_is_in_ascending_order_with_all_rows():
    lines = table_lines(run(CC1, "--by", "latency").stdout)
    labels = [" ".join(line.split()[-5:]) for line in lines[2:-1]]
    assert labels[0] == "2 µs to 5 µs" and labels[-1] == "500 ms to 1 s"
    assert len(labels) > 12 and not any("more" in label for label in labels)
    by_time = run(CC1, "--by", "latency", "--sort", "time", "--top", "2").stdout
    assert " more)" in table_lines(by_time)[-2]
    assert len(table_of(CC1, "--by", "map,latency")) > len(labels)


@pytest.mark.parametrize(
    "ns, label",
    [
        (0, "0 to 1 ns"),
        (1, "1 ns to 2 ns"),
        (999, "500 ns to 1 µs"),
        (1000, "1 µs to 2 µs"),
        (4_999_999, "2 ms to 5 ms"),
        (5_000_000, "5 ms to 10 ms"),
        (10**19 - 1, "5,000,000,000 s to 10,000,000,000 s"),
        ((1 << 64) - 1, "10,000,000,000 s or more"),
    ],
)
def test_ends_of_intervals(ns, label):
    log = read(HEAD_AT_0 + fault(0, 4096, tid=1, latency_ns=ns) + fault(1, 4096, tid=1))
    found = groups.KEYS["latency"].groups(log, log)
    assert [found.label(code) for code in found.codes] == [label, "-"]


@pytest.mark.parametrize(
    "options", [["--by", "latency"], ["--by", "map,latency"], ["--slowest"]]
)
def test_a_log_without_latencies_is_refused(tmp_path, options):
    path = tmp_path / "x.log"
    path.write_bytes(OLD)
    done = run(path, *options)
    assert (done.returncode, done.stdout) == (1, "")
    assert "no latencies" in done.stderr and done.stderr.endswith(HINT)


def test_latencies_are_compared(tmp_path):
    done = run(CC1, "--compare", CC1, "--by", "latency", COLUMNS="80")
    assert "  50 µs to 100 µs\n" in done.stdout and "(7 more)" in done.stdout
    path = tmp_path / "x.log"
    path.write_bytes(OLD)
    done = run(CC1, "--compare", path, "--by", "latency")
    assert done.returncode == 1 and done.stderr.endswith(HINT)


@pytest.mark.parametrize("count", [1, 7, 100])
def test_the_slowest_faults_are_those_of_the_log(count):
    rows = table_of(CC1, "--slowest", str(count))
    faults = parsed(CC1_TEXT)
    faults.sort(key=lambda x: (-int(x["latency_ns"]), int(x["time_ns"])))
    first_ns = min(int(x["time_ns"]) for x in faults)
    assert len(rows) == count
    for row, expected in zip(rows, faults):
        for key in ("time_ns", "latency_ns", "address", "tid", "access", "result"):
            assert row[key] == expected[key], key
        assert int(row["elapsed_ns"]) == int(expected["time_ns"]) - first_ns
        assert row["map"] == expected["map"]
        assert row["offset"] == str(
            int(expected["offset"], 16) if "offset" in expected else ""
        )
        assert row["program"] == "cc1" and row["function"]


def test_the_slowest_faults_as_text():
    title, sums, head, *rows = [
        line
        for line in run(CC1, "--slowest", COLUMNS="160").stdout.splitlines()
        if not line.startswith(("Names", "No symbols"))
    ]
    assert title.startswith("cc1, pid 124: 3,849 faults in ")
    assert re.fullmatch(
        r"The 10 longest faults took .* s, [\d.]+ % of the time in faults", sums
    )
    assert (
        head.split() == "time latency thread access result address map function".split()
    )
    assert len(rows) == 10
    assert rows[0].split()[3:7] == ["ms", "cc1", "124", "exec"]
    assert "/host/usr/lib/gcc/x86_64-linux-gnu/12/cc1+0x" in rows[0]
    lines = run(CC1, "--slowest", "3", COLUMNS="80").stdout.splitlines()
    assert max(map(fit.columns_of, lines)) < 80
    assert "access  result  map" in lines[-4]


def test_times_of_the_slowest_are_as_from_accepts_them(tmp_path):
    """A time found there selects the fault."""
    row, *_ = table_of(CC1, "--slowest", "1")
    shown = run(CC1, "--slowest", "1").stdout.splitlines()[-1]
    begin = re.match(r" *(\S+) (m?s)  ", shown)
    (found,) = table_of(CC1, "--slowest", "1", "--from", begin[1] + begin[2])
    assert found == row


@pytest.mark.parametrize("count", [0, 1, 5, 50, 999])
def test_equal_latencies_are_in_the_order_of_their_times(count):
    rng = np.random.default_rng(count)
    lines = []
    for i in range(200):
        keys = {"latency_ns": int(rng.integers(5))} if rng.random() < 0.4 else {}
        lines.append(fault(int(rng.integers(99)), i << 12, tid=1, **keys, map="/a"))
    log = read(HEAD_AT_0 + b"".join(lines))
    timed = [i for i in range(200) if log.known("latency_ns")[i]]
    timed.sort(key=lambda i: (-int(log.latency_ns[i]), int(log.time_ns[i])))
    assert slowest.slowest(log, count).tolist() == timed[: count or 200]


def test_filters_and_processes(tmp_path):
    path = tmp_path / "x.log"
    path.write_bytes(FAMILY)
    rows = table_of(path, "--slowest", "0")
    assert [row["program"] for row in rows] == ["a sh", "make", "make"]
    assert [row["result"] for row in rows] == ["major", "minor", "sigbus"]
    assert len(table_of(path, "--slowest", "0", "--pid", "124")) == 2
    lines = run(path, "--slowest", COLUMNS="120").stdout.splitlines()
    assert "a sh 125" in lines[-3] and "libc.so.6+0x1d2000" in lines[-3]
    assert lines[-3].startswith("10.000 µs   181 µs  ")
    (row,) = table_of(path, "--slowest", "9", "--longer-than", "1us", "--major")
    assert row["latency_ns"] == "181210"


def test_hostile_names_in_the_table_of_the_slowest(tmp_path):
    path = tmp_path / "x.log"
    path.write_bytes(log_of(NAMES))
    done = run(path, "--slowest", "0", "--csv")
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert len(rows) == len(read(path.read_bytes())) > 50
    for row in rows:
        for cell in row.values():
            assert not cell.lstrip().startswith(tuple("=+-@＝")) and cell.isprintable()
    lines = run(path, "--slowest", "0", COLUMNS="100").stdout.splitlines()
    assert all(line.isprintable() and fit.columns_of(line) < 100 for line in lines)


def test_all_faults_as_csv_are_written_block_by_block(tmp_path):
    """The texts of a million rows take a gigabyte."""
    path = tmp_path / "x.log"
    path.write_bytes(compiler_log(BLOCK + 100, outcomes=True))
    done = run(path, "--slowest", "0", "--csv", "--wall-clock")
    rows = list(csv.DictReader(done.stdout.splitlines()))
    assert len(rows) == BLOCK + 100 == len({row["time_ns"] for row in rows})
    spent = [int(row["latency_ns"]) for row in rows]
    assert spent == sorted(spent, reverse=True)
    assert {row["function"].partition("+")[0] for row in rows} == {"cc1plus"}
    assert all(row["wall_time"].startswith("2020-05-04T01:47:") for row in rows)


def test_the_slowest_on_a_terminal_have_bars():
    text = on_terminal(200, CC1, "--slowest", "2", TERM="xterm")
    *_, head, first, second = text.splitlines()
    assert "\033[36m██████████\033[0m" in first and "\033[33m major\033[0m" in first
    assert "\033[36m█" in second and second.count("█") < 10


@pytest.mark.parametrize(
    "words, expected",
    [
        (["--by", "x.log"], ["x.log", "--by=map"]),
        (["--by", "map"], ["--by", "map"]),
        (["--by", "map,", "x.log"], ["--by", "map,", "x.log"]),
        (["--by", "-", "--csv"], ["-", "--by=map", "--csv"]),
        (["--by", "--csv", "x.log"], ["--by", "--csv", "x.log"]),
        (["--by", "out/x", "--top", "3"], ["out/x", "--by=map", "--top", "3"]),
        (["--csv", "--by", "a.log.xz"], ["a.log.xz", "--csv", "--by=map"]),
        (["--slowest", "x.log"], ["x.log", "--slowest=10"]),
        (["--slowest", "3", "x.log"], ["--slowest", "3", "x.log"]),
        (["--by", "colour", "x.log"], ["--by", "colour", "x.log"]),
        (
            ["--by", "a.log", "--compare", "b.log"],
            ["a.log", "--by=map", "--compare", "b.log"],
        ),
        (["a.log", "--compare", "b.log", "--by", "c.log"], None),
        (["a.log", "--", "--by", "c.log"], None),
    ],
    ids=str,
)
def test_a_log_in_the_place_of_a_value_is_the_log(words, expected):
    """--by out/x.log was an error, as x.log is no key."""
    assert cli._with_log(words) == (expected or words)


def test_by_log(tmp_path):
    shutil.copy(CC1, tmp_path / "log")  # a file without a suffix, which exists
    for options in (["--by", "log"], ["--by", "log", "--top", "10"]):
        assert run(*options, cwd=tmp_path).stdout == run(CC1, "--by").stdout
    assert run("--slowest", CC1).stdout == run(CC1, "--slowest", "10").stdout
    done = run("--by", "none.log")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "page_fault_plot.py: none.log: No such file or directory\n"
