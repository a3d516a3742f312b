# SPDX-License-Identifier: GPL-2.0-or-later
"""Programs made to harm whoever looks up names in them: elfutils has limits."""

from __future__ import annotations

import os
import resource
import stat
import struct
import subprocess
import sys
import time
import zlib
from functools import partial
from pathlib import Path

import pytest
from faultlog.analyse import symbols
from faultlog.analyse.asking import NOBODY, Budget
from faultlog.analyse.debug import Links, Refused, read_links
from faultlog.analyse.files import open_stored
from faultlog.analyse.placer import INFERRED, MAX_LOADS, Placer, read_segments
from faultlog.analyse.symbols import look_up
from logs import SCRIPT, fault, read, run, summary
from test_symbols import LOAD, address_of, head, library, line, parts, public

MIB = 1 << 20


def mangled(depth: int) -> str:
    """A function's name in which the types of parameters double in length, depth times."""
    digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    name = "_Z1f1AIiiE"
    for i in range(depth):
        name += f"S_IS{digits[i]}_S{digits[i]}_E"
    return name


def assembled(path: Path, text: str) -> int:
    """Build a library with one function; returns the function's address."""
    source = path.with_suffix(".s")
    source.write_text(text)
    command = ["gcc", "-shared", "-nostdlib", "-o", path, source]
    subprocess.run(command, check=True)
    (code,) = [s for s in read_segments(os.fsencode(path)) if s.is_code]
    return code.vaddr


def function(name: str, size: int = 2) -> str:
    return (
        f'.globl "{name}"\n.type "{name}",@function\n"{name}": .skip {size}, 0x90\n'
        f'.size "{name}",{size}\n'
    )


def with_section(path: Path, name: str, data: bytes) -> None:
    part = path.with_suffix(".part")
    part.write_bytes(data)
    subprocess.run(["objcopy", "--add-section", f"{name}={part}", path], check=True)


def link(name: bytes) -> bytes:
    """The contents of .gnu_debuglink: a name, and a checksum of the file."""
    return name + b"\0" * (4 - len(name) % 4) + bytes(4)


def log_of(tmp_path: Path, program: Path) -> Path:
    code, _ = parts(program)
    ip = LOAD + code.vaddr
    text = line(1, LOAD, code, ip, access="exec", map=program)
    log = tmp_path / "x.log"
    log.write_bytes(head(time.time() + 9) + text + summary(1))
    return log


def copied(library: Path, folder: Path) -> Path:
    copy = folder / "liby.so"
    copy.write_bytes(library.read_bytes())
    return copy


PEAK = """\
import resource, sys
from faultlog.analyse.asking import Budget
from faultlog.analyse.symbols import look_up

budget = Budget(cpu_seconds=1, seconds=20, memory=int(sys.argv[3]))
look_up(sys.argv[1].encode(), [int(sys.argv[2])], budget=budget)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024)
"""


def peak_of(path: Path, address: int, memory: int) -> int:
    """The peak memory of the programs of a look-up, in bytes.

    In a process of its own: a child's peak has in it what its parent had at the fork.
    """
    line = [sys.executable, "-c", PEAK, str(path), str(address), str(memory)]
    project = Path(__file__).resolve().parents[2]
    done = subprocess.run(line, stdout=subprocess.PIPE, cwd=project, check=True)
    return int(done.stdout)


class Timer:
    """How long the with statement took."""

    def __enter__(self) -> Timer:
        self.began = time.monotonic()
        return self

    def __exit__(self, *_error: object) -> None:
        self.seconds = time.monotonic() - self.began


def test_a_mangled_name_that_grows_without_end(tmp_path):
    path = tmp_path / "m.so"
    address = assembled(path, function(mangled(34)))
    budget = Budget(cpu_seconds=1, seconds=20, memory=512 * MIB)
    with Timer() as timer:
        look_up(os.fsencode(path), [address], budget=budget)
    assert peak_of(path, address, 512 * MIB) < 600 * MIB
    assert timer.seconds < 20
    assert budget.cpu_seconds < 1
    # The next file has only the rest of the budget.
    if budget.cpu_seconds <= 0:
        assert look_up(os.fsencode(path), [address], budget=budget) is None
        assert budget.is_exceeded


