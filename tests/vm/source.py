# SPDX-License-Identifier: GPL-2.0-or-later
"""Build a kernel from the distribution's source package, by a config in tests/vm/debug.

Its config is the least that a guest needs, guest.config, with what the row of
tests/vm/kernels is called, such as kasan.config; "# make: WORDS" in one are words for the
kernel's make.  That takes a quarter of an hour on two CPUs, once: what is built is kept in the
cache like a kernel that was fetched.  A build that was interrupted is gone on with.
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
    """Its configs, line by line."""
    names = ("guest", asked.name)
    return "".join((CONFIGS / f"{name}.config").read_text() for name in names)


def mark_of(asked: kernel.Kernel) -> str:
    """What the folder of a kernel ends with: another mark for another config."""
    wanted = config_of(asked)
    counts = "\n".join(options_of(wanted) + words_of(wanted))  # without the comments
    digest = hashlib.sha256(counts.encode()).hexdigest()
    return f"{asked.name}-{digest[:8]}"


def is_current(asked: kernel.Kernel, root: Path) -> bool:
    """Whether what is in that folder was built by the config as it is now."""
    return root.name.endswith(f"_{mark_of(asked)}")


def build(apt: kernel.Apt, asked: kernel.Kernel, folder: Path) -> Path:
    """The kernel as a folder below `folder`, built if it is not there.

    Raises KernelError, naming the log, if it can't be.
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
    """Make what the source package unpacks to the source tree itself."""
    archive = next(unpacked.glob("usr/src/linux-source-*.tar.*"))
    kernel.run(
        ["tar", "-xf", str(archive), "-C", str(unpacked), "--strip-components=1"]
    )
    archive.unlink()


def make(source: Path, objects: Path, *words: str) -> None:
    """Run the kernel's own make; what it says goes to a log in `objects`."""
    log = objects / "log"
    line = ["make", "-s", "-C", str(source), f"O={objects}", *words]
    with open(log, "a") as out:
        done = subprocess.run(line, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
    if done.returncode:
        raise kernel.KernelError(f"building it failed, see {log}")


def compile_kernel(asked: kernel.Kernel, source: Path, objects: Path) -> None:
    """Build the image, and what modules of others need."""
    wanted = config_of(asked)
    objects.mkdir(exist_ok=True)
    (objects / "wanted").write_text(wanted)
    make(source, objects, f"KCONFIG_ALLCONFIG={objects / 'wanted'}", "allnoconfig")
    missing = unmet(wanted, (objects / ".config").read_text())
    if missing:
        raise kernel.KernelError(
            f"not to be had in {source.name}: {', '.join(missing)}"
        )
    kernel.say(f"  building {objects.name}: a quarter of an hour on two CPUs, once")
    make(source, objects, f"-j{os.cpu_count()}", *words_of(wanted), *TARGETS)


def unmet(wanted: str, config: str) -> list[str]:
    """The options of a wanted config that Kconfig has not taken: it does not say so itself."""
    return [line for line in options_of(wanted) if line not in config.splitlines()]


def options_of(wanted: str) -> list[str]:
    """What a config asks of Kconfig."""
    rule = r"^(?:CONFIG_\w+=.*|# CONFIG_\w+ is not set)$"
    return re.findall(rule, wanted, re.MULTILINE)


def words_of(wanted: str) -> list[str]:
    """What a config asks of make, beside what it asks of Kconfig."""
    lines = re.findall(r"^# make: (.*)$", wanted, re.MULTILINE)
    return [word for line in lines for word in line.split()]


def install(source: Path, objects: Path, root: Path) -> None:
    """Put what was built where kernel.Tree looks for it."""
    release = (objects / "include/config/kernel.release").read_text().strip()
    headers = root / "usr/src" / f"linux-headers-{release}"
    make(source, objects, "run-command", f"KBUILD_RUN_COMMAND={HEADERS} {headers}")
    modules = root / "lib/modules" / release
    for folder in (root / "boot", modules / "kernel"):
        folder.mkdir(parents=True)
    shutil.copy(objects / "arch/x86/boot/bzImage", root / "boot" / f"vmlinuz-{release}")
    shutil.copy(objects / "modules.builtin", modules)
    shutil.copy(objects / ".config", root / "boot" / f"config-{release}")
