# SPDX-License-Identifier: GPL-2.0-or-later
"""Opening and unpacking a log."""

from __future__ import annotations

import gzip
import lzma
import os
import random
import re
import subprocess
import sys
import tarfile
import zlib
from contextlib import suppress
from pathlib import Path

import faultlog
import pytest
from faultlog import LogError
from faultlog.parse import checks, lines, names, source
from faultlog.parse.read import read_log
from faultlog.parse.source import open_log
from logs import (
    ENV,
    HEAD_AT_0,
    OLD,
    SCRIPT,
    compiler_log,
    fault,
    rows,
    read,
    run,
    summary,
)

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
def test_a_truncated_packed_log_is_drawn_and_reported(suffix, tmp_path):
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
    assert "the compressed file is damaged" in done.stderr
    assert done.stderr.count("\n") == 1
    assert (tmp_path / "a.png").exists()


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT])
@pytest.mark.parametrize("suffix", ["", ".gz", ".xz"])
def test_a_tar_archive_is_refused(suffix, form, tmp_path):
    path = tmp_path / f"x.tar{suffix}"
    for name in ("a.log", "b.log"):
        (tmp_path / name).write_bytes(TEXT)
    with tarfile.open(path, f"w:{suffix[1:]}", format=form) as archive:
        for name in ("a.log", "b.log"):
            archive.add(tmp_path / name, name)
    message = (
        f"{path}: it is a tar archive; unpack it (tar -xf), and give one of its logs"
    )
    with pytest.raises(LogError, match=f"^{re.escape(message)}$"):
        faultlog.read(path)


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_an_empty_file_is_reported_as_empty(suffix, tmp_path):
    """The message asked whether it is a log of pf_probe_X."""
    path = tmp_path / f"x.log{suffix}"
    path.write_bytes(gzip.compress(b"") if suffix else b"")
    why = checks.why_no_fault(faultlog.read(path), str(path))
    assert why.startswith(f"{path}: no page fault can be read; the file is empty: ")
    assert why.endswith("cut off, or user still writes to it")
    path.write_bytes(gzip.compress(b"\n") if suffix else b"\n")
    assert "is empty" not in checks.why_no_fault(faultlog.read(path), str(path))


# Of a damaged file, zstd itself waits for the next 128 KiB before it gives up.
@pytest.mark.parametrize(
    "suffix, kind",
    [(".gz", "damaged"), (".xz", "damaged"), *((s, "too much") for s in PACKERS)],
)
def test_what_cannot_be_unpacked_ends_though_the_pipe_stays_open(
    suffix, kind, tmp_path
):
    """zstd had given up, and the plotter waited for more to feed it with."""
    text = TEXT if kind == "damaged" else OLD + b"#\n" * (16 << 20)
    packed = bytearray(PACKERS[suffix](text))
    if kind == "damaged":
        packed[len(packed) // 2] ^= 0xFF
    # zstd has given up by then, and the plotter has nothing more for it.
    packed += random.Random(1).randbytes((3 << 16) - len(packed))
    ours, theirs = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-B", SCRIPT, "-", "-o", tmp_path / "x.csv"],
        stdin=ours,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        env=ENV,
    )
    os.close(ours)
    try:
        with suppress(BrokenPipeError):
            while packed:
                packed = packed[os.write(theirs, packed) :]
        _, messages = process.communicate(timeout=20)
    finally:
        process.kill()
        os.close(theirs)
    assert messages.count(b"\n") == 1 and b"the compressed file" in messages


