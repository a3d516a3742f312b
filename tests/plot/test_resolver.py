# SPDX-License-Identifier: GPL-2.0-or-later
"""From an instruction's address to its file, by the lines about address spaces."""

from __future__ import annotations

import random
import re
import subprocess
import time
import tracemalloc
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from faultlog.analyse import placer, resolver, symbols
from faultlog.analyse.placer import NOWHERE
from faultlog.analyse.resolver import Resolver
from faultlog.parse.log import Log
from logs import HEAD_AT_0, fault, read, run, summary
from printing import table_of
from spaces import HEAD, area, child, execs, file, line, space

A, B, C = (file(i, f"/no/{name}") for i, name in enumerate("abc", 1))
FILES = HEAD + A + B + C
LIBRARY = """
static char data[65536] = "x";
__attribute__((noinline)) int writes_data(int i)
{
	return data[i]++;
}
"""


def by(
    time_ns: int, pid: int, ip: int, mode: str = "user", tid: int = 0, **keys: object
) -> bytes:
    """A fault of the instruction ip, on memory that says nothing about it."""
    words = {"tid": tid or pid, "cpu": 0, "ip": hex(ip), "access": "write"}
    words |= {"mode": mode, "region": "heap", "result": "minor", "latency_ns": 1}
    return fault(time_ns, 0x5000, pid, **words, map="[heap]", **keys)


def places(log: Log) -> list[str]:
    file, offset = Resolver(log).place(log)
    names = log.names["map"]
    return [
        f"{names[f].rpartition('/')[2]}+{o:x}" if f != NOWHERE else ""
        for f, o in zip(file.tolist(), offset.tolist())
    ]


def placed(*lines: bytes) -> list[str]:
    return places(read(FILES + b"".join(lines)))


def test_the_newest_line_at_or_before_the_fault_counts():
    found = placed(
        area(10, 9, 0x1000, 0x5000, 1),
        area(20, 9, 0x2000, 0x3000, 2, 0x7000),
        *(by(t, 9, ip) for t in (9, 10, 19, 20) for ip in (0x1FFF, 0x2000, 0x2FFF)),
        *(by(30, 9, ip) for ip in (0, 0xFFF, 0x3000, 0x4FFF, 0x5000)),
    )
    assert found[:3] == [""] * 3
    assert found[3:9] == ["a+fff", "a+1000", "a+1fff"] * 2
    assert found[9:12] == ["a+fff", "b+7000", "b+7fff"]
    assert found[12:] == ["", "", "a+2000", "a+3fff", ""]


def test_the_code_of_an_unloaded_library_does_not_name_what_follows_it():
    found = placed(
        area(10, 9, 0x1000, 0x5000, 1),
        by(15, 9, 0x2345),
        area(20, 9, 0x2000, 0x3000, "anon"),
        by(25, 9, 0x2345),
        area(30, 9, 0x2000, 0x3000, "?"),
        by(35, 9, 0x2345),
    )
    assert found == ["a+1345", "anon+0", ""]


def test_a_child_has_what_its_parent_had_when_it_was_forked():
    found = placed(
        area(10, 9, 0x1000, 0x2000, 1),
        child(20, 12, 9),
        area(30, 9, 0x1000, 0x2000, 2),
        area(31, 12, 0x8000, 0x9000, 3),
        *(by(40, pid, ip) for pid in (9, 12) for ip in (0x1000, 0x8000)),
        child(50, 13, 12),
        *(by(60, 13, ip) for ip in (0x1000, 0x8000)),
    )
    assert found == ["b+0", "", "a+0", "c+0", "a+0", "c+0"]


def test_after_vfork_both_use_one_address_space_until_one_has_its_own():
    found = placed(
        area(10, 9, 0x1000, 0x2000, 1),
        child(20, 12, 9, "shared"),
        area(21, 12, 0x3000, 0x4000, 2),
        area(22, 9, 0x5000, 0x6000, 3),
        *(by(30, pid, ip) for pid in (9, 12) for ip in (0x1000, 0x3000, 0x5000)),
        space(40, 12),
        area(41, 12, 0x1000, 0x2000, 3),
        execs(42, 12),
        *(by(50, pid, ip) for pid in (9, 12) for ip in (0x1000, 0x3000)),
    )
    assert found[:6] == ["a+0", "b+0", "c+0"] * 2
    assert found[6:] == ["a+0", "b+0", "c+0", ""]


