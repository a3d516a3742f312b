# SPDX-License-Identifier: GPL-2.0-or-later
"""Which cache lines several CPUs write to when they record faults.

The QEMU plugin plugin/lines.c records, for each instruction of the module and each cache
line, how often it loaded and stored there, which CPUs stored, and how often the line had
to move. This module sums that up by the contents of the lines.
"""

from __future__ import annotations

import re
import subprocess
from bisect import bisect_right
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

# With the option nokaslr, x86-64 has its stacks, among other things, from this address on;
# the data of modules and per-CPU data lie elsewhere.
APPEND = "nokaslr"
STACKS = 0xFFFFC90000000000
HERE = Path(__file__).resolve().parent
USE = re.compile(
    r"(?P<pc>[0-9a-f]+) (?P<line>[0-9a-f]+) loads=(?P<loads>\d+)"
    r" stores=(?P<stores>\d+) moves=(?P<moves>\d+) writers=(?P<writers>[0-9a-f]+)"
)
# Name -> (CPUs, the module's parameters, threads or processes, rounds, warm or cold memory,
# the workload in words)
CASES = {
    "threads-4": (4, "", "threads", 8, "warm", "4 threads"),
    "children-4": (4, "children=1", "processes", 8, "warm", "4 processes, children=1"),
    "threads-8": (8, "", "threads", 8, "warm", "8 threads"),
    "children-8": (8, "children=1", "processes", 8, "warm", "8 processes, children=1"),
    "outcome-8": (8, "outcome=1", "threads", 8, "warm", "8 threads, outcome=1"),
    "cold-8": (8, "", "threads", 8, "cold", "8 threads, from disk"),
    "cold-outcome-8": (
        8,
        "outcome=1",
        "threads",
        8,
        "cold",
        "8 threads, from disk, outcome=1",
    ),
}


@dataclass
class Shared:
    """Total loads, stores and moves of lines that several CPUs write to."""

    loads: int = 0
    stores: int = 0
    moves: int = 0


def plugin(folder: Path) -> Path:
    """Build the plugin in a folder; return its path."""
    built = folder / "lines.so"
    flags = ["-O2", "-Wall", "-shared", "-fPIC"]
    source = str(HERE / "plugin" / "lines.c")
    subprocess.run(["gcc", *flags, "-o", str(built), source], check=True)
    return built


def sections(text: str) -> list[list[dict[str, int]]]:
    """The plugin's output, case by case."""
    found: list[list[dict[str, int]]] = []
    uses: list[dict[str, int]] = []
    for line in text.splitlines():
        if line == "end":
            found.append(uses)
            uses = []
        elif use := USE.fullmatch(line):
            base = {"pc": 16, "line": 16, "writers": 16}
            uses.append(
                {k: int(v, base.get(k, 10)) for k, v in use.groupdict().items()}
            )
    return found


class Module:
    """The address range of the module, and its symbols.

    `lines` are its line of /proc/modules, then its lines of /proc/kallsyms.
    """

    def __init__(self, lines: list[str]) -> None:
        fields = lines[0].split()
        self.start = int(fields[5], 16)
        self.end = self.start + int(fields[1])
        pairs = (line.split()[:3] for line in lines[1:])
        named = sorted((int(address, 16), name) for address, _, name in pairs)
        self.addresses = [address for address, _ in named]
        self.names = [name for _, name in named]

    def has(self, address: int) -> bool:
        return self.start <= address < self.end

    def name(self, address: int) -> str:
        """The last symbol at or before an address."""
        return self.names[bisect_right(self.addresses, address) - 1]

    def name_of_line(self, line: int) -> str:
        """The variable at the start of a cache line, else the last one in it."""
        return self.name(line if line in self.addresses else line + 63)


def shared(uses: list[dict[str, int]], module: Module) -> dict[str, Shared]:
    """The lines that more than one CPU stores to, summed up by their contents.

    Only accesses by the module's own code count, and none to the stacks that it runs on.
    Outside of the module's variables, a line at the start of a page is the head of a chunk
    of the list; other lines are the kernel's memory, and are named after the functions of
    the module that store there.
    """
    ours = [
        use
        for use in uses
        if module.has(use["pc"]) and (module.has(use["line"]) or use["line"] < STACKS)
    ]
    writers: dict[int, int] = defaultdict(int)
    storing: dict[int, set[str]] = defaultdict(set)
    for use in ours:
        writers[use["line"]] |= use["writers"]
        if use["stores"]:
            storing[use["line"]].add(module.name(use["pc"]))
    sums: dict[str, Shared] = defaultdict(Shared)
    for use in ours:
        line = use["line"]
        if writers[line] & (writers[line] - 1):
            if module.has(line):
                name = module.name_of_line(line)
            elif line % 4096 == 0:
                name = "the head of a chunk"
            else:
                name = " and ".join(f"{x}()" for x in sorted(storing[line]))
                name = f"memory written by {name}"
            sums[name].loads += use["loads"]
            sums[name].stores += use["stores"]
            sums[name].moves += use["moves"]
    return dict(sums)
