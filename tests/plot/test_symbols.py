# SPDX-License-Identifier: GPL-2.0-or-later
"""From an instruction's address to its function: the file from the log, the name from elfutils."""

from __future__ import annotations

import os
import re
import shutil
import struct
import subprocess
import tempfile
import time
import tracemalloc
from pathlib import Path
from typing import Iterator

import numpy as np
import pytest
from faultlog.analyse import symbols
from faultlog.analyse.placer import NOWHERE, Placer, Segment, read_segments
from faultlog.analyse.symbols import look_up
from logs import HEAD_AT_0, compiler_log, fault, read, run, summary
from printing import CC1_TEXT, table_of

LIBRARY = """
#include <string.h>
static char data[65536] = "x";
__attribute__((noinline)) int writes_data(int i)
{
	return data[i]++;
}
__attribute__((noinline)) int reads_text(const char *s)
{
	return strlen(s);
}
"""
PAGE = 4096
LOAD = 0x7F0000000000


def compiled(folder: Path, source: str) -> Path:
    (folder / "source.c").write_text(source)
    command = ["gcc", "-g", "-O1", "-shared", "-fPIC", "-Wl,-z,noseparate-code"]
    subprocess.run([*command, "-o", "libx.so", "source.c"], cwd=folder, check=True)
    return folder / "libx.so"


@pytest.fixture
def public() -> Iterator[Path]:
    """A folder for programs that root runs as another user."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        yield Path(folder)


@pytest.fixture(scope="module")
def library(tmp_path_factory) -> Path:
    return compiled(tmp_path_factory.mktemp("lib"), LIBRARY)


def address_of(library: Path, name: str) -> int:
    output = subprocess.run(["nm", library], capture_output=True, text=True).stdout
    return int(re.search(rf"^([0-9a-f]+) \w {name}$", output, re.M)[1], 16)


def line(
    time_ns: int, load: int, segment, ip: int, pid=9, access="read", **keys
) -> bytes:
    """A fault on the last page of a file's segment, by the instruction ip."""
    offset = (segment.offset + segment.size - 1) // PAGE * PAGE
    address = load + segment.vaddr - segment.offset + offset
    words = {"tid": pid, "cpu": 0, "ip": hex(ip), "access": access, "region": "file"}
    words |= {"result": "minor", "latency_ns": 1, **keys, "offset": hex(offset)}
    return fault(time_ns, address, pid, **words)


def head(seconds: float) -> bytes:
    return HEAD_AT_0.replace(b"epoch=1588556857", b"epoch=%d" % seconds)


def parts(library: Path) -> tuple:
    found = read_segments(os.fsencode(library))
    (code,) = [s for s in found if s.is_code]
    return code, found[-1]


def test_functions_and_lines(library, tmp_path):
    code, data = parts(library)
    names = ["writes_data", "reads_text"]
    assert data.vaddr - data.offset != code.vaddr - code.offset  # bases differ
    ips = [LOAD + address_of(library, name) for name in names]
    text = head(time.time() + 9)
    for i, (segment, ip) in enumerate([(code, ips[0]), (data, ips[0]), (data, ips[1])]):
        text += line(i, LOAD, segment, ip, map=library)
    path = tmp_path / "x.log"
    path.write_bytes(text + summary(3))
    rows = table_of(path, "--by", "function")
    assert [(row["function"], row["faults"]) for row in rows] == [
        ("writes_data [libx.so]", "2"),
        ("reads_text [libx.so]", "1"),
    ]
    rows = table_of(path, "--by", "line")
    assert re.fullmatch(r"source\.c:[56] \[libx\.so\]", rows[0]["line"])
    assert re.fullmatch(r"source\.c:(9|10) \[libx\.so\]", rows[1]["line"])
    # Placing a fault uses lines that the filter excludes, too.
    text = text.replace(b" region=file", b" region=heap", 1)
    path.write_bytes(text + summary(3))
    (row,) = table_of(path, "--by", "function", "--region", "heap")
    assert row["function"] == "writes_data [libx.so]"


