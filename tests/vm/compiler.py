# SPDX-License-Identifier: GPL-2.0-or-later
"""A C compiler and make to run in a guest, as a folder to chroot into.

Tests trace them during a real build.  A guest of this machine's architecture gets the
machine's own; for another one apt downloads packages into the cache, where they are
unpacked.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import kernel
import toolchain

PACKAGES = ("dash", "gcc", "make")
# In addition to cc1, which has a folder for each version.
PROGRAMS = ("bin/sh", "usr/bin/as", "usr/bin/gcc", "usr/bin/make")


def root_of(asked: kernel.Kernel) -> Path:
    """The root directory that has the programs for a kernel's guests."""
    if asked.arch == kernel.host_arch():
        return Path("/")
    root = kernel.cache_dir() / "compilers" / f"{asked.suite}-{asked.arch}"
    return toolchain.fetched(root, asked, [f"{x}:{asked.arch}" for x in PACKAGES])


def programs(root: Path) -> list[Path]:
    """The programs that `make` needs to compile a file, including cc1 and the assembler."""
    driver = (root / "usr/bin/gcc").resolve()  # such as x86_64-linux-gnu-gcc-12
    triplet, _, version = driver.name.rpartition("-gcc-")
    found = [root / name for name in PROGRAMS]
    return found + sorted(root.glob(f"usr/lib*/gcc/{triplet}/{version}/cc1"))


def libraries(program: Path, root: Path, arch: str) -> Iterator[Path]:
    """The shared libraries that a program needs, and its loader."""
    triplet = toolchain.TRIPLETS[arch]
    seen: set[str] = set()
    queue = [program]
    while queue:
        path = queue.pop()
        output = kernel.run(["env", "LC_ALL=C", "readelf", "-Wld", str(path)])
        for name in re.findall(r"(?:interpreter: /|\(NEEDED\).*\[)(\S+)\]", output):
            if name in seen:
                continue
            seen.add(name)
            places = [
                root / name,
                *(root / x / triplet / name for x in ("lib", "usr/lib")),
            ]
            there = next((place for place in places if place.exists()), None)
            if there is None:
                raise kernel.KernelError(f"there is no {name}, which {path} needs")
            yield there
            queue.append(there)


def copy_to(folder: Path, root: Path, arch: str) -> None:
    """Copy all of it to `folder`; paths below `folder` are those below `root`."""
    for program in programs(root):
        for path in (program, *libraries(program, root, arch)):
            copy = folder / path.relative_to(root)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, copy)