@pytest.mark.parametrize("line", [OLD, b"# child time=1 pid=1 comm=x\n"])
@pytest.mark.parametrize("suffix", PACKERS)
def test_a_small_file_that_unpacks_to_much_is_read_in_part(
    suffix, line, tmp_path, monkeypatch
):
    """Real lines are never so similar; with the real bounds, 8 MB took 1.7 GB of memory."""
    monkeypatch.setattr(source, "FREE_LINES", 10_000, raising=False)
    path = tmp_path / f"a.log{suffix}"
    path.write_bytes(PACKERS[suffix](OLD + line * ((32 << 20) // len(line))))
    most = 10_000 + path.stat().st_size // 2
    with open_log(str(path)) as file:
        log = read_log(file)
    found = re.search("only the first ([0-9,]+) lines", log.oddities.source)
    assert 0 < int(found[1].replace(",", "")) <= most
    assert 0 < len(log) <= most and len(log.events) <= most


@pytest.mark.parametrize("suffix", PACKERS)
def test_long_lines_of_a_small_file_are_read_in_part(suffix, tmp_path, monkeypatch):
    """1.5 MB of .gz with lines of 4,000 bytes took 51 s, as it was 1 GB of text."""
    monkeypatch.setattr(source, "FREE_LINES", 10_000)
    path = tmp_path / f"a.log{suffix}"
    line = OLD[:-1] + b" a" * 1950 + b"\n"
    path.write_bytes(PACKERS[suffix](line * 5_000))
    nr_bytes = 0
    with open_log(str(path)) as file:
        while data := file.read(1 << 20):
            nr_bytes += len(data)
    assert nr_bytes <= (source.FREE_LINES + path.stat().st_size // 2) * 256
    assert "only the first" in file.trouble


@pytest.mark.parametrize("suffix", PACKERS)
def test_lines_with_minimal_differences_are_all_read(suffix, tmp_path, monkeypatch):
    """One page after the other, at times that differ by a few ns."""
    monkeypatch.setattr(source, "FREE_LINES", 0, raising=False)
    text = HEAD_AT_0 + b"".join(
        fault(1000 * i + i * i % 32, 0x1000 * i, tid=1, region="anon", map="anon")
        for i in range(20000)
    )
    path = tmp_path / f"a.log{suffix}"
    path.write_bytes(PACKERS[suffix](text))
    with open_log(str(path)) as file:
        log = read_log(file)
    assert (len(log), log.oddities.source) == (20000, "")


def test_xz_that_needs_gigabytes_to_unpack(tmp_path):
    """According to its header; otherwise it is valid."""
    packed = bytearray(lzma.compress(TEXT))
    assert packed[14:16] == b"\x21\1"
    packed[16] = 37  # a dictionary of 1.5 GiB
    end = 12 + 4 * packed[12]
    packed[end : end + 4] = zlib.crc32(packed[12:end]).to_bytes(4, "little")
    assert lzma.decompress(packed) == TEXT
    (tmp_path / "a.log.xz").write_bytes(packed)
    with open_log(str(tmp_path / "a.log.xz")) as file:
        assert file.read(1 << 20) == b""
    assert "Memory usage limit" in file.trouble


def test_xz_in_several_streams(tmp_path):
    path = tmp_path / "a.log.xz"
    streams = [lzma.compress(TEXT[:99]), bytes(8), lzma.compress(TEXT[99:]), bytes(4)]
    for after in (b"", b"and something else"):
        path.write_bytes(b"".join(streams) + after)
        with open_log(str(path)) as file:
            assert file.read(1 << 30) == TEXT
            assert file.trouble == ""


def test_names_and_events_are_bounded(monkeypatch):
    monkeypatch.setattr(names, "MAX_NAMES_BYTES", 10_000, raising=False)
    monkeypatch.setattr(lines, "MAX_EVENTS", 50, raising=False)
    text = HEAD_AT_0 + b"".join(
        fault(i, 0x1000, tid=1, map=f"/{i:03}{'x' * 1000}")
        + b"# child time=1 pid=%d ppid=1 comm=x\n" % i
        for i in range(100)
    )
    log = read(text)
    assert len(log) == 100
    assert len(log.names["map"]) == 11
    assert log.names["map"][-1] == "…"
    assert len(log.events) == 50
    assert (log.oddities.nr_bad, log.oddities.first_bad) == (50, 2 * 51 + 1)


def test_a_program_with_a_name_as_long_as_a_line():
    """900 KB of .gz had 900 of them, which took 3.6 GB of memory."""
    name = b"\xf0\x9f\x98\x80" + b"a" * 1_000_000
    event = b"# exec time=1 pid=4494 comm=%s\n"
    longest = b"\\377" * 15  # as the kernel half writes it
    log = read(HEAD_AT_0 + OLD + event % name + event % longest)
    assert [event.comm for event in log.events] == [
        "",
        "\N{REPLACEMENT CHARACTER}" * 15,
    ]
    assert log.oddities.nr_bad == 0


def test_a_summary_of_any_number_of_keys():
    """880 KB of .gz had 1,000 with 900 KB in each."""
    more = b"".join(b"# more a%s=1\n" % (b"b" * i) for i in range(1000))
    letters = "abcdefghijklmnopqrstuvwxyz"
    more += b"".join(
        b"# more %s=2\n" % (a + b).encode() for a in letters for b in letters
    )
    log = read(HEAD_AT_0 + OLD + summary(1) + b"# more unseen=7\n" + more)
    assert log.count("unseen") == 7
    assert len(log.summary) == lines.MAX_MORE
    assert max(map(len, log.summary)) <= 32


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
    assert b"use -o to name the output" in done.stderr
    assert [p.name for p in Path(tmp_path).iterdir()] == ["a.png"]


@pytest.mark.parametrize("name", ["/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"])
def test_nothing_is_written_beside_a_stream(name):
    """Root made /dev/stdin.png."""
    done = subprocess.run(
        [sys.executable, "-B", SCRIPT, name], input=TEXT, capture_output=True, env=ENV
    )
    assert done.returncode == 1
    assert b"use -o to name the output" in done.stderr
    assert not os.path.exists(f"{name}.png")
