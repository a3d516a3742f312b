# SPDX-License-Identifier: GPL-2.0-or-later
"""The programs to trace in a guest can run in the folder that they are copied to."""

from __future__ import annotations

import subprocess
from pathlib import Path

import programs

ADD = {
    "python3": ["-c", "import numpy; print(numpy.array([1, 1]).sum())"],
    "sqlite3": [":memory:", "SELECT 1 + 1"],
}


def called(root: Path, name: str, *words: str) -> str:
    """The output of a program that runs with this folder as its root directory."""
    line = [
        "unshare",
        "--map-root-user",
        "chroot",
        str(root),
        f"/usr/bin/{name}",
        *words,
    ]
    done = subprocess.run(line, stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout


def test_programs_run_from_their_folder(tmp_path: Path) -> None:
    programs.copy_to(tmp_path)
    for name, words in ADD.items():
        assert called(tmp_path, name, *words) == "2\n"
    assert called(tmp_path, "stress-ng", "--version").startswith("stress-ng")
    assert called(tmp_path, "gcc", "-dumpversion").strip().isdigit()
