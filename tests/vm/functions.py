#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Compare the plotter's names of functions with gdb's, for faults of a log drawn at random.

gdb reads the very file; which file and where in it is found here from the log's own lines about
mappings, line by line and without the plotter's code.  Every name must be gdb's, or another of
the same place in the file's symbols; so must be 95 % of those that gdb has.

    functions.py LOG [OLD=NEW]      OLD=NEW: where the files are, as of the plotter's --root
"""

from __future__ import annotations

import json
import random
import re
import shutil
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Optional

import vm

PLOTTER = vm.HERE.parent.parent / "page_fault_plot.py"
NR_DRAWN = 1000
SEED = 1
ENOUGH = 0.95
TIMEOUT_S = 300
ROOT = "/disk/programs=/"  # of programs in a guest, which are this machine's own


class Area(NamedTuple):
    """A "# map" line; file: its path, "": unknown."""

    start: int
    end: int
    offset: int
    file: str


@dataclass
class Verdict:
    """The result of a comparison."""

    nr_drawn: int = 0
    nr_symbols: int = 0  # gdb has a name
    nr_named: int = 0  # of these, so has the plotter
    wrong: list[str] = field(default_factory=list)

    @property
    def is_good(self) -> bool:
        return not self.wrong and self.nr_named >= ENOUGH * self.nr_symbols > 0

    def __str__(self) -> str:
        text = (
            f"{self.nr_named} of {self.nr_symbols} functions of {self.nr_drawn} faults"
        )
        return f"{text} named, {len(self.wrong)} wrong"


def run(*command: str | Path) -> str:
    """The output of a program, in English."""
    line = ["env", "LC_ALL=C", *map(str, command)]
    done = subprocess.run(
        line,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        timeout=TIMEOUT_S,
        text=True,
        errors="replace",
        check=False,
    )
    return done.stdout


def plain(name: str) -> str:
    """A name of the log without its octal escapes."""
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), name)


def changes_of(log: Path) -> list[tuple[int, str, dict[str, str]]]:
    """The lines about mappings and processes, by time."""
    found = []
    for line in log.read_text(errors="replace").splitlines():
        words = line.split()
        if line.startswith("# ") and len(words) > 2 and words[2].startswith("time="):
            keys = dict(word.partition("=")[::2] for word in words[2:])
            found.append((int(keys["time"]), words[1], keys))
    return sorted(found, key=lambda change: change[0])


def areas_at(log: Path, faults: Iterable[dict]) -> list[Optional[Area]]:
    """The area that each fault's instruction is in; faults: by time."""
    files: dict[str, str] = {}
    spaces: dict[int, list[Area]] = defaultdict(list)
    left, found = changes_of(log)[::-1], []
    for fault in faults:
        while left and left[-1][0] <= fault["time_ns"]:
            _, kind, keys = left.pop()
            pid = int(keys.get("pid", "0"))
            if kind == "file":
                files[keys["nr"]] = plain(keys["path"])
            elif kind == "map":
                name = files.get(keys["file"], keys["file"].replace("?", ""))
                start, end, offset = (
                    int(keys[key], 16) for key in ("start", "end", "offset")
                )
                spaces[pid].append(Area(start, end, offset, name))
            elif kind == "space":
                spaces[pid] = []
            elif kind == "child":
                parent = spaces[int(keys["ppid"])]
                spaces[pid] = parent if keys["space"] == "shared" else parent[:]
        ip = int(fault["ip"], 16)
        areas = reversed(spaces[fault["pid"]])
        found.append(next((x for x in areas if x.start <= ip < x.end), None))
    return found


def code_of(file: Path) -> list[tuple[int, int, int]]:
    """The segments of a file with code: offset, virtual address and size."""
    found = []
    for words in re.findall(
        r"^ +LOAD +(.*)$", run("readelf", "-lW", file), re.MULTILINE
    ):
        at, vaddr, _, size, _, *flags = words.split()
        if "E" in "".join(flags[:-1]):
            found.append((int(at, 16), int(vaddr, 16), int(size, 16)))
    return found


# Prints for each address the symbol, and the functions by debug information, inlined ones first.
IN_GDB = """
import gdb
for at in {addresses}:
    names, block = [], gdb.block_for_pc(at)
    while block:
        names += [block.function.name] if block.function else []
        block = block.superblock
    print(gdb.execute("info symbol %d" % at, to_string=True).strip(), *names, sep="\\t")
"""


def names_by_gdb(file: Path, addresses: list[int]) -> list[tuple[int, set[str]]]:
    """Each address of a file less its symbol's, and all names that gdb has; empty: none."""
    with tempfile.NamedTemporaryFile("w", suffix=".py") as script:
        script.write(IN_GDB.format(addresses=addresses))
        script.flush()
        text = run("gdb", "-nx", "-q", "-batch", file, "-x", script.name)
    found = []
    for line in text.splitlines():
        symbol, *names = line.split("\t")
        match = re.fullmatch(r"(.+?)(?: \+ (\d+))? in section \S+(?: of .*)?", symbol)
        if match:
            found.append((int(match[2] or 0), {match[1], *names}))
        elif symbol.startswith("No symbol matches "):
            found.append((0, set(names)))
    return found