@pytest.mark.parametrize("end", [execs(40, 9), b""])
def test_during_exec_the_system_call_s_instruction_is_that_of_the_old_program(end):
    found = placed(
        area(10, 9, 0x1000, 0x2000, 1),
        by(15, 9, 0x1004, "kernel"),
        space(20, 9),
        area(30, 9, 0x1000, 0x2000, 2),
        by(35, 9, 0x1004, "kernel"),
        by(36, 9, 0x1004, "remote"),
        end,
        by(50, 9, 0x1004, "user"),
        by(51, 9, 0x1004, "kernel"),
        by(52, 9, 0x1004, "gup"),
    )
    assert found == ["a+4", "a+4", "a+4", "b+4", "b+4", "b+4"]


def test_the_end_of_exec_is_found_in_the_whole_log():
    log = read(
        FILES
        + area(10, 9, 0x1000, 0x2000, 1)
        + space(20, 9)
        + area(30, 9, 0x1000, 0x2000, 2)
        + by(50, 9, 0x1004, "user")
        + by(51, 9, 0x1004, "kernel")
    )
    assert Resolver(log).place(log.take([1]))[0] == Resolver(log).place(log)[0][:1]


def test_a_vforked_child_s_exec_returns_to_its_parent_s_instruction():
    found = placed(
        area(10, 9, 0x1000, 0x2000, 1),
        child(20, 12, 9, "shared"),
        space(30, 12),
        area(31, 12, 0x1000, 0x2000, 2),
        by(35, 12, 0x1004, "kernel"),
        execs(40, 12),
        by(45, 12, 0x1004, "kernel"),
    )
    assert found == ["a+4", "b+4"]


def test_a_second_process_with_the_same_pid_begins_anew():
    found = placed(
        area(10, 9, 0x1000, 0x2000, 1),
        child(20, 12, 9),
        area(21, 12, 0x3000, 0x4000, 2),
        by(25, 12, 0x3000),
        line("exit", 26, pid=12),
        child(30, 12, 9),
        by(35, 12, 0x3000),
        by(36, 12, 0x1000),
    )
    assert found == ["b+0", "", "a+0"]


def test_lines_at_one_time_are_in_the_order_of_the_log():
    found = placed(
        area(10, 9, 0x1000, 0x2000, 1),
        space(10, 9),
        area(10, 9, 0x1000, 0x2000, 2),
        area(10, 9, 0x1000, 0x2000, 3),
        by(10, 9, 0x1000),
        area(10, 7, 0x1000, 0x2000, 3),
    )
    assert found == ["c+0"]


def test_a_process_without_lines_and_a_log_without_them_have_no_names():
    assert placed(area(10, 9, 0x1000, 0x2000, 1), by(15, 8, 0x1000)) == [""]
    assert placed(by(15, 8, 0x1000)) == [""]


def test_other_orders_of_magnitude_do_not_overflow():
    top = (1 << 64) - 1
    found = placed(
        area(10, 9, 0, top, 1, top),
        by(15, 9, 5),
        by(16, 9, top - 1),
        by(17, 9, 0),
    )
    assert found == ["a+4", f"a+{top - 2:x}", f"a+{top:x}"]


def oracle(lines: list[tuple], pid: int, now: int, ip: int) -> str:
    """By copies: what a reader without limits would find."""
    spaces: dict[int, list] = {}
    for time_ns, kind, who, *rest in lines:
        if time_ns > now:
            break
        if kind == "map":
            spaces.setdefault(who, []).append(rest)
        elif kind == "space":
            spaces[who] = []
        elif kind == "copy":
            spaces[who] = list(spaces.setdefault(rest[0], []))
        else:
            spaces[who] = spaces.setdefault(rest[0], [])
    for start, end, name in reversed(spaces.get(pid, [])):
        if start <= ip < end:
            return f"{name}+{ip - start:x}"
    return ""


