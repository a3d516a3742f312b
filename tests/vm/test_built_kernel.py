# SPDX-License-Identifier: GPL-2.0-or-later
"""Kernels that are built here: their configs, and when they are rebuilt."""

from __future__ import annotations

from pathlib import Path

import pytest

import kernel
import matrix
import source
import tap

BUILT = [x for x in kernel.known_kernels().values() if x.is_built]


def test_each_has_its_config() -> None:
    assert BUILT
    for asked in BUILT:
        assert "CONFIG_KPROBES=y" in source.config_of(asked)
        assert f'CONFIG_LOCALVERSION="-{asked.name}"' in source.config_of(asked)


def test_they_are_only_for_one_target() -> None:
    names = matrix.names_of(kernel.known_kernels(), "debug")
    assert names == [asked.name for asked in BUILT]
    others = matrix.names_of(kernel.known_kernels(), "")
    assert "bookworm" in others and not set(others) & {"default", *names}


def test_a_line_that_kconfig_drops_is_found() -> None:
    wanted = "# A heading\nCONFIG_A=y\nCONFIG_B=y\n# CONFIG_C is not set\n"
    assert source.unmet(wanted, "CONFIG_A=y\nCONFIG_BB=y\nCONFIG_C=y\n") == [
        "CONFIG_B=y",
        "# CONFIG_C is not set",
    ]
    assert not source.unmet(wanted, "CONFIG_B=y\n# CONFIG_C is not set\nCONFIG_A=y\n")


@pytest.fixture
def configs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with configs that a test may change."""
    monkeypatch.setattr(source, "CONFIGS", tmp_path)
    for name in ("guest", BUILT[0].name):
        (tmp_path / f"{name}.config").write_text("CONFIG_A=y\n")
    return tmp_path


def test_another_config_is_another_kernel(configs: Path) -> None:
    asked = BUILT[0]
    root = Path("/kernels") / f"linux_6.12.1-1_{source.mark_of(asked)}"
    assert kernel.is_current(asked, root)
    (configs / "guest.config").write_text("# Some words\nCONFIG_A=y\n")
    assert kernel.is_current(asked, root)
    for text in ("CONFIG_B=y\n", "CONFIG_A=y\n# make: X=n\n"):
        (configs / "guest.config").write_text(text)
        assert not kernel.is_current(asked, root)


def test_a_problem_reported_at_the_end_of_a_guest_is_a_failure() -> None:
    """The messages are those of tests/vm/init."""
    lines = Path(__file__).with_name("init").read_text().splitlines()
    complaints = [line for line in lines if "BUG: " in line]
    assert len(complaints) == 3
    assert tap.scan_console("\n".join(complaints)) == [x.strip() for x in complaints]
