# SPDX-License-Identifier: GPL-2.0-or-later
"""Tables: their output, and that it agrees with an independent count."""

from __future__ import annotations

import csv
import fcntl
import gzip
import io
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from faultlog import cli
from faultlog.analyse import groups
from faultlog.analyse.groups import figures
from faultlog.analyse.spread import spread
from faultlog.base import fit
from faultlog.base.packed import pack
from faultlog.report import table, terminal
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

CC1 = Path(__file__).with_name("cc1.log.gz")  # a real log, from make demo
CC1_TEXT = gzip.decompress(CC1.read_bytes())


def table_of(path: Path, *options: str) -> list[dict[str, str]]:
    done = run(path, "--csv", *options)
    messages = [
        line
        for line in done.stderr.splitlines()
        if ": Names: " not in line and ": No symbols found for " not in line
    ]
    assert (done.returncode, messages) == (0, [])
    return list(csv.DictReader(io.StringIO(done.stdout)))


def printed(tmp_path: Path, text: bytes, *options: str, **env: str) -> list[str]:
    path = tmp_path / "x.log"
    path.write_bytes(text)
    done = run(path, *options, **env)
    assert done.returncode == 0
    return table_lines(done.stdout)


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


def test_no_cell_is_a_formula(tmp_path):
    path = tmp_path / "x.log"
    path.write_bytes(hostile(HOSTILE))
    rows = table_of(path, "--by", "map")
    assert len(rows) == len(HOSTILE)
    for row in rows:
        assert not row["map"].lstrip().startswith(tuple("=+-@＝"))
        assert len(row) == 11 and None not in row
        assert row["faults"] == "1"


def test_names_have_no_effect_on_a_terminal(tmp_path):
    text = hostile(HOSTILE)
    lines = printed(tmp_path, text, "--by", "--top", "0", COLUMNS="80")
    assert len(lines) == 2 + len(HOSTILE) + 1
    for line in lines:
        assert line.isprintable()
        assert fit.columns_of(line) < 80


def test_names_that_differ_stay_different(tmp_path):
    names = [f"/data/{'x' * 40}/{i:02}/{'y' * 40}/file.db" for i in range(30)]
    names += ["/" + "\\344\\270\\255" * n for n in (100, 101)]
    options = ("--by", "--top", "0")
    lines = printed(tmp_path, hostile(names), *options, COLUMNS="80")[2:-1]
    assert len({line.split()[-1] for line in lines}) == len(names)
    assert all(fit.columns_of(line) < 80 for line in lines)


def test_many_names_that_differ_only_in_the_middle_take_no_longer():
    """Numbering started anew for each of them; 8,000 took 3 minutes."""
    texts = [f"{'s' * 30}{'ab'[i % 2]}{'x' * 80}{i:06d}{'y' * 60}" for i in range(5000)]
    start = time.process_time()
    given = fit.fitted(texts, 40)
    assert time.process_time() - start < 5
    assert len(set(given)) == 5000
    assert all(len(text) <= 40 for text in given)


def test_many_pairs_whose_numbers_take_the_place_of_what_tells_them_apart():
    """Of each, all numbers of the ones before were tried; 8,000 names took 36 s."""
    texts = [f"/{'s' * 40}{'x' * 60}/{'e' * 40}"]
    for i in range(2500):
        texts += [f"/{'s' * 40}{'m' * 18}{i:05}{end}/{'e' * 40}" for end in "12"]
    start = time.process_time()
    given = fit.fitted(texts, 24)
    assert time.process_time() - start < 3
    assert len(set(given)) == 5001
    assert all(len(text) <= 24 for text in given)


@pytest.mark.parametrize("room", [5, 8, 20, 33])
def test_fitted(room):
    texts = ["/usr/lib/x/libc.so.6", "中" * 30, "e\u0301" * 30, "/" * 50, "a", ""]
    texts += [f"/{i}/" + "q" * 40 for i in range(12)]
    given = fit.fitted(texts, room)
    assert len(set(given)) == len(texts)
    assert all(fit.columns_of(text) <= room for text in given)
    assert given[4:6] == ["a", ""]


