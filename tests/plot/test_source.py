# SPDX-License-Identifier: GPL-2.0-or-later
"""Where the text comes from."""

from __future__ import annotations

import gzip
import lzma
import subprocess
import sys
from pathlib import Path

import pytest
from faultlog.lines import read_log
from faultlog.source import open_log
from logs import ENV, SCRIPT, compiler_log, rows, read, run

TEXT = compiler_log(3000)


def zstd(text: bytes) -> bytes:
    return subprocess.run(
        ["zstd", "-cq"], input=text, capture_output=True, check=True
    ).stdout


PACKERS = {".gz": gzip.compress, ".xz": lzma.compress, ".zst": zstd}


@pytest.mark.parametrize("suffix", PACKERS)
def test_packed_logs_are_read(suffix, tmp_path):
    path = tmp_path / f"a.log{suffix}"
    path.write_bytes(PACKERS[suffix](TEXT))
    with open_log(str(path)) as file:
        log = read_log(file)
    assert rows(log) == rows(read(TEXT))
    assert log.oddities.source == ""
    done = run(path)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{tmp_path}/a.png\n", "")


@pytest.mark.parametrize("suffix", PACKERS)
def test_a_packed_log_that_breaks_off_is_drawn_and_told(suffix, tmp_path):
    path = tmp_path / f"a.log{suffix}"
    packed = PACKERS[suffix](compiler_log(30000))
    damaged = bytearray(packed)
    damaged[len(packed) * 2 // 3] ^= 0xFF
    path.write_bytes(damaged)
    done = run(path)
    assert done.returncode in (0, 1) and done.stderr.count("\n") == 1
    path.write_bytes(packed[: len(packed) * 2 // 3])
    done = run(path)
    assert done.returncode == 0
    assert "the packed file is damaged" in done.stderr
    assert done.stderr.count("\n") == 1
    assert (tmp_path / "a.png").exists()


def test_standard_input_is_a_log(tmp_path):
    def feed(text: bytes, *options: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            [sys.executable, "-B", SCRIPT, "-", *options],
            input=text,
            capture_output=True,
            cwd=tmp_path,
            env=ENV,
        )

    for text in (TEXT, gzip.compress(TEXT), lzma.compress(TEXT), zstd(TEXT)):
        done = feed(text, "-o", "a.png")
        assert (done.returncode, done.stdout, done.stderr) == (0, b"a.png\n", b"")
    done = feed(TEXT)
    assert done.returncode == 1
    assert b"-o must say what to write" in done.stderr
    assert [p.name for p in Path(tmp_path).iterdir()] == ["a.png"]