def symbols_of(file: Path) -> dict[int, set[str]]:
    """All names at each address of a file, also by its debug information on this machine."""
    found: dict[int, set[str]] = defaultdict(set)
    build_id = re.search(r"Build ID: (..)(\S+)", run("readelf", "-nW", file))
    debug = f".build-id/{build_id[1]}/{build_id[2]}.debug" if build_id else ""
    there = Path("/usr/lib/debug", debug)
    for option, path in (("-C", file), ("-CD", file), ("-C", there)):
        for line in run("nm", option, path).splitlines():
            # Symbols that the file does not define have no address.
            if symbol := re.fullmatch(r"([0-9a-f]+) \S (.+)", line):
                found[int(symbol[1], 16)].add(re.sub(r"@.*", "", symbol[2]))
    return found


def drawn(log: Path, root: str, nr: int) -> list[dict]:
    """Faults of instructions in user mode, at random, by time, with the plotter's names."""
    options = ["--root", root] if root else []
    text = run(sys.executable, PLOTTER, log, *options, "-o", "-.jsonl")
    faults = [json.loads(line) for line in text.splitlines()]
    faults = [fault for fault in faults if fault["mode"] == "user"]
    some = random.Random(SEED).sample(faults, min(nr, len(faults)))
    return sorted(some, key=lambda fault: fault["time_ns"])


def compare(log: Path, root: str = "", nr: int = NR_DRAWN) -> Verdict:
    """Compare the names of nr faults of a log."""
    faults, verdict = drawn(log, root, nr), Verdict()
    verdict.nr_drawn = len(faults)
    by_file: dict[str, list[tuple[str, int]]] = defaultdict(list)
    for fault, area in zip(faults, areas_at(log, faults)):
        name = fault["function"] or ""
        if area is None or not area.file.startswith("/"):
            expected = f"? [{area.file}]" if area and area.file else ""
            if area and area.file == "[vdso]":
                expected = f"[vdso]+{int(fault['ip'], 16) - area.start:#x}"
            if name != expected:
                verdict.wrong.append(f"{name!r} instead of {expected!r}")
        else:
            offset = int(fault["ip"], 16) - area.start + area.offset
            by_file[area.file].append((name, offset))
    for file, rows in by_file.items():
        _compare_in(file, rows, root, verdict)
    return verdict


def _compare_in(
    file: str, rows: list[tuple[str, int]], root: str, verdict: Verdict
) -> None:
    """Compare the names of the instructions at these offsets of a file."""
    base, (old, _, new) = file.rpartition("/")[2], root.partition("=")
    here = Path(re.sub("//+", "/", new + file[len(old) :])) if root else Path(file)
    code, places = code_of(here), []
    for _, offset in rows:
        fits = (vaddr + offset - at for at, vaddr, n in code if at <= offset < at + n)
        places.append(next(fits, None))
    found = names_by_gdb(here, [at or 0 for at in places])
    if len(found) != len(rows):
        verdict.wrong.append(
            f"{here}: {len(found)} answers of gdb instead of {len(rows)}"
        )
        return
    symbols = symbols_of(here)
    for (name, offset), at, (inside, names) in zip(rows, places, found):
        match = re.fullmatch(rf"(.+) \[{re.escape(base)}\]", name)
        names = names if at is not None else set()
        # Stubs of the linkage table have names in gdb only, which it makes itself.
        has_symbol = any(not one.endswith("@plt") for one in names)
        verdict.nr_symbols += has_symbol
        verdict.nr_named += has_symbol and bool(match)
        right = names | symbols.get((at or 0) - inside, set())
        expected = " or ".join(sorted(names)) or f"{base}+{offset:#x}"
        if match and match[1] in right or not match and name == f"{base}+{offset:#x}":
            continue
        verdict.wrong.append(f"{name!r} at {offset:#x} instead of {expected}")


def judge(run_of_guest: vm.Run) -> None:
    """Compare the logs in the guest's /out/functions, and add the results to the run's."""
    totals = run_of_guest.totals
    for log in sorted((run_of_guest.out / "functions").glob("*.log")):
        desc = f"functions: {log.stem}"
        if not shutil.which("gdb"):
            totals.skips.append(f"{desc}: no gdb")
            continue
        try:
            verdict = compare(log, ROOT)
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            text, is_good = f"could not compare: {error}", False
        else:
            text, is_good = str(verdict), verdict.is_good
            print(f"# {desc}: {text}", *verdict.wrong[:9], sep="\n# ", flush=True)
        if is_good:
            totals.passed += 1
            continue
        totals.failures.append(f"{desc}: {text}")
        if run_of_guest.outcome == vm.Outcome.PASSED:
            run_of_guest.outcome = vm.Outcome.FAILED


if __name__ == "__main__":
    result = compare(Path(sys.argv[1]), "".join(sys.argv[2:3]))
    print(*result.wrong, result, sep="\n")
    sys.exit(not result.is_good)
