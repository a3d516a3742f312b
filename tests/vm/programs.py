# SPDX-License-Identifier: GPL-2.0-or-later
"""Programs that no one here wrote, to be traced in a guest, as a folder to chroot into.

They are this machine's own: stress-ng, SQLite, Python with numpy, and a compiler.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import compiler
import kernel

PROGRAMS = ("usr/bin/stress-ng", "usr/bin/sqlite3", "usr/bin/python3", "usr/bin/env")
# Where Python keeps what it imports.
FOLDERS_OF = """\
import sysconfig, numpy
print(sysconfig.get_path("stdlib"), numpy.__path__[0], sep="\\n")
"""
LEFT_OUT = (
    "__pycache__",
    "test",
    "tests",
    "config-*",
    "idlelib",
    "ensurepip",
    "_tkinter*",
)


def python_folders() -> list[Path]:
    """Those of the standard library and of numpy."""
    told = kernel.run(["/usr/bin/python3", "-c", FOLDERS_OF])
    return [Path(line) for line in told.splitlines()]


def copy_to(folder: Path, root: Path = Path("/")) -> None:
    """Copy all of it under `folder`, each file at the path that it has under `root`."""
    arch = kernel.host_arch()
    compiler.copy_to(folder, root, arch)
    programs = [root / name for name in PROGRAMS]
    for source in python_folders():
        copy = folder / source.relative_to(root)
        shutil.copytree(source, copy, ignore=shutil.ignore_patterns(*LEFT_OUT))
        programs += [source / x.relative_to(copy) for x in copy.rglob("*.so")]
    for program in programs:
        for path in (program, *compiler.libraries(program, root, arch)):
            copy = folder / path.relative_to(root)
            copy.parent.mkdir(parents=True, exist_ok=True)
            if not copy.exists():
                shutil.copy(path, copy)
