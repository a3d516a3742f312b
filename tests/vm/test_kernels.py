# SPDX-License-Identifier: GPL-2.0-or-later
"""How the harness fetches kernels, builds for them, and fills the matrix."""

from __future__ import annotations

import lzma
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TextIO

import pytest

import build
import compiler
import kernel
import matrix
import modules
import run
import tap
import toolchain
import vm
from test_harness import closing, fake_tree

# Runs the matrix; returns its exit status and its output.
Result = Callable[[], tuple[int, str]]


def fake_module(path: Path, *info: str) -> None:
    data = b"\x7fELF\0" + b"\0".join(x.encode() for x in info) + b"\0"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(lzma.compress(data) if path.suffix == ".xz" else data)


def test_modules_in_load_order(tmp_path: Path) -> None:
    (tmp_path / "modules.builtin").write_text("kernel/lib/crc16.ko\n")
    fake_module(
        tmp_path / "kernel/fs/ext4.ko.xz",
        "softdep=pre: crypto-crc32c missing",
        "depends=crc16,jbd2,mb-cache",
        "vermagic=6.1.0 SMP",
    )
    fake_module(tmp_path / "kernel/fs/jbd2.ko", "depends=mb_cache")
    fake_module(tmp_path / "kernel/fs/mb-cache.ko", "depends=")
    fake_module(tmp_path / "kernel/crypto/crc32c_generic.ko", "alias=crc32c")
    order = modules.resolve(tmp_path, ["ext4", "crc16", "jbd2"])
    assert list(order) == ["crc32c_generic", "mb_cache", "jbd2", "ext4"]
    assert all(data.startswith(b"\x7fELF") for data in order.values())
    with pytest.raises(kernel.KernelError, match="no module nope"):
        modules.resolve(tmp_path, ["nope"])


def test_module_of_another_kernel_is_refused(tmp_path: Path) -> None:
    fake_module(tmp_path / "a.ko", "vermagic=6.1.0-56-amd64 SMP mod_unload")
    modules.check_release(tmp_path / "a.ko", "6.1.0-56-amd64")
    with pytest.raises(kernel.KernelError, match="built for 6.1.0-56-amd64, not"):
        modules.check_release(tmp_path / "a.ko", "6.1.0-57-amd64")


def test_unpacked_headers_find_themselves(tmp_path: Path) -> None:
    headers = tmp_path / "usr/src/linux-headers-6.1-amd64"
    common = tmp_path / "usr/src/linux-headers-6.1-common"
    release = tmp_path / "lib/modules/6.1-amd64"
    for folder in (headers, common, release):
        folder.mkdir(parents=True)
    (headers / "Makefile").write_text(
        "KBUILD_OUTPUT=/usr/src/linux-headers-6.1-amd64\n"
        "include /usr/src/linux-headers-6.1-common/Makefile\n"
    )
    (release / "build").symlink_to("/usr/src/linux-headers-6.1-amd64")
    for place in ("/cache/k", "/moved/cache/k", "/usr/k"):
        kernel.relocate(tmp_path, Path(place))
        assert (headers / "Makefile").read_text() == (
            f"KBUILD_OUTPUT={place}/usr/src/linux-headers-6.1-amd64\n"
            f"include {place}/usr/src/linux-headers-6.1-common/Makefile\n"
        )
        assert (release / "build").resolve() == headers


def test_interrupted_fetch_leaves_no_kernel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    asked = kernel.Kernel("some", "bookworm", "amd64", "linux-image-amd64")
    package = "linux-image-6.1.0-1-amd64"

    class HalfApt:
        @classmethod
        def of(cls, _: kernel.Kernel) -> "HalfApt":
            return cls()

        def update(self) -> None:
            pass

        def show(self, name: str) -> tuple[str, dict[str, str]]:
            depends = f"{package} (= 1)" if name == asked.package else ""
            return name, {"Version": "1", "Depends": depends}

        def download(self, _names: list[str], folder: Path) -> None:
            (folder / "half.deb").touch()
            raise KeyboardInterrupt

    monkeypatch.setattr(kernel, "Apt", HalfApt)
    for _ in range(2):  # the leftovers of the first do not disturb the second
        with pytest.raises(KeyboardInterrupt):
            kernel.get(asked)
        kernels = tmp_path / "pf_probe/kernels"
        assert [p.name for p in kernels.iterdir()] == [f"{package}_1.debs"]


