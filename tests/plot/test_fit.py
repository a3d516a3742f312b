# SPDX-License-Identifier: GPL-2.0-or-later
"""Names in tables: harmless, different, and short enough for a terminal."""

from __future__ import annotations

import time

import pytest
from faultlog.base import fit
from faultlog.report import terminal
from printing import HOSTILE, hostile, printed, table_of


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


def test_marks_without_a_column():
    """Those of a class of their own, as U+0947, or of none, as U+20DD, were counted."""
    assert fit.columns_of("e\u0301") == fit.columns_of("\u0915\u0947") == 1
    assert fit.columns_of("\u65e5\u20dd") == 2


def test_columns_are_those_of_wcwidth():
    wcwidth = pytest.importorskip("wcwidth").wcwidth
    texts = [chr(code) for code in range(0x20, 0x20000)]
    differ = [x for x in texts if x.isprintable() and fit.columns_of(x) != wcwidth(x)]
    assert len(differ) < 1000  # other versions of Unicode have more characters


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


def test_a_long_name_does_not_pad_all_other_lines():
    """Lines for 65,536 names would take gigabytes."""
    names = [["a"] * 20000 + ["z" * 1_000_000], ["b"] * 20001]
    lines = terminal.in_room(names, terminal.UNLIMITED)
    assert sum(map(len, lines[0])) < 4_000_000 and lines[0][-1] == names[0][-1]
