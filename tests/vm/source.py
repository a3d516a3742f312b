# SPDX-License-Identifier: GPL-2.0-or-later
"""Build a kernel from the distribution's source package, with a config in tests/vm/debug.

The config is guest.config, which has the minimum that a guest needs, and a file named after
the row of tests/vm/kernels, such as kasan.config; a line "# make: WORDS" in it adds arguments
to the kernel's make.  Building takes a quarter of an hour on two CPUs, but only once: the
kernel is kept in the cache like one that was fetched.  An interrupted build is continued.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
from pathlib import Path

import kernel

CONFIGS = Path(__file__).with_name("debug")
TARGETS = ("bzImage", "modules")
HEADERS = "$(srctree)/scripts/package/install-extmod-build"


def config_of(asked: kernel.Kernel) -> str:
    """The text of its config files."""
    names = ("guest", asked.name)
    return "".join((CONFIGS / f"{name}.config").read_text() for name in names)


def mark_of(asked: kernel.Kernel) -> str:
    """The end of the name of a kernel's folder, which depends on its config."""
    wanted = config_of(asked)
    counts = "\n".join(options_of(wanted) + words_of(wanted))  # without the comments
    digest = hashlib.sha256(counts.encode()).hexdigest()
    return f"{asked.name}-{digest[:8]}"


def is_current(asked: kernel.Kernel, root: Path) -> bool:
    """Whether the kernel in that folder was built with the current config."""
    return root.name.endswith(f"_{mark_of(asked)}")


def build(apt: kernel.Apt, asked: kernel.Kernel, folder: Path) -> Path:
    """The kernel as a folder below `folder`; builds it if necessary.

    Raises KernelError, which names the log, if building fails.
    """
    package, fields = apt.show(asked.package)
    version = fields["Version"]
    final = folder / f"{asked.package}_{version}_{mark_of(asked)}"
    if final.exists():
        return final
    sources = kernel.cache_dir() / "sources"
    sources.mkdir(exist_ok=True)
    source = sources / f"{asked.package}_{version}"
    if not source.exists():
        kernel.say(f"  fetching {package}")
        kernel.unpack(lambda debs: apt.download([package], debs), source, unpack_source)
    objects = sources / final.name
    compile_kernel(asked, source, objects)
    kernel.unpack(
        lambda debs: apt.download(["busybox-static"], debs),
        final,
        lambda unpacked: install(source, objects, unpacked),
    )
    shutil.rmtree(objects)
    return final


def unpack_source(unpacked: Path) -> None:
    """Replace the unpacked source package with the source tree that it contains."""
    archive = next(unpacked.glob("usr/src/linux-source-*.tar.*"))
    kernel.run(
        ["tar", "-xf", str(archive), "-C", str(unpacked), "--strip-components=1"]
    )
    archive.unlink()


def make(source: Path, objects: Path, *words: str) -> None:
    """Run the kernel's own make; its output goes to a log in `objects`."""
    log = objects / "log"
    line = ["make", "-s", "-C", str(source), f"O={objects}", *words]
    with open(log, "a") as out:
        done = subprocess.run(
            line, stdin=subprocess.DEVNULL, stdout=out, stderr=out, check=False
        )
    if done.returncode:
        raise kernel.KernelError(f"building the kernel failed, see {log}")


def compile_kernel(asked: kernel.Kernel, source: Path, objects: Path) -> None:
    """Build the image, and everything that external modules need."""
    wanted = config_of(asked)
    objects.mkdir(exist_ok=True)
    (objects / "wanted").write_text(wanted)
    make(source, objects, f"KCONFIG_ALLCONFIG={objects / 'wanted'}", "allnoconfig")
    missing = unmet(wanted, (objects / ".config").read_text())
    if missing:
        raise kernel.KernelError(
            f"options that {source.name} does not accept: {', '.join(missing)}"
        )
    kernel.say(f"  building {objects.name}: a quarter of an hour on two CPUs, once")
    make(source, objects, f"-j{os.cpu_count()}", *words_of(wanted), *TARGETS)


def unmet(wanted: str, config: str) -> list[str]:
    """The options of a wanted config that Kconfig has dropped: it does so silently."""
    return [line for line in options_of(wanted) if line not in config.splitlines()]


def options_of(wanted: str) -> list[str]:
    """The options for Kconfig in a config."""
    rule = r"^(?:CONFIG_\w+=.*|# CONFIG_\w+ is not set)$"
    return re.findall(rule, wanted, re.MULTILINE)


def words_of(wanted: str) -> list[str]:
    """The arguments for make in a config."""
    lines = re.findall(r"^# make: (.*)$", wanted, re.MULTILINE)
    return [word for line in lines for word in line.split()]


def install(source: Path, objects: Path, root: Path) -> None:
    """Put the built files where kernel.Tree looks for them."""
    release = (objects / "include/config/kernel.release").read_text().strip()
    headers = root / "usr/src" / f"linux-headers-{release}"
    make(source, objects, "run-command", f"KBUILD_RUN_COMMAND={HEADERS} {headers}")
    modules = root / "lib/modules" / release
    for folder in (root / "boot", modules / "kernel"):
        folder.mkdir(parents=True)
    shutil.copy(objects / "arch/x86/boot/bzImage", root / "boot" / f"vmlinuz-{release}")
    shutil.copy(objects / "modules.builtin", modules)
    shutil.copy(objects / ".config", root / "boot" / f"config-{release}")
