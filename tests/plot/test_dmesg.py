# SPDX-License-Identifier: GPL-2.0-or-later
"""Faults in the kernel's own log, as dmesg and others show it."""

from __future__ import annotations

import io

import pytest
from faultlog.parse import source
from faultlog.parse.checks import examine
from faultlog.parse.read import read_log
from logs import NEW, OLD, Log, compiler_log, fault, read, rows, run

MODULE = b"pf_probe_A: "
STAMPS = [
    b"[  233.117527] ",
    b"[1389595.218602] ",
    b"[  233.117527][ T9303] ",  # CONFIG_PRINTK_CALLER
    b"[Tue Nov 24 12:00:00 2026] ",  # dmesg -T
    b"[Nov24 12:00] ",  # dmesg -e
    b"[  +0.000012] ",
    b"[  233.117527 <    0.000012>] ",  # dmesg -d
    b"<6>[  233.117527] ",  # dmesg --raw
    b"kern  :info  : [  233.117527] ",  # dmesg -x
    b"2026-11-24T12:00:00,117527+00:00 ",  # dmesg --time-format iso
    b"Nov 24 12:00:00 my-host kernel: ",  # journalctl -k
    b"Nov  4 12:00:00.117527 my-host kernel: ",
    b"[  233.117527] my-host kernel: ",
    b"2026-11-24T12:00:00+0000 my-host kernel: ",
    b"Nov 24 12:00:00 my-host kernel: [  233.117527] ",  # syslog
    b"",  # dmesg -t
]
LINES = [
    b"Linux version 6.1.0-56-amd64 (debian-kernel@lists.debian.org)\n",
    b"user[9302]: loading pf_probe_A for PID 4494\n",
    MODULE
    + b"recording process 4494 (my\\040prog) and its children, placement: jump\n",
    *(MODULE + NEW.replace(b"8602 ", b"860%d " % i) for i in range(4)),
    b'audit: type=1400 PID=7 apparmor="DENIED"\n',
    *(MODULE + NEW.replace(b"8602 ", b"860%d " % i) for i in range(4, 8)),
    MODULE + b"recorded=8 retries=1 dropped=0 overwritten=0 missed=0\n",
]
PLAIN = b"".join(NEW.replace(b"8602 ", b"860%d " % i) for i in range(8))


@pytest.mark.parametrize("stamp", STAMPS, ids=bytes.decode)
def test_dmesg_is_read_as_a_log(stamp):
    log = read(b"".join(stamp + line for line in LINES))
    assert rows(log) == rows(read(PLAIN)) and len(log) == 8
    assert log.head == {"probe": "pf_probe_A", "pid": "4494", "comm": "my prog"}
    assert log.count("recorded") == 8
    verdict = examine(log)
    assert verdict.lines() == [] and verdict.says_complete


def test_dmesg_of_a_module_that_tracks_a_process():
    """Modules of before November 2026 print this word, and "probe placement"."""
    lines = b"".join(LINES).replace(b"recording process", b"tracking process")
    head = read(lines.replace(b", placement:", b", probe placement:")).head
    assert head == {"probe": "pf_probe_A", "pid": "4494", "comm": "my prog"}


@pytest.mark.parametrize("module", [MODULE, b""])
@pytest.mark.parametrize("stamp", STAMPS[:-1], ids=bytes.decode)
@pytest.mark.parametrize("counter", [b"", b"   0:: "])
def test_dmesg_of_a_module_of_2020_is_read_as_a_log(stamp, module, counter):
    line = stamp + module + counter + OLD.removeprefix(b"   0:: ")
    log = read(stamp + b"random: crng init done\n" + line)
    assert rows(log) == rows(read(OLD)) and len(log) == 1
    assert examine(log).lines() == []


def test_losses_in_dmesg_are_reported():
    """Its buffer is small, and lines that are too long are cut."""
    stamped = [STAMPS[0] + line for line in LINES]
    end = STAMPS[0] + MODULE + b"unseen=7: faults that the kernel counted and ...\n"
    cut = stamped[5][:60] + b"\n"
    log = read(b"".join([*stamped[4:5], cut, *stamped[6:], end]))
    assert len(log) == 6
    losses = examine(log).losses
    assert losses[0].startswith("7 faults that the kernel counted neither")
    assert "2 recorded but not in this log" in losses
    assert "1 bad line left out, the first is line 2" in losses
    assert "the log has no head, its beginning may be missing" in losses


def test_two_recordings_in_one_dmesg_are_reported():
    text = b"".join(STAMPS[0] + line for line in LINES)
    assert "2 logs in one file" in examine(read(text * 2)).contradictions[0]


def test_other_lines_in_a_log_are_bad_as_before():
    text = compiler_log(60)
    junk = STAMPS[0] + b"random: crng init done\n"
    log = read(junk + text + junk + STAMPS[0] + MODULE + NEW)
    assert (log.oddities.nr_bad, log.oddities.first_bad) == (2, 1)
    assert len(log) == 61
    log = read(NEW + b"# more or less\n# more a=b\n# more a=1 b\n")
    assert log.oddities.nr_bad == 0 and log.summary == {}


def test_a_large_one_is_read_by_helpers(tmp_path, monkeypatch):
    monkeypatch.setattr("faultlog.parse.read.MIN_PART_BYTES", 100_000)
    monkeypatch.setattr(source, "LINE_BYTES", 1000)
    some = [fault(i, 4096 * i, tid=1, access="read") for i in range(9000)]
    text = b"".join(STAMPS[0] + line for line in LINES[:3])
    text += b"".join(STAMPS[0] + MODULE + line for line in some)
    text += (
        STAMPS[0]
        + MODULE
        + b"recorded=9000 retries=1 dropped=0 overwritten=0 missed=0\n"
    )
    text += STAMPS[0] + MODULE + b"unfinished=1: not recorded, as ...\n"
    (tmp_path / "dmesg").write_bytes(text)
    with source.open_log(str(tmp_path / "dmesg")) as file:
        log = read_log(file)
    whole = read_log(io.BytesIO(text), block_bytes=2000)
    for found in (log, whole):
        assert rows(found) == rows(read(b"".join(some)))
        assert found.head["pid"] == "4494" and found.count("unfinished") == 1
        assert examine(found).lines() == []


def test_tables_and_files_are_made_of_it(tmp_path):
    (tmp_path / "dmesg.txt").write_bytes(b"".join(STAMPS[0] + line for line in LINES))
    for options in (["--by"], ["-o", tmp_path / "x.csv"], ["-o", tmp_path / "x.png"]):
        done = run(tmp_path / "dmesg.txt", *options)
        assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "x.csv").read_text().count("\n") == 9


@pytest.mark.parametrize(
    "unit", [b"pf_probe_A: ", b"[1] ", b"a:b: ", b"x kernel: ", b"[" * 9]
)
def test_a_hostile_text_takes_no_longer(unit):
    text = unit * (400_000 // len(unit))
    log = read(text + b"\n" + text[:399] + NEW + text[:5])
    assert len(log) <= 1
