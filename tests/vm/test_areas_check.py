# SPDX-License-Identifier: GPL-2.0-or-later
"""The checker of the lines about address spaces: logs that it must accept, and refuse."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
HEAD = "# pf_probe_B version=1.0 pid=100 comm=a loaded=0 maps=exec\n"
SUMMARY = "# recorded=1 dropped=0 target=exited surplus=0 maps_lost=0 files_lost=0\n"
FILE = "# file time=1 nr=0 dev=fd:01 ino=7 size=9 mtime=1.0 build_id=? path=/lib/a\n"


def mapped(
    time: int, start: int, end: int, file: str = "0", pid: int = 100, offset: int = 0
) -> str:
    return (
        f"# map time={time} pid={pid} start={start:#x} end={end:#x} prot=r-xp"
        f" offset={offset:#x} file={file}\n"
    )


def fault(time: int, ip: int, pid: int = 100, mode: str = "user") -> str:
    return (
        f"PID = {pid:8} Page Fault at Address 0x1000 at Time {time} tid={pid} cpu=0"
        f" ip={ip:#x} access=write mode={mode} region=anon map=anon\n"
    )


def of(kind: str, time: int, more: str = "", pid: int = 100) -> str:
    return f"# {kind} time={time} pid={pid}{more}\n"


def code(start: int, end: int, where: str, touches: int, pid: int = 100) -> str:
    """A range that is valid from 1 to 99."""
    return f"RANGE {pid} code {start:#x} {end:#x} 1 99 {where} {touches}\n"


CHILD = of("child", 10, " ppid=100 comm=a space=copy", 200)
SHARED = of("child", 10, " ppid=100 comm=a space=shared", 200)
ENDS = of("exit", 98, pid=200) + of("exit", 99)
TEXT = FILE + mapped(2, 0x1000, 0x3000)
JIT = mapped(3, 0x2000, 0x3000, "anon")
IN_FILE = code(0x1000, 0x2000, "/lib/a 0x0", 1)
AREA = "AREA 100 0 1000-2000 r-xp 00000000 fd:01 7   /lib/a\n"

# What is accepted: a name, the log's lines, what the program says.
RIGHT: list[tuple[str, str, str]] = [
    ("a file", TEXT + fault(5, 0x1800) + of("exit", 99), IN_FILE + AREA),
    (
        "the newest line",
        TEXT + JIT + fault(5, 0x2800) + of("exit", 99),
        code(0x2000, 0x3000, "anon 0x0", 1) + AREA,
    ),
    (
        "a line counts from its time on",
        TEXT + fault(5, 0x2800) + mapped(6, 0x2000, 0x3000, "anon") + of("exit", 99),
        code(0x2000, 0x3000, "/lib/a 0x1000", 1),
    ),
    ("a copy", TEXT + CHILD + fault(15, 0x1800, 200) + ENDS, ""),
    (
        "a shared space",
        TEXT
        + SHARED
        + mapped(11, 0x9000, 0xA000, "anon", 200)
        + fault(12, 0x9000)
        + ENDS,
        code(0x9000, 0xA000, "anon 0x0", 1),
    ),
    (
        "a system call during exec",
        TEXT + of("space", 5) + fault(6, 0x1800, mode="kernel") + of("exit", 99),
        "",
    ),
    (
        "a name",
        of("comm", 5, " tid=101 comm=x") + of("exit", 99),
        "NAME 100 101 6 x\n",
    ),
    (
        "a loss excuses",
        TEXT + "# maps-lost time=4\n" + fault(5, 0x9000) + of("exit", 99),
        "",
    ),
    ("a process that was not recorded", of("exit", 99), code(0, 9, "anon 0x0", 3, 300)),
]

# What is refused: lines, what the program says, a part of the message.
WRONG: list[tuple[str, str, str]] = [
    (fault(5, 0x1800) + of("exit", 99), "", "no area"),
    (TEXT + fault(5, 0x3000) + of("exit", 99), "", "no area"),
    (TEXT.replace("r-x", "rw-") + fault(5, 0x1800) + of("exit", 99), "", "prot=rw-p"),
    (TEXT + of("space", 5) + fault(6, 0x1800) + of("exit", 99), "", "no area"),
    (
        TEXT
        + CHILD
        + mapped(11, 0x9000, 0xA000, "anon", 200)
        + fault(12, 0x9000)
        + ENDS,
        "",
        "no area",
    ),
    (TEXT + of("exit", 99), IN_FILE, "1 touches, 0 faults"),
    (
        TEXT + fault(5, 0x1800) + of("exit", 99),
        code(0x1000, 0x2000, "/lib/a 0x1000", 1),
        "/lib/a+1800; the log has",
    ),
    (
        TEXT + fault(5, 0x1800) + of("exit", 99),
        code(0x1000, 0x2000, "anon 0x0", 1),
        "anon+800; the log has",
    ),
    (TEXT + of("exit", 99), AREA.replace(" 7 ", " 8 "), "maps of 100 has 1000-2000"),
    (TEXT + of("exit", 99), AREA.replace("00000000", "1000"), "maps of 100 has"),
    (TEXT + of("exit", 99), AREA.replace("2000", "4000"), "at 3000 the log has"),
    (TEXT + JIT + of("exit", 99), AREA.replace("2000", "3000"), "at 2000 the log has"),
    (
        of("comm", 5, " tid=101 comm=x") + of("exit", 99),
        "NAME 100 101 4 x\n",
        "the log says nothing",
    ),
    (TEXT, "", "1 begun, 0 lines of an exit"),
    (TEXT + fault(5000, 0x1800) + of("exit", 99), "", "ns late"),
    (mapped(2, 0x1000, 0x2000, pid=300), "", "has no line before"),
    (TEXT + "# maps-lost time=4\n" * 2, "", "2 lines # maps-lost"),
]


@pytest.fixture(scope="module", name="checker")
def built_checker(tmp_path_factory: pytest.TempPathFactory) -> Path:
    program = tmp_path_factory.mktemp("checker") / "areas_check"
    line = ["gcc", "-O1", "-D_GNU_SOURCE", "-fsanitize=address,undefined"]
    line += ["-o", str(program), str(HERE / "areas_check.c")]
    subprocess.run(line, check=True)
    return program


def checked(
    checker: Path, folder: Path, log: str, said: str
) -> subprocess.CompletedProcess[str]:
    (folder / "log").write_text(HEAD + log + SUMMARY)
    (folder / "said").write_text(said)
    return subprocess.run(
        [checker, folder / "log", folder / "said"],
        capture_output=True,
        text=True,
        check=False,
        env={"ASAN_OPTIONS": "detect_leaks=0"},
    )


@pytest.mark.parametrize("name, log, said", RIGHT, ids=[x[0] for x in RIGHT])
def test_accepted(
    checker: Path, tmp_path: Path, name: str, log: str, said: str
) -> None:
    done = checked(checker, tmp_path, log, said)
    assert done.stderr == "", name
    assert done.returncode == 0 and done.stdout.startswith("wrong=0 ")


@pytest.mark.parametrize("log, said, message", WRONG, ids=[x[2] for x in WRONG])
def test_refused(
    checker: Path, tmp_path: Path, log: str, said: str, message: str
) -> None:
    done = checked(checker, tmp_path, log, said)
    assert message in done.stderr
    assert done.returncode == 1
