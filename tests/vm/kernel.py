#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Get a Debian or Ubuntu kernel without installing it.

The kernel image, its modules, the headers to build against and a static busybox
come from the distribution's own packages: apt downloads them, dpkg unpacks them
into ~/.cache/pf_probe/kernels.  No root is needed and nothing on the machine
changes.  A kernel in the cache is used as it is; --update asks apt for a newer one.

    kernel.py                       fetch the default kernel, print its version and folder
    kernel.py --print kdir          the folder for `make KDIR=...`
    kernel.py --kernel bullseye     a kernel of the list in tests/vm/kernels
    kernel.py --plan                only print what it would fetch, if anything
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import bar

KERNEL_LIST = Path(__file__).with_name("kernels")
DEBIAN_ARCH = {"x86_64": "amd64", "aarch64": "arm64"}
# PART: the dependencies of a kernel's package that belong to the kernel.  REAL: the
# packages to download; others are metapackages, with at most two numbers in their names.
PART = re.compile(r"linux-(image|binary|base|modules|headers|kbuild)-\S+")
REAL = re.compile(r"linux-(\w+-\d+\.\d+\.\d|kbuild)\S*")
POCKETS = ("", "security", "updates")
APT_CONF = """\
Dir::Etc::sourcelist "{state}/sources.list";
Dir::Etc::sourceparts "-";
Dir::State "{state}";
Dir::State::status "{state}/status";
Dir::Cache "{state}";
Acquire::Retries "3";
APT::Update::Error-Mode "any";
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear APT::Architectures;
"""


class KernelError(Exception):
    """The kernel can't be obtained; the text says why."""


@dataclass(frozen=True)
class Kernel:
    """A kernel to obtain: a row of tests/vm/kernels.

    `only_for` is "bench" or "debug" if the matrix leaves it out.
    """

    name: str
    suite: str
    arch: str
    package: str
    only_for: str = ""

    @property
    def is_built(self) -> bool:
        """Whether it is built here from a source package, see source.py."""
        return self.package.startswith("linux-source-")


@dataclass(frozen=True)
class Tree:
    """An unpacked kernel in the cache."""

    kernel: Kernel
    root: Path

    @property
    def modules(self) -> Path:
        return self._one("lib/modules/*", "usr/lib/modules/*")

    @property
    def release(self) -> str:
        return self.modules.name

    @property
    def image(self) -> Path:
        return self._one("boot/vmlinu*", "usr/lib/modules/*/vmlinu*")

    @property
    def kdir(self) -> Path:
        return self._one(f"usr/src/linux-headers-{self.release}")

    @property
    def busybox(self) -> Path:
        return self._one("bin/busybox", "usr/bin/busybox")

    def _one(self, *patterns: str) -> Path:
        for pattern in patterns:
            for path in sorted(self.root.glob(pattern)):
                return path
        raise KernelError(f"no {patterns[0]} in {self.root}")