def test_sections_that_unpack_to_more_than_there_is(tmp_path):
    path = tmp_path / "c.so"
    address = assembled(path, function("f"))
    packer, size = zlib.compressobj(1), 1 << 30
    zeros = bytes(MIB)
    packed = b"".join(packer.compress(zeros) for _ in range(size // MIB))
    data = struct.pack("<IIQQ", 1, 0, size, 1) + packed + packer.flush()
    for name in (".debug_info", ".debug_abbrev", ".debug_line", ".debug_str"):
        with_section(path, name, data)
    text = bytearray(path.read_bytes())
    at, count = (
        struct.unpack_from("<Q12xHH", text, 40)[0],
        struct.unpack_from("<H", text, 60)[0],
    )
    for i in range(count):
        row = list(struct.unpack_from("<IIQQQQIIQQ", text, at + 64 * i))
        if row[5] == len(data):
            row[2] |= 1 << 11
            struct.pack_into("<IIQQQQIIQQ", text, at + 64 * i, *row)
    path.write_bytes(text)
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    look_up(os.fsencode(path), [address], budget=Budget(memory=256 * MIB))
    used = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    assert used == before or used * 1024 < 300 * MIB


def test_a_debug_link_to_a_fifo(library, tmp_path):
    """A FIFO beside the file is not opened, and names are still found."""
    copy = copied(library, tmp_path)
    with_section(copy, ".gnu_debuglink", link(b"fifo"))
    for folder in (tmp_path, tmp_path / ".debug"):
        folder.mkdir(exist_ok=True)
        os.mkfifo(folder / "fifo")
        os.mkfifo(folder / "liby.so.debug")
    with Timer() as timer:
        (name,) = look_up(os.fsencode(copy), [address_of(copy, "reads_text")])
    assert name.function == "reads_text"
    assert timer.seconds < 10


@pytest.mark.parametrize("name, is_refused", [(b"x.debug", False), (b"../x", True)])
def test_the_links_of_a_32_bit_program_are_read(tmp_path, name, is_refused):
    """Its headers were taken for those of 64 bits, so no link of it was found."""
    texts, text = b"\0.gnu_debuglink\0.shstrtab\0", name + b"\0"
    header = b"\x7fELF\1\1".ljust(16, b"\0")
    header += struct.pack("<HHIIIIIHHHHHH", 3, 3, 1, 0, 0, 52, 0, 52, 32, 0, 40, 3, 2)
    at = len(header) + 3 * 40
    rows = struct.pack("<10I", *[0] * 10)
    rows += struct.pack("<10I", 1, 1, 0, 0, at + len(texts), len(text), 0, 0, 1, 0)
    rows += struct.pack("<10I", 16, 3, 0, 0, at, len(texts), 0, 0, 1, 0)
    path = tmp_path / "old"
    path.write_bytes(header + rows + texts + text)
    with open(path, "rb") as file:
        if is_refused:
            with pytest.raises(Refused):
                read_links(file.fileno())
        else:
            assert read_links(file.fileno()) == Links(name)


def test_a_big_endian_file_is_refused(tmp_path):
    """elfutils would read the links of it that we cannot."""
    path = tmp_path / "big"
    path.write_bytes(b"\x7fELF\2\2".ljust(64, b"\0"))
    with open(path, "rb") as file, pytest.raises(Refused):
        read_links(file.fileno())


@pytest.mark.parametrize("section", [".gnu_debuglink", ".gnu_debugaltlink"])
@pytest.mark.parametrize("name", ["/dev/zero", "{}/fifo", "../{}/fifo", "/proc/kmsg"])
def test_a_link_that_leaves_the_folder(library, tmp_path, section, name):
    copy = copied(library, tmp_path)
    os.mkfifo(tmp_path / "fifo")
    to = str(tmp_path) if name.startswith("{") else tmp_path.name
    with_section(copy, section, link(name.format(to).encode()))
    with Timer() as timer:
        done = run(log_of(tmp_path, copy), "--by", "function")
    assert "liby.so+0x" in done.stdout
    assert f"Names: {symbols.REFUSED}: liby.so" in done.stdout.replace("\n", " ")
    assert timer.seconds < 20


def test_a_link_in_what_the_link_leads_to(library, tmp_path):
    copy = copied(library, tmp_path)
    debug = tmp_path / "liby.debug"
    subprocess.run(["objcopy", "--only-keep-debug", copy, debug], check=True)
    subprocess.run(["strip", copy], check=True)
    with_section(copy, ".gnu_debuglink", link(debug.name.encode()))
    address = address_of(library, "reads_text")
    (name,) = look_up(os.fsencode(copy), [address])
    assert name.function == "reads_text" and name.line.startswith("source.c:")
    os.mkfifo(tmp_path / "fifo")
    with_section(debug, ".gnu_debugaltlink", link(os.fsencode(tmp_path / "fifo")))
    (name,) = look_up(os.fsencode(copy), [address])
    assert name.line == ""


@pytest.mark.parametrize("does", ["exec sleep 60", "while :; do :; done", "exec yes"])
def test_a_program_that_does_not_end_is_ended(public, monkeypatch, does):
    """And the time that one file took is not available for the next."""
    (public / "eu-addr2line").write_text(f"#!/bin/sh\n{does}\n")
    (public / "eu-addr2line").chmod(0o755)
    monkeypatch.setenv("PATH", f"{public}:{os.environ['PATH']}")
    budget = Budget(seconds=3, cpu_seconds=0.1, output=MIB)
    with Timer() as timer:
        look_up(os.fsencode(sys.executable), [1], budget=budget)
        assert budget.is_exceeded
        assert look_up(os.fsencode(sys.executable), [1], budget=budget) is None
        assert budget.is_exceeded
    assert timer.seconds < 10


def test_output_without_end(tmp_path, monkeypatch):
    """The output so far is used, and a note says that there is more."""
    path = tmp_path / "long.so"
    address = assembled(path, function("y" * 60_000, size=4096))
    (code,) = [s for s in read_segments(os.fsencode(path)) if s.is_code]
    text = head(time.time() + 9) + b"".join(
        line(i + 1, LOAD, code, LOAD + address + i, access="exec", map=path)
        for i in range(100)
    )
    log = read(text + summary(100))
    assert len(set(symbols.find(log, log).names)) == 1
    monkeypatch.setattr(symbols, "Budget", partial(Budget, output=MIB))
    places = symbols.find(log, log)
    nr_named = sum(name.function != "" for name in places.names)
    assert 0 < nr_named < 30
    assert places.notes == [f"Names: {symbols.EXCEEDED}: long.so", INFERRED]


@pytest.fixture
def tool(public, monkeypatch) -> Path:
    """Replace eu-addr2line with a script that writes its user and environment to this file."""
    notes, program = public / "notes", public / "eu-addr2line"
    program.write_text(
        f"#!/bin/sh\n{{ id -u; id -g; id -G; env; }} >{notes}\n"
        '[ -z "$DEBUGINFOD_CACHE_PATH" ] || touch "$DEBUGINFOD_CACHE_PATH/x" || exit 9\n'
        "printf '0x1\\nf\\n??:0\\n'\n"
    )
    program.chmod(0o755)
    notes.touch()
    notes.chmod(0o666)
    monkeypatch.setenv("PATH", f"{public}:{os.environ['PATH']}")
    return notes


def test_a_program_does_not_get_the_whole_environment(tool, monkeypatch):
    monkeypatch.setenv("SECRET", "x")
    monkeypatch.setenv("LD_PRELOAD_", "x")
    monkeypatch.setenv("DEBUGINFOD_URLS", "http://localhost:1/")
    assert look_up(os.fsencode(sys.executable), [1])[0].function == "f"
    notes = tool.read_text()
    assert "DEBUGINFOD_URLS=http://localhost:1/\n" in notes
    assert "SECRET" not in notes and "LD_PRELOAD_" not in notes


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
def test_root_looks_up_names_as_another_user(tool, monkeypatch):
    monkeypatch.delenv("SUDO_UID", raising=False)
    for url in ("", "http://localhost:1/"):
        monkeypatch.setenv("DEBUGINFOD_URLS", url)
        assert look_up(os.fsencode(sys.executable), [1])[0].function == "f"
        assert tool.read_text().startswith(f"{NOBODY}\n" * 3)
    monkeypatch.setenv("SUDO_UID", "12345")
    monkeypatch.setenv("SUDO_GID", "54321")
    assert look_up(os.fsencode(sys.executable), [1])[0].function == "f"
    assert tool.read_text().startswith("12345\n54321\n54321\n")


OPENED: list[tuple[object, int]] = []
sys.addaudithook(
    lambda event, args: OPENED.append((args[0], args[2])) if event == "open" else None
)


@pytest.mark.parametrize(
    "name",
    ["/proc/kmsg", "/proc/self/maps", "/sys/kernel/mm/transparent_hugepage/enabled"],
)
@pytest.mark.parametrize("is_linked", [False, True])
def test_special_files_are_not_opened(tmp_path, name, is_linked):
    if not os.path.exists(name):
        pytest.skip("not here")
    assert stat.S_ISREG(os.stat(name).st_mode)
    path = name
    if is_linked:
        path = str(tmp_path / "link")
        os.symlink(name, path)
    OPENED.clear()
    assert read_segments(os.fsencode(path)) == []
    with pytest.raises(OSError):
        open_stored(os.fsencode(path))
    flags = [flags for opened, flags in OPENED if opened == os.fsencode(path)]
    assert len(flags) == 2 and all(f & os.O_PATH for f in flags)


def test_a_device_or_a_fifo_is_not_opened(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    os.symlink("/dev/null", tmp_path / "null")
    for path in (tmp_path / "fifo", tmp_path / "null", tmp_path, "/dev/tty"):
        with pytest.raises(OSError):
            open_stored(os.fsencode(path))


def test_files_that_are_opened_leave_no_memory_behind():
    """A log with 65,000 names of one program took 860 MB: 3 KB stayed each time it was opened."""
    program = (
        "import os; from faultlog.base import malloc; malloc.keep()\n"
        "from faultlog.analyse.files import open_stored\n"
        "from faultlog.analyse.symbols import born_s\n"
        "def pages(): return int(open('/proc/self/statm').read().split()[1])\n"
        "def some(n):\n"
        "    for _ in range(n): os.close(open_stored(b'/bin/sh')); born_s(b'/bin/sh')\n"
        "some(100); before = pages(); some(2000); print(pages() - before)\n"
    )
    done = subprocess.run(
        [sys.executable, "-B", "-c", program],
        capture_output=True,
        cwd=SCRIPT.parent,
        check=True,
    )
    assert int(done.stdout) < 256


def test_links_of_a_file_with_odd_sections(tmp_path):
    for at, count, names in ((64, 0, 0), (64, 9, 9), (64, 65535, 0), (1 << 63, 1, 0)):
        data = bytearray(b"\x7fELF\2\1" + bytes(58))
        struct.pack_into("<Q10xHHH", data, 40, at, 64, count, names)
        path = tmp_path / "odd.so"
        path.write_bytes(data + bytes(640))
        with pytest.raises(Refused):
            look_up(os.fsencode(path), [1])


def program(segments: list[tuple[int, int, int]]) -> bytes:
    """An ELF file with nothing but loaded code: offsets, addresses and sizes."""
    head = struct.pack("<6s26xQ14xHH6x", b"\x7fELF\2\1", 64, 56, len(segments))
    rows = (struct.pack("<IIQQQQQQ", 1, 5, o, v, v, n, n, 1) for o, v, n in segments)
    return head + b"".join(rows)


@pytest.mark.parametrize("nr_segments", [16, 128])
def test_code_that_could_be_loaded_anywhere(tmp_path, nr_segments):
    """Each of its segments holds each page: 128 of them at 128 places took 35 s."""
    path = tmp_path / "x.so"
    path.write_bytes(program([(0, i << 30, 1 << 29) for i in range(nr_segments)]))
    text = head(time.time() + 9)
    for i in range(256):
        at = LOAD + (i * i << 40)
        keys = {"tid": 9, "ip": hex(at), "access": "exec", "result": "minor"}
        text += fault(i, at, 9, **keys, map=path, offset="0x0", latency_ns=1)
    began = time.process_time()
    log = read(text + summary(256))
    placer = Placer(log)
    placer.place(log)
    assert time.process_time() - began < 1
    assert len(placer.ranges.low) <= 16 * MAX_LOADS + 256
