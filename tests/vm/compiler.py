# SPDX-License-Identifier: GPL-2.0-or-later
"""This machine's C compiler and make, as a folder to chroot into.

For guests that have none: they are to trace a real build.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

from kernel import KernelError


def programs() -> list[Path]:
    """What `make` needs to compile a file: the compiler proper and the assembler, too."""
    found = []
    for name in ("make", "gcc", "as"):
        path = shutil.which(name)
        if not path:
            raise KernelError(f"there is no {name}")
        found.append(Path(path))
    ask = ["gcc", "-print-prog-name=cc1"]
    done = subprocess.run(ask, capture_output=True, text=True, check=True)
    return [*found, Path(done.stdout.strip()), Path("/bin/sh")]


def libraries(program: Path) -> list[Path]:
    """The shared libraries that a program is loaded with, and its loader."""
    done = subprocess.run(["ldd", program], capture_output=True, text=True, check=True)
    return [Path(path) for path in re.findall(r"(/\S+) \(0x", done.stdout)]


def copy_to(folder: Path) -> None:
    """Copy all of it under `folder`, each file at the path that it has here."""
    for program in programs():
        for path in (program, *libraries(program)):
            copy = folder / path.relative_to("/")
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, copy)