INLINED = """
static char data[65536] = "x";
static inline __attribute__((always_inline)) int innermost(int i)
{
	return data[i]++;
}
static inline __attribute__((always_inline)) int middle(int i)
{
	return innermost(i);
}
__attribute__((noinline)) int first(int i)
{
	return middle(i);
}
__attribute__((noinline)) int second(int i)
{
	return innermost(i + 3);
}
"""


def test_an_inlined_function_is_one_row_without_the_build_path(tmp_path):
    """There was a row for each call site: "innermost inlined at /build/a.c:9 in first"."""
    library = compiled(tmp_path, INLINED)
    code, data = parts(library)
    text, path = head(time.time() + 9), tmp_path / "x.log"
    for i, name in enumerate(("first", "second")):
        listing = subprocess.run(
            ["objdump", "-d", f"--disassemble={name}", library],
            capture_output=True,
            text=True,
        ).stdout
        ips = [int(ip, 16) for ip in re.findall(r"^ +([0-9a-f]+):\t", listing, re.M)]
        stores = subprocess.run(
            ["eu-addr2line", "-f", "-e", library, *map(hex, ips)],
            capture_output=True,
            text=True,
        ).stdout.splitlines()[::2]
        (ip, *_) = [ip for ip, name in zip(ips, stores) if " inlined at " in name]
        text += line(i, LOAD, data, LOAD + ip, map=library)
    path.write_bytes(text + summary(2))
    (row,) = table_of(path, "--by", "function")
    assert (row["function"], row["faults"]) == ("innermost [libx.so]", "2")


def test_the_code_is_placed_by_data_alone(library):
    code, data = parts(library)
    ip = LOAD + address_of(library, "reads_text")
    log = read(head(0) + line(1, LOAD, data, ip, map=library))
    file, offset = Placer(log).place(log)
    assert log.names["map"][file[0]] == str(library)
    assert offset.tolist() == [ip - LOAD - code.vaddr + code.offset]


def placed(text: bytes) -> list[str]:
    log = read(text)
    file, offset = Placer(log).place(log)
    names = log.names["map"]
    return [
        f"{names[f]}+{o:#x}" if f != NOWHERE else ""
        for f, o in zip(file, offset.tolist())
    ]


CODE = Segment(0x1000, 0x1000, 0x3000, True)


def test_without_the_file_by_the_log_alone():
    """Of several bases below, the one whose code was executed counts, not that of data."""
    data = Segment(0x4000, 0x5000, 0x1000, False)
    ip = LOAD + 0x2345
    text = line(1, LOAD, CODE, ip, access="exec", map="/no/a")
    text += line(2, LOAD, data, LOAD + 0x1234, map="/no/a")
    text += line(3, LOAD, data, LOAD + 0x900000, map="/no/a")
    text += line(4, LOAD, data, LOAD - 5, map="/no/a")
    text += line(5, LOAD, data, 0, map="/no/a")
    assert placed(text) == ["/no/a+0x2345", "/no/a+0x1234", "", "", ""]


def test_exec_changes_the_address_space_and_fork_does_not():
    args = {"access": "exec", "pid": 9}
    ip = LOAD + 0x1111
    text = HEAD_AT_0 + line(10, LOAD, CODE, ip, map="/no/old", **args)
    text += b"# child time=15 pid=10 ppid=9 comm=x\n# exec time=20 pid=9 comm=y\n"
    heap = {"map": "[heap]", "tid": 1, "access": "write", "ip": hex(ip)}
    text += fault(12, 0x5000, 9, **heap) + fault(16, 0x5000, 10, **heap)
    text += fault(21, 0x5000, 9, **heap)
    text += line(30, LOAD, CODE, ip, map="/no/new", **args)
    text += fault(31, 0x6000, 10, **heap) + fault(32, 0x6000, 9, **heap)
    text += fault(33, 0x6000, 11, **heap)
    old, new = "/no/old+0x1111", "/no/new+0x1111"
    assert placed(text) == [old, old, old, new, new, old, new, ""]


