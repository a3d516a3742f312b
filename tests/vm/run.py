#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Run the guest tests, tests/vm/guest/*.sh, on a kernel.

The files given (modules built for that kernel, static programs), or those of a folder
that build.py has filled, lie in the guest's root folder, which is where the tests run.
Nothing is built here.  The exit status
is 0 only if all passed: 1 tests failed, 2 wrong usage, 3 the guest crashed, 4 it
hung, 5 the virtual machine was lost or could not start.

    run.py $(tests/vm/build.py)
    run.py --only load --kernel bullseye pf_probe_B.ko
"""

from __future__ import annotations

import argparse
import lzma
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import reduce
from pathlib import Path

import build
import compiler
import kernel
import modules
import programs
import vm

# A kernel that looks for mistakes takes that much longer to everything, and needs that much memory.
DEBUG_TIMES = 10
DEBUG_MEMORY_MB = 3072
# Lines by which a test asks for something.
SERIAL = "\n# vm: serial\n"
COMPILER = "\n# vm: compiler\n"
PROGRAMS = "\n# vm: programs\n"
LONG = "\n# vm: long\n"
LAST = "\n# vm: last\n"
ALONE = "\n# vm: alone\n"
PACKED = "\n# vm: packed\n"


def show(line: str) -> None:
    """A line of the guest on the terminal."""
    if line.startswith("VM: begin "):
        line = f"# {line.split()[2]}"
    if not line.startswith("VM: "):
        print(line, flush=True)


def cases_in(folder: Path) -> dict[str, Path]:
    return {path.stem: path for path in sorted(folder.glob("*.sh"))}


def long_ones(cases: dict[str, Path]) -> list[str]:
    """The tests with a line "# vm: long", which a quick matrix leaves out."""
    return [name for name, path in cases.items() if LONG in path.read_text()]


class Clock:
    """Takes a guest's lines on their way to `on_line`; how long each test took.

    `on_end` is told of each as soon as it is over: its name and the seconds.
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
    """The guest that runs these tests; KernelError if a module is not its own."""
    content: dict[str, Path | bytes] = {path.name: path for path in files}
    for path in files:
        if path.suffix == ".ko":
            modules.check_release(path, tree.release)
            if any(PACKED in text for text in texts.values()):
                # With the only checksum that the kernel knows.
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
    be_patient(guest)
    return guest


def be_patient(guest: vm.Guest) -> None:
    """Give a guest the time that a kernel takes that looks for mistakes, if it has one."""
    if guest.tree.kernel.is_built:
        guest.timeout_s *= DEBUG_TIMES
        guest.patience = DEBUG_TIMES


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
    """Boot for these tests; what came of it is as of one run.

    A test with a line "# vm: alone" gets a boot of its own.  Those with "# vm: serial" get
    one together, where QEMU runs one virtual CPU at a time: it does not stand it well when
    the kernel changes code that another one is about to execute, see HACKING.md.  The lines
    of these boots come last, also if they are made `at_once` with the first.  With "# vm:
    compiler" there is one on the disk, in /disk/compiler; with "# vm: programs" there is
    what programs.py knows, in /disk/programs, in a guest of this machine's architecture,
    the servers among it if it is not `quick`; with "# vm: packed" the modules are in
    /packed, too, as .ko.xz.  Those with "# vm: last" come after all others of their boot.
    """
    texts = {x: path.read_text() for x, path in cases.items()}
    alone = [{name: text} for name, text in texts.items() if ALONE in text]
    shared = {name: text for name, text in texts.items() if ALONE not in text}
    serial = {name: text for name, text in shared.items() if SERIAL in text}
    parallel = {name: text for name, text in shared.items() if SERIAL not in text}
    parts = [x for x in (parallel, serial, *alone) if x] or [parallel]
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

        def boot_part(part: dict[str, str], on_line: Clock) -> vm.Run:
            guest = guest_of(tree, files, part, Path(disk), timeout_s, quick)
            guest.accel = vm.accelerator(tree.kernel.arch, part is serial)
            return vm.boot(guest, name, on_line)

        behind = [later] * (len(parts) - 1)
        others: Iterator[vm.Run] = map(boot_part, parts[1:], behind)
        if at_once:  # the pool begins now, map() when it is asked for the next
            others = pool.map(boot_part, parts[1:], behind)
        runs = [boot_part(parts[0], clock), *others]
    for line in kept:
        clock.on_line(line)
    clock.spent_s |= later.spent_s
    return reduce(joined, runs)


def joined(whole: vm.Run, run: vm.Run) -> vm.Run:
    """Two boots as one run: `run` with all that was in `whole` before."""
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
        "--cases", type=Path, default=vm.HERE / "guest", metavar="DIR", help="of tests"
    )
    parser.add_argument("--kernel", default="default", choices=kernels, metavar="NAME")
    parser.add_argument("--quick", action="store_true", help="repeat less often")
    parser.add_argument("--timeout", type=float, default=900, metavar="SECONDS")
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
        clock = Clock(show)
        run = boot(tree, files, wanted, args.timeout, name, clock, args.quick, True)
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
