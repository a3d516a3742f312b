#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Measure what tracing costs, in instructions.

In a guest under QEMU's TCG with `-icount shift=0,sleep=off` and one virtual CPU, the
clock advances by one with each instruction. So the instructions that a tracer adds to
a page fault or a system call are measured exactly, on any machine. Without a part, all
parts are measured and written to bench/results.md.

    bench.py                    everything
    bench.py arm64              costs and peers on arm64; replaces that part of the results
    bench.py calls              what maps= adds to system calls; replaces that part
    bench.py costs              only the modules' cost per fault, without their peers
    bench.py check              compare with bench/limits; for CI
    bench.py check --update     write the figures measured now to bench/limits
"""

from __future__ import annotations

import argparse
import math
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
PROJECT = HERE.parent
sys.path.insert(0, str(PROJECT / "tests" / "vm"))
# pylint: disable=wrong-import-position

import build  # noqa: E402
import kernel  # noqa: E402
import parts  # noqa: E402
import report  # noqa: E402
import sharing  # noqa: E402
import toolchain  # noqa: E402
import tracers  # noqa: E402
import vm  # noqa: E402
from results import Results, say  # noqa: E402
from tracers import ROUNDS, Place  # noqa: E402

MULTI = ("-accel", "tcg,thread=multi", "-cpu", "max")
LIMITS = HERE / "limits"
RESULTS = HERE / "results.md"
TIMEOUT_S = 1200
# The first measurement still contains work left over from booting, so it is repeated.
WARM = (f"ROUNDS={ROUNDS}", "must ./faults clock", "nothing read")
TOLERANCE = 1.03
# Upper bounds for bench/limits, whatever is measured.
GOALS = {
    "traced/B-ftrace": 145.0,
    "other/B-ftrace": 12.0,
    "traced/B-callback": 165.0,
    "other/B-callback": 46.0,
    "traced/B-callback-children": 170.0,
    "other/B-callback-children": 46.0,
    "traced/B-ftrace-outcome": 519.0,
    "other/B-ftrace-outcome": 12.0,
    "traced/B-callback-outcome": 519.0,
    "other/B-callback-outcome": 46.0,
    "deep/B": 20000.0,
}

PLOTTER_SIZES = (10**4, 10**5, 10**6, 10**7)


class BenchError(Exception):
    """Measuring failed; the text says why."""


def built(tree: kernel.Tree) -> dict[str, Path]:
    """The files of every guest, by name."""
    folder = build.build(tree, [], sys.stderr)
    tools = toolchain.get(tree)
    ours = folder / "bench"
    module = ["make", "-s", "-C", str(tree.kdir), f"M={ours}", "modules"]
    flags = "-O2 -Wall -Werror -D_GNU_SOURCE -static -pthread"
    for line in (
        [*module, *toolchain.WITHOUT_BTF, f"CROSS_COMPILE={tools.prefix}"],
        *([tools.cc, *flags.split(), "-o", x, f"{x}.c"] for x in ("faults", "calls")),
    ):
        subprocess.run(tools.command(line, ours), check=True, stdout=sys.stderr)
    files = [folder / f"pf_probe_{name}.ko" for name in "ABC"] + [folder / "user"]
    files += [ours / "empty_probe.ko", ours / "faults", ours / "calls"]
    files += [HERE / "guest.sh", HERE / "peers.sh"]
    return {path.name: path for path in files}


def costs_case(place: Place, kinds: tuple[str, ...]) -> str:
    calls = list(WARM)
    for kind in kinds:
        calls.append(f"nothing {kind}")
        calls += [f"empty {where} {kind}" for where in place.empties]
        for name in place.modules:
            module, parameters, _ = tracers.MODULES[name]
            for who in ("traced", "other"):
                calls.append(f"module {name} {module} '{parameters}' {who} {kind}")
    calls.append(f"nothing {tracers.FILE_KIND}")
    for name in place.of_file:
        module, parameters, _ = tracers.MODULES[name]
        line = f"module {name} {module} '{parameters}' traced {tracers.FILE_KIND}"
        calls.append(line)
    name, kind = tracers.DEEP_TRACER, tracers.DEEP_KIND
    module, parameters, _ = tracers.MODULES[name]
    calls.append(f"nothing {kind}")
    calls.append(f"module {name} {module} '{parameters}' traced {kind}")
    return "\n".join(calls)


def calls_case(measured: dict[str, tuple[str, ...]]) -> str:
    """`measured`: the calls, by tracer."""
    calls = [*WARM, f"ROUNDS={tracers.CALL_ROUNDS}"]
    for kind in tracers.CALLS:
        repeated = [f"nothing {kind}"]
        for name in (name for name, kinds in measured.items() if kind in kinds):
            module, parameters, _ = tracers.CALL_MODULES[name]
            for who in ("traced", "other"):
                repeated.append(f"module {name} {module} '{parameters}' {who} {kind}")
        calls += repeated * tracers.CALL_REPEATS
    return "\n".join(calls)


def peer_calls_case() -> str:
    name = tracers.CALL_PEER
    calls = [f"peer {name} {tracers.PEERS[name][0]} {name}"]
    calls += [f"ROUNDS={tracers.CALL_ROUNDS}"]
    repeated = [f"peer_calls {kind}" for kind in tracers.PEER_CALLS]
    calls += repeated * tracers.CALL_REPEATS
    return "\n".join(calls)


def drain_case(many: int) -> str:
    calls = ["must ./faults clock", "memory"]
    for size in (tracers.FEW, many):
        calls += [f"drain drain {size}", f"plot B {size}", f"plot C {size}"]
    return "\n".join(calls)


def wide_case() -> str:
    """For a guest with one CPU, in which tracers.POSSIBLE_CPUS are possible."""
    calls = ["must ./faults clock", f"possible {tracers.POSSIBLE_CPUS}"]
    calls += [f"drain drain-128 {size}" for size in (tracers.FEW, tracers.MANY_CHECK)]
    return "\n".join(calls)


def peer_cases(place: Place) -> dict[str, str]:
    cases = {
        name: "\n".join(
            [f"peer {name} {tracers.PEERS[name][0]} {name}", f"ROUNDS={ROUNDS}"]
            + [f"peer_costs {kind}" for kind in tracers.KINDS]
        )
        for name in place.peers
    }
    nothing = [*WARM, *(f"nothing {kind}" for kind in tracers.KINDS)]
    return {"nothing": "\n".join(nothing), **cases}


def peer_text_cases() -> dict[str, str]:
    cases = {}
    for name, (tool, command, options) in tracers.PEER_TEXT.items():
        # The first run only brings the tool's files into memory.
        calls = [
            f"peer_drain {size} {command} {options}"
            for size in (tracers.FEW, tracers.FEW, tracers.MANY_PEERS)
        ]
        peer = name.partition("-")[0]
        cases[name] = "\n".join([f"peer {peer} {tool} {name}", *calls])
    return cases


def foreign_root(asked: kernel.Kernel) -> Path:
    """A root directory with the other tracers' programs for another architecture."""
    root = kernel.cache_dir() / "peers" / f"{asked.suite}-{asked.arch}"
    wanted = [f"{name}:{asked.arch}" for name in tracers.PEER_PACKAGES]
    toolchain.fetched(root, asked, wanted)
    for name in ("proc", "sys", "dev"):
        (root / name).mkdir(exist_ok=True)
    return root


