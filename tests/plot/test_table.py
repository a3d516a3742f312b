# SPDX-License-Identifier: GPL-2.0-or-later
"""Tables: their output, and that it agrees with an independent count."""

from __future__ import annotations

import csv
import io
import os
import pty
import subprocess
import sys
import time

import numpy as np
import pytest
from faultlog.analyse import groups
from faultlog.analyse.groups import figures
from faultlog.base import fit
from faultlog.base.packed import pack
from faultlog.report import table
from logs import (
    ENV,
    FAMILY,
    HEAD,
    HEAD_AT_0,
    OLD,
    SCRIPT,
    compiler_log,
    family_log,
    fault,
    read,
    run,
    summary,
    table_lines,
)
from printing import CC1, CC1_TEXT, printed, table_of

# A line for each group: name, faults, minor, major, failed, pages, total, median, maximum.
AWK = r"""
/^#/ { next }
{
	for (i = 1; i <= NF; i++) if (split($i, pair, "=") > 1) value[pair[1]] = pair[2]
	address = $(index($1, "::") ? 9 : 8)
	name = value[key]
	n[name]++
	result[name, value["result"]]++
	page = substr(address, 1, length(address) - 3)
	if (!((name, $4, page) in seen)) { seen[name, $4, page]; pages[name]++ }
	total[name] += value["latency_ns"]
	latency[name, n[name]] = value["latency_ns"] + 0
	delete value
}
END {
	for (name in n) {
		for (i = 2; i <= n[name]; i++) {
			x = latency[name, i]
			for (j = i - 1; j > 0 && latency[name, j] > x; j--)
				latency[name, j + 1] = latency[name, j]
			latency[name, j + 1] = x
		}
		print name, n[name], result[name, "minor"] + 0, result[name, "major"] + 0,
			pages[name], sprintf("%.0f", total[name]), latency[name, int((n[name] + 1) / 2)],
			latency[name, int((99 * n[name] + 99) / 100)], latency[name, n[name]]
	}
}
"""


@pytest.mark.parametrize("key", ["map", "region", "access", "mode", "result", "cpu"])
def test_awk_counts_the_same(key):
    done = subprocess.run(
        ["awk", "-v", f"key={key}", AWK], input=CC1_TEXT, capture_output=True
    )
    assert done.stderr == b""
    expected = sorted(line.split() for line in done.stdout.decode().splitlines())
    figures = ["faults", "minor", "major", "pages"]
    figures += ["total_ns", "p50_ns", "p99_ns", "max_ns"]
    found = [[row[key], *map(row.get, figures)] for row in table_of(CC1, "--by", key)]
    assert len(expected) > 1
    assert sorted(found) == expected


@pytest.mark.parametrize("key", [key for key in groups.KEYS])
def test_sums_are_those_of_the_summary(key):
    rows = table_of(CC1, "--by", key)
    log = read(CC1_TEXT)
    assert sum(int(row["faults"]) for row in rows) == log.count("recorded") > 0
    for name in ("minor", "major", "failed"):
        assert sum(int(row[name]) for row in rows) == log.count(name)
    assert sum(int(row["total_ns"]) for row in rows) == int(log.latency_ns.sum())
    assert sum(float(row["share"]) for row in rows) == pytest.approx(1, abs=1e-3)


def test_the_default_is_the_ten_maps_that_cost_most_in_80_columns():
    done = run(CC1, "--by", COLUMNS="80")
    title, head, *rows = table_lines(done.stdout)
    assert title.startswith("cc1, pid 124: 3,849 faults in ")
    assert head.split() == "share total faults major p50 p99 map".split()
    assert len(rows) == 12
    assert rows[0].split() == (
        "74.9 % 2.50 s 393 96 73.8 µs 114 ms /host/usr/lib/…ux-gnu/12/cc1".split()
    )
    assert rows[-2].endswith("(6 more)") and rows[-1].endswith("(all)")
    assert all(fit.columns_of(line) < 80 for line in done.stdout.splitlines())
    assert rows[-1].split()[:5] == ["100.0", "%", "3.34", "s", "3,849"]


def test_the_share_of_rows_not_listed_is_computed():
    """It was 100 % minus the rounded shares above: 0.0 % for 6 ms in 3.34 s."""
    *_, more, _ = table_lines(run(CC1, "--by").stdout)
    assert more.split()[:4] == ["0.2", "%", "6.05", "ms"]


