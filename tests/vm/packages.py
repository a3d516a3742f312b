# SPDX-License-Identifier: GPL-2.0-or-later
"""The project's Debian packages, and a clean Debian system to install them on in a guest.

debian/build makes the packages from the tree.  mmdebstrap makes the system from the
distribution's own packages: a minimal one, with dkms and what the project's packages
depend on.  It is kept in the cache as the image of a disk, one for each kernel, whose
headers are in it.  The image stays as it is: what a guest writes is dropped at its end.
"""

from __future__ import annotations

import dataclasses
import shutil
import subprocess
import tempfile
from pathlib import Path

import kernel

BUILD = Path(__file__).resolve().parent.parent.parent / "debian/build"
# dkms depends on gcc and make.  The kernel's tools need libelf.
INSTALLED = ("dkms", "kmod", "libelf1", "python3-matplotlib", "python3-numpy")
HEADERS = ("usr/src/*", "usr/lib/linux-kbuild-*")
IMAGE_MB = 4096  # sparse


def is_for(asked: kernel.Kernel) -> bool:
    """Whether the packages are tested on a kernel: only on the default one.

    A system takes minutes to make, and a gigabyte of the cache.
    """
    default = kernel.known_kernels()["default"]
    return dataclasses.replace(asked, name="default") == default


def run(command: list[str]) -> None:
    """Run a command; KernelError with the end of its messages if it fails."""
    if not shutil.which(command[0]):
        raise kernel.KernelError(
            f"{command[0]} is missing: run tests/deps deb packages"
        )
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise kernel.KernelError(f"{command[0]}: {done.stderr.strip()[-2000:]}")


def build_in(folder: Path) -> None:
    """Build the packages, as `make deb` does."""
    run([str(BUILD), "deb", str(folder)])


def image_of(tree: kernel.Tree) -> Path:
    """The image of the system for a kernel, from the cache or made there."""
    folder = kernel.cache_dir() / "systems"
    image = folder / f"{tree.root.name}.ext4"
    with kernel.locked(folder):  # fetching a kernel needs another lock
        if not image.exists():
            kernel.say(f"system for {tree.kernel.name}: {' '.join(INSTALLED)}")
            with tempfile.TemporaryDirectory(prefix="new-", dir=folder) as scratch:
                make_image(tree, Path(scratch)).rename(image)
    return image


def make_image(tree: kernel.Tree, scratch: Path) -> Path:
    """Make the image in a folder for scratch files; no root needed."""
    archive, root, image = scratch / "tar", scratch / "root", scratch / "image"
    with kernel.locked(kernel.cache_dir()):
        apt = kernel.Apt.of(tree.kernel)
    line = ["mmdebstrap", "--quiet", "--format=tar"]
    line += ["--variant=minbase", f"--include={','.join(INSTALLED)}"]
    run([*line, tree.kernel.suite, str(archive), str(apt.sources)])
    root.mkdir()
    line = ["tar", "-x", "-p", "--no-same-owner", "--exclude=./dev/*"]
    run([*line, "-f", str(archive), "-C", str(root)])
    archive.unlink()
    copy_headers(tree, root)
    with open(image, "wb") as sparse:
        sparse.truncate(IMAGE_MB << 20)
    # To a user namespace all files are root's.
    line = ["unshare", "--map-root-user", "env", "PATH=/usr/sbin:/sbin:/usr/bin:/bin"]
    run([*line, "mke2fs", "-qF", "-t", "ext4", "-d", str(root), str(image)])
    return image


def copy_headers(tree: kernel.Tree, root: Path) -> None:
    """Copy a kernel's headers to where its packages would install them."""
    for pattern in HEADERS:
        for source in sorted(tree.root.glob(pattern)):
            copy = root / source.relative_to(tree.root)
            if source.is_symlink():
                shutil.copy(source, copy, follow_symlinks=False)
            else:
                shutil.copytree(source, copy, symlinks=True)
    kernel.relocate(root, Path("/"))
    folder = root / "usr/lib/modules" / tree.release
    folder.mkdir(parents=True)
    (folder / "build").symlink_to(f"/usr/src/{tree.kdir.name}")
    for source in tree.modules.glob("modules.*"):  # for depmod
        shutil.copy(source, folder)


def drive(image: Path) -> tuple[str, ...]:
    """QEMU's options for a disk that is a copy of the image."""
    name = str(image).replace(",", ",,")
    options = "format=raw,if=virtio,snapshot=on,cache=unsafe"
    return ("-drive", f"file={name},{options}")