class Bench:
    """The guests of a place, and their results."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.tree = kernel.get(kernel.known_kernels()[place.kernel])
        self.files = built(self.tree)
        self.results = Results()

    def boot(self, cases: dict[str, str], **options: Any) -> vm.Run:
        source = ". /peers.sh" if options.get("host_root") else ". /guest.sh"
        settings: dict[str, Any] = {
            "accel": self.place.accel,
            "smp": 1,
            "memory_mb": 2048,
            "timeout_s": TIMEOUT_S,
            **options,
        }
        guest = vm.Guest(
            tree=self.tree,
            cases={name: f"{source}\n{case}\n" for name, case in cases.items()},
            files=dict(self.files),
            tap=False,
            **settings,
        )
        run = vm.boot(guest, "bench", self.results.take)
        if run.outcome:
            run.report()
            raise BenchError("the guest did not measure everything")
        return run

    def costs(self) -> None:
        if self.place == tracers.PC:
            for placement in tracers.APART:
                module = self.files["pf_probe_B.ko"]
                self.results.parts[placement] = parts.count(module, placement)
            missing = set(parts.PARTS).difference(*self.results.parts.values())
            if missing:
                raise parts.PartsError(f"no instructions of: {', '.join(missing)}")
        self.boot({"costs": costs_case(self.place, tracers.KINDS)})

    def calls(self) -> None:
        self.boot({"calls": calls_case(tracers.MEASURED_CALLS)})
        if self.place == tracers.PC:
            self.boot({"calls": peer_calls_case()}, host_root=True)

    def drain(self) -> None:
        self.boot({"drain": drain_case(tracers.MANY)})
        self.wide()

    def wide(self) -> None:
        self.boot({"drain": wide_case()}, possible_cpus=tracers.POSSIBLE_CPUS)

    def check(self) -> None:
        cases = {
            "drain": drain_case(tracers.MANY_CHECK),
            "costs": costs_case(self.place, ("read",)),
            "calls": calls_case(tracers.CHECKED_CALLS),
        }
        self.boot(cases)
        self.wide()

    def peers(self) -> None:
        if self.place == tracers.PC:
            cases = {**peer_cases(self.place), **peer_text_cases()}
            self.boot(cases, host_root=True)
        else:
            root = foreign_root(self.tree.kernel)
            self.boot(peer_cases(self.place), host_root=root)

    def scaling(self) -> None:
        for cpus in tracers.SCALING_CPUS:
            case = f"throughput {cpus} {tracers.SCALING_TRIES} {tracers.SCALING_MS}"
            self.boot({"scaling": case}, accel=MULTI, smp=cpus)

    def sharing(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            library = sharing.plugin(Path(folder))
            for cpus in sorted({case[0] for case in sharing.CASES.values()}):
                self.share(cpus, library, Path(folder) / f"lines-{cpus}")

    def share(self, cpus: int, library: Path, uses_file: Path) -> None:
        cases = {k: v for k, v in sharing.CASES.items() if v[0] == cpus}
        calls = [
            f"sharing {name} '{parameters}' {who} {cpus} {rounds} {memory}"
            for name, (_, parameters, who, rounds, memory, _) in cases.items()
        ]
        run = self.boot(
            {"sharing": "\n".join(calls)},
            accel=MULTI,
            append=sharing.APPEND,
            smp=cpus,
            disk=True,
            qemu=("-plugin", f"{library},out={uses_file}"),
        )
        sections = sharing.sections(uses_file.read_text())
        for name, uses in zip(cases, sections, strict=True):
            module = sharing.Module((run.out / name).read_text().splitlines())
            self.results.shared[name] = sharing.shared(uses, module)
            say(f"{name}: {self.results.shared[name]}")

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


# Runs its arguments and prints their peak memory, in KiB. That of a process is at least that of the
# process which forked it, so this must be a small one.
PEAK = """\
import os, sys
quiet = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
pid = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ, file_actions=quiet)
_, status, usage = os.wait4(pid, 0)
print(usage.ru_maxrss)
sys.exit(os.waitstatus_to_exitcode(status))
"""


def plot(nr_records: int) -> tuple[float, float]:
    """Seconds and peak memory in MB from a log to a PNG."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "bench.log"
        with open(log, "w") as text:
            text.writelines(log_lines(nr_records))
        line = [sys.executable, str(PROJECT / "page_fault_plot.py"), str(log)]
        line += ["-o", f"{folder}/bench.png"]
        measure = [sys.executable, "-c", PEAK, *line]
        start = time.monotonic()
        done = subprocess.run(measure, stdout=subprocess.PIPE, text=True, check=False)
        seconds = time.monotonic() - start
        if done.returncode:
            raise BenchError(f"the plotter failed with {nr_records} faults")
        return seconds, int(done.stdout) * 1024 / 1e6