@pytest.mark.parametrize("seed", range(8))
def test_random_lines_give_what_copies_of_all_areas_give(seed):
    chance = random.Random(seed)
    lines, text, faults = [], FILES, []
    for i in range(400):
        pid, other = chance.randrange(1, 9), chance.randrange(1, 9)
        kind = chance.choices(["map", "space", "copy", "shared", ""], [8, 1, 2, 1, 8])[
            0
        ]
        now = i // 2
        if kind == "map":
            start = chance.randrange(60)
            end = start + chance.choice([1, 2, 5, 40])
            which = chance.randrange(3)
            lines.append((now, kind, pid, start, end, "abc"[which]))
            text += area(now, pid, start, end, which + 1)
        elif kind == "space":
            lines.append((now, kind, pid))
            text += space(now, pid)
        elif kind and pid != other:
            lines.append((now, kind, pid, other))
            text += child(now, pid, other, kind)
        else:
            ip = chance.randrange(1, 100)
            faults.append((pid, now, ip))
            text += by(now, pid, ip)
    found = places(read(text))
    assert found == [oracle(lines, *which) for which in faults]
    assert 20 < sum(map(bool, found)) < len(found)


def test_many_lines_and_faults_take_little_time():
    """Ranges within each other, and children that each have all areas of their parent."""
    nr_lines, nr_children = 1 << 14, 1 << 12
    text = [FILES]
    for i in range(nr_lines):
        text.append(area(i, 9, 0x1000 * i, 0x1000 * (2 * nr_lines - i), 1 + i % 3))
    for i in range(nr_children):
        text.append(child(nr_lines, 10 + i, 9))
        text.append(by(nr_lines + 1, 10 + i, 0x1000 * i + 1))
    log = read(b"".join(text))
    many = log.take(np.arange(200_000) % len(log))
    many.time_ns[:] += np.arange(len(many), dtype=np.uint64)
    start = time.process_time()
    file, _ = Resolver(log).place(many)
    assert time.process_time() - start < 4
    names = np.array([1, 2, 3])
    assert len(np.unique(file)) == len(names)


def test_keys_have_room_for_a_million_ranges_whatever_their_spaces_numbers():
    """From 2,097,152 spaces on, of which few have lines, one had those of another."""
    count = 1 << 20
    start = np.arange(count, dtype=np.uint64) * np.uint64(3)
    space = np.arange(count) * 1000
    found = resolver.Covering(space, start, start + np.uint64(2))
    assert len(found.bounds).bit_length() == 22
    rows = np.array([0, 1, 70_000, count - 1])
    leaf, before = found.leaves(start[rows] + np.uint64(1)), np.full(4, count)
    assert found.find(space[rows], leaf, before).tolist() == rows.tolist()
    assert found.find(space[rows] + 1, leaf, before).tolist() == [-1] * 4
    assert found.find(space[rows], leaf, rows).tolist() == [-1] * 4


def test_a_million_faults_are_placed_in_little_memory():
    """They took 100 bytes each at a time: 108 MiB more than the log itself."""
    text = FILES + area(10, 9, 0x1000, 0x5000, 1) + by(15, 9, 0x2345)
    log = read(text)
    many = log.take(np.zeros(1_000_000, dtype=np.int64))
    tracemalloc.start()
    file, _ = Resolver(log).place(many)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(np.unique(file)) == 1 and peak < 64 << 20


def test_a_long_chain_of_forks_is_searched_to_a_limit_which_is_reported(monkeypatch):
    monkeypatch.setattr(resolver, "MAX_PARENTS", 3)
    text = FILES + area(1, 1, 0x1000, 0x2000, 1)
    for pid in range(2, 9):
        text += child(pid, pid, pid - 1) + area(pid, pid, 0x3000, 0x4000, 2)
        text += by(pid, pid, 0x1000)
    # Those without lines of their own cost nothing.
    text += b"".join(
        child(10, pid, pid - 1 if pid > 90 else 1) for pid in range(90, 99)
    )
    text += by(12, 98, 0x1000)
    log = read(text)
    assert places(log) == ["a+0"] * 3 + [""] * 4 + ["a+0"]
    notes = symbols.find(log, log).notes
    assert any(note.startswith("Names: 4 faults without a name: ") for note in notes)
    monkeypatch.setattr(resolver, "MIN_STEPS", -len(log) * resolver.MAX_STEPS_EACH)
    assert places(log)[1:7] == [""] * 6