def test_no_network_is_a_clear_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    asked = kernel.known_kernels()["default"]
    with pytest.raises(
        kernel.KernelError, match="no package linux-image.*apt-get fail"
    ):
        kernel.get(asked)


# The toolchains.


def test_toolchain_for_this_machine_is_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = {"VERSION_CODENAME": "here"}
    monkeypatch.setattr(kernel, "os_release", lambda: home)
    monkeypatch.setattr(kernel, "host_arch", lambda: "amd64")
    tools = toolchain.get(fake_tree(tmp_path, "here", "amd64"))
    assert tools == toolchain.Toolchain("", "gcc", None)
    assert tools.command(["make"], tmp_path) == ["env", "-C", str(tmp_path), "make"]


@pytest.mark.parametrize(
    "arch, compiler",
    [
        ("amd64", {"gcc-99", "libc6-dev"}),
        ("arm64", {"gcc-99-aarch64-linux-gnu", "libc6-dev-arm64-cross"}),
    ],
)
def test_toolchain_of_another_release(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arch: str, compiler: set[str]
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(kernel, "host_arch", lambda: "amd64")
    asked: list[set[str]] = []

    class FakeApt:
        @classmethod
        def of(cls, _: kernel.Kernel) -> "FakeApt":
            return cls()

        def update(self) -> None:
            pass

        def collect(self, names: Iterable[str], folder: Path) -> None:
            asked.append(set(names))
            if len(asked) == 1:
                raise KeyboardInterrupt
            control = "Package: a\nVersion: 1\nArchitecture: all\n"
            control += "Maintainer: a <a@b>\nDescription: a\n"
            (tmp_path / "deb/DEBIAN").mkdir(parents=True)
            (tmp_path / "deb/DEBIAN/control").write_text(control)
            (tmp_path / "deb/usr/bin").mkdir(parents=True)
            kernel.run(["dpkg-deb", "-b", str(tmp_path / "deb"), str(folder)])

    monkeypatch.setattr(kernel, "Apt", FakeApt)
    tree = fake_tree(tmp_path, "elsewhere", arch)
    with pytest.raises(KeyboardInterrupt):
        toolchain.get(tree)
    root = tmp_path / "pf_probe/toolchains/linux-image-9.9"
    assert not root.exists()
    for _ in range(2):  # the first one fetches again, the second one uses the cache
        tools = toolchain.get(tree)
        assert tools.root == root
        assert tools.cc == f"{toolchain.TRIPLETS[arch]}-gcc-99"
    assert len(asked) == 2
    assert asked[0] == asked[1] >= compiler
    assert os.readlink(root / "bin") == "usr/bin"
    assert [path.name for path in root.parent.iterdir()] == [root.name]


def test_cache_that_was_moved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "link").symlink_to("new")
    root = tmp_path / "old/pf_probe/toolchains/linux-image-9.9"
    for program in (Path("/usr/bin/env"), Path("/usr/bin/pwd")):
        for path in (program, *loaded_with(program)):
            copy = root / path.relative_to("/")
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, copy)
    (tmp_path / "old").rename(tmp_path / "new")
    for name in ("new", "link"):
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / name))
        cache = kernel.cache_dir()
        tools = toolchain.Toolchain("", "gcc", cache / "toolchains" / root.name)
        (cache / "build").mkdir(exist_ok=True)
        assert cache == tmp_path / "new/pf_probe"
        assert kernel.run(tools.command(["pwd"], cache / "build")) == f"{cache}/build\n"


# The matrix.