def read_limits() -> dict[str, float]:
    lines = (x.partition("#")[0].split() for x in LIMITS.read_text().splitlines())
    return {fields[0]: float(fields[1]) for fields in lines if fields}


def limit_of(name: str, value: float) -> float:
    """The limit for a figure."""
    call = name.partition("/")[0].removesuffix("-other")
    limit = max(value * TOLERANCE, value + tracers.CALL_NOISE.get(call, 0))
    return min(limit, GOALS.get(name, math.inf))


def write_limits(figures: dict[str, float]) -> None:
    head = (
        "# SPDX-License-Identifier: GPL-2.0-or-later\n"
        "# Upper limits: 3 % above the measured figures. Figures are instructions added to a\n"
        "# fault of the traced or another process, or spent on a record; those of mmap etc. are\n"
        "# added to the system calls of calls.c. For placement=ftrace and some others GOALS in\n"
        "# bench.py are further limits.\n"
        "# Written by: bench/bench.py check --update\n"
    )
    limits = {name: limit_of(name, value) for name, value in figures.items()}
    lines = (f"{name:28} {limit:8.1f}\n" for name, limit in limits.items())
    LIMITS.write_text(head + "".join(lines))


def compare(figures: dict[str, float]) -> bool:
    """Print each figure and its limit; return whether all are within."""
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
    say(f"{len(limits)} limits, {nr_over} exceeded")
    return nr_over == 0


