# SPDX-License-Identifier: GPL-2.0-or-later
"""Outputs on standard output, compressed outputs, and the names of pictures."""

from __future__ import annotations

import gzip
import re
import subprocess
import sys

import pytest
from logs import ENV, FAMILY, SCRIPT, compiler_log, run


def plotted(*arguments: object, cwd) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-B", SCRIPT, *map(str, arguments)],
        cwd=cwd,
        env=ENV,
        capture_output=True,
        timeout=120,
    )


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "a.log").write_bytes(compiler_log(500, outcomes=True))
    return tmp_path


@pytest.mark.parametrize(
    "suffix", [".csv", ".jsonl", ".trace.json", ".csv.gz", ".png", ".pdf", ".svg"]
)
def test_standard_output_gets_what_the_file_would_contain(suffix, folder):
    done = plotted("a.log", "-o", f"-{suffix}", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert [path.name for path in folder.iterdir()] == ["a.log"]
    assert plotted("a.log", "-o", f"b{suffix}", cwd=folder).returncode == 0
    assert done.stdout == (folder / f"b{suffix}").read_bytes() != b""


def test_a_hyphen_alone_is_csv(folder):
    shown = plotted("a.log", "-o", "-", cwd=folder).stdout
    assert shown == plotted("a.log", "-o-.csv", cwd=folder).stdout
    assert shown.startswith(b"time_ns,address,") and shown.count(b"\n") == 501


def test_a_log_from_standard_input_and_a_reader_that_stops(folder):
    command = (
        f"cat a.log | {sys.executable} -B {SCRIPT} - -o - --region heap | head -n 2"
    )
    done = subprocess.run(
        ["sh", "-c", command], cwd=folder, env=ENV, capture_output=True, text=True
    )
    assert done.stdout.count("\n") == 2
    assert re.sub("^.*: Names.*\n", "", done.stderr, flags=re.M) == ""


def test_a_file_can_have_such_a_name(folder):
    done = plotted("a.log", "-o", "./-.csv", cwd=folder)
    assert done.stdout == b"-.csv\n" and (folder / "-.csv").exists()


def test_a_database_needs_a_file(folder):
    done = run("a.log", "-o", "-.sqlite", cwd=folder)
    assert (done.returncode, done.stdout) == (1, "")
    assert "-.sqlite: a database cannot be written to a pipe" in done.stderr


@pytest.mark.parametrize("suffix", [".png", ".csv.gz"])
def test_a_terminal_gets_text_only(suffix, folder):
    command = f"{sys.executable} -B {SCRIPT} a.log -o -{suffix}"
    done = subprocess.run(
        ["script", "-qec", command, "/dev/null"],
        cwd=folder,
        env=ENV,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=120,
    )
    assert done.returncode == 1
    assert b"this is no text for a terminal; redirect it" in done.stdout


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".trace.json"])
def test_compressed_outputs(suffix, folder):
    for name in (f"b{suffix}", f"b{suffix}.gz"):
        done = run("a.log", "-o", name, cwd=folder)
        assert (done.returncode, done.stdout) == (0, f"{name}\n")
    packed = (folder / f"b{suffix}.gz").read_bytes()
    assert gzip.decompress(packed) == (folder / f"b{suffix}").read_bytes()
    assert len(packed) * 2 < (folder / f"b{suffix}").stat().st_size
    assert packed[4:8] == bytes(4)  # no time: the same log makes the same file


def test_a_failed_write_of_a_compressed_file_leaves_nothing(folder):
    (folder / "b.csv.gz").mkdir()
    assert run("a.log", "-o", "b.csv.gz", cwd=folder).returncode == 1
    assert sorted(path.name for path in folder.iterdir()) == ["a.log", "b.csv.gz"]


def test_pictures_of_other_views_do_not_replace_each_other(tmp_path):
    """Each of them was x.png."""
    (tmp_path / "x.log").write_bytes(FAMILY)
    assert run("x.log", cwd=tmp_path).stdout == "x.png\n"
    before = (tmp_path / "x.png").read_bytes()
    for view in ("threads", "memory"):
        done = run("x.log", "--view", view, cwd=tmp_path)
        assert (done.returncode, done.stdout) == (0, f"x.{view}.png\n")
    assert (tmp_path / "x.png").read_bytes() == before
    (tmp_path / "x.log.gz").write_bytes(gzip.compress(FAMILY))
    done = run("x.log.gz", "--view", "threads", cwd=tmp_path)
    assert done.stdout == "x.threads.png\n"