def test_a_file_name_is_kept_whole():
    short = fit.shortened("/usr/lib/x86_64-linux-gnu/libstdc++.so.6.0.30", 30)
    assert short == "/usr/lib/…/libstdc++.so.6.0.30"


@pytest.mark.parametrize(
    "options, message",
    [
        (["--by", "colour"], "argument --by: colour: not one of map, "),
        (["--by", "map,"], "argument --by: nothing: not one of map, "),
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


def test_a_terminal_without_unicode(tmp_path):
    done = subprocess.run(
        [sys.executable, "-B", SCRIPT, CC1, "--by"],
        env={**ENV, "PYTHONIOENCODING": "ascii", "COLUMNS": "60"},
        capture_output=True,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"/host/usr/lib?" in done.stdout and done.stdout.isascii()
    assert max(map(len, done.stdout.splitlines())) < 60


def test_a_table_in_a_pipe_is_whole(tmp_path):
    """Names were cut to 80 columns, and columns of figures were left out."""
    names = [f"/data/{'x' * 90}{i}/file" for i in range(3)] + ["/" + "z" * 3000]
    text = hostile(names)
    title, head, *rows = printed(tmp_path, text, "--by", "map,access")
    assert head.split()[-5:] == ["p50", "p99", "longest", "map", "access"]
    assert sorted(row.split()[-2] for row in rows[:-1]) == sorted(names)
    assert len(title) > 50 and max(map(len, rows[:-1])) < 3120
    assert len({row.index("  -") for row in rows[:3]}) == 1  # aligned
    done = run(tmp_path / "x.log", "--compare", tmp_path / "x.log")
    assert names[-1] in done.stdout


def test_a_long_name_does_not_pad_all_other_lines():
    """Lines for 65,536 names would take gigabytes."""
    names = [["a"] * 20000 + ["z" * 1_000_000], ["b"] * 20001]
    lines = terminal.in_room(names, terminal.UNLIMITED)
    assert sum(map(len, lines[0])) < 4_000_000 and lines[0][-1] == names[0][-1]


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


def test_colours_and_bars_on_a_terminal():
    text = on_terminal(110, CC1, "--by", "--top", "3", TERM="xterm")
    title, head, *rows = table_lines(text)
    assert head.startswith("\033[1m  share") and head.endswith("map\033[0m")
    assert "\033[36m██████████\033[0m" in rows[0]
    assert "\033[36m█▏        \033[0m" in rows[1]
    assert "\033[33m   96\033[0m" in rows[0]
    assert rows[-1].startswith("\033[1m100.0 %  ")
    plain = re.sub(r"\033\[\d*m", "", text)
    assert "\033" not in plain
    assert max(map(fit.columns_of, plain.splitlines())) < 110
    no_colour = on_terminal(110, CC1, "--by", "--top", "3", TERM="xterm", NO_COLOR="1")
    assert no_colour == plain


@pytest.mark.parametrize("env", [{"TERM": "dumb"}, {}], ids=str)
def test_a_terminal_that_can_do_nothing_gets_plain_text(env):
    text = on_terminal(110, CC1, "--by", "--top", "3", **env)
    assert "\033" not in text and "█" not in text and "100.0 %" in text
    assert text == run(CC1, "--by", "--top", "3", COLUMNS="110").stdout


def test_bars_on_a_terminal_without_unicode():
    options = (CC1, "--by", "--top", "3")
    text = on_terminal(110, *options, TERM="xterm", PYTHONIOENCODING="ascii")
    assert text.isascii() and "\033[36m##########\033[0m" in text


def test_a_narrow_terminal_has_no_bars():
    text = on_terminal(80, CC1, "--by", "--top", "3", TERM="xterm", NO_COLOR="1")
    assert text == run(CC1, "--by", "--top", "3", COLUMNS="80").stdout
    text = on_terminal(0, CC1, "--by", "--top", "3", TERM="xterm", NO_COLOR="1")
    assert text == run(CC1, "--by", "--top", "3", COLUMNS="80").stdout


@pytest.mark.parametrize("options", [["--csv", "--by"], ["--csv", "--compare", CC1]])
def test_csv_on_a_terminal_is_plain(options):
    text = on_terminal(80, CC1, *options, TERM="xterm")
    assert text == run(CC1, *options).stdout and "\033" not in text


def test_a_comparison_on_a_terminal_has_colours():
    text = on_terminal(80, CC1, "--compare", CC1, TERM="xterm")
    assert text.count("\033[1m") == 2 == text.count("\033[0m")


def test_bars():
    assert [terminal.bar(n, 80) for n in (0, 1, 9, 80, 90)] == [
        "",
        "▏",
        "█▏",
        *["█" * 10] * 2,
    ]
    assert terminal.bar(5, 0) == ""


WIDTHS = ["1", "2", "0", "-3", "19", "20", "1000000", "9" * 5000, "x", ""]


@pytest.mark.parametrize("columns", WIDTHS, ids=range(len(WIDTHS)))
def test_a_terminal_of_any_width_has_a_table(columns, capsys, monkeypatch):
    """COLUMNS=1 ended with a traceback."""
    monkeypatch.setenv("COLUMNS", columns)
    for options in (["--by"], ["--by", "map,function"], ["--compare", str(CC1)]):
        assert cli.main([str(CC1), *options]) == 0
        out, err = capsys.readouterr()
        assert "(all)" in out and "3.34 s" in out and err == ""
    with pytest.raises(SystemExit) as ended:
        cli.main(["--help"])
    assert ended.value.code == 0 and "--sort" in capsys.readouterr().out


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
        codes, members = groups.group(log, log, [key])
        figures(log, codes, len(members))
    assert time.process_time() - start < 2.0


@pytest.mark.parametrize("first_ms", [0, 700])
def test_moments_are_pieces_of_one_length_from_the_log_s_first_fault(
    tmp_path, first_ms
):
    times_ms = [0, 1, 2, 699, 700, 701, 705, 919, 920, 999, 1234]
    text = HEAD_AT_0 + b"".join(fault(5 + t * 10**6, 4096) for t in times_ms)
    (tmp_path / "x.log").write_bytes(text + summary(len(times_ms)))
    rows = table_of(tmp_path / "x.log", "--by", "time", "--from", f"{first_ms}ms")
    left = [t for t in times_ms if t >= first_ms]
    width = 20 if first_ms == 0 else 10  # fewer than 100 of them
    expected = Counter(t // width * width for t in left)
    assert {int(row["time"]): int(row["faults"]) for row in rows} == {
        t * 10**6: n for t, n in expected.items()
    }
    output = run(
        tmp_path / "x.log", "--by", "time", "--from", "1s", "--to", "9s"
    ).stdout
    assert "1.234 to 1.234000001 s" in output


MS = 10**6


def one_long_fault() -> bytes:
    """10 s of short faults, and one of 771 ms from 7.63 s on."""
    keys = {"tid": 1, "result": "minor", "map": "/a"}
    lines = [fault(i * 10 * MS, 4096, **keys, latency_ns=1000) for i in range(1000)]
    keys |= {"result": "major", "map": "/b"}
    lines.insert(763, fault(7630 * MS, 8192, **keys, latency_ns=771 * MS))
    return HEAD_AT_0 + b"".join(lines) + summary(len(lines))


def test_a_long_fault_s_time_is_in_all_moments_that_it_overlaps(tmp_path):
    """All 771 ms were in the interval of 100 ms in which it began."""
    path = tmp_path / "x.log"
    path.write_bytes(one_long_fault())
    rows = {
        int(row["time"]) // MS: row
        for row in table_of(path, "--by", "time,map")
        if row["map"] == "/b"
    }
    spent = {at: int(row["total_ns"]) // MS for at, row in rows.items()}
    assert spent == {7600: 70, **{at: 100 for at in range(7700, 8400, 100)}, 8400: 1}
    counts = {
        at: (row["faults"], row["major"], row["pages"]) for at, row in rows.items()
    }
    assert counts.pop(7600) == ("1", "1", "1")
    assert set(counts.values()) == {("0", "0", "0")}
    assert (rows[7600]["p99_ns"], rows[7700]["p99_ns"]) == ("771000000", "")
    by_time = table_of(path, "--by", "time")
    assert len(by_time) == 100
    assert sum(int(row["total_ns"]) for row in by_time) == 771 * MS + 1000 * 1000
    assert max(int(row["total_ns"]) for row in by_time) == 100 * MS + 10 * 1000


def test_filters_of_time_include_faults_in_progress(tmp_path):
    """--from 7.9s --to 8.3s did not find the fault that took all of that time."""
    path = tmp_path / "x.log"
    path.write_bytes(one_long_fault())
    options = ("--from", "7.901s", "--to", "7.909s", "--by", "map")
    (row,) = table_of(path, *options)
    assert (row["map"], row["faults"], row["total_ns"]) == ("/b", "1", "771000000")
    done = run(path, "--from", "8.401s", "--to", "8.409s", "--by", "map")
    assert "no faults match the filters (from 8.401s to 8.409s)" in done.stderr
    assert len(table_of(path, "--from", "8.4009999s", "--to", "8.409s", "--by")) == 1


def test_a_duration_ends_with_the_last_fault_to_end(tmp_path):
    """It was "1.00 s in them, within 2.00 ms" before."""
    keys = {"tid": 1, "result": "minor"}
    text = HEAD_AT_0 + fault(1000, 4096, **keys, latency_ns=1000)
    text += fault(2 * MS, 8192, **keys, latency_ns=1000 * MS) + summary(2)
    assert " in 1.00 s; 1.00 s spent in faults" in printed(tmp_path, text, "--by")[0]
    keys["latency_ns"] = (1 << 64) - 2  # ends at the end of 64 bits
    log = read(fault(5, 4096, **keys))
    assert log.duration_ns == (1 << 64) - 6


@pytest.mark.parametrize("seed", range(20))
def test_time_is_spread_as_fault_by_fault(seed):
    rng = np.random.default_rng(seed)
    width, n = int(rng.integers(1, 50)), 200
    begin = rng.integers(0, 1000, n).astype(np.uint64)
    end = begin + (rng.pareto(0.7, n) * 20).astype(np.uint64) % np.uint64(5000)
    key = rng.integers(0, 4, n)
    expected: Counter = Counter()
    for low, high, k in zip(begin.tolist(), end.tolist(), key.tolist()):
        for ns in range(low, high):
            expected[k, ns // width] += 1
    within, later = spread(begin, end, width, key)
    found: Counter = Counter()
    for k, piece, ns in zip(key, begin // np.uint64(width), within):
        found[int(k), int(piece)] += int(ns)
    for k, piece, ns in zip(later.key, later.piece, later.spent_ns):
        assert ns
        found[int(k), int(piece)] += int(ns)
    assert +found == expected


def test_moments_of_hours_and_days_are_whole_ones(tmp_path):
    """They were "20000 to 40000 s"."""
    day = 86400 * 10**9
    text = HEAD_AT_0 + b"".join(fault(i * day // 24, 4096) for i in range(240))
    (tmp_path / "x.log").write_bytes(text + summary(240))
    output = run(tmp_path / "x.log", "--by", "time", "--top", "0").stdout
    assert "  3 to 6 h\n" in output and "  237 to 240 h\n" in output
    text = HEAD_AT_0 + b"".join(fault(i * day, 4096) for i in range(240))
    (tmp_path / "x.log").write_bytes(text + summary(240))
    output = run(tmp_path / "x.log", "--by", "time", "--top", "0").stdout
    assert "  235 to 240 d\n" in output


def test_moments_of_long_logs_and_late_instants_are_written_as_options_accept_them(
    tmp_path,
):
    hour = 3600 * 10**9
    text = (
        HEAD_AT_0 + fault(0, 4096) + b"".join(fault(hour + i, 4096) for i in (1, 2, 3))
    )
    (tmp_path / "x.log").write_bytes(text + summary(4))
    output = run(tmp_path / "x.log", "--by", "time").stdout
    assert "  0 to 1 min\n" in output and "  60 to 61 min\n" in output
    lines = run(tmp_path / "x.log", "--by", "time", "--from", "60min", "--to", "1d")
    assert lines.stdout.splitlines()[0].split(": ")[1].startswith("3 faults")
    output = run(tmp_path / "x.log", "--by", "time", "--from", "100s").stdout
    assert "  3600.000000001 to 3600.000000002 s\n" in output
    assert "  3600.000000003 to 3600.000000004 s\n" in output