def measure_arm64() -> None:
    """Measure on arm64, and replace that part of the results."""
    benches = [Bench(place) for place in (tracers.ARM, tracers.ARM_LATER)]
    for bench in benches:
        bench.costs()
        bench.peers()
    text = report.arm64([(x.results, x.tree) for x in benches])
    RESULTS.write_text(report.with_arm64(RESULTS.read_text(), text))
    say(f"\n{text}")
    raise_failed(*(x.results for x in benches))


def measure_calls() -> None:
    """Measure the system calls, and replace that part of the results."""
    bench = Bench(tracers.PC)
    bench.calls()
    text = report.calls(bench.results)
    RESULTS.write_text(report.with_calls(RESULTS.read_text(), text))
    say(f"\n{text}")
    raise_failed(bench.results)


def raise_failed(*all_results: Results) -> None:
    failed = [why for results in all_results for why in results.failed()]
    if failed:
        raise BenchError("no figures of " + "; of ".join(failed))


def main() -> int:
    all_parts = ("costs", "calls", "drain", "peers", "scaling", "sharing", "plotter")
    alone = {"arm64": measure_arm64, "calls": measure_calls}
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "parts",
        nargs="*",
        metavar="PART",
        help=f"{', '.join(all_parts)}, arm64 or check",
    )
    parser.add_argument("--update", action="store_true", help="write bench/limits")
    args = parser.parse_args()
    for part in args.parts:
        if part not in (*all_parts, "check", "arm64"):
            parser.error(f"no part {part}")
    if "arm64" in args.parts and args.parts != ["arm64"]:
        parser.error("arm64 excludes other parts")
    if args.update and args.parts != ["check"]:
        parser.error("--update needs check")
    vm.exit_on_signals()
    build.SOURCES += ("bench/Kbuild", "bench/*.[ch]")
    try:
        if args.parts != ["arm64"] and platform.machine() != "x86_64":
            raise BenchError("limits and results apply to x86_64 only")
        if len(args.parts) == 1 and args.parts[0] in alone:
            alone[args.parts[0]]()
            return 0
        bench = Bench(tracers.PC)
        for part in args.parts or all_parts:
            getattr(bench, part)()
        if args.parts == ["check"]:
            figures = bench.results.limited()
            if args.update:
                write_limits(figures)
            return not compare(figures)
        if not args.parts:
            text = report.whole(bench.results, bench.tree)
            old = RESULTS.read_text() if RESULTS.exists() else ""
            RESULTS.write_text(report.with_arm64(text, report.arm64_of(old)))
            say(f"\n{text}")
        raise_failed(bench.results)
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