def test_two_keys_leave_room_for_the_share():
    assert "  share   " in run(CC1, "--by", "map,function").stdout


def test_a_number_stays_in_the_line_of_its_unit():
    """A line ended with "within 6.67", and "s" was the next."""
    text = "patterns, pid 205: 3,097 faults, 5.56 s in them, within 6.67 s"
    for room in range(20, 80):
        lines = table.wrapped(text, room)
        assert " ".join(lines) == text and max(map(len, lines)) <= room
        assert not any(line[0] == "s" or line[-1].isdigit() for line in lines)


def test_rows_not_listed_are_summed_up():
    rows = table_of(CC1, "--by", "map")
    lines = table_lines(run(CC1, "--by", "--top", "3", COLUMNS="80").stdout)
    left = sum(int(row["faults"]) for row in rows[3:])
    major = sum(int(row["major"]) for row in rows[3:])
    assert lines[-2].split()[4:6] == [f"{left:,}", f"{major}"]


@pytest.mark.parametrize(
    "sort, column",
    [
        ("time", "total_ns"),
        ("faults", "faults"),
        ("major", "major"),
        ("p99", "p99_ns"),
    ],
)
def test_sort(sort, column):
    rows = table_of(CC1, "--by", "map", "--sort", sort)
    values = [int(row[column]) for row in rows]
    assert values == sorted(values, reverse=True) and len(set(values)) > 3


def test_sort_key_puts_words_in_alphabetical_order(tmp_path):
    """They were in the order of their first lines."""
    lines = [HEAD_AT_0]
    for i, (name, offset) in enumerate(
        [("/b", 2), ("[heap]", 0), ("/a", 1), ("/b", 0), ("/c", 0), ("/a", 0)]
    ):
        access = ("write", "read", "exec")[i % 3]
        keys = {"access": access, "map": name, "offset": hex(offset << 12)}
        lines.append(fault(i, 0x1000 * i, tid=1, **keys))
    (tmp_path / "x.log").write_bytes(b"".join(lines) + summary(6))
    for key, expected in (
        ("map", ["/a", "/b", "/c", "[heap]"]),
        ("access", ["exec", "read", "write"]),
        ("offset", "/a+0x0 /a+0x1000 /b+0x0 /b+0x2000 /c+0x0 [heap]+0x0".split()),
        ("access,map", ["exec/a", "read/c", "read[heap]", "write/b"]),
    ):
        rows = table_of(tmp_path / "x.log", "--by", key, "--sort", "key")
        assert ["".join(map(row.get, key.split(","))) for row in rows] == expected
    for key in ("map", "function", "program", "region", "line"):
        rows = table_of(CC1, "--by", key, "--sort", "key")
        assert [row[key] for row in rows] == sorted(row[key] for row in rows)


def test_two_keys():
    rows = table_of(CC1, "--by", "region,access")
    assert list(rows[0])[:2] == ["region", "access"]
    code = [row for row in rows if row["region"] == "code"]
    assert [row["access"] for row in code] == ["exec"]
    assert len({(row["region"], row["access"]) for row in rows}) == len(rows) > 7


def test_filters_apply_to_tables():
    rows = table_of(CC1, "--by", "result", "--region", "heap")
    assert [(row["result"], row["faults"]) for row in rows] == [("minor", "1160")]
    assert "(only region=heap)" in run(CC1, "--by", "--region", "heap").stdout


def test_processes_programs_and_threads(tmp_path):
    path = tmp_path / "x.log"
    path.write_bytes(FAMILY)
    options = ["--by", "process,program,thread", "--sort", "faults"]
    rows = table_of(path, *options)
    names = [[row[key] for key in ("process", "program", "thread")] for row in rows]
    assert sorted(names) == [
        ["124", "make", "124"],
        ["124", "make", "126"],
        ["125", "a sh", "125"],
    ]
    assert "125 a sh" in run(path, "--by", "process").stdout
    assert [row["failed"] for row in table_of(path, "--by", "result")].count("1") == 1