def test_one_file_after_the_other_at_one_address():
    ip = LOAD + 0x1111
    text = line(10, LOAD, CODE, ip, access="exec", map="/no/first")
    text += line(20, LOAD, CODE, ip, access="exec", map="/no/second")
    text += fault(15, 0x5000, 9, ip=hex(ip), map="[heap]", access="read", tid=1)
    text += fault(25, 0x5000, 9, ip=hex(ip), map="[heap]", access="read", tid=1)
    names = [name.rpartition("/")[2] for name in placed(text)]
    assert names == [f"{n}+0x1111" for n in ("first", "second", "first", "second")]


def test_nearly_all_of_a_real_log_is_placed():
    log = read(CC1_TEXT)
    file, _ = Placer(log).place(log)
    assert np.count_nonzero(file != NOWHERE) > 0.998 * len(log)


def test_placing_ten_million_faults_does_not_take_100_bytes_for_each(monkeypatch):
    """Not more than the answer, in addition to the memory for a part of them."""
    log = read(compiler_log(20_000, outcomes=True))
    placer = Placer(log)
    whole = placer.place(log)
    monkeypatch.setattr("faultlog.analyse.placer.CHUNK", 1000)
    tracemalloc.start()
    parts = placer.place(log)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 16 * len(log) + 200 * 1000 + 50_000
    for one, other in zip(whole, parts):
        assert (one == other).all()
    assert (whole[0] != NOWHERE).any()


def test_functions_without_names_are_reported(library, tmp_path):
    code, _ = parts(library)
    ip = LOAD + address_of(library, "reads_text")
    gone = tmp_path / "gone.so"
    for map, epoch, function, note in [
        (gone, 0, "gone.so+", "Names: no program here: gone.so"),
        (library, 1, "libx.so+", "Names: written after the recording: libx.so"),
    ]:
        path = tmp_path / "x.log"
        path.write_bytes(
            head(epoch) + line(1, LOAD, code, ip, access="exec", map=map) + summary(1)
        )
        done = run(path, "--by", "function")
        assert note in done.stdout and function in done.stdout


def test_a_replaced_file_is_named_with_a_warning(library, tmp_path):
    code, _ = parts(library)
    old = tmp_path / "liby.so"
    shutil.copy(library, old)
    os.utime(old, (1, 1))
    ip = LOAD + address_of(library, "reads_text")
    path = tmp_path / "x.log"
    text = head(time.time() - 1000) + line(1, LOAD, code, ip, access="exec", map=old)
    path.write_bytes(text + summary(1))
    done = run(path, "--by", "function")
    assert "Names: maybe replaced after the recording: liby.so" in done.stdout
    assert "reads_text [liby.so]" in done.stdout


def test_a_hard_link_made_after_the_recording_changes_nothing(library, public):
    """Because of its new ctime it was taken for another file."""
    code, _ = parts(library)
    old = public / "liby.so"
    shutil.copy(library, old)
    os.utime(old, (1, 1))
    ip = LOAD + address_of(library, "reads_text")
    text = line(1, LOAD, code, ip, access="exec", map=old)
    path = public / "x.log"
    epoch = int(time.time())
    path.write_bytes(head(epoch) + text + summary(1))
    os.link(old, public / "link")
    for _ in range(100):  # until its ctime is later than the recording
        time.sleep(0.1)
        old.chmod(0o755)
        if old.stat().st_ctime > epoch + 2:
            break
    assert old.stat().st_ctime > epoch + 2 and old.stat().st_nlink == 2
    done = run(path, "--by", "function")
    assert "Names:" not in done.stdout and "reads_text [liby.so]" in done.stdout
    done = run(path, "--by", "function", "--root", "/")
    assert "Names:" not in done.stdout and "reads_text [liby.so]" in done.stdout


