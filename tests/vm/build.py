#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Build the modules for a guest's kernel, and static programs for the guest.

The build uses copies of the sources in the cache, a folder for each kernel, so that
nothing in the tree changes; build.py prints the folder's name.

    build.py [--kernel NAME] [--tracer] [MAKE-ARGUMENT...]
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import IO

import bar
import kernel
import toolchain

# Folders of the tests' own modules -> the option that a kernel needs for them.
TEST_MODULES = {
    "tests/vm/ftrace": "CONFIG_DYNAMIC_FTRACE=y",
    "tests/vm/livepatch": "CONFIG_LIVEPATCH=y",
}
PROJECT = Path(__file__).resolve().parent.parent.parent
SOURCES: tuple[str, ...] = ("Kbuild", "Makefile", "pf", "pf_user", "*.c", "*.h")
SOURCES += ("tests/vm/*.[ch]", "tests/vm/*.mk")
SOURCES += tuple(f"{folder}/*" for folder in TEST_MODULES)


PROGRAMS = (
    "workload",
    "reader",
    "fuse",
    "terminal",
    "parameters",
    "operations",
    "names",
    "renames",
    "stress",
    "rogue",
    "failing",
    "retries",
    "areas",
    "areas_check",
    "areas_pie",
    "areas_dynamic",
)
# What a dynamic program needs in the guest's root folder.
LIBRARIES = (
    *("areas_one.so", "areas_two.so", "ld.so", "libc.so.6"),
    *("libdl.so.2", "libpthread.so.0"),
)
RULES = "tests/vm/programs.mk"


def refresh(folder: Path) -> None:
    """Copy the sources that have changed, so that kbuild rebuilds as little as possible."""
    for path in folder.glob("pf_user/*.c"):  # the Makefile takes all of them
        if not (PROJECT / path.relative_to(folder)).exists():
            path.unlink()
    for pattern in SOURCES:
        for source in PROJECT.glob(pattern):
            files = source.rglob("*.[ch]") if source.is_dir() else [source]
            for path in files:
                copy = folder / path.relative_to(PROJECT)
                if not copy.exists() or copy.read_bytes() != path.read_bytes():
                    copy.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(path, copy)


def user_flags(tools: toolchain.Toolchain, folder: Path) -> str:
    """Flags to link `user` statically.

    The linker warns of each function that looks up users; from 2.40 on there is an option
    against that.
    """
    line = tools.command([f"{tools.prefix}ld", "--help"], folder)
    help_text = subprocess.run(line, stdout=subprocess.PIPE, text=True, check=True)
    quiet = " -Wl,--no-warnings" * ("--no-warnings" in help_text.stdout)
    return f"-O2 -static{quiet}"


def has_config(tree: kernel.Tree, line: str) -> bool:
    config = tree.kdir / "include/config/auto.conf"
    return f"\n{line}\n" in config.read_text()


def run_step(line: list[str], log: IO[str]) -> bool:
    """Run a command with its output in `log`; returns whether it succeeded.

    On a terminal with a bar the output comes at the end, so that it does not mix with the bar.
    """
    if not (bar.is_on() and log is sys.stderr):
        return not subprocess.run(line, stdout=log, stderr=log, check=False).returncode
    with tempfile.TemporaryFile("w+", errors="replace") as output:
        done = subprocess.run(line, stdout=output, stderr=output, check=False)
        output.seek(0)
        text = output.read()
    if text:
        bar.say(text.rstrip("\n"), file=log)
    return not done.returncode


def build(
    tree: kernel.Tree, arguments: list[str], log: IO[str], only_tracer: bool = False
) -> Path:
    """Build for a kernel; returns the folder with *.ko, user and the programs.

    The compilers' output goes to `log`.  `only_tracer` leaves the tests' programs and their
    modules out.
    """
    tools = toolchain.get(tree)
    folder = kernel.cache_dir() / "build" / tree.kernel.name
    folder.mkdir(parents=True, exist_ok=True)
    refresh(folder)
    kbuild = [f"KDIR={tree.kdir}", f"CROSS_COMPILE={tools.prefix}"]
    kbuild += toolchain.WITHOUT_BTF
    steps = {
        "modules": ["modules", *kbuild, *arguments],
        "user": ["user", f"CC={tools.cc}", f"CFLAGS={user_flags(tools, folder)}"],
        "the programs": ["-f", RULES, "VPATH=tests/vm", f"CC={tools.cc}"]
        + [*PROGRAMS, *LIBRARIES],
    }
    if only_tracer:
        del steps["the programs"]
    for ours, config in TEST_MODULES.items():
        if not only_tracer and has_config(tree, config):
            words = ["-C", str(tree.kdir), f"M={folder / ours}", *kbuild[1:]]
            steps[ours] = [*words, "modules"]
    files = products(folder, only_tracer)
    begun_s = time.time()
    with bar.stage("building", len(files), " files", lambda: nr_since(files, begun_s)):
        for what, words in steps.items():
            line = tools.command(["make", "-s", *words], folder)
            if not run_step(line, log):
                raise kernel.KernelError(f"building {what} failed")
    return folder


def products(folder: Path, only_tracer: bool) -> list[Path]:
    """The files that a build makes, for its bar."""
    ours = [] if only_tracer else [folder / name for name in TEST_MODULES]
    sources = [x for part in (folder, *ours) for x in part.glob("*.c")]
    modules = [x for x in sources if x.name != "user.c" and ".mod" not in x.name]
    made = [x.with_suffix(end) for x in modules for end in (".o", ".mod.o", ".ko")]
    programs = () if only_tracer else (*PROGRAMS, *LIBRARIES)
    return [*made, *(folder / name for name in ("user", *programs))]


def nr_since(files: list[Path], time_s: float) -> int:
    """How many of these files have been made since then."""
    made_s = [path.stat().st_mtime for path in files if path.exists()]
    return sum(x >= time_s for x in made_s)


def files_of(folder: Path) -> list[Path]:
    """The files of a build's folder that go into a guest."""
    programs = [folder / name for name in ("user", *PROGRAMS, *LIBRARIES)]
    ours = sorted(folder.glob("*.ko"))
    for of_tests in TEST_MODULES:
        ours += sorted((folder / of_tests).glob("*.ko"))
    return [*ours, *programs]


def main() -> int:
    kernels = kernel.known_kernels()
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kernel", default="default", choices=kernels, metavar="NAME")
    parser.add_argument(
        "--tracer", action="store_true", help="only the modules and user"
    )
    parser.add_argument("arguments", nargs="*", help="for make, such as PROBE_DEBUG=1")
    args = parser.parse_args()
    try:
        tree = kernel.get(kernels[args.kernel])
        print(build(tree, args.arguments, sys.stderr, args.tracer))
    except (kernel.KernelError, OSError) as error:
        print(f"build.py: kernel {args.kernel}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
