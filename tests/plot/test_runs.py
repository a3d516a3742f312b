# SPDX-License-Identifier: GPL-2.0-or-later
"""Pages are counted by address space: exec gives a process another one."""

from __future__ import annotations

from faultlog.analyse.groups import KEYS
from faultlog.analyse.runs import runs
from faultlog.draw.drawing import count_pages
from faultlog.parse.log import Log
from logs import HEAD_AT_0, fault, read, summary
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
