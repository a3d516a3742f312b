# SPDX-License-Identifier: GPL-2.0-or-later
"""Other people's programs to trace in a guest, as a folder to chroot into.

stress-ng, SQLite, Python with numpy and a compiler are this machine's own.  PostgreSQL
and Redis are downloaded into the cache, because installing them would start servers.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import compiler
import kernel
import toolchain

PROGRAMS = ("stress-ng", "sqlite3", "python3", "env", "setpriv", "sleep")
SERVERS = ("postgresql", "redis-server")
# Their files.
SERVER_FOLDERS = ("usr/lib/postgresql/*", "usr/share/postgresql/*")
SERVER_PROGRAMS = "usr/bin/redis-*"
# Prints the folders that Python imports from.
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
    "bitcode",
    "llvmjit*",
)


def python_folders() -> list[Path]:
    """The folders of the standard library and of numpy."""
    output = kernel.run(["/usr/bin/python3", "-c", FOLDERS_OF])
    return [Path(line) for line in output.splitlines()]


def copy_program(program: Path, folder: Path, root: Path) -> None:
    """Copy a program and its libraries; paths below `folder` are those below `root`."""
    for path in (program, *compiler.libraries(program, root, kernel.host_arch())):
        copy = folder / path.relative_to(root)
        copy.parent.mkdir(parents=True, exist_ok=True)
        if not copy.exists():
            shutil.copy(path, copy)


def copy_tree(source: Path, folder: Path, root: Path) -> list[Path]:
    """Copy a folder in the same way; returns the files in it that may need libraries."""
    copy = folder / source.relative_to(root)
    shutil.copytree(source, copy, ignore=shutil.ignore_patterns(*LEFT_OUT))
    found = [source / path.relative_to(copy) for path in copy.rglob("*.so")]
    return found + sorted(source.glob("bin/*"))


def copy_to(folder: Path, root: Path = Path("/")) -> None:
    """Copy all programs except the servers to `folder`."""
    compiler.copy_to(folder, root, kernel.host_arch())
    found = [root / "usr/bin" / name for name in PROGRAMS]
    for source in python_folders():
        found += copy_tree(source, folder, root)
    for program in found:
        copy_program(program, folder, root)


def copy_servers_to(folder: Path) -> None:
    """Copy the servers to `folder`, which may already contain programs."""
    asked = kernel.known_kernels()["default"]
    root = kernel.cache_dir() / "servers" / asked.suite
    root = toolchain.fetched(root, asked, [*SERVERS])
    found = sorted(root.glob(SERVER_PROGRAMS))
    for name in SERVER_FOLDERS:
        for source in root.glob(name):
            found += copy_tree(source, folder, root)
    for program in found:
        copy_program(program, folder, root)