def test_pages_of_different_processes_are_different(tmp_path):
    text = family_log(["a", "b"], nr_each=4)
    lines = printed(tmp_path, text, "--by", "page", "--top", "0")
    assert len(lines) == 2 + 12 + 1
    assert any(line.endswith("5001:0x1000") for line in lines)
    (row,) = table_of(tmp_path / "x.log", "--by", "mode")
    assert (row["faults"], row["pages"]) == ("12", "12")


def test_a_log_of_2020_has_only_faults(tmp_path):
    text = OLD + OLD.replace(b"218602", b"218603") + OLD.replace(b"218602", b"218604")
    lines = printed(tmp_path, text.replace(b"   0:: ", b""), "--by", "region")
    assert lines[1].split() == ["share", "faults", "pages", "region"]
    assert lines[2].split() == ["100.0", "%", "3", "1", "-"]
    (row,) = table_of(tmp_path / "x.log", "--by", "region")
    assert row["region"] == row["minor"] == row["total_ns"] == row["p99_ns"] == ""
    assert (row["faults"], row["share"]) == ("3", "1.000000")


@pytest.mark.parametrize("sort", ["major", "p99", "time"])
def test_missing_figures_are_dashes_with_one_hint(tmp_path, sort):
    """They were 0 in all lines."""
    column = {"time": "total"}.get(sort, sort)
    lines = [fault(i, i << 12, tid=1, map=f"/{i % 3}") for i in range(20)]
    text = HEAD_AT_0 + b"".join(lines) + summary(20)
    output = printed(tmp_path, text, "--by", "--sort", sort)
    assert output[1] == "The log has no results and latencies: record with outcome=1"
    assert column in output[2].split()
    assert [line.split()[2:].count("-") for line in output[3:]] == [1] * 4
    assert "outcome=1" not in "".join(printed(tmp_path, text, "--by"))
    done = run(tmp_path / "x.log", "--by", "--sort", sort, "--csv")
    assert done.stderr.count("outcome=1") == 1
    (row, *_) = csv.DictReader(io.StringIO(done.stdout))
    assert (row["faults"], row["major"], row["p99_ns"]) == ("7", "", "")


def test_a_group_without_figures_has_dashes(tmp_path):
    """Beside a group that has them."""
    keys = {"tid": 1, "result": "major", "latency_ns": 7}
    text = (
        HEAD_AT_0 + fault(1, 4096, **keys, map="/a") + fault(2, 8192, tid=1, map="/b")
    )
    *_, with_all, without, _ = printed(tmp_path, text + summary(2), "--by")
    assert with_all.split() == "100.0 % 7 ns 1 0 1 1 7 ns 7 ns 7 ns /a".split()
    assert without.split() == "0.0 % - 1 - - 1 - - - /b".split()


def test_major_says_why_nothing_is_left(tmp_path):
    path = tmp_path / "x.log"
    path.write_bytes(HEAD_AT_0 + fault(1, 4096, tid=1) + summary(1))
    for options in (("--by", "map"), ("-o", tmp_path / "x.png"), ("--compare", path)):
        done = run(path, *options, "--major")
        assert done.returncode == 1
        assert "does not say which were major: record with outcome=1\n" in done.stderr
    path.write_bytes(HEAD_AT_0 + fault(1, 4096, tid=1, result="minor") + summary(1))
    assert "outcome" not in run(path, "--by", "--major").stderr


def test_contradictions_and_losses_are_shown_under_the_title(tmp_path):
    text = HEAD + fault(1389595000001, 0x1000, tid=1) + summary(5, dropped=3)
    lines = printed(tmp_path, text, "--by", "region")
    assert lines[1].startswith(
        "Not complete: 3 dropped, 4 recorded but not in this log"
    )


