# SPDX-License-Identifier: GPL-2.0-or-later
"""Tables on terminals: width, colours, bars."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from faultlog import cli
from faultlog.base import fit
from faultlog.report import terminal
from logs import ENV, SCRIPT, run, table_lines
from printing import CC1, hostile, on_terminal, printed


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
