#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The compiler that a kernel was built with, for building its modules.

For a kernel of this machine's distribution and architecture that is the machine's own.
For any other, apt downloads the compiler, make and libc of the kernel's release with
their dependencies into the cache. They are unpacked, not installed, into a folder that
is the root directory of commands run with them.  That needs user namespaces, but no
root and no packages' scripts, and leaves no mount behind.

    toolchain.py [--kernel NAME]    print a folder for PATH, with a `make` that uses the
                                    compiler, and that can be called in the cache
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path

import kernel

TRIPLETS = {"amd64": "x86_64-linux-gnu", "arm64": "aarch64-linux-gnu"}
# libelf is for the kernel's own build tools, perl for its check of kernel-doc (W=1).
PACKAGES: tuple[str, ...] = (
    "coreutils",
    "dash",
    "findutils",
    "grep",
    "libelf-dev",
    "make",
    "mawk",
)
PACKAGES += ("perl", "sed")
# Links that exist in newer releases, or that packages' scripts create.
LINKS = {name: f"usr/{name}" for name in ("bin", "sbin", "lib", "lib64")}
LINKS |= {"bin/sh": "dash", "usr/bin/awk": "mawk"}
# For make: no BTF for modules, as nothing here reads it and it needs pahole. Any version of
# pahole is accepted.
WITHOUT_BTF: tuple[str, ...] = ("CONFIG_DEBUG_INFO_BTF_MODULES=",)
WITHOUT_BTF += ("CONFIG_PAHOLE_VERSION=$(PAHOLE_VERSION)",)
# There are no xz and zstd to compress installed modules either.
UNCOMPRESSED = ("CONFIG_MODULE_COMPRESS_XZ=", "CONFIG_MODULE_COMPRESS_ZSTD=")
# Run a command with the root directory $1, in which the cache $2 has its own name, in the
# folder $3. The mount points are created here, because the cache may have been moved.
ENTER = """\
PATH=$PATH:/usr/sbin:/sbin root=$1 cache=$2 folder=$3
shift 3
for place in /proc /dev "$cache"; do
	mkdir -p "$root$place" || exit
	mount --rbind "$place" "$root$place" || exit
done
exec chroot "$root" /usr/bin/env -i -C "$folder" PATH=/usr/bin:/bin LC_ALL=C "$@"
"""


@dataclass(frozen=True)
class Toolchain:
    """How to build for a kernel: a prefix, a compiler, and their root directory, if any."""

    prefix: str
    gcc: str
    root: Path | None

    @property
    def cc(self) -> str:
        return self.prefix + self.gcc

    def command(self, line: list[str], folder: Path) -> list[str]:
        """The command line that runs `line` with this toolchain in a folder of the cache."""
        if self.root is None:
            return ["env", "-C", str(folder), *line]
        places = [str(self.root), str(kernel.cache_dir()), str(folder)]
        enter = ["unshare", "--map-root-user", "--mount", "sh", "-c", ENTER, "sh"]
        return [*enter, *places, *line]


def packages_for(arch: str, gcc: str) -> list[str]:
    """The packages to install; apt adds their dependencies."""
    if arch == kernel.host_arch():
        return [*PACKAGES, gcc, "libc6-dev"]
    triplet = TRIPLETS[arch].replace("_", "-")
    return [*PACKAGES, f"{gcc}-{triplet}", f"libc6-dev-{arch}-cross"]


def finish(root: Path) -> None:
    """Complete a root directory of unpacked packages."""
    for name, target in LINKS.items():
        if not os.path.lexists(root / name):
            (root / name).symlink_to(target)
    (root / "tmp").mkdir()


def fetched(root: Path, asked: kernel.Kernel, wanted: list[str]) -> Path:
    """A root directory in the cache with these packages of a kernel's release; fetches them."""
    with kernel.locked(kernel.cache_dir()):
        if not root.exists():
            kernel.say(f"{root.parent.name} for {asked.name}: {' '.join(wanted)}")
            root.parent.mkdir(exist_ok=True)
            apt = kernel.Apt.of(asked)
            apt.update()
            kernel.unpack(lambda debs: apt.collect(wanted, debs), root, finish)
    return root


def get(tree: kernel.Tree) -> Toolchain:
    """The toolchain of a kernel, from the cache or fetched into it.

    Each kernel has its own: a release may build its next kernel with another compiler.
    """
    asked, home = tree.kernel, kernel.os_release().get("VERSION_CODENAME")
    # Kernels that are built here are built by the machine's own compiler.
    if asked.is_built or (asked.suite, asked.arch) == (home, kernel.host_arch()):
        return Toolchain("", "gcc", None)
    named = re.search(r"\bgcc-\d+", (tree.kdir / ".kernelvariables").read_text())
    if named is None:
        raise kernel.KernelError(f"{tree.kdir} does not name its compiler")
    prefix, gcc = f"{TRIPLETS[asked.arch]}-", named[0]
    root = kernel.cache_dir() / "toolchains" / tree.root.name
    return Toolchain(prefix, gcc, fetched(root, asked, packages_for(asked.arch, gcc)))


def make_wrapper(tools: Toolchain, name: str) -> Path:
    """A folder with a `make` that runs in the current folder, with this toolchain."""
    folder = kernel.cache_dir() / "make" / name
    folder.mkdir(parents=True, exist_ok=True)
    line = ["make"]
    if tools.root:
        line += [f"CC={tools.cc}", f"CROSS_COMPILE={tools.prefix}", *WITHOUT_BTF]
        line += [*UNCOMPRESSED, "LDFLAGS=-static"]  # its libc is not this machine's
    words = shlex.join(tools.command(line, Path("FOLDER"))).replace("FOLDER", '"$PWD"')
    path = os.environ["PATH"].replace(f"{folder}:", "")
    script = f'#!/bin/sh\nPATH={shlex.quote(path)}\nexec {words} "$@"\n'
    (folder / "make").write_text(script)
    (folder / "make").chmod(0o755)
    return folder


def main() -> int:
    kernels = kernel.known_kernels()
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kernel", default="default", choices=kernels, metavar="NAME")
    name = parser.parse_args().kernel
    try:
        print(make_wrapper(get(kernel.get(kernels[name])), name))
    except (kernel.KernelError, OSError) as error:
        print(f"toolchain.py: kernel {name}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