def elf(*headers: tuple[int, ...], count: int | None = None, at: int = 64) -> bytes:
    count = len(headers) if count is None else count
    head = b"\x7fELF\2\1" + bytes(26) + at.to_bytes(8, "little") + bytes(14)
    head += (56).to_bytes(2, "little") + count.to_bytes(2, "little") + bytes(6)
    return head + b"".join(
        b"".join(n.to_bytes(4 if i < 2 else 8, "little") for i, n in enumerate(header))
        for header in headers
    )


TOP = (1 << 64) - 1


def test_addr2line_that_dies_before_it_has_read_all(tmp_path, public, monkeypatch):
    """It gets more input than a pipe holds, so writing continues after its end."""
    helper = public / "eu-addr2line"
    helper.write_text("#!/bin/sh\nexit 1\n")
    helper.chmod(0o755)
    monkeypatch.setenv("PATH", f"{helper.parent}:{os.environ['PATH']}")
    file = tmp_path / "good.so"
    file.write_bytes(elf((1, 5, 0, 0, 0, 1 << 20, 1 << 20, 0)))
    path = tmp_path / "x.log"
    lines = [
        line(i + 1, LOAD, CODE, LOAD + 4 * i, access="exec", map=file)
        for i in range(20000)
    ]
    path.write_bytes(head(time.time() + 9) + b"".join(lines) + summary(len(lines)))
    done = run(path, "--by", "function")
    assert (done.returncode, done.stderr) == (0, "")
    assert "good.so+0x" in done.stdout


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"#!/bin/sh\n",
        elf()[:63],
        elf(count=65535),
        elf(at=TOP),
        elf((1, 5, 0, 0, 0, 0, 0, 0), count=100)[:100],
        elf((1, 5, TOP, TOP, 0, TOP, TOP, 0), (1, 5, 0, TOP, 0, TOP, 0, 0)),
        elf((1, 5, 0, 1 << 61, 0, 1 << 61, 0, 0), (1, 5, 0, 0, 0, 1 << 61, 0, 0)),
    ],
)
def test_a_hostile_file_is_not_a_program(tmp_path, data):
    bad = tmp_path / "bad.so"
    bad.write_bytes(data)
    text = line(1, LOAD, CODE, LOAD + 0x2345, access="exec", map=bad)
    path = tmp_path / "x.log"
    path.write_bytes(head(time.time() + 9) + text + summary(1))
    done = run(path, "--by", "function")
    assert (done.returncode, done.stderr) == (0, "")
    assert "bad.so+0x2345" in done.stdout


def test_the_segments_of_a_32_bit_program(tmp_path):
    """Its faults were placed by the log alone, without names."""
    header = b"\x7fELF\1\1".ljust(16, b"\0")
    header += struct.pack("<HHIIIIIHHHHHH", 3, 3, 1, 0, 52, 0, 0, 52, 32, 2, 0, 0, 0)
    code = (1, 0x1000, 0x8049000, 0x8049000, 0x200, 0x200, 5, 0x1000)
    data = (1, 0x2000, 0x804B000, 0x804B000, 0x80, 0x1080, 6, 0x1000)
    path = tmp_path / "old"
    path.write_bytes(header + struct.pack("<8I", *code) + struct.pack("<8I", *data))
    assert read_segments(os.fsencode(path)) == [
        Segment(0x1000, 0x8049000, 0x200, is_code=True),
        Segment(0x2000, 0x804B000, 0x80, is_code=False),
    ]


def test_a_file_mapped_at_20000_places_takes_no_longer(library):
    """Each place is a candidate for the base of its code."""
    code, _ = parts(library)
    text = HEAD_AT_0 + b"".join(
        line(
            i, LOAD + i * 0x10000, code, LOAD + i * 0x10000, access="exec", map=library
        )
        for i in range(20000)
    )
    log = read(text)
    start = time.process_time()
    symbols.find(log, log)
    assert time.process_time() - start < 5


