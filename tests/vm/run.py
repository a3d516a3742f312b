#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Run the guest tests, tests/vm/guest/*.sh, on a kernel.

The tests run in the guest's root folder, with the files given (modules built for that
kernel, static programs), or with those of a folder that build.py has filled.  Nothing
is built here.  The exit status is 0 only if all passed: 1 tests failed, 2 wrong usage,
3 the guest crashed, 4 it hung, 5 the virtual machine was lost or could not start.

    run.py $(tests/vm/build.py)
    run.py --only load --kernel bullseye pf_probe_B.ko
"""

from __future__ import annotations

import argparse
import lzma
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import reduce
from pathlib import Path

import bar
import build
import compiler
import durations
import functions
import kernel
import modules
import packages
import programs
import vm

# A debug kernel is slower by this factor, and needs this much memory.
DEBUG_TIMES = 10
DEBUG_MEMORY_MB = 3072
CASES = vm.HERE / "guest"
# Lines by which a test asks for something; HACKING.md has them.
SERIAL = "\n# vm: serial\n"
COMPILER = "\n# vm: compiler\n"
PROGRAMS = "\n# vm: programs\n"
LONG = "\n# vm: long\n"
LAST = "\n# vm: last\n"
ALONE = "\n# vm: alone\n"
PACKED = "\n# vm: packed\n"
MEMORY = re.compile(r"^# vm: memory (\d+)$", re.MULTILINE)
PACKAGES = "\n# vm: packages\n"


def show(line: str) -> None:
    """Print a line of the guest."""
    if line.startswith("VM: begin "):
        line = f"# {line.split()[2]}"
    if not line.startswith("VM: "):
        bar.say(line)


def cases_in(folder: Path) -> dict[str, Path]:
    return {path.stem: path for path in sorted(folder.glob("*.sh"))}


def long_ones(cases: dict[str, Path]) -> list[str]:
    """The tests with a line "# vm: long", which a quick matrix leaves out."""
    return [name for name, path in cases.items() if LONG in path.read_text()]


class Clock:
    """Passes a guest's lines on to `on_line`, and measures the time of each test.

    `on_end` is called at the end of each test, with its name and the seconds.
    """

    def __init__(
        self,
        on_line: Callable[[str], None],
        on_end: Callable[[str, float], None] = lambda name, seconds: None,
    ) -> None:
        self.on_line, self.on_end = on_line, on_end
        self.begun_s = 0.0
        self.spent_s: dict[str, float] = {}

    def __call__(self, line: str) -> None:
        if line.startswith("VM: begin "):
            self.begun_s = time.monotonic()
        elif line.startswith("VM: end "):
            name = line.split()[2]
            self.spent_s[name] = time.monotonic() - self.begun_s
            self.on_end(name, self.spent_s[name])
        self.on_line(line)

    @property
    def slowest(self) -> str:
        names = sorted(self.spent_s, key=self.spent_s.__getitem__, reverse=True)
        return ", ".join(f"{name} {self.spent_s[name]:.0f} s" for name in names[:8])


def guest_of(
    tree: kernel.Tree,
    files: Iterable[Path],
    texts: dict[str, str],
    disk: Path,
    timeout_s: float,
    quick: bool,
) -> vm.Guest:
    """The guest for these tests; KernelError if a module is built for another kernel."""
    content: dict[str, Path | bytes] = {path.name: path for path in files}
    for path in files:
        if path.suffix == ".ko":
            modules.check_release(path, tree.release)
            if any(PACKED in text for text in texts.values()):
                # With the only checksum that the kernel supports.
                packed = lzma.compress(path.read_bytes(), check=lzma.CHECK_CRC32)
                content[f"packed/{path.name}.xz"] = packed
    guest = vm.Guest(
        tree=tree,
        cases=dict(sorted(texts.items(), key=lambda case: LAST in case[1])),
        files=content,
        modules=("overlay", "fuse"),
        disk=disk,
        quick=quick,
        timeout_s=timeout_s,
    )
    if tree.kernel.is_built:
        guest.memory_mb = DEBUG_MEMORY_MB
    if not quick:
        wanted_mb = MEMORY.findall("\n".join(texts.values()))
        guest.memory_mb = max([guest.memory_mb, *map(int, wanted_mb)])
    be_patient(guest)
    return guest


def be_patient(guest: vm.Guest) -> None:
    """Lengthen the timeouts of a guest if it runs a debug kernel."""
    if guest.tree.kernel.is_built:
        guest.timeout_s *= DEBUG_TIMES
        guest.patience = DEBUG_TIMES


def has_own_boot(text: str, quick: bool, needs_system: bool) -> bool:
    """Whether a test gets a boot of its own; some are skipped in a quick run."""
    if PACKAGES in text:
        return needs_system
    return ALONE in text or (bool(MEMORY.search(text)) and not quick)


def boots_of(
    texts: dict[str, str], quick: bool = False, needs_system: bool = False
) -> list[dict[str, str]]:
    """The tests of each boot that they need: parallel, serial, and each that is alone."""
    alone = [
        {name: text}
        for name, text in texts.items()
        if has_own_boot(text, quick, needs_system)
    ]
    shared = {name: text for name, text in texts.items() if {name: text} not in alone}
    serial = {name: text for name, text in shared.items() if SERIAL in text}
    parallel = {name: text for name, text in shared.items() if SERIAL not in text}
    return [x for x in (parallel, serial, *alone) if x] or [parallel]


def rest_of(
    cases: dict[str, Path], name: str, quick: bool, at_once: bool
) -> durations.Rest:
    """All these tests, with their durations in earlier runs on the kernel of that name."""
    first, *others = boots_of({x: path.read_text() for x, path in cases.items()}, quick)
    behind = [name for part in others for name in part]
    lanes = [[*first], behind] if at_once else [[*first, *behind]]
    return durations.Rest(lanes, durations.known(kind_of(name, quick)))


def kind_of(name: str, quick: bool) -> str:
    """The name under which durations are kept."""
    return f"{name}-quick" if quick else name


def boot(
    tree: kernel.Tree,
    files: Sequence[Path],
    cases: dict[str, Path],
    timeout_s: float,
    name: str,
    clock: Clock,
    quick: bool,
    at_once: bool = False,
) -> vm.Run:
    """Boot for these tests, more than once if they need that; returns one joint result.

    The lines of a test's script choose the guest, see HACKING.md:
    "# vm: alone": the test gets a boot of its own.
    "# vm: serial": these tests get a boot together, with one virtual CPU running at a time.
    "# vm: compiler": there is a compiler in /disk/compiler.
    "# vm: programs": the programs of programs.py are in /disk/programs, if the guest has
    this machine's architecture; without the servers if `quick`.
    "# vm: packed": the modules are also in /packed, as .ko.xz.
    "# vm: last": the test runs after all others of its boot.
    "# vm: memory N": the test gets a boot of its own, with N MiB of memory; unless `quick`.
    "# vm: packages": the project's Debian packages are in /disk/packages, /dev/vdb is a
    Debian system to install them on, and the test gets a boot of its own; unless `quick`
    or on another kernel than the default.

    The lines of additional boots come last, even if these run `at_once` with the first.
    """
    texts = {x: path.read_text() for x, path in cases.items()}
    needs_system = not quick and packages.is_for(tree.kernel)
    parts = boots_of(texts, quick, needs_system)
    kept: list[str] = []
    later = Clock(kept.append, clock.on_end)
    with tempfile.TemporaryDirectory() as disk, ThreadPoolExecutor(1) as pool:
        if any(COMPILER in text for text in texts.values()):
            root = compiler.root_of(tree.kernel)
            compiler.copy_to(Path(disk) / "compiler", root, tree.kernel.arch)
        native = tree.kernel.arch == kernel.host_arch()
        if native and any(PROGRAMS in text for text in texts.values()):
            programs.copy_to(Path(disk) / "programs")
            if not quick:
                programs.copy_servers_to(Path(disk) / "programs")
        drive: tuple[str, ...] = ()
        if needs_system and any(PACKAGES in text for text in texts.values()):
            drive = packages.drive(packages.image_of(tree))
            packages.build_in(Path(disk) / "packages")

        def boot_part(part: dict[str, str], on_line: Clock) -> vm.Run:
            guest = guest_of(tree, files, part, Path(disk), timeout_s, quick)
            is_serial = bool(part) and all(
                SERIAL in text and ALONE not in text for text in part.values()
            )
            guest.accel = vm.accelerator(tree.kernel.arch, is_serial)
            if any(PACKAGES in text for text in part.values()):
                guest.qemu = drive
            run = vm.boot(guest, name, on_line)
            functions.judge(run)
            return run

        behind = [later] * (len(parts) - 1)
        others: Iterator[vm.Run] = map(boot_part, parts[1:], behind)
        if at_once:  # the pool begins now, map() only when a result is needed
            others = pool.map(boot_part, parts[1:], behind)
        runs = [boot_part(parts[0], clock), *others]
    for line in kept:
        clock.on_line(line)
    clock.spent_s |= later.spent_s
    return reduce(joined, runs)


def joined(whole: vm.Run, run: vm.Run) -> vm.Run:
    """Join two boots into one result: add `whole`, which came before, to `run`."""
    run.lines[:0] = whole.lines
    run.seconds += whole.seconds
    run.totals.add(whole.totals)
    if whole.outcome == run.outcome and whole.reason:
        run.reason = "; ".join(x for x in (whole.reason, run.reason) if x)
    if whole.outcome > run.outcome:
        run.outcome, run.reason = whole.outcome, whole.reason
        run.folder = whole.folder
    return run


def main() -> int:
    kernels = kernel.known_kernels()
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("files", type=Path, nargs="*", metavar="FILE")
    parser.add_argument(
        "--only", action="append", metavar="NAME", help="run this test; may be repeated"
    )
    parser.add_argument(
        "--cases", type=Path, default=CASES, metavar="DIR", help="of tests"
    )
    parser.add_argument("--kernel", default="default", choices=kernels, metavar="NAME")
    parser.add_argument("--quick", action="store_true", help="repeat less often")
    parser.add_argument("--timeout", type=float, default=1500, metavar="SECONDS")
    args = parser.parse_args()
    files = [x for p in args.files for x in (build.files_of(p) if p.is_dir() else [p])]
    cases = cases_in(args.cases)
    for name in args.only or ():
        if name not in cases:
            parser.error(f"no test {name}; there are {', '.join(cases) or 'none'}")
    vm.exit_on_signals()
    try:
        tree = kernel.get(kernels[args.kernel])
        wanted = {name: cases[name] for name in args.only or cases}
        print(f"# Linux {tree.release} ({tree.kernel.arch})", flush=True)
        name = f"test-{args.kernel}"
        rest = rest_of(wanted, args.kernel, args.quick, True)
        clock = Clock(show, lambda case, seconds: rest.end(case))
        rest.begin()
        with bar.stage(
            "guest tests", len(wanted), " tests", lambda: rest.nr_ended, rest.left_s
        ):
            run = boot(tree, files, wanted, args.timeout, name, clock, args.quick, True)
        if args.cases == CASES:
            durations.keep(kind_of(args.kernel, args.quick), clock.spent_s)
    except (kernel.KernelError, OSError, subprocess.CalledProcessError) as error:
        print(f"VM LOST: {error}")
        print("0 passed, 1 failed")
        return vm.Outcome.LOST
    print(f"# slowest: {clock.slowest}")
    run.report()
    print(run.totals.closing)
    return run.outcome


if __name__ == "__main__":
    sys.exit(main())
