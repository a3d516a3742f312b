# SPDX-License-Identifier: GPL-2.0-or-later
"""The check of commits enforces the rules of HACKING.md, and is skipped without a history."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import commits

BODY = "\n\nIt was slow: 3 s for a log of 1 GB, and 1 s now.\n"


@pytest.mark.parametrize(
    "message",
    [
        "plotter: spread a fault's time over the bins that it overlaps" + BODY,
        "pf/map.h, tests: need no lock" + BODY,
        "tests/vm: pass an address on" + BODY,
        "user: bring back --top" + BODY + "\n    " + 90 * "x " + "\n",
        "doc: name the source" + BODY + "\n" + "https://example.org/" + 80 * "x" + "\n",
        'Revert "user: bring back --top"\n\nThis reverts commit 1234.\n',
        "x: " + "a" * 69 + BODY,
    ],
)
def test_a_good_message(message):
    assert commits.faults_of(message) == []


@pytest.mark.parametrize(
    "message, fault",
    [
        ("x: " + "a" * 70 + BODY, "a subject of 73 characters"),
        ("packed.py texts" + BODY, "without an area"),
        ("plotter: spreads time" + BODY, "imperative: spreads time"),
        ("plotter: spreading time" + BODY, "imperative"),
        ("plotter: added a test" + BODY, "imperative"),
        ("table: --sort key puts words in order" + BODY, "imperative"),
        ("plotter: Add a test" + BODY, "imperative"),
        ("plotter: add a test." + BODY, "full stop"),
        ("plotter: add a test", "no body"),
        ("plotter: add a test\n\n", "no body"),
        ("plotter: add a test\nbecause", "no empty line"),
        ("plotter: add a test\n\n" + 20 * "word ", "a line of 100 characters"),
    ],
)
def test_a_bad_message(message, fault):
    (found,) = commits.faults_of(message)
    assert fault in found


def git(tree: Path, *arguments: str) -> str:
    config = ["-c", "user.name=x", "-c", "user.email=x@example.org"]
    done = subprocess.run(
        ["git", *config, *arguments], cwd=tree, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def checked(tree: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-B", HERE / "commits.py", *arguments]
    return subprocess.run(command, cwd=tree, capture_output=True, text=True)


@pytest.fixture
def clone(tmp_path):
    """A history of three commits: one before the rules, a good one, a bad one."""
    tree = tmp_path / "tree"
    tree.mkdir()
    git(tree, "init", "-q")
    for message in ("Texts", "doc: name the source" + BODY, "Texts"):
        git(tree, "commit", "-q", "--allow-empty", "-m", message)
    return tree


def test_commits_after_the_base_are_checked(clone):
    base = git(clone, "rev-parse", "HEAD~2")
    done = checked(clone, base)
    assert done.returncode == 1
    assert done.stdout.count("Texts") == 2 and "no body" in done.stdout
    git(clone, "reset", "-q", "HEAD~1")
    done = checked(clone, base)
    assert (done.returncode, done.stdout) == (0, "")


def test_without_a_history_it_is_skipped(clone, tmp_path):
    base = git(clone, "rev-parse", "HEAD~1")
    shallow = tmp_path / "shallow"
    git(tmp_path, "clone", "-q", "--depth", "1", f"file://{clone}", str(shallow))
    tarball = tmp_path / "tarball"
    tarball.mkdir()
    within = clone / "vendored"
    within.mkdir()
    for tree, reason in (
        (shallow, "a shallow clone"),
        (tarball, "no history"),
        (within, "no history"),
        (clone, "is not in this history"),
    ):
        done = checked(tree, *([base] if tree is not clone else []))
        assert (done.returncode, done.stderr) == (commits.SKIPPED, "")
        assert reason in done.stdout