def cache_dir() -> Path:
    """The folder for everything fetched or built, with symlinks resolved."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return (Path(base) / "pf_probe").resolve()


def host_arch() -> str:
    machine = platform.machine()
    return DEBIAN_ARCH.get(machine, machine)


def os_release() -> dict[str, str]:
    """The fields of /etc/os-release; empty if there is no such file."""
    try:
        text = Path("/etc/os-release").read_text()
    except OSError:
        return {}
    return {key: value.strip("\"'") for key, value in fields_of(text, "=").items()}


def known_kernels() -> dict[str, Kernel]:
    """The default kernel and those of the list, by name."""
    arch, release = host_arch(), os_release()
    flavour = "generic" if release.get("ID") == "ubuntu" else arch
    suite = release.get("VERSION_CODENAME", "")
    kernels = {"default": Kernel("default", suite, arch, f"linux-image-{flavour}")}
    for line in KERNEL_LIST.read_text().splitlines():
        fields = line.partition("#")[0].split()
        if fields:
            kernels[fields[0]] = Kernel(*fields)
    return kernels


class Apt:
    """apt with its own list of sources and its own state, for one suite and architecture.

    It uses the mirrors that the machine's own apt uses for the distribution.
    """

    def __init__(self, suite: str, arch: str, state: Path) -> None:
        self.arch = arch
        self.complaint = ""
        (state / "lists").mkdir(parents=True, exist_ok=True)
        arches = sorted({arch, host_arch()})
        conf = APT_CONF.format(state=state)
        conf += "".join(f'APT::Architectures:: "{name}";\n' for name in arches)
        if os.geteuid() == 0:  # apt would drop to a user who can't enter the cache
            conf += 'APT::Sandbox::User "root";\n'
        (state / "apt.conf").write_text(conf)
        (state / "status").touch()  # as if nothing were installed
        self.sources = state / "sources.list"
        self.sources.write_text("".join(self._sources(suite, arches)))
        self.config = f"-c={state / 'apt.conf'}"

    @classmethod
    def of(cls, kernel: Kernel) -> Apt:
        """apt for a kernel's release and architecture, with its state in the cache."""
        state = cache_dir() / f"apt-{kernel.suite}-{kernel.arch}"
        return cls(kernel.suite, kernel.arch, state)

    @staticmethod
    def _sources(suite: str, arches: list[str]) -> Iterator[str]:
        release = os_release()
        home = release.get("VERSION_CODENAME", "")
        keyring = Path(f"/usr/share/keyrings/{release.get('ID')}-archive-keyring.gpg")
        signed = f" signed-by={keyring}" if keyring.exists() else ""
        query = ["--format", "$(REPO_URI) $(RELEASE)", "Created-By: Packages"]
        targets = set(run(["apt-get", "indextargets", *query]).splitlines())
        found = False
        for target in sorted(targets):
            uri, _, distribution = target.partition(" ")
            base, _, pocket = distribution.partition("-")
            ours = base in (home, "stable", "oldstable", "testing", "sid", "unstable")
            if ours and pocket in (POCKETS if suite != "sid" else ("",)):
                found = True
                name = f"{suite}-{pocket}" if pocket else suite
                yield f"deb [arch={','.join(arches)}{signed}] {uri} {name} main\n"
        if not found:
            raise KernelError(f"apt has no source for this distribution ({home})")

    def update(self) -> None:
        """Fetch the package lists.

        A missing pocket (for example -updates of an old release) is an error for apt, but
        it does not matter here if the package is found afterwards.
        """
        try:
            with bar.stage("asking apt"):
                run(["apt-get", self.config, "-qq", "update"])
        except KernelError as error:
            self.complaint = f": {error}"

    def show(self, package: str) -> tuple[str, dict[str, str]]:
        """The name to download a package by, and its fields."""
        foreign = self.arch != host_arch() and not package.startswith("linux-kbuild")
        for name in [f"{package}:{self.arch}"] * foreign + [package]:
            with contextlib.suppress(KernelError):
                command = ["apt-cache", self.config, "show", "--no-all-versions", name]
                fields = fields_of(run(command), ": ")
                if fields:
                    return name, fields
        raise KernelError(f"apt finds no package {package}{self.complaint}")

    def size(self, names: list[str]) -> int:
        """The bytes to download for these packages, without their dependencies."""
        command = ["apt-cache", self.config, "show", "--no-all-versions", *names]
        return sum(map(int, re.findall(r"^Size: (\d+)", run(command), re.MULTILINE)))

    def download(self, names: list[str], folder: Path) -> None:
        """Download the packages into the folder."""
        run(["apt-get", self.config, "-qq", "download", *names], cwd=folder)

    def collect(self, names: list[str], folder: Path) -> None:
        """Download the packages and all their dependencies into the folder."""
        command = ["apt-get", self.config, "-qq", "-y", "--no-install-recommends"]
        command += ["--download-only", "-o", f"Dir::Cache::archives={folder}"]
        try:
            run([*command, "install", *names])
        except KernelError as error:
            raise KernelError(f"{error}{self.complaint}") from error


