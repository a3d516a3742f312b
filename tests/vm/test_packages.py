# SPDX-License-Identifier: GPL-2.0-or-later
"""The system to install the project's packages on, and when a guest gets it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import kernel
import packages
import run
import tap
import vm
from test_harness import fake_tree

OURS = "#\n# vm: packages\n"


def fake_headers(folder: Path) -> kernel.Tree:
    """A kernel in the cache, whose headers know where they are."""
    tree = fake_tree(folder, "bookworm", "amd64")
    files = ("usr/src/linux-headers-9.9-common/x.h", "usr/lib/linux-kbuild-9/modpost")
    for name in (
        *files,
        "lib/modules/9.9/kernel/x.ko",
        "lib/modules/9.9/modules.order",
    ):
        (tree.root / name).parent.mkdir(parents=True, exist_ok=True)
        (tree.root / name).touch()
    (tree.kdir / "Makefile").write_text(
        f"include {tree.root}/usr/src/linux-headers-9.9-common/Makefile\n"
    )
    (tree.kdir / "scripts").symlink_to("../../lib/linux-kbuild-9")
    (tree.modules / "build").symlink_to("../../../usr/src/linux-headers-9.9")
    return tree


def test_headers_are_where_their_packages_install_them(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "usr/lib").mkdir(parents=True)
    (root / "usr/src").mkdir()
    (root / "lib").symlink_to("usr/lib")
    packages.copy_headers(fake_headers(tmp_path), root)
    headers = root / "usr/src/linux-headers-9.9"
    assert os.readlink(root / "lib/modules/9.9/build") == "/usr/src/linux-headers-9.9"
    assert (headers / "scripts/modpost").exists()
    text = (headers / "Makefile").read_text()
    assert text == "include /usr/src/linux-headers-9.9-common/Makefile\n"
    assert sorted(x.name for x in (root / "lib/modules/9.9").iterdir()) == [
        "build",
        "modules.order",
    ]


@pytest.mark.parametrize(
    "name, quick, boots",
    [
        ("default", False, [["load"], ["packages"]]),
        ("default", True, [["load", "packages"]]),
        ("bookworm-arm64", False, [["load", "packages"]]),
    ],
)
def test_only_a_long_run_on_the_default_kernel_has_a_system(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    quick: bool,
    boots: list[list[str]],
) -> None:
    tree = kernel.Tree(kernel.known_kernels()[name], tmp_path)
    cases = {"load": tmp_path / "load.sh", "packages": tmp_path / "packages.sh"}
    cases["load"].write_text("#\n")
    cases["packages"].write_text(OURS)
    seen: list[vm.Guest] = []

    def boot(guest: vm.Guest, *_: object) -> vm.Run:
        assert (Path(str(guest.disk)) / "packages").exists() == (len(boots) > 1)
        seen.append(guest)
        return vm.Run(vm.Outcome.PASSED, "", [], tap.Totals(), tmp_path, 0)

    monkeypatch.setattr(vm, "boot", boot)
    monkeypatch.setattr(packages, "image_of", lambda tree: tmp_path / "a,b")
    monkeypatch.setattr(packages, "build_in", lambda folder: folder.mkdir())
    run.boot(tree, [], cases, 1, "x", run.Clock(print), quick)
    assert [list(guest.cases) for guest in seen] == boots
    drives = [" ".join(guest.qemu) for guest in seen if guest.qemu]
    assert len(drives) == len(boots) - 1
    assert all("a,,b,format=raw" in x and "snapshot=on" in x for x in drives)
