# SPDX-License-Identifier: GPL-2.0-or-later
"""Pages are counted by address space: exec gives a process another one."""

from __future__ import annotations

import json
import re
import zlib
from base64 import b64decode
from typing import Any

import pytest
from faultlog.analyse.groups import KEYS
from faultlog.analyse.runs import changes, runs
from faultlog.draw import drawing
from faultlog.draw.drawing import count_pages
from faultlog.parse import checks
from faultlog.parse.log import Log
from logs import HEAD_AT_0, drawn, fault, read, run, summary, texts
from printing import table_of
from spaces import HEAD, child, execs, space


def on(time_ns: int, page: int, pid: int = 4494) -> bytes:
    keys = {"access": "write", "result": "minor", "latency_ns": 1, "map": "anon"}
    return fault(time_ns, page << 12, pid, tid=pid, **keys)


def labels(log: Log) -> list[str]:
    found = KEYS["page"].groups(log, log)
    return [found.label(code) for code in found.codes.tolist()]


def test_a_page_before_and_one_after_exec_are_two():
    text = on(1, 5) + on(2, 5) + space(3, 4494) + on(4, 5) + on(5, 6)
    log = read(HEAD + text)
    assert runs(log).tolist() == [0, 0, 1, 1]
    assert count_pages(log) == 3
    before, after = "4494:0x5000", "4494+1:0x5000"
    assert labels(log) == [before, before, after, "4494+1:0x6000"]


def test_a_process_is_numbered_from_its_first_address_space_with_faults():
    """The traced command begins with an exec, and most children do."""
    text = space(1, 4494) + on(2, 5) + child(3, 7, 4494) + space(4, 7) + on(5, 5, 7)
    text += space(6, 7) + on(7, 5, 7)
    log = read(HEAD + text)
    assert labels(log) == ["4494:0x5000", "7:0x5000", "7+1:0x5000"]
    part = log.take([2])
    found = KEYS["page"].groups(part, log)
    assert found.label(0) == "7+1:0x5000"


def test_exec_lines_count_where_there_are_no_space_lines():
    text = on(1, 5) + execs(3, 4494) + on(4, 5)
    assert runs(read(HEAD_AT_0 + text)).tolist() == [0, 1]
    assert runs(read(HEAD + space(2, 4494) + text)).tolist() == [0, 1]
    assert labels(read(HEAD_AT_0 + on(1, 5))) == ["0x5000"]


def test_each_process_counts_its_own():
    text = on(1, 5) + child(2, 7, 4494) + on(3, 5, 7) + space(4, 7) + on(5, 5, 7)
    text += on(6, 5) + child(7, 7, 4494) + on(8, 5, 7) + space(9, 7) + on(10, 5, 7)
    log = read(HEAD + text)
    assert runs(log).tolist() == [0, 0, 1, 0, 0, 1]
    assert count_pages(log) == 5
    assert labels(log)[-2:] == ["7~2:0x5000", "7~2+1:0x5000"]


def test_tables_count_pages_by_address_space(tmp_path):
    path = tmp_path / "x.log"
    text = on(1, 5) + space(3, 4494) + on(4, 5)
    path.write_bytes(HEAD + text + summary(2))
    (row,) = table_of(path, "--by", "map")
    assert row["pages"] == "2"


def test_memory_after_exec_is_another_without_exec_lines():
    """With children=0 there are no "# exec" lines."""
    text = on(1, 5) + on(2, 6) + space(3, 4494) + on(4, 7) + on(5, 5)
    assert len(set(read(HEAD + text).spaces().tolist())) == 2
    assert len(set(read(HEAD + on(1, 5) + on(2, 6)).spaces().tolist())) == 1
    text += child(6, 7, 4494) + on(7, 5, 7) + space(8, 7) + execs(9, 7) + on(10, 5, 7)
    found = read(HEAD + text).spaces().tolist()
    assert found[3] == found[4] and len(set(found)) == 3


def dashed(axis) -> list[float]:
    """The places of vertical dashed lines."""
    return [
        line.get_xdata()[0]
        for line in axis.lines
        if line.get_linestyle() == "--" and len(set(line.get_xdata())) == 1
    ]


@pytest.mark.parametrize("head, line", [(HEAD, space), (HEAD_AT_0, execs)])
def test_a_picture_marks_an_exec(head, line):
    text = on(1000, 5) + on(2000, 6) + line(3000, 4494) + on(4000, 5) + on(5000, 5)
    log = read(head + text)
    assert changes(log).tolist() == [4000]
    figure = drawn(head + text + summary(4))
    marked = [dashed(axis) for axis in figure.axes if dashed(axis)]
    assert len(marked) >= 2 and all(len(places) == 1 for places in marked)
    low, high = (figure.axes[0].get_xlim()[i] for i in (0, 1))
    (place,) = marked[0]
    assert (place - low) / (high - low) == pytest.approx(0.75, abs=0.02)
    assert "1 vertical dashed line: exec: the memory is new from there on" in texts(
        figure
    )
    assert "dashed" not in texts(drawn(head + on(1, 5) + on(2, 5) + summary(2)))


def test_an_exec_after_a_break_of_the_axis_is_marked_and_pages_stay_apart():
    """After a break, times are positions: all pages were of one address space."""
    text = b"".join(on(1_000_000 * i, 5 + i % 4) for i in range(40))
    text += space(9_000_000_000, 4494)
    text += b"".join(on(9_001_000_000 + 1_000_000 * i, 5 + i % 4) for i in range(40))
    log = read(HEAD + text + summary(80))
    figure = drawing.new_figure()
    drawing.draw(figure, log, checks.examine(log), view="memory")
    assert "without faults left out" in texts(figure)
    assert "8 pages in total" in texts(figure)
    (place,) = {x for axis in figure.axes for x in dashed(axis)}
    low, high = figure.axes[0].get_xlim()
    assert low < place < high


def test_too_many_execs_are_counted(monkeypatch):
    monkeypatch.setattr(drawing, "MAX_MARKED", 2)
    text = on(1, 5)
    for i in range(3):
        text += space(10 * i + 5, 4494) + on(10 * i + 6, 5)
    figure = drawn(HEAD + text + summary(4))
    assert "3 times exec: the memory is new from there on (not marked)" in texts(figure)
    assert not any(dashed(axis) for axis in figure.axes)


def meta_of(page: str) -> dict[str, Any]:
    packed = re.search(r'id="meta.0">([^<]*)<', page)[1]
    return json.loads(zlib.decompress(b64decode(packed), wbits=31))


def test_a_page_marks_an_exec(tmp_path):
    pytest.importorskip("plotly")
    log, page = tmp_path / "x.log", tmp_path / "x.html"
    log.write_bytes(HEAD + on(1, 5) + space(3, 4494) + on(9, 5) + summary(2))
    run(log, "-o", page)
    meta = meta_of(page.read_text())
    assert (meta["execs"], meta["nr_execs"]) == ([8], 1)
