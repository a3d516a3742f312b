# SPDX-License-Identifier: GPL-2.0-or-later
"""The results that the guests print."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from sharing import Shared
from tracers import (
    CALLS,
    DEEP_KIND,
    FILE_KIND,
    MODULES,
    NOT_INSTALLED,
    TEXT,
    WITHOUT_AREAS,
)

ROUND_FAULTS = 512  # as in faults.c
ROUND_FAULTS_OF = {DEEP_KIND: 1}  # exceptions


@dataclass
class Cost:
    """Instructions per fault or call, a number for each round.

    `nr_faults`: the kernel's count of the faults, or the number of calls.
    """

    rounds: list[float]
    nr_faults: int

    @property
    def median(self) -> float:
        return statistics.median(self.rounds)

    @property
    def mean(self) -> float:
        return statistics.mean(self.rounds)

    @property
    def quartiles(self) -> tuple[float, float]:
        first, _, third = statistics.quantiles(self.rounds, n=4)
        return first, third


@dataclass
class Results:
    """All results.

    `costs`: by tracer, "traced" or "other", and kind of fault or call.
    `recorded`: faults recorded, or areas in the log, by tracer and kind.
    `absent`: tracers that could not be measured, and why.
    `sizes`: instructions and bytes, by task and number of records.
    `figures`: by name.
    `parts`: the module's own instructions by purpose, by placement.
    `throughput`: by number of threads, for each try: faults per second without a probe and
    with each of SCALING_PROBES.
    `shared_faults`, `shared`: by case of sharing.py, the faults taken, and the lines that
    more than one CPU wrote to.
    `plotter`: seconds and MB, by number of records.
    """

    costs: dict[tuple[str, str, str], Cost] = field(default_factory=dict)
    recorded: dict[tuple[str, str], int] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)
    sizes: dict[str, dict[int, tuple[int, int]]] = field(default_factory=dict)
    figures: dict[str, float] = field(default_factory=dict)
    parts: dict[str, Counter[str]] = field(default_factory=dict)
    throughput: dict[int, list[tuple[float, ...]]] = field(default_factory=dict)
    shared_faults: dict[str, int] = field(default_factory=dict)
    shared: dict[str, dict[str, Shared]] = field(default_factory=dict)
    plotter: dict[int, tuple[float, float]] = field(default_factory=dict)

    def take(self, line: str) -> None:
        """Process a line of the guest; print it if it is not a result."""
        word, *rest = line.split() or [""]
        if word == "=cost":
            name, who, kind, counted, rounds = rest
            ticks = rounds.partition("=")[2].split(",")
            what, _, nr = counted.partition("=")
            in_round = ROUND_FAULTS_OF.get(kind, ROUND_FAULTS)
            if what == "calls":
                in_round = int(nr) // len(ticks)
            each = [int(x) / in_round for x in ticks]
            cost, earlier = Cost(each, int(nr)), self.costs.get((name, who, kind))
            if what == "calls" and earlier and earlier.median < cost.median:
                cost = earlier
            self.costs[name, who, kind] = cost
            added = self.added(name, who, kind)
            say(f"{TEXT.get(name, name)}: {who}, {kind}: {added:+.1f}")
        elif word == "=recorded":
            name, kind, recorded = rest
            self.recorded[name, kind] = int(recorded)
            taken = self.costs[name, "traced", kind].nr_faults
            say(f"{TEXT[name]}: recorded {recorded} of {taken}")
        elif word == "=absent":
            name, *why = rest
            self.absent[name] = " ".join(why)
            say(f"{TEXT[name]}: {self.absent[name]}")
        elif word == "=size":
            name, *numbers = rest
            records, instructions, size = map(int, numbers)
            self.sizes.setdefault(name, {})[records] = instructions, size
            say(f"{TEXT[name]}, {records} records: {instructions} instructions")
        elif word == "=figure":
            name, value = rest
            self.figures[name] = float(value)
            say(f"{name}: {float(value):g}")
        elif word == "=shared":
            name, faults = rest
            self.shared_faults[name] = int(faults)
        elif word == "=throughput":
            threads, without, *probed = map(int, rest)
            self.throughput.setdefault(threads, []).append((without, *probed))
            shares = " and ".join(f"{x / without:.3f}" for x in probed)
            say(f"{threads} threads: {shares} of {without}/s")
        elif word != "VM:":
            say(line)

    def added(self, name: str, who: str, kind: str) -> float:
        """The instructions that a tracer adds to a fault."""
        cost = self.costs[name, who, kind]
        return cost.median - self.costs["nothing", "traced", kind].median

    def added_by_areas(self, name: str, who: str, kind: str) -> float:
        """The instructions that maps= adds to a call: the difference to maps=none."""
        base = self.costs[WITHOUT_AREAS[name], who, kind]
        return self.costs[name, who, kind].median - base.median

    def of_calls(self) -> Iterator[tuple[str, str, str, float]]:
        """Tracer, "traced" or "other", call, and the instructions that maps= adds to it."""
        for name, who, kind in self.costs:
            if name in WITHOUT_AREAS and kind in CALLS:
                yield name, who, kind, self.added_by_areas(name, who, kind)

    def failed(self) -> list[str]:
        """The peers that are installed but gave no result, and why."""
        absent = self.absent.items()
        return [f"{TEXT[x]}: {why}" for x, why in absent if why != NOT_INSTALLED]

    def each(self, name: str) -> tuple[float, float, float]:
        """Instructions and bytes per record, and the instructions that are needed once."""
        (few, start), (many, end) = sorted(self.sizes[name].items())
        instructions, size = ((b - a) / (many - few) for a, b in zip(start, end))
        return instructions, size, start[0] - few * instructions

    def limited(self) -> dict[str, float]:
        """The figures that bench/limits guards."""
        figures = {
            f"{who}/{name}": self.added(name, who, kind)
            for name, who, kind in self.costs
            if name in MODULES and kind == "read"
        }
        figures |= {
            f"file/{name}": self.added(name, "traced", FILE_KIND)
            for name, _, kind in self.costs
            if name in MODULES and kind == FILE_KIND
        }
        figures |= {
            f"deep/{name}": self.added(name, who, kind)
            for name, who, kind in self.costs
            if name in MODULES and kind == DEEP_KIND
        }
        for name, who, kind, value in self.of_calls():
            figures[f"{kind}{'-other' * (who == 'other')}/{name}"] = value
        for name in ("drain", "drain-128"):
            figures[name] = self.each(name)[0]
        figures["plot/B"] = self.each("plot-B")[0]
        figures["plot/C"] = self.each("plot-C")[0]
        return {**figures, **self.figures}


def say(text: str) -> None:
    print(text, flush=True)
