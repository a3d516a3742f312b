#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Measure what tracing costs, in instructions.

A guest under QEMU's TCG with `-icount shift=0,sleep=off` and one virtual CPU has a
clock that goes on by one with each instruction, so what a tracer adds to a page fault
is told exactly, on any machine.  Without a part all are measured and written to
bench/results.md.

    bench.py                    everything
    bench.py costs              the modules' cost a fault, without their peers
    bench.py check              compare with bench/limits; for CI
    bench.py check --update     write bench/limits from what is measured
"""

from __future__ import annotations

import argparse
import math
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import textwrap
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
PROJECT = HERE.parent
sys.path.insert(0, str(PROJECT / "tests" / "vm"))

import build  # noqa: E402
import kernel  # noqa: E402
import parts  # noqa: E402
import toolchain  # noqa: E402
import vm  # noqa: E402

ICOUNT = ("-accel", "tcg", "-cpu", "max", "-icount", "shift=0,sleep=off")
MULTI = ("-accel", "tcg,thread=multi", "-cpu", "max")
# With several CPUs the kernel distrusts QEMU's time-stamp counter and takes the HPET: a
# device, for each reading of which a virtual CPU waits for QEMU's one big lock.
MULTI_APPEND = "tsc=reliable"
LIMITS = HERE / "limits"
RESULTS = HERE / "results.md"
TOLERANCE = 1.03
# What a figure may never be, whatever is measured.
GOALS = {
    "traced/B-ftrace": 145.0,
    "other/B-ftrace": 12.0,
    "traced/B-callback": 165.0,
    "other/B-callback": 46.0,
    "traced/B-callback-children": 170.0,
    "other/B-callback-children": 46.0,
    "traced/B-ftrace-outcome": 519.0,
    "other/B-ftrace-outcome": 104.0,
}
WIDTH = 95  # of a line of text in results.md

ROUND_FAULTS = 512  # as in faults.c
ROUNDS = 41
KINDS = ("read", "write")
# A write to a page of a mapped file that is in memory: the record names the file, too.
FILE_KIND = "file"
FILE_TRACERS = ("B", "B-outcome", "B-ftrace", "B-callback")
EMPTY = {
    "entry": "empty kprobe at the entry",
    "jump": "empty kprobe behind the entry, a jump",
    "clock": "the same, only reading the clock",
    "return": "empty kretprobe",
}
# Name -> (module, its parameters, in words)
MODULES = {
    "A": ("A", "", "pf_probe_A, printing"),
    "B": ("B", "", "pf_probe_B"),
    "C": ("C", "", "pf_probe_C"),
    "B-entry": ("B", "placement=entry", "pf_probe_B placement=entry"),
    "B-cont_store": ("B", "cont_store=1 max_faults=8192", "pf_probe_B cont_store=1"),
    "B-full": ("B", "max_faults=1", "pf_probe_B, its buffer full"),
    "B-children": ("B", "children=1", "pf_probe_B children=1"),
    "B-outcome": ("B", "outcome=1", "pf_probe_B outcome=1"),
    "B-outcome-entry": (
        "B",
        "outcome=1 placement=entry",
        "pf_probe_B outcome=1 placement=entry",
    ),
    "B-ftrace": ("B", "placement=ftrace", "pf_probe_B placement=ftrace"),
    "B-ftrace-children": (
        "B",
        "placement=ftrace children=1",
        "pf_probe_B placement=ftrace children=1",
    ),
    "B-ftrace-outcome": (
        "B",
        "placement=ftrace outcome=1",
        "pf_probe_B placement=ftrace outcome=1",
    ),
    "B-callback": ("B", "placement=callback", "pf_probe_B placement=callback"),
    "B-callback-children": (
        "B",
        "placement=callback children=1",
        "pf_probe_B placement=callback children=1",
    ),
}
# Name -> (the tool to look for, in words)
PEERS = {
    "ftrace": ("-", "ftrace event, set_event_pid"),
    "trace_cmd": ("trace-cmd", "trace-cmd record"),
    "perf_record": ("perf", "perf record -e page-faults -c 1 -d"),
    "perf_trace": ("perf", "perf trace -F all"),
    "bpftrace_tracepoint": ("bpftrace", "bpftrace, tracepoint + printf"),
    "bpftrace_kprobe": ("bpftrace", "bpftrace, kprobe + printf"),
}
# By placement, as in parts.py: the tracer whose instructions are told apart.
APART = {"jump": "B", "callback": "B-callback", "direct": "B-ftrace"}
# Of what reads the clock in empty_probe.c: the call, and to store the value.
CLOCK_OWN = 2
NOT_INSTALLED = "not installed"  # as in peers.sh
PEER_TEXT = {
    "perf_record-text": ("perf", "perf script", "-i /tmp/perf.data"),
    "trace_cmd-text": ("trace-cmd", "trace-cmd report", "/tmp/trace.dat"),
}
TEXT = {
    **{f"empty-{place}": words for place, words in EMPTY.items()},
    **{name: words for name, (_, _, words) in MODULES.items()},
    **{name: words for name, (_, words) in PEERS.items()},
    "drain": "/proc/pf_probe_B to a log, by `user`",
    "drain-128": "the same where 128 CPUs are possible",
    "plot-B": "pf_probe_B: plot at unload",
    "plot-C": "pf_probe_C: plots at unload",
    **{name: command for name, (_, command, _) in PEER_TEXT.items()},
}
# A drain or a plot is measured with few records and with many: what the difference
# costs has no start-up in it.
FEW = 1_000
MANY = 1_001_000
MANY_CHECK = 101_000
MANY_PEERS = 51_000
POSSIBLE_CPUS = 128

SCALING_CPUS = (1, 2, 4)
SCALING_TRIES = 41
SCALING_MS = 100  # short, to find the moments in which the machine is quiet
SCALING_PROBES = ("pf_probe_B", "a jump that only reads the clock")
PLOTTER_SIZES = (10**4, 10**5, 10**6, 10**7)


class BenchError(Exception):
    """No measurement; the text says why."""


@dataclass
class Cost:
    """Instructions a fault, one number a round, and the faults the kernel counted."""

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
    """What was measured.

    `costs` by tracer, "traced" or "other", and kind of fault; `recorded` faults by peer
    and kind; `absent` what could not be measured and why; `sizes` by what was done and
    number of records: instructions and bytes; `figures` by name; `parts` by placement:
    of the module's own instructions, how many are for what; `throughput` by
    threads: faults a second without a probe and with each of SCALING_PROBES, of each
    try; `plotter` by number of records: seconds and MB.
    """

    costs: dict[tuple[str, str, str], Cost] = field(default_factory=dict)
    recorded: dict[tuple[str, str], int] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)
    sizes: dict[str, dict[int, tuple[int, int]]] = field(default_factory=dict)
    figures: dict[str, float] = field(default_factory=dict)
    parts: dict[str, Counter[str]] = field(default_factory=dict)
    throughput: dict[int, list[tuple[float, ...]]] = field(default_factory=dict)
    plotter: dict[int, tuple[float, float]] = field(default_factory=dict)

    def take(self, line: str) -> None:
        """Take in a line of the guest; one that is no result is shown."""
        word, *rest = line.split() or [""]
        if word == "=cost":
            name, who, kind, faults, rounds = rest
            ticks = rounds.partition("=")[2].split(",")
            each = [int(x) / ROUND_FAULTS for x in ticks]
            cost = Cost(each, int(faults.partition("=")[2]))
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
        elif word == "=throughput":
            threads, without, *probed = map(int, rest)
            self.throughput.setdefault(threads, []).append((without, *probed))
            shares = " and ".join(f"{x / without:.3f}" for x in probed)
            say(f"{threads} threads: {shares} of {without}/s")
        elif word != "VM:":
            say(line)

    def added(self, name: str, who: str, kind: str) -> float:
        """Instructions that a tracer adds to a fault."""
        cost = self.costs[name, who, kind]
        return cost.median - self.costs["nothing", "traced", kind].median

    def failed(self) -> list[str]:
        """The peers that are installed, but gave no result, and why."""
        absent = self.absent.items()
        return [f"{TEXT[x]}: {why}" for x, why in absent if why != NOT_INSTALLED]

    def each(self, name: str) -> tuple[float, float, float]:
        """Instructions and bytes a record, and the instructions that come once."""
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
        for name in FILE_TRACERS:
            figures[f"file/{name}"] = self.added(name, "traced", FILE_KIND)
        for name in ("drain", "drain-128"):
            figures[name] = self.each(name)[0]
        figures["plot/B"] = self.each("plot-B")[0]
        figures["plot/C"] = self.each("plot-C")[0]
        return {**figures, **self.figures}


def say(text: str) -> None:
    print(text, flush=True)


def built(tree: kernel.Tree) -> dict[str, Path]:
    """What goes into every guest."""
    build.SOURCES += ("bench/Kbuild", "bench/*.c")
    folder = build.build(tree, [], sys.stderr)
    tools = toolchain.get(tree)
    ours = folder / "bench"
    module = ["make", "-s", "-C", str(tree.kdir), f"M={ours}", "modules"]
    flags = "-O2 -Wall -Werror -D_GNU_SOURCE -static -pthread"
    for line in (
        [*module, "CONFIG_DEBUG_INFO_BTF_MODULES=", f"CROSS_COMPILE={tools.prefix}"],
        [tools.cc, *flags.split(), "-o", "faults", "faults.c"],
    ):
        subprocess.run(tools.command(line, ours), check=True, stdout=sys.stderr)
    files = [folder / f"pf_probe_{name}.ko" for name in "ABC"] + [folder / "user"]
    files += [ours / "empty_probe.ko", ours / "faults"]
    files += [HERE / "guest.sh", HERE / "peers.sh"]
    return {path.name: path for path in files}


def costs_case(kinds: tuple[str, ...]) -> str:
    calls = [f"ROUNDS={ROUNDS}", "must ./faults clock"]
    for kind in kinds:
        calls.append(f"nothing {kind}")
        calls += [f"empty {place} {kind}" for place in EMPTY]
        for name, (module, parameters, _) in MODULES.items():
            for who in ("traced", "other"):
                calls.append(f"module {name} {module} '{parameters}' {who} {kind}")
    calls.append(f"nothing {FILE_KIND}")
    for name in FILE_TRACERS:
        module, parameters, _ = MODULES[name]
        calls.append(f"module {name} {module} '{parameters}' traced {FILE_KIND}")
    return "\n".join(calls)


def drain_case(many: int) -> str:
    calls = ["must ./faults clock", "memory"]
    for size in (FEW, many):
        calls += [f"drain drain {size}", f"plot B {size}", f"plot C {size}"]
    return "\n".join(calls)


def wide_case() -> str:
    """For a guest in which POSSIBLE_CPUS are possible, though there is only one."""
    calls = ["must ./faults clock", f"possible {POSSIBLE_CPUS}"]
    calls += [f"drain drain-128 {size}" for size in (FEW, MANY_CHECK)]
    return "\n".join(calls)


def peer_cases() -> dict[str, str]:
    cases = {
        name: "\n".join(
            [f"peer {name} {tool} {name}", f"ROUNDS={ROUNDS}"]
            + [f"peer_costs {kind}" for kind in KINDS]
        )
        for name, (tool, _) in PEERS.items()
    }
    for name, (tool, command, options) in PEER_TEXT.items():
        # The first time is to bring the tool's files into memory.
        calls = [
            f"peer_drain {size} {command} {options}" for size in (FEW, FEW, MANY_PEERS)
        ]
        peer = name.partition("-")[0]
        cases[name] = "\n".join([f"peer {peer} {tool} {name}", *calls])
    nothing = [f"ROUNDS={ROUNDS}", "must ./faults clock"]
    nothing += [f"nothing {kind}" for kind in KINDS]
    return {"nothing": "\n".join(nothing), **cases}


class Bench:
    """The guests, and what they told."""

    def __init__(self) -> None:
        if platform.machine() != "x86_64":
            raise BenchError("only a PC's clock counts instructions: x86_64 is needed")
        self.tree = kernel.get(kernel.known_kernels()["default"])
        self.files = built(self.tree)
        self.results = Results()

    def boot(self, cases: dict[str, str], **options: object) -> None:
        source = ". /peers.sh" if options.get("host_root") else ". /guest.sh"
        defaults = {"accel": ICOUNT, "smp": 1, "memory_mb": 2048, "timeout_s": 1200}
        guest = vm.Guest(
            tree=self.tree,
            cases={name: f"{source}\n{case}\n" for name, case in cases.items()},
            files=dict(self.files),
            tap=False,
            **{**defaults, **options},
        )
        run = vm.boot(guest, "bench", self.results.take)
        if run.outcome:
            run.report()
            raise BenchError("the guest did not measure everything")

    def costs(self) -> None:
        for placement in APART:
            module = self.files["pf_probe_B.ko"]
            self.results.parts[placement] = parts.count(module, placement)
        self.boot({"costs": costs_case(KINDS)})

    def drain(self) -> None:
        self.boot({"drain": drain_case(MANY)})
        self.wide()

    def wide(self) -> None:
        self.boot({"drain": wide_case()}, possible_cpus=POSSIBLE_CPUS)

    def check(self) -> None:
        self.boot({"drain": drain_case(MANY_CHECK), "costs": costs_case(("read",))})
        self.wide()

    def peers(self) -> None:
        self.boot(peer_cases(), host_root=True)

    def scaling(self) -> None:
        for cpus in SCALING_CPUS:
            case = f"throughput {cpus} {SCALING_TRIES} {SCALING_MS}"
            options = {"accel": MULTI, "append": MULTI_APPEND, "smp": cpus}
            self.boot({"scaling": case}, **options)

    def plotter(self) -> None:
        for size in PLOTTER_SIZES:
            seconds, megabytes = plot(size)
            self.results.plotter[size] = seconds, megabytes
            say(f"plotter, {size} faults: {seconds:.1f} s, {megabytes:.0f} MB")


def log_lines(nr_records: int) -> Iterator[str]:
    """A log as `user` writes it: a heap that grows, a file, a stack, five threads."""
    start_ns = 1389595000000
    yield (
        f"# pf_probe_B version=1.0 pid=4494 comm=bench clock=CLOCK_MONOTONIC"
        f" loaded={start_ns} epoch=1588556857.123456789 page=4096 kernel=6.1.0"
        f" arch=x86_64\n"
    )
    areas = (
        (0x55D0C0000000, "write", "heap", "[heap]"),
        (0x7FAA30000000, "read", "file", "/usr/lib/x86_64-linux-gnu/libc.so.6"),
        (0x7FAA80000000, "write", "anon", "anon"),
        (0x7FFD10000000, "write", "stack", "[stack]"),
    )
    place = 1
    for i in range(nr_records):
        place = place * 1103515245 + 12345 & 0x7FFFFFFF
        base, access, region, name = areas[place >> 16 & 3]
        offset = (i // 4 + (place >> 18 & 0xFF)) * 4096
        place_in_file = f" offset={offset:#x}" if region == "file" else ""
        yield (
            f"{i:4d}:: PID =     4494 Page Fault at Address {base + offset:#x} at Time"
            f" {start_ns + i * 2500 + (place & 1023)} tid={4494 + i % 5} cpu={i % 2}"
            f" ip=0x55f3920ce1b5 access={access} mode=user region={region}"
            f" map={name}{place_in_file}\n"
        )
    yield (
        f"# recorded={nr_records} retries=0 dropped=0 overwritten=0 missed=0"
        f" target=exited\n"
    )


def plot(nr_records: int) -> tuple[float, float]:
    """Seconds and peak memory in MB from a log to a PNG."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "bench.log"
        with open(log, "w") as text:
            text.writelines(log_lines(nr_records))
        line = [sys.executable, str(PROJECT / "page_fault_plot.py"), str(log)]
        start = time.monotonic()
        line += ["-o", f"{folder}/bench.png"]
        process = subprocess.Popen(line, stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise BenchError(f"the plotter failed with {nr_records} faults")
        return time.monotonic() - start, usage.ru_maxrss * 1024 / 1e6


def read_limits() -> dict[str, float]:
    lines = (x.partition("#")[0].split() for x in LIMITS.read_text().splitlines())
    return {fields[0]: float(fields[1]) for fields in lines if fields}


def write_limits(figures: dict[str, float]) -> None:
    head = (
        "# SPDX-License-Identifier: GPL-2.0-or-later\n"
        "# The most that a figure may be: what was measured and 3 %. It is instructions that\n"
        "# are added to a fault of the traced process or another, or spent on a record.\n"
        "# Of placement=ftrace no figure may pass its goal, see bench.py.\n"
        "# Written by: bench/bench.py check --update\n"
    )
    limits = {
        name: min(value * TOLERANCE, GOALS.get(name, math.inf))
        for name, value in figures.items()
    }
    lines = (f"{name:28} {limit:8.1f}\n" for name, limit in limits.items())
    LIMITS.write_text(head + "".join(lines))


def compare(figures: dict[str, float]) -> bool:
    """Print each figure by its limit; whether all are within."""
    limits = read_limits()
    nr_over = 0
    say(f"\n{'figure':28} {'measured':>9} {'limit':>9}")
    for name in sorted({*figures, *limits}):
        value, limit = figures.get(name), limits.get(name)
        over = value is None or limit is None or value > limit
        nr_over += over
        texts = ("none" if x is None else f"{x:.1f}" for x in (value, limit))
        measured, allowed = texts
        say(f"{name:28} {measured:>9} {allowed:>9}{'  TOO MUCH' if over else ''}")
    say(f"{len(limits)} limits, {nr_over} not kept")
    return nr_over == 0


def first_line(*command: str) -> str:
    """What a tool says of its version."""
    try:
        done = subprocess.run(command, capture_output=True, text=True)
    except FileNotFoundError:
        return f"{command[0]}: not installed"
    return (done.stdout + done.stderr).strip().partition("\n")[0].strip()


def paragraph(text: str) -> str:
    """Text in lines of even length, whatever figures are put into it."""
    return textwrap.fill(" ".join(text.split()), WIDTH) + "\n"


def row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |\n"


def cost_table(results: Results) -> str:
    """Every tracer: what it adds to a fault of the traced and of any other process."""
    text = row("tracer", "fault", "traced", "quartiles", "mean", "other", "recorded")
    text += row("---", "---", *["---:"] * 5)
    tracers = [*(f"empty-{place}" for place in EMPTY), *MODULES, *PEERS]
    for name in tracers:
        if name in results.absent:
            text += row(TEXT[name], results.absent[name], *[""] * 5)
            continue
        for kind in (*KINDS, FILE_KIND):
            if (name, "traced", kind) not in results.costs:
                continue
            traced = results.costs[name, "traced", kind]
            base = results.costs["nothing", "traced", kind]
            low, high = (x - base.median for x in traced.quartiles)
            other = results.costs.get((name, "other", kind))
            recorded = results.recorded.get((name, kind))
            share = min(recorded / traced.nr_faults, 1) if recorded is not None else 0
            unmeasured = "the same" if name.startswith("empty-") else ""
            text += row(
                TEXT[name],
                kind,
                f"{traced.median - base.median:,.0f}",
                f"{low:,.0f} to {high:,.0f}",
                f"{traced.mean - base.mean:,.0f}",
                f"{other.median - base.median:,.0f}" if other else unmeasured,
                "" if recorded is None else f"{share:.1%}",
            )
    return text


def parts_table(results: Results) -> str:
    """Where the instructions of a record go, by placement."""
    text = row("", *APART) + row("---", *["---:"] * len(APART))
    clock = results.added("empty-clock", "traced", "read")
    clock -= results.added("empty-jump", "traced", "read") + CLOCK_OWN
    measured = [results.added(name, "traced", "read") for name in APART.values()]
    counts = [results.parts[placement] for placement in APART]
    leads = [x - clock - count.total() for x, count in zip(measured, counts)]
    text += row("what leads to the module, and back", *(f"{x:,.0f}" for x in leads))
    text += row("the clock", *[f"{clock:,.0f}"] * len(APART))
    for part in (*parts.PARTS, parts.REST):
        text += row(part, *(f"{count[part]}" for count in counts))
    return text + row("together, as measured", *(f"{x:,.0f}" for x in measured))


def drain_table(results: Results) -> str:
    text = row("", "instructions a record", "once, in millions", "bytes a record")
    text += row("---", *["---:"] * 3)
    for name in ("drain", "drain-128", *PEER_TEXT, "plot-B", "plot-C"):
        if name in results.absent:
            text += row(TEXT[name], results.absent[name], "", "")
            continue
        instructions, size, once = results.each(name)
        if name.startswith("drain"):
            size = results.figures["record/bytes"]
        text += row(
            TEXT[name],
            f"{instructions:,.0f}",
            f"{once / 1e6:,.0f}",
            f"{size:.1f}" if size else "",
        )
    return text


def scaling_table(results: Results) -> str:
    text = row("threads and CPUs", "probe", "best tries", "median", "quartiles")
    text += row("---:", "---", *["---:"] * 3)
    for threads, tries in results.throughput.items():
        without, *with_each = zip(*tries)
        for words, probed in zip(SCALING_PROBES, with_each):
            shares = [b / a for a, b in zip(without, probed)]
            low, middle, high = statistics.quantiles(shares, n=4)
            text += row(
                str(threads),
                words,
                f"{max(probed) / max(without):.2f}",
                f"{middle:.2f}",
                f"{low:.2f} to {high:.2f}",
            )
    return text


def plotter_table(results: Results) -> str:
    text = row("faults", "seconds", "peak memory, MB") + row(*["---:"] * 3)
    for size, (seconds, megabytes) in results.plotter.items():
        text += row(f"{size:,}", f"{seconds:.1f}", f"{megabytes:,.0f}")
    return text


def report(results: Results, tree: kernel.Tree) -> str:
    """The results as Markdown."""
    base = {
        kind: results.costs["nothing", "traced", kind].median
        for kind in (*KINDS, FILE_KIND)
    }
    package = re.sub(r"^linux-image-", "", tree.root.name)
    versions = [f"kernel {package} ({tree.kernel.suite})"]
    versions.append(first_line("qemu-system-x86_64", "--version"))
    versions += [
        f"{name}: {first_line(*command)}"
        for name, command in {
            "perf": ("perf", "--version"),
            "trace-cmd": ("trace-cmd", "--version"),
            "bpftrace": ("bpftrace", "--version"),
        }.items()
    ]
    listed = "".join(f"- {version}\n" for version in versions)
    fault = paragraph(
        f"""
        Instructions added to a page fault on anonymous memory, of the traced process and
        of another one. Without tracing a fault takes {base['read']:,.0f} when it reads and
        {base['write']:,.0f} when it writes; a write to a page of a mapped file that is in
        memory takes {base['file']:,.0f}. The median and the quartiles of {ROUNDS}
        rounds of {ROUND_FAULTS} faults tell what is done in the fault. The mean has in it
        what else the system did meanwhile, such as a tracer's own program that stores or
        prints events; where that takes part in half of the rounds, so has the median.
        Recorded are the faults of the traced process that are in the tracer's output; of
        the modules, what their summary tells.
        """
    )
    apart = paragraph(
        """
        The record of a read fault on anonymous memory, by where the module is placed. The
        module's own instructions are told apart by the disassembly and its debug
        information, see parts.py; what the clock takes is the difference of two empty
        kprobes; the rest is the kernel's: a kprobe's jump and back, ftrace's trampoline,
        or a call in place of a nop.
        """
    )
    text = paragraph(
        f"""
        Instructions of program and kernel together: what comes once, such as start-up, and
        what each record adds, by {MANY - FEW:,} records, with the other tools
        {MANY_PEERS - FEW:,}. Bytes are those of kernel memory, and of perf.data and
        trace.dat; the latter is compressed, and these faults are much alike.
        """
    )
    scaling = paragraph(
        f"""
        Threads of one process that only take faults, on as many virtual CPUs under
        multi-threaded TCG: faults a second with a probe as a share of those without, by
        {SCALING_TRIES} tries of each, in turns. For comparison there is a probe that does
        nothing but to read the clock: all that it loses is the kprobe's, the clock's and
        QEMU's, of which the virtual CPUs read the time under one lock. It is wall-clock
        time on a machine with {os.cpu_count()} CPUs, on which other programs may run: that
        only slows, so the best tries tell most. With more virtual CPUs than that they slow
        each other, too.
        """
    )
    return f"""\
# What tracing costs

<!-- Written by `make bench`. -->

{listed}
## A page fault

{fault}
{cost_table(results)}
## Where they go

{apart}
{parts_table(results)}
## From the record to text

{text}
{drain_table(results)}
## More CPUs

{scaling}
{scaling_table(results)}
## page_fault_plot.py

From a log to a PNG on this machine.

{plotter_table(results)}"""


def main() -> int:
    all_parts = ("costs", "drain", "peers", "scaling", "plotter")
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "parts", nargs="*", metavar="PART", help=f"{', '.join(all_parts)} or check"
    )
    parser.add_argument("--update", action="store_true", help="write bench/limits")
    args = parser.parse_args()
    for part in args.parts:
        if part not in (*all_parts, "check"):
            parser.error(f"no part {part}")
    if args.update and args.parts != ["check"]:
        parser.error("--update goes with check")
    vm.exit_on_signals()
    try:
        bench = Bench()
        for part in args.parts or all_parts:
            getattr(bench, part)()
        if args.parts == ["check"]:
            figures = bench.results.limited()
            if args.update:
                write_limits(figures)
            return not compare(figures)
        if not args.parts:
            text = report(bench.results, bench.tree)
            RESULTS.write_text(text)
            say(f"\n{text}")
        if bench.results.failed():
            raise BenchError("no figures of " + "; of ".join(bench.results.failed()))
    except (
        BenchError,
        kernel.KernelError,
        parts.PartsError,
        subprocess.CalledProcessError,
        OSError,
    ) as error:
        print(f"bench.py: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
