#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Build for each kernel of tests/vm/kernels and run all guest tests on it.

A row passes if the kernel can be fetched, the modules build without a warning at W=1,
all guest tests pass, and the exact count was tested there with difference 0.  A kernel
that can't be fetched or built for is a failed row.  The exit status is 0 only if all
rows passed.

    matrix.py               all kernels except those that are built from source
    matrix.py --debug       only those, which are debug kernels; with fewer repetitions
    matrix.py sid bullseye  only these
    matrix.py --quick       with fewer repetitions, and without the tests that have a
                            line "# vm: long", which count as skipped
    matrix.py --others      all except the default of `make test`, and a kernel of the
                            same release that only has fewer drivers

Several rows are tested at a time, as many as there are processors: tests often wait.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path

import bar
import build
import durations
import kernel
import run
import vm

TIMEOUT_S = 1500
# Takes ten minutes, and differs from the default only in its drivers.
LIKE_DEFAULT = ("bookworm-cloud",)
STRICT = ["W=1", "KCFLAGS=-Werror"]
# A warning of a compiler, modpost or kernel-doc; not kbuild's remarks on this machine's
# tools, or the linker's on static programs, see build.user_flags().
WARNING = re.compile(
    r".*(?:: [Ww]arning: (?!Using '\w+' in statically)|^WARNING: ).*", re.MULTILINE
)
DIFFERENCE = re.compile(r"# difference=(-?\d+) counted=")
HEAD: tuple[str, ...] = ("kernel", "release", "arch", "build")
HEAD += ("passed", "failed", "skipped", "difference", "seconds")


@dataclass
class Row:
    """The result for a kernel; if it failed, `trouble` is the reason, `output` the lines."""

    kernel: kernel.Kernel
    release: str = "-"
    build: str = "-"
    run: vm.Run | None = None
    differences: list[int] = field(default_factory=list)
    trouble: str = ""
    slowest: str = ""
    output: list[str] = field(default_factory=list)
    seconds: float = 0
    rest: durations.Rest = field(default_factory=lambda: durations.Rest([], {}))

    @property
    def passed(self) -> bool:
        return not self.trouble

    @property
    def difference(self) -> str:
        """The largest difference from the exact count, and the number of runs."""
        if not self.differences:
            return "-"
        largest = max(abs(x) for x in self.differences)
        return f"{largest} in {len(self.differences)} runs"

    @property
    def cells(self) -> tuple[str, ...]:
        counts: tuple[str, ...] = ("-", "-", "-")
        if self.run:
            totals = self.run.totals
            numbers = (totals.passed, len(totals.failures), len(totals.skips))
            counts = tuple(map(str, numbers))
        head = (self.kernel.name, self.release, self.kernel.arch, self.build)
        return (*head, *counts, self.difference, f"{self.seconds:.0f}")


def differences(lines: Iterable[str]) -> list[int]:
    """The differences that the guest tests print, one for each run with an exact count."""
    return [int(found[1]) for found in map(DIFFERENCE.match, lines) if found]


def failures(lines: Iterable[str]) -> list[str]:
    """The checks that failed, with the name of the test and the comments that follow."""
    found: list[str] = []
    case, within = "", False
    for line in lines:
        if line.startswith("VM: begin "):
            case = line.split()[2]
        failed = line.startswith("not ok")
        within = failed or (within and line.startswith("# "))
        if within:
            found.append(f"{case}: {line}" if failed else line)
    return found


def table(rows: Iterable[tuple[str, ...]]) -> list[str]:
    """The lines of the table, with numbers aligned to the right."""
    columns = list(zip(HEAD, *rows))
    widths = [max(map(len, column)) for column in columns]
    return [
        "  ".join(
            cell.rjust(width) if name in HEAD[4:] else cell.ljust(width)
            for name, cell, width in zip(HEAD, cells, widths)
        ).rstrip()
        for cells in zip(*columns)
    ]


def make(row: Row, log: Path) -> tuple[kernel.Tree, Path]:
    """Fetch the kernel and build for it; a warning is an error.

    All output goes to `log`.
    """
    with open(log, "w") as out, contextlib.redirect_stderr(out):
        tree = kernel.get(row.kernel)
        row.release = tree.release
        row.build = "failed"
        folder = build.build(tree, STRICT, out)
    warning = WARNING.search(log.read_text())
    if warning:
        shutil.rmtree(folder)  # or the next build would skip this file and not warn
        raise kernel.KernelError(warning[0])
    row.build = "ok"
    return tree, folder


def show(lines: Iterable[str]) -> None:
    print("".join(f"    {line[:200]}\n" for line in lines), end="")


def prepare(row: Row) -> tuple[kernel.Tree, Path] | None:
    """Fetch and build, and fill in the row; None if that failed."""
    log = kernel.cache_dir() / "build" / f"{row.kernel.name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    start = time.monotonic()
    try:
        return make(row, log)
    except (kernel.KernelError, OSError, subprocess.CalledProcessError) as error:
        if row.build == "failed":
            row.output += log.read_text().splitlines()[-20:]
        row.trouble = str(error)
        return None
    finally:
        row.seconds += time.monotonic() - start


