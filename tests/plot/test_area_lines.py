# SPDX-License-Identifier: GPL-2.0-or-later
"""Reading the lines about address spaces: values, damage, numbers of them, helpers."""

from __future__ import annotations

import time
import tracemalloc
from typing import Any

import pytest
from faultlog.parse import area_lines, read as reading
from faultlog.parse.log import Event, Log
from faultlog.parse.source import open_log
from logs import fault, read, summary
from spaces import HEAD, area, child, comm, execs, file, line, space

LIBX, LIBY = "/usr/lib/libx.so", "/usr/lib/lib\\040y.so"
FAULT = fault(20, 0x5000, 9, tid=9, ip="0x1010", access="read", map=LIBX, offset="0x0")
LINES = [
    file(1, LIBX, "ab12"),
    area(2, 9, 0x1000, 0x3000, 1, 0x1000),
    file(2, LIBY),
    area(3, 9, 0x4000, 0x5000, 2),
    area(4, 9, 0x6000, 0x7000, "anon"),
    area(4, 10, 0x7FFF0000, 1 << 63, "[vdso]"),
    area(5, 9, 0x8000, 0x9000, "?"),
    comm(6, 9, 9, "a\\040b"),
    comm(6, 9, 11, "worker"),
    space(7, 9),
    execs(8, 9),
    child(9, 12, 9, "shared"),
    line("exit", 10, pid=12),
    line("maps-lost", 11),
]


def columns(log: Log, kind: str, *names: str) -> list[tuple[Any, ...]]:
    table = log.areas.tables[kind]
    return list(zip(*(table[name].tolist() for name in names)))


def file_names(log: Log) -> list[str]:
    names = log.names["map"]
    return [
        names[code] if code >= 0 else ""
        for code in log.areas.tables["map"]["file"].tolist()
    ]


def test_all_keys_of_the_lines_are_read():
    log = read(HEAD + b"".join(LINES) + FAULT + summary(1))
    assert log.has_areas and log.oddities.nr_bad == 0
    names = ("line", "time", "pid", "start", "end", "offset")
    assert columns(log, "map", *names)[:2] == [
        (3, 2, 9, 0x1000, 0x3000, 0x1000),
        (5, 3, 9, 0x4000, 0x5000, 0),
    ]
    assert columns(log, "map", "end")[3] == (1 << 63,)
    found = [LIBX, "/usr/lib/lib y.so", "anon", "[vdso]", ""]
    assert file_names(log) == found
    codes = log.areas.tables["map"]["file"]
    assert [log.paths[code].decode() for code in codes[:4].tolist()] == found[:4]
    assert log.areas.files[int(codes[0])].build_id == "ab12"
    assert log.areas.files[int(codes[1])].build_id == ""
    assert log.names["map"][log.map[0]] == LIBX and log.map[0] == codes[0]
    found = columns(log, "comm", "time", "pid", "tid", "comm")
    names = [log.areas.comms[row[-1]] for row in found]
    assert (found[1][:3], names) == ((6, 9, 11), ["a b", "worker"])
    assert columns(log, "space", "line", "time", "pid") == [(11, 7, 9)]
    assert columns(log, "exit", "time", "pid") == [(10, 12)]
    assert log.areas.lost_ns() == 11
    assert log.events[1] == Event("child", 9, 12, 9, "sh", shares=True)
    assert [event.line for event in log.events] == [12, 13]


def test_a_log_without_such_lines_has_none():
    for head in (HEAD, HEAD.replace(b" maps=exec", b" maps=none")):
        log = read(head + FAULT + summary(1))
        assert log.has_areas == (head == HEAD)
        assert not any(len(t["line"]) for t in log.areas.tables.values())
        assert log.areas.lost_ns() is None
    assert not read(FAULT).has_areas


def test_other_orders_blanks_and_keys_that_are_not_known():
    text = HEAD + b"# map  pid=9 new=1 time=2 start=0x1 file=anon offset=0x0 end=0x2\n"
    text += b"# map time=2 pid=9 start=0x1 end=0x2 prot=r-xp offset=0x3 file=anon x=y\n"
    text += b"# comm time=3 pid=9 tid=4 comm=a next=b\n#\n#  \n# unheard of\n"
    log = read(text + FAULT)
    assert columns(log, "map", "start", "offset") == [(1, 0), (1, 3)]
    assert columns(log, "comm", "tid") == [(4,)]
    assert log.oddities.nr_bad == 0


BAD = [
    b"# map time=2 pid=9 start=0x1 end=0x2 prot=r-xp offset=0x3\n",
    b"# map time=2 pid=9 start=0x2 end=0x2 prot=r-xp offset=0x3 file=1\n",
    b"# map time=2 pid=9 start=2 end=0x3 prot=r-xp offset=0x3 file=1\n",
    b"# map time=2 pid=9 start=0x2 end=0x3 prot=r-xp offset=0x3 file=\n",
    b"# map time=2 pid=x start=0x2 end=0x3 prot=r-xp offset=0x3 file=1\n",
    b"# map time=9223372036854775808 pid=9 start=0x2 end=0x3 offset=0x3 file=1\n",
    b"# map time=1 pid=1000000000 start=0x2 end=0x3 prot=r-xp offset=0x3 file=1\n",
    b"# map time=1 pid=1 start=0x2 end=0x10000000000000000 offset=0x3 file=1\n",
    b"# map time=1\0 pid=9 start=0x2 end=0x3 prot=r-xp offset=0x3 file=1\n",
    b"# map\n",
    b"# space time=1\n",
    b"# space pid=1\n",
    b"# comm time=1 pid=9 tid=9\n",
    b"# comm time=1 pid=9 tid=9 comm=\n",
    b"# exit time=-1 pid=9\n",
    b"# maps-lost\n",
    b"# file time=1 nr=1 dev=fd:01 ino=1 size=1 mtime=1.000000000 build_id=? path=\n",
    b"# file time=1 nr=x dev=fd:01 ino=1 size=1 mtime=1.000000000 build_id=? path=/a\n",
    b"# file time=1 nr=1 path=/a\n",
]


