#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Build what goes into a guest: the modules for its kernel, static programs.

The build is in a folder of the cache, one a kernel, from copies of the sources, so
that nothing in the tree changes; the folder's name is the output.

    build.py [--kernel NAME] [MAKE-ARGUMENT...]
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

import kernel

PROJECT = Path(__file__).resolve().parent.parent.parent
SOURCES = ("Kbuild", "Makefile", "user.c", "pf", "*.c", "*.h", "tests/vm/*.c")

PROGRAMS = ("workload", "reader")


def refresh(folder: Path) -> None:
    """Copy the sources that changed, so that kbuild makes only what it must."""
    for pattern in SOURCES:
        for source in PROJECT.glob(pattern):
            files = source.rglob("*.h") if source.is_dir() else [source]
            for path in files:
                copy = folder / path.relative_to(PROJECT)
                if not copy.exists() or copy.read_bytes() != path.read_bytes():
                    copy.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(path, copy)


def build(tree: kernel.Tree, arguments: list[str]) -> Path:
    """Build for a kernel; the folder holds *.ko, user and workload."""
    folder = kernel.cache_dir() / "build" / tree.kernel.name
    folder.mkdir(parents=True, exist_ok=True)
    refresh(folder)
    static = ["CFLAGS=-O2 -static", "LDFLAGS=-pthread"]
    steps = [
        ["make", "-s", "modules", f"KDIR={tree.kdir}", *arguments],
        ["make", "-s", "user", *static],
    ]
    for name in PROGRAMS:
        compiler = ["gcc", "-O2", "-Wall", "-Werror", "-D_GNU_SOURCE", "-static"]
        steps.append([*compiler, "-pthread", "-o", name, f"tests/vm/{name}.c"])
    for step in steps:
        subprocess.run(step, cwd=folder, check=True, stdout=sys.stderr)
    return folder


def main() -> int:
    kernels = kernel.known_kernels()
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kernel", default="default", choices=kernels, metavar="NAME")
    parser.add_argument("arguments", nargs="*", help="for make, as PROBE_DEBUG=1")
    args = parser.parse_args()
    try:
        print(build(kernel.get(kernels[args.kernel]), args.arguments))
    except (kernel.KernelError, OSError, subprocess.CalledProcessError) as error:
        print(f"build.py: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