@pytest.mark.parametrize(
    "options, message",
    [
        (["--by", "colour"], "argument --by: colour: not one of map, "),
        (["--by", "map,"], "argument --by: map,: a key is missing; "),
        (["--by", "files"], ", latency; did you mean map?"),
        (["--by", "fonction"], "did you mean function?"),
        (["--by", str(CC1)], "several logs: use --compare LOG"),
        (["--compare", "x", "--by", str(CC1)], "; the log comes before --by"),
        (["--slowest", "x"], "argument --slowest: x: not a number of lines"),
        (["--slowest", "3", "--by"], "--by and --slowest make different tables"),
        (["--slowest", "--compare", str(CC1)], "--compare and --slowest make "),
        (["--slowest", "--sort", "time"], "--sort: --slowest sorts by latency"),
        (["--slowest", "--top", "3"], "--top: give the number of rows as --slowest N"),
        (["--slowest", "-o", "x.csv"], "a table goes to standard output"),
        (["--slowest", "--view", "memory"], "--view is for a picture"),
        (
            ["--sort", "time", "--compare", str(CC1), "--by", "time"],
            "--by time: its values",
        ),
        (["--by", "a\nb\x1b[2J"], "argument --by: a�b�[2J: not one of map, "),
        (["--by", "map,map"], "argument --by: map,map: a key is given twice"),
        (["--by", "map", "--top", "-1"], "--top: "),
        (["--by", "map", "--sort", "size"], "invalid choice: 'size'"),
        (["--by", "map", "-o", "x.png"], "a table goes to standard output"),
        (["--by", "map", "--view", "address"], "--view is for a picture"),
        (["-o", "x.csv", "--view", "memory"], "--view is for a picture or a page"),
        (["--top", "0"], "--top is for a table; add --by KEY"),
        (["--csv"], "--csv is for a table; add --by KEY"),
    ],
)
def test_wrong_options(options, message):
    done = run(CC1, *options)
    assert done.returncode in (1, 2)
    assert message in done.stderr and done.stdout == ""
    assert done.stderr.count("\n") == 1


def test_a_verdict_is_printed_once(tmp_path):
    """On a terminal it was printed above the table, and once more before it."""
    path = tmp_path / "x.log"
    path.write_bytes(HEAD + fault(1389595000001, 0x1000, tid=1) + summary(5))
    for options in (["--by", "region"], ["--compare", path], ["--by", "--csv"]):
        ours, theirs = pty.openpty()
        done = subprocess.run(
            [sys.executable, "-B", SCRIPT, path, *options],
            env={**ENV, "COLUMNS": "500"},
            stdout=theirs,
            stderr=theirs,
        )
        os.close(theirs)
        text = os.read(ours, 1 << 16).decode()
        os.close(ours)
        assert done.returncode == 0
        assert text.count("4 recorded but not in this log") == 1
        # In two places both have it: the table may be in a file that is read later.
        done = run(path, *options)
        assert "4 recorded but not" in done.stderr
        assert ("4 recorded" in done.stdout) == ("--csv" not in options)


def test_matplotlib_is_not_imported():
    code = f"""
import sys
sys.path.insert(0, {str(SCRIPT.parent)!r})
from faultlog import cli
assert cli.main([{str(CC1)!r}, "--by", "map"]) == 0
assert "matplotlib" not in sys.modules
"""
    done = subprocess.run([sys.executable, "-B", "-c", code], capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")


def test_rows_are_packed_in_their_order():
    rng = np.random.default_rng(1)
    top = (1 << 64) - 1
    columns = [
        np.append(rng.integers(0, below, 1000).astype(np.uint64), np.uint64(last))
        for below, last in (
            (3, [0, top, top]),
            (1 << 62, [top, 0, top]),
            (5, [top, 7, 7]),
        )
    ]
    order = np.argsort(pack(*columns), kind="stable")
    assert order.tolist() == np.lexsort(columns[::-1]).tolist()
    assert len(np.unique(pack(*columns))) == len(
        set(zip(*map(np.ndarray.tolist, columns)))
    )


def test_percentiles_are_latencies_of_the_log():
    lines = [fault(i, 0, tid=1, result="minor", latency_ns=i) for i in range(1, 201)]
    lines += [fault(1000 + i, 0, tid=1, result="minor") for i in range(100)]
    rows = figures(read(b"".join(lines)), np.zeros(300, dtype=np.int64), 1)
    assert (rows.p50[0], rows.p99[0], rows.max[0]) == (100, 198, 200)
    assert (rows.faults[0], rows.timed[0], rows.total[0]) == (300, 200, 20100)


def test_a_table_of_100000_faults_takes_no_loop_over_faults():
    text = compiler_log(20000, outcomes=True) * 5
    log = read(text)
    start = time.process_time()
    for key in groups.KEYS:
        codes, members = groups.group_by(log, log, [key])
        figures(log, codes, len(members))
    assert time.process_time() - start < 2.0