@pytest.mark.parametrize("bad", BAD)
def test_a_bad_line_is_counted_and_no_other_is_lost(bad):
    log = read(HEAD + LINES[1] + bad + LINES[3] + FAULT + summary(1))
    assert (log.oddities.nr_bad, log.oddities.first_bad) == (1, 3)
    assert columns(log, "map", "start") == [(0x1000,), (0x4000,)]


def test_any_cut_and_any_repetition_is_read():
    whole = HEAD + b"".join(LINES) + FAULT + summary(1)
    for end in range(0, len(whole), 7):
        read(whole[:end])
    log = read(whole + whole)
    assert len(log) == 2 and file_names(log)[:2] == file_names(log)[5:7]
    assert log.oddities.nr_bad == 0 and log.oddities.nr_heads == 2


def test_a_number_that_two_logs_use_for_two_files_names_none():
    text = HEAD + LINES[0] + LINES[1] + FAULT + file(1, LIBY) + LINES[1]
    assert file_names(read(text)) == ["", ""]


def test_two_files_with_one_path_stay_apart():
    text = HEAD + file(1, LIBX, "aa") + file(2, LIBX, "bb")
    text += area(2, 9, 0x1000, 0x2000, 1) + area(3, 9, 0x1000, 0x2000, 2)
    log = read(text + FAULT)
    assert file_names(log) == [LIBX, LIBX]
    codes = log.areas.tables["map"]["file"].tolist()
    assert [log.areas.files[code].build_id for code in codes] == ["aa", "bb"]


def many(nr_lines: int) -> bytes:
    return b"".join(
        area(i, 9, 0x1000 * i, 0x1000 * (i + 1), i % 5000) for i in range(1, nr_lines)
    )


def test_131072_lines_are_read_in_a_second_and_in_bounded_memory():
    text = HEAD + many(1 << 17) + FAULT + summary(1)
    start = time.process_time()
    log = read(text)
    assert time.process_time() - start < 2
    assert len(log.areas.tables["map"]["time"]) == (1 << 17) - 1
    tracemalloc.start()
    read(text)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 64 << 20


def test_lines_beyond_the_limit_are_bad(monkeypatch):
    monkeypatch.setattr(area_lines, "MAX_LINES", 3)
    monkeypatch.setattr(area_lines, "MAX_FILES", 2)
    text = HEAD + b"".join(area(i, 9, 1, 2, "anon") for i in range(5)) + space(6, 9)
    text += b"".join(file(i, f"/{i}") for i in range(4)) + FAULT + summary(1)
    log = read(text, block_bytes=100)
    assert len(log.areas.tables["map"]["time"]) == 3
    assert (log.oddities.nr_bad, log.oddities.first_bad) == (4, 5)


def test_helpers_read_the_same(tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "MIN_PART_BYTES", 1 << 12)
    monkeypatch.setattr(reading, "nr_helpers", lambda: 3)
    text = HEAD + b"".join(LINES) + many(300)
    text += b"".join(area(400, 9, 1, 2, f"[x{i}]") + FAULT for i in range(100))
    text += b"".join(comm(500, 9, i, f"c{i}") for i in range(100)) + BAD[0]
    text += execs(501, 9) + summary(100)
    path = tmp_path / "x.log"
    path.write_bytes(text)
    with open_log(str(path)) as opened:
        log = reading.read_log(opened)
    whole = read(text)
    for kind, table in whole.areas.tables.items():
        for name, column in table.items():
            if name != "file" and name != "comm":
                assert column.tolist() == log.areas.tables[kind][name].tolist()
    assert file_names(log) == file_names(whole)
    names = [
        [one.areas.comms[i] for i in one.areas.tables["comm"]["comm"]]
        for one in (log, whole)
    ]
    assert names[0] == names[1] and "c99" in names[0]
    assert [e.line for e in log.events] == [e.line for e in whole.events]
    assert log.oddities == whole.oddities and log.oddities.nr_bad == 1


def test_lines_beyond_the_limit_are_bad_with_helpers(tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "MIN_PART_BYTES", 1 << 12)
    monkeypatch.setattr(reading, "nr_helpers", lambda: 3)
    monkeypatch.setattr(area_lines, "MAX_LINES", 200)
    path = tmp_path / "x.log"
    path.write_bytes(HEAD + many(301) + FAULT + summary(1))
    with open_log(str(path)) as opened:
        log = reading.read_log(opened)
    assert len(log.areas.tables["map"]["time"]) == 200
    assert log.oddities.nr_bad == 100