def test(
    row: Row,
    tree: kernel.Tree,
    folder: Path,
    cases: dict[str, Path],
    left_out: Iterable[str],
    quick: bool,
) -> None:
    """Boot and test, and fill in the row; tests that are left out count as skipped.

    A debug kernel takes more than an hour, so each test that ends is printed.
    """

    def on_end(case: str, seconds: float) -> None:
        row.rest.end(case)
        if tree.kernel.is_built:
            bar.say(f"# {row.kernel.name}: {case}, {seconds:.0f} s")

    start = time.monotonic()
    row.rest.begin()
    try:
        files = build.files_of(folder)
        name = f"matrix-{row.kernel.name}"
        clock = run.Clock(lambda line: None, on_end)
        at_once = tree.kernel.is_built
        row.run = run.boot(tree, files, cases, TIMEOUT_S, name, clock, quick, at_once)
        row.slowest = clock.slowest
        durations.keep(run.kind_of(row.kernel.name, quick), clock.spent_s)
    except (kernel.KernelError, OSError, subprocess.CalledProcessError) as error:
        row.trouble = str(error)
        return
    finally:
        row.rest.end_all()
        row.seconds += time.monotonic() - start
    row.run.totals.skips += [f"{case}: not in a quick run" for case in left_out]
    (row.run.folder / "output").write_text("\n".join(row.run.lines) + "\n")
    row.differences = differences(row.run.lines)
    if row.run.outcome:
        row.output += failures(row.run.lines)
        row.trouble = f"guest tests: {row.run.totals.closing}"
    elif not row.differences or any(row.differences):
        row.trouble = f"difference from the exact count: {row.difference}"


def names_of(kernels: dict[str, kernel.Kernel], only_for: str) -> list[str]:
    """The kernels of the list that are for this purpose; "": for the matrix."""
    listed = [x for x in kernels.values() if x.name != "default"]
    return [x.name for x in listed if x.only_for == only_for]


def is_default(kernels: dict[str, kernel.Kernel], name: str) -> bool:
    """Whether this is the kernel that the tests use by default."""
    return dataclasses.replace(kernels[name], name="default") == kernels["default"]


def report(row: Row) -> None:
    """Print the result of a row."""
    done = row.run if not row.trouble else None
    text = done.totals.closing if done else f"FAILED: {row.trouble}"
    with bar.hidden():
        show(row.output)
        if row.run and (row.run.outcome or row.run.reason):
            row.run.report()
        name, spent = row.kernel.name, f"{row.seconds:.0f} s"
        print(f"{name}: {text} ({spent}; {row.slowest})", flush=True)


def try_all(
    rows: Sequence[Row], cases: dict[str, Path], left_out: Iterable[str], quick: bool
) -> None:
    """Fill in and report all rows; while some are tested, the next ones are built."""
    tests: dict[Future[None], Row] = {}
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        try:
            for row in rows:
                built = prepare(row)
                if built:
                    tests[pool.submit(test, row, *built, cases, left_out, quick)] = row
                else:
                    row.rest.end_all()
                    report(row)
            for done in as_completed(tests):
                done.result()
                report(tests[done])
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            vm.end_all()
            raise


def main() -> int:
    kernels = kernel.known_kernels()
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="a kernel of the list")
    parser.add_argument("--debug", action="store_true", help="on the debug kernels")
    parser.add_argument(
        "--quick", action="store_true", help="fewer repetitions, no long tests"
    )
    parser.add_argument(
        "--others", action="store_true", help="without the default of `make test`"
    )
    args = parser.parse_args()
    for name in args.names:
        if name not in kernels:
            parser.error(f"no kernel {name}; there are {', '.join(kernels)}")
    vm.exit_on_signals()
    cases = run.cases_in(vm.HERE / "guest")
    left_out = run.long_ones(cases) if args.quick else []
    cases = {name: path for name, path in cases.items() if name not in left_out}
    listed = names_of(kernels, "debug" if args.debug else "")
    if args.others:
        listed = [
            name
            for name in listed
            if not is_default(kernels, name) and name not in LIKE_DEFAULT
        ]
    rows = [Row(kernels[name]) for name in args.names or listed]
    quick = args.quick or args.debug
    for row in rows:
        row.rest = run.rest_of(cases, row.kernel.name, quick, row.kernel.is_built)
    rests = [row.rest for row in rows]
    with bar.stage(
        "matrix",
        sum(rest.nr_tests for rest in rests),
        " tests",
        lambda: sum(rest.nr_ended for rest in rests),
        lambda: durations.left_s(rests, os.cpu_count() or 1),
    ):
        try_all(rows, cases, left_out, quick)
    print("", *table(row.cells for row in rows), sep="\n")
    passed = sum(row.passed for row in rows)
    print(f"\n{passed} passed, {len(rows) - passed} failed")
    return int(passed < len(rows))


if __name__ == "__main__":
    sys.exit(main())