def fields_of(text: str, separator: str) -> dict[str, str]:
    """Key and value of each line."""
    return {k: v for k, _, v in (x.partition(separator) for x in text.splitlines())}


def run(command: list[str], cwd: Path | None = None) -> str:
    """Standard output of a command; KernelError with its last error line if it fails."""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, cwd=cwd, check=False
        )
    except FileNotFoundError as error:
        text = f"{command[0]} is missing: Debian or Ubuntu is needed"
        raise KernelError(text) from error
    if done.returncode:
        words = done.stderr.strip().splitlines() or ["no message"]
        raise KernelError(f"{command[0]} failed: {words[-1]}")
    return done.stdout


def parts_of(apt: Apt, kernel: Kernel) -> dict[str, str]:
    """All packages of a kernel: the name to download each by -> its version.

    The metapackage of the headers is not used: during an upload its version may differ
    from the image's.
    """
    parts: dict[str, str] = {}
    queue, seen = [kernel.package], set()
    while queue:
        package = queue.pop()
        if package in seen:
            continue
        seen.add(package)
        name, fields = apt.show(package)
        if REAL.match(package):
            parts[name] = fields["Version"]
            if package.startswith("linux-image-"):
                queue.append(package.replace("image", "headers", 1))
        for choice in fields.get("Depends", "").split(","):  # its first alternative
            first = choice.split()[:1]
            if first and PART.fullmatch(first[0]):
                queue.append(first[0])
    name, fields = apt.show("busybox-static")
    return {**parts, name: fields["Version"]}


def relocate(unpacked: Path, final: Path) -> None:
    """Make unpacked headers work below `final`, not below / or their previous folder.

    Absolute symlinks become relative ones; in the few makefiles that name /usr/src or
    /usr/lib/linux-kbuild, the paths are changed.
    """
    place = re.compile(r"(?<![^\s=])/(\S*/)?usr/(?=(src|lib)/linux-)")
    for top in ("usr/src", "lib/modules", "usr/lib/modules"):
        for path in sorted((unpacked / top).glob("*/*")):
            target = os.readlink(path) if path.is_symlink() else ""
            if target.startswith("/"):
                path.unlink()
                path.symlink_to(os.path.relpath(f"{unpacked}{target}", path.parent))
            elif path.name in ("Makefile", ".kernelvariables"):
                old = path.read_text()
                new = place.sub(f"{final / 'usr'}/", old)
                if new != old:
                    path.write_text(new)


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Only one process fetches; the others wait and then find the kernel in the cache."""
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def get(kernel: Kernel, update: bool = False) -> Tree:
    """The kernel, from the cache or fetched into it.

    A kernel is unpacked under another name and renamed when it is complete, so that an
    interrupted run leaves nothing that looks like a kernel.
    """
    if not kernel.suite:
        raise KernelError("no kernel available: this is not Debian or Ubuntu")
    cache = cache_dir()
    with locked(cache):
        kernels = cache / "kernels"
        kernels.mkdir(exist_ok=True)
        link = kernels / kernel.name
        if link.exists() and not update and is_current(kernel, link.resolve()):
            root = link.resolve()
            relocate(root, root)  # the cache may have been moved
            return Tree(kernel, root)
        say(f"kernel {kernel.name}: asking apt ({kernel.suite})")
        apt = Apt.of(kernel)
        apt.update()
        final = obtain(apt, kernel, kernels)
        fresh = kernels / f"{kernel.name}.new"
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(final.name)
        os.replace(fresh, link)
        return Tree(kernel, final)


def plan(kernel: Kernel) -> str:
    """What get() would fetch, with its size; empty if the kernel is in the cache."""
    link = cache_dir() / "kernels" / kernel.name
    if link.exists() and is_current(kernel, link.resolve()):
        return ""
    apt = Apt.of(kernel)
    apt.update()
    parts = sorted(parts_of(apt, kernel))
    return f"{' '.join(parts)} ({apt.size(parts) / 1e6:.0f} MB)"


def is_current(kernel: Kernel, root: Path) -> bool:
    """Whether a kernel in the cache still fits its row and its config."""
    import source  # here, because it imports this module

    return not kernel.is_built or source.is_current(kernel, root)


def obtain(apt: Apt, kernel: Kernel, folder: Path) -> Path:
    """Fetch or build apt's current version of the kernel, as a folder in `folder`."""
    import source

    if kernel.is_built:
        return source.build(apt, kernel, folder)
    parts = parts_of(apt, kernel)
    image = next((p for p in parts if p.startswith("linux-image-")), None)
    if image is None:
        raise KernelError(f"{kernel.package} depends on no kernel image")
    final = folder / f"{image.partition(':')[0]}_{parts[image]}"
    if not final.exists():
        fetch(apt, kernel, parts, final)
    return final