def test_children_times_files_take_no_longer_than_children_and_files():
    """Each child has the files of its parent, and one of its own."""
    nr_children, nr_files = 20000, 3000
    keys = {"tid": 1, "access": "exec", "offset": "0x0"}
    places = [LOAD + (i << 24) for i in range(nr_files)]
    lines = [
        fault(i, at, 9, ip=hex(at), map=f"/no/{i}", **keys)
        for i, at in enumerate(places)
    ]
    for i in range(nr_children):
        pid, at = 10 + i, places[i % nr_files]
        lines.append(b"# child time=%d pid=%d ppid=9 comm=x\n" % (nr_files, pid))
        anon = {"tid": 1, "access": "read", "map": "anon"}
        lines.append(fault(nr_files, 1 << 40, pid, ip=hex(at + 8), **anon))
        own = (2 << 40) + (i << 24)
        lines.append(fault(nr_files, own, pid, ip=hex(own), map="/no/own", **keys))
    log = read(HEAD_AT_0 + b"".join(lines))
    start = time.process_time()
    file, offset = Placer(log).place(log)
    assert time.process_time() - start < 8
    names = log.names["map"]
    got = [(names[f], o) for f, o in zip(file.tolist(), offset.tolist())]
    assert got[:nr_files] == [(f"/no/{i}", 0) for i in range(nr_files)]
    assert got[nr_files::2] == [(f"/no/{i % nr_files}", 8) for i in range(nr_children)]
    assert set(got[nr_files + 1 :: 2]) == {("/no/own", 0)}


def test_a_loop_of_parents_and_a_long_chain_of_them():
    """No kernel reports these; distant ancestors are ignored."""
    ip = hex(LOAD + 0x1111)
    text = HEAD_AT_0 + line(1, LOAD, CODE, LOAD, access="exec", map="/no/a", pid=9)
    for pid in range(10, 100):
        parent = 99 if pid == 90 else pid - 1
        text += b"# child time=2 pid=%d ppid=%d comm=x\n" % (pid, parent)
        text += fault(3, 0x5000, pid, ip=ip, map="[heap]", access="read", tid=1)
    found = placed(text)
    assert found[1:60] == ["/no/a+0x1111"] * 59
    assert found[80:] == [""] * 11


def test_a_fifo_is_not_opened(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    assert read_segments(os.fsencode(tmp_path / "fifo")) == []
    assert read_segments(b"/dev/zero") == read_segments(b"/") == []


def test_an_answer_out_of_step_is_rejected(monkeypatch, public):
    tool = public / "eu-addr2line"
    tool.write_text('#!/bin/sh\ncat >/dev/null\nprintf "%b" "$DEBUGINFOD_ANSWER"\n')
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{public}:{os.environ['PATH']}")
    for answer, names in [
        (r"0x1\nf\n/a/b.c:1\n0x2\n??\n??:0\n", [("f", "b.c:1"), ("", "")]),
        (r"0x1\nf\n0x2\ng\n??:0\n0x2\ng\n??:0\n", None),
        (r"0x1\nf\ng\nb.c:1\n0x2\ng\n", None),
        (
            r"0x1\nf inlined at /b d/a.c:1:2 in g in h\n/a/b.c:1\n"
            r"0x2\nA::f<int>(int) inlined in g\n??:0\n",
            [("f", "b.c:1"), ("A::f<int>(int)", "")],
        ),
        ("", None),
    ]:
        monkeypatch.setenv("DEBUGINFOD_ANSWER", answer)
        found = look_up(os.fsencode(tool), [1, 2])
        assert (found and [(n.function, n.line) for n in found]) == names


def test_a_function_s_name_has_no_effect_on_a_terminal(monkeypatch):
    assert symbols.harmless(b"a\033[2Jb\377\n") == "a\ufffd[2Jb\ufffd\ufffd"