@pytest.fixture
def one_kernel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Result:
    """Runs the matrix on one kernel of the list; returns its exit status and output."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(kernel, "KERNEL_LIST", tmp_path / "kernels")
    (tmp_path / "kernels").write_text("nine  nosuchsuite  amd64  linux-image\n")
    monkeypatch.setattr(sys, "argv", ["matrix.py"])
    monkeypatch.setattr(vm, "exit_on_signals", lambda: None)

    def result() -> tuple[int, str]:
        return matrix.main(), capsys.readouterr().out

    return result


@pytest.fixture
def one_tree(
    one_kernel: Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Result:
    """The same, with the kernel in the cache."""
    tree = fake_tree(tmp_path, "nosuchsuite", "amd64")
    monkeypatch.setattr(kernel, "get", lambda _: tree)
    return one_kernel


def test_kernel_that_cannot_be_fetched_is_a_failed_row(
    one_kernel: Result, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    status, output = one_kernel()
    assert status == 1
    assert "nine: FAILED: apt finds no package linux-image" in output
    assert closing(output) == "0 passed, 1 failed"


@pytest.mark.parametrize(
    "output_line, reason",
    [
        ("a.c:1: error: no", "building modules failed"),
        ("a.h:1:2: warning: odd", "a.h:1:2: warning: odd"),
        ("WARNING: modpost: missing", "WARNING: modpost: missing"),
    ],
)
def test_bad_build_is_a_failed_row(
    one_tree: Result,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    output_line: str,
    reason: str,
) -> None:
    folder = tmp_path / "pf_probe/build/nine"
    folder.mkdir(parents=True)

    def bad_build(_tree: kernel.Tree, _: list[str], log: TextIO) -> Path:
        log.write(f"{output_line}\n")
        log.flush()
        if "error" in output_line:
            raise kernel.KernelError("building modules failed")
        return folder

    monkeypatch.setattr(build, "build", bad_build)
    status, output = one_tree()
    assert status == 1
    assert f"    {output_line}\nnine: FAILED: {reason} " in output
    assert closing(output) == "0 passed, 1 failed"
    assert folder.exists() == ("error" in output_line)


def test_remark_on_the_tools_is_not_a_warning() -> None:
    assert not matrix.WARNING.search("warning: the compiler differs from the one")


@pytest.mark.parametrize(
    "outcome, lines, status, cell, reason",
    [
        (0, ["# difference=0 counted=9"] * 20, 0, "0 in 20 runs", ""),
        (0, ["# difference=-3 counted=9"], 1, "3 in 1 runs", "difference from"),
        (0, ["ok 1 - no oracle"], 1, "-", "difference from the exact count: -"),
        (1, ["not ok 1 - sum", "# got: 3"], 1, "-", "guest tests: 0 passed, 1 failed"),
    ],
)
def test_row_of_a_guest(
    one_tree: Result,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    outcome: int,
    lines: list[str],
    status: int,
    cell: str,
    reason: str,
) -> None:
    monkeypatch.setattr(build, "build", lambda *_: tmp_path)
    for name in build.PROGRAMS:
        (tmp_path / name).touch()
    totals = tap.Totals(1 - outcome, ["sum"] * outcome)
    done = vm.Run(vm.Outcome(outcome), "", ["VM: begin a", *lines], totals, tmp_path, 1)
    monkeypatch.setattr(run, "boot", lambda *_: done)
    got, output = one_tree()
    assert got == status
    assert closing(output) == ("0 passed, 1 failed" if status else "1 passed, 0 failed")
    row = next(x for x in output.splitlines() if x.startswith("nine  "))
    assert row.split()[:4] == ["nine", "9.9", "amd64", "ok"]
    assert cell in row
    assert (f"FAILED: {reason}" in output) == bool(status)
    assert ("    a: not ok 1 - sum\n    # got: 3\n" in output) == bool(outcome)


def loaded_with(program: Path) -> set[Path]:
    """The shared libraries of a program of this machine, according to ldd."""
    return {
        Path(x) for x in re.findall(r"(/\S+) \(0x", kernel.run(["ldd", str(program)]))
    }


def test_compiler_is_copied_with_all_its_libraries(tmp_path: Path) -> None:
    arch, root = kernel.host_arch(), Path("/")
    programs = compiler.programs(root)
    assert [path.name for path in programs] == ["sh", "as", "gcc", "make", "cc1"]
    compiler.copy_to(tmp_path, root, arch)
    for program in programs:
        needed = set(compiler.libraries(program, root, arch))
        copies = {path.resolve().name for path in needed}
        assert copies == {path.resolve().name for path in loaded_with(program)}
        for path in (program, *needed):
            assert os.access(tmp_path / path.relative_to("/"), os.R_OK)


def test_incomplete_compiler_is_an_error(tmp_path: Path) -> None:
    root = tmp_path / "root"
    compiler.copy_to(root, Path("/"), kernel.host_arch())
    (root / "bin/sh").unlink()
    with pytest.raises(kernel.KernelError, match="bin/sh"):
        compiler.copy_to(tmp_path / "copy", root, kernel.host_arch())


def test_the_default_kernel_is_recognised_by_its_package() -> None:
    kernels = {
        "default": kernel.Kernel("default", "trixie", "amd64", "linux-image-amd64"),
        "stable": kernel.Kernel("stable", "trixie", "amd64", "linux-image-amd64"),
        "rt": kernel.Kernel("rt", "trixie", "amd64", "linux-image-rt-amd64"),
    }
    assert matrix.is_default(kernels, "stable")
    assert not matrix.is_default(kernels, "rt")