def fetch(apt: Apt, kernel: Kernel, parts: dict[str, str], final: Path) -> None:
    """Download the packages and unpack them as the folder `final`."""
    say(f"  fetching {' '.join(sorted(parts))}")

    def finish(unpacked: Path) -> None:
        relocate(unpacked, final)
        tree = Tree(kernel, unpacked)
        listed = tree.modules / "modules.builtin"
        for need in (tree.image, listed, tree.kdir, tree.busybox):
            if not need.exists():
                raise KernelError(f"no {need.relative_to(unpacked)} in the packages")

    names = sorted(parts)
    unpack(
        lambda debs: apt.download(names, debs), final, finish, lambda: apt.size(names)
    )


def unpack(
    download: Callable[[Path], None],
    final: Path,
    finish: Callable[[Path], None],
    size: Callable[[], float] = lambda: 0,
) -> None:
    """Unpack the packages that `download` puts into a folder, as the folder `final`.

    It gets that name only at the end, after `finish` has completed it.  `size` returns
    their bytes, 0 if unknown.
    """
    unpacked, debs = Path(f"{final}.tmp"), Path(f"{final}.debs")
    for leftover in (unpacked, debs):
        shutil.rmtree(leftover, ignore_errors=True)
    debs.mkdir()
    with bar.stage("fetching", size, "B", lambda: bytes_in(debs)):
        download(debs)
    packages = sorted(debs.glob("*.deb"))
    with bar.stage("unpacking", len(packages), " packages") as stage:
        for deb in packages:
            run(["dpkg", "-x", str(deb), str(unpacked)])
            stage.add()
    finish(unpacked)
    shutil.rmtree(debs)
    unpacked.rename(final)


def bytes_in(folder: Path) -> int:
    """The size of all files below a folder, into which another process writes."""
    total = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):
            total += path.stat().st_size
    return total


def say(text: str) -> None:
    bar.say(text, file=sys.stderr)


def main() -> int:
    kernels = known_kernels()
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kernel", default="default", metavar="NAME", choices=kernels)
    parser.add_argument("--update", action="store_true", help="ask apt for a newer one")
    parser.add_argument(
        "--print",
        choices=["kdir", "image", "release", "modules", "busybox", "arch", "root"],
        help="print just this",
    )
    parser.add_argument("--plan", action="store_true", help="fetch nothing")
    parser.add_argument("--list", action="store_true", help="print the known names")
    args = parser.parse_args()
    if args.list:
        for kernel in kernels.values():
            print(
                f"{kernel.name:16} {kernel.suite:10} {kernel.arch:6} {kernel.package}"
            )
        return 0
    try:
        if args.plan:
            missing = plan(kernels[args.kernel])
            if missing:
                print(f"To fetch into {cache_dir()}, not to install: {missing}")
            return 0
        tree = get(kernels[args.kernel], args.update)
        if args.print == "arch":
            print(tree.kernel.arch)
        elif args.print:
            print(getattr(tree, args.print))
        else:
            print(f"{tree.kernel.name}: Linux {tree.release} in {tree.root}")
    except (KernelError, OSError) as error:
        print(f"kernel.py: kernel {args.kernel}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
