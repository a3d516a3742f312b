# SPDX-License-Identifier: GPL-2.0-or-later
"""The plotter's names of functions are gdb's: for the files that a real process has mapped."""

from __future__ import annotations

import random
import re
import shutil
import subprocess
import time
from pathlib import Path

import functions
import pytest
import tap
import vm

pytestmark = pytest.mark.skipif(not shutil.which("gdb"), reason="no gdb")

# Prints its areas while all libraries are mapped.
PROGRAM = """
import ctypes, json, sqlite3, ssl, numpy, numpy.linalg
print(open("/proc/self/maps").read())
"""
NEEDED = r"(\S+)-(\S+) (\S+) (\S+) (\S+) (\d+) +(\S.*)?"
HEAD = "# pf_probe_B version=1.0 pid=9 comm=python3 clock=CLOCK_MONOTONIC loaded=0"


def logged(areas: str, nr: int, seed: int) -> str:
    """A log of a process with these areas, with faults of instructions in them at random."""
    chance, lines, places = random.Random(seed), [], []
    numbers: dict[str, int] = {}
    head = f"{HEAD} epoch={time.time():.9f} page=4096 kernel=6.1 arch=x86_64 maps=exec"
    for line in re.findall(NEEDED, areas):
        start, end, prot, offset, dev, inode, path = line
        if "x" not in prot or path == "[vsyscall]":
            continue
        file = path or "anon"
        if path.startswith("/"):
            file = str(numbers.setdefault(path, len(numbers)))
            size = Path(path).stat().st_size
            lines.append(
                f"# file time=1 nr={file} dev={dev} ino={inode} size={size}"
                f" mtime=1.000000000 build_id=? path={path}"
            )
        lines.append(
            f"# map time=2 pid=9 start=0x{start} end=0x{end} prot={prot}"
            f" offset=0x{offset} file={file}"
        )
        places.append((int(start, 16), int(end, 16)))
    for i in range(nr):
        start_at, end_at = chance.choice(places)
        lines.append(
            f"PID = 9 Page Fault at Address 0x5000 at Time {9 + i} tid=9 cpu=0"
            f" ip={chance.randrange(start_at, end_at):#x} access=write mode=user"
            " region=heap result=minor latency_ns=1 map=[heap]"
        )
    end = f"# recorded={nr} retries=0 dropped=0 overwritten=0 missed=0 target=exited"
    return "\n".join([head, *lines, end, ""])


@pytest.fixture(scope="module", name="areas")
def _areas() -> str:
    command = ["/usr/bin/python3", "-c", PROGRAM]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout


def test_names_of_a_thousand_random_instructions_are_those_of_gdb(
    areas: str, tmp_path: Path
) -> None:
    log = tmp_path / "x.log"
    log.write_text(logged(areas, 3000, 1))
    verdict = functions.compare(log)
    assert not verdict.wrong and verdict.nr_drawn == 1000
    assert verdict.is_good and verdict.nr_symbols > 100, str(verdict)


@pytest.fixture(name="small")
def _small(areas: str, tmp_path: Path) -> Path:
    """A log of the C library only."""
    log = tmp_path / "x.log"
    lines = [line for line in areas.splitlines() if "/libc.so" in line]
    log.write_text(logged("\n".join(lines), 200, 1))
    return log


def test_a_wrong_place_is_seen(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The plotter gets another offset of the mapping than gdb."""

    def later_by_a_page(found: re.Match) -> str:
        return f"offset={int(found[1], 16) + 4096:#x} file="

    other = tmp_path / "moved.log"
    moved = re.sub(r"offset=(\S+) file=", later_by_a_page, small.read_text())
    other.write_text(moved)
    faults = functions.drawn(other, "", 200)
    monkeypatch.setattr(functions, "drawn", lambda *args: faults)
    verdict = functions.compare(small)
    assert len(verdict.wrong) > 100 and not verdict.is_good


def test_too_few_names_are_seen(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    faults = functions.drawn(small, "", 200)
    start = int(re.findall(r" start=(\S+)", small.read_text())[0], 16)
    offset = int(re.findall(r" offset=(\S+)", small.read_text())[0], 16)
    for fault in faults[:20]:
        fault["function"] = f"libc.so.6+{int(fault['ip'], 16) - start + offset:#x}"
    monkeypatch.setattr(functions, "drawn", lambda *args: faults)
    verdict = functions.compare(small)
    assert not verdict.wrong and not verdict.is_good


def test_the_logs_of_a_guest_count_as_checks(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "out/functions"
    place.mkdir(parents=True)
    text = small.read_text()
    (place / "right.log").write_text(text.replace("path=/", "path=/disk/programs/"))
    (place / "empty.log").write_text(text.partition("\n")[0] + "\n")
    run = vm.Run(vm.Outcome.PASSED, "", [], tap.Totals(), tmp_path, 1.0)
    functions.judge(run)
    assert run.totals.passed == 1 and run.outcome == vm.Outcome.FAILED
    (failure,) = run.totals.failures
    assert failure.startswith("functions: empty: 0 of 0 functions of 0 faults")
    monkeypatch.setattr(shutil, "which", lambda name: None)
    functions.judge(run)
    assert run.totals.skips == [
        f"functions: {name}: no gdb" for name in ("empty", "right")
    ]


def test_undefined_symbols_have_no_address(monkeypatch: pytest.MonkeyPatch) -> None:
    printed = "                 w f(int, char)\n0000000000001000 T main\n"
    monkeypatch.setattr(functions, "run", lambda *_command: printed)
    assert functions.symbols_of(Path("/nothing")) == {0x1000: {"main"}}
