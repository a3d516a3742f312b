# SPDX-License-Identifier: GPL-2.0-or-later
"""The modules of a kernel that a guest loads, and their order.

A package contains no modules.dep (depmod makes it at installation), so the dependencies
are read from the modules themselves: each has a .modinfo section with "depends=a,b" and
"softdep=pre: c".
"""

from __future__ import annotations

import lzma
import re
import subprocess
from collections.abc import Iterable
from pathlib import Path

from kernel import KernelError


def read_module(path: Path) -> bytes:
    """A module's bytes, decompressed."""
    if path.suffix == ".xz":
        return lzma.decompress(path.read_bytes())
    if path.suffix == ".zst":
        line = ["zstd", "-qdc", str(path)]
        zstd = subprocess.run(line, capture_output=True, check=False)
        if zstd.returncode:
            raise KernelError(f"cannot decompress {path}: {zstd.stderr.decode()}")
        return zstd.stdout
    return path.read_bytes()


def modinfo(data: bytes, key: str) -> list[str]:
    """The values of a key in a module's .modinfo."""
    pattern = rb"(?:^|\0)" + key.encode() + rb"=([ -~]*)(?=\0)"
    return [value.decode() for value in re.findall(pattern, data)]


def check_release(path: Path, release: str) -> None:
    """Raise KernelError unless a module was built for that kernel."""
    vermagic = modinfo(path.read_bytes(), "vermagic") or ["nothing"]
    built_for = vermagic[0].split()[0]
    if built_for != release:
        raise KernelError(f"{path} is built for {built_for}, not for {release}")


def module_name(path: str) -> str:
    return Path(path).name.partition(".ko")[0].replace("-", "_")


def resolve(tree: Path, wanted: Iterable[str]) -> dict[str, bytes]:
    """Modules by name -> content, in the order of loading, dependencies first.

    Modules that are built into the kernel are left out.  A missing module is an error,
    except for soft dependencies, which are often aliases.
    """
    paths = {module_name(p.name): p for p in (tree / "kernel").rglob("*.ko*")}
    listed = (tree / "modules.builtin").read_text().split()
    builtin = {module_name(line) for line in listed}
    order: dict[str, bytes] = {}

    def add(name: str, path_to: tuple[str, ...]) -> None:
        name = name.replace("-", "_")
        if name in order or name in builtin or name in path_to:
            return
        if name not in paths:
            raise KernelError(f"no module {name} in {tree}")
        data = read_module(paths[name])
        softer = " ".join(modinfo(data, "softdep")).partition("post:")[0]
        for soft in softer.replace("pre:", "").split():
            soft = soft.removeprefix("crypto-")
            for alias in (soft, f"{soft}_generic"):
                if alias in paths:
                    add(alias, (*path_to, name))
        for hard in filter(None, ",".join(modinfo(data, "depends")).split(",")):
            add(hard, (*path_to, name))
        order[name] = data

    for name in wanted:
        add(name, ())
    return order