def rows_by(tmp_path: Path, key: str, *lines: bytes) -> Counter[str]:
    path = tmp_path / "x.log"
    path.write_bytes(FILES + b"".join(lines) + summary(sum(b"PID" in x for x in lines)))
    return Counter(
        {row[key]: int(row["faults"]) for row in table_of(path, "--by", key)}
    )


def test_memory_without_a_file_has_its_name_and_no_function(tmp_path):
    lines = [
        area(10, 9, 0x1000, 0x3000, "anon"),
        area(10, 9, 0x3000, 0x4000, "[heap]"),
        area(10, 9, 0x4000, 0x5000, "[vdso]", 0),
        area(10, 9, 0x5000, 0x6000, "?"),
        *(
            by(20 + i, 9, ip)
            for i, ip in enumerate((0x1004, 0x2008, 0x3000, 0x4ABC, 0x5000, 0x9000))
        ),
    ]
    expected = {"? [anon]": 2, "? [heap]": 1, "[vdso]+0xabc": 1, "?": 2}
    assert rows_by(tmp_path, "function", *lines) == expected
    assert rows_by(tmp_path, "line", *lines) == expected
    done = run(tmp_path / "x.log", "--by", "function")
    assert "Names" not in done.stdout
    done = run(tmp_path / "x.log", "-o", "-.jsonl")
    assert done.stdout.count('"function":"? [anon]"') == 2


@pytest.fixture(scope="module")
def library(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("lib")
    (folder / "source.c").write_text(LIBRARY)
    command = ["gcc", "-g", "-O1", "-shared", "-fPIC", "-Wl,--build-id"]
    subprocess.run([*command, "-o", "libx.so", "source.c"], cwd=folder, check=True)
    return folder / "libx.so"


def test_a_function_is_named_although_no_fault_has_its_file(library, tmp_path):
    """attach_no_names: the program had run its code before the recording began."""
    listing = subprocess.run(
        ["readelf", "-nlW", library], capture_output=True, text=True
    )
    build_id = re.search(r"Build ID: ([0-9a-f]+)", listing.stdout)[1]
    offset, vaddr, size = (
        int(n, 16)
        for n in re.search(
            r"LOAD +(\S+) (\S+) \S+ (\S+) \S+ R E", listing.stdout
        ).groups()
    )
    names = subprocess.run(["nm", library], capture_output=True, text=True).stdout
    function = int(re.search(r"^([0-9a-f]+) . writes_data$", names, re.M)[1], 16)
    start = 0x7F0000000000
    end = start + (size + 0xFFF & ~0xFFF)
    ip = start + function - vaddr
    path = tmp_path / "x.log"
    for recorded, name, note in [
        (build_id, "writes_data [libx.so]", ""),
        ("00ff", f"libx.so+{ip - start + offset:#x}", "not the file that ran"),
        ("?", "writes_data [libx.so]", "the log has no time"),
    ]:
        text = HEAD.replace(b" epoch=1588556857.123456789", b"")
        text += file(1, library, recorded) + area(2, 9, start, end, 1, offset)
        path.write_bytes(text + by(20, 9, ip) + summary(1))
        done = run(path, "--by", "function")
        assert name in done.stdout and note in done.stdout
        assert bool(note) == ("Names:" in done.stdout)


def test_faults_after_a_loss_of_lines_are_counted_in_a_note():
    log = read(
        FILES
        + area(10, 9, 0x1000, 0x2000, 1)
        + by(15, 9, 0x1000)
        + line("maps-lost", 20)
        + by(25, 9, 0x1000)
        + by(26, 9, 0x9000)
    )
    notes = symbols.find(log, log).notes
    assert any(
        note.startswith("Names: 1 fault may have a wrong name") for note in notes
    )


def test_a_note_says_that_names_are_inferred():
    keys = {"ip": "0x1008", "access": "exec", "map": "/no/a", "offset": "0x0"}
    log = read(HEAD_AT_0 + fault(1, 0x1000, 9, **keys))
    assert symbols.find(log, log).notes[-1] == placer.INFERRED
    log = read(HEAD_AT_0 + by(2, 9, 0x1))
    assert symbols.find(log, log).notes == []
