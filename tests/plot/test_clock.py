# SPDX-License-Identifier: GPL-2.0-or-later
"""Times of day, which the head of a log makes known."""

from __future__ import annotations

import csv
import json
from datetime import datetime, timedelta, timezone

import numpy as np
import pytest
from faultlog.parse import clock
from logs import FAMILY, HEAD, OLD, fault, read, run, summary

MS = 10**6
LOADED = 1389595000000  # of HEAD, at 2020-05-04T01:47:37.123456789Z
START = datetime(2020, 5, 4, 1, 47, 37, tzinfo=timezone.utc)
START_NS = 123456789  # more


def log_of(times_ms: list[int], latency_ns: int = 10) -> bytes:
    """A log with faults at these times after the recording began."""
    keys = {"tid": 1, "result": "minor", "latency_ns": latency_ns, "map": "/a"}
    lines = [fault(LOADED + t * MS, 4096 * i, **keys) for i, t in enumerate(times_ms)]
    return HEAD + b"".join(lines) + summary(len(lines))


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "x.log"
    path.write_bytes(log_of([0, 300, 301, 1900]))
    return path


def in_csv(path, *options: str, **env: str) -> list[dict[str, str]]:
    done = run(path, "--csv", "--wall-clock", *options, **env)
    assert (done.returncode, done.stderr.replace("Names: ", "")) == (0, "")
    return list(csv.DictReader(done.stdout.splitlines()))


def utc(ns: int) -> str:
    """A time of day in ns after START, without any code of the plotter."""
    at = START + timedelta(seconds=(START_NS + ns) // 10**9)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{(START_NS + ns) % 10**9:09}Z"


def test_intervals_begin_at_round_times_of_day(path):
    rows = in_csv(path, "--by", "time", "--sort", "key")
    assert [(row["time"], row["faults"]) for row in rows] == [
        ("2020-05-04T01:47:37.120000000Z", "1"),
        ("2020-05-04T01:47:37.420000000Z", "2"),
        ("2020-05-04T01:47:39.020000000Z", "1"),
    ]
    lines = run(path, "--by", "time", "--wall-clock", TZ="UTC").stdout.splitlines()
    assert lines[1] == "Times are times of day, from 2020-05-04, UTC"
    assert any(line.endswith("  01:47:37.42 to 01:47:37.44") for line in lines)


@pytest.mark.parametrize(
    "zone, note, time",
    [
        ("Asia/Kolkata", "2020-05-04, UTC+05:30", "07:17:37.423456"),
        ("America/New_York", "2020-05-03, UTC-04:00", "21:47:37.423456"),
        ("UTC", "2020-05-04, UTC", "01:47:37.423456"),
    ],
)
def test_times_are_local(path, zone, note, time):
    lines = run(path, "--slowest", "--wall-clock", TZ=zone).stdout.splitlines()
    assert f"Times are times of day, from {note}" in lines
    assert any(line.startswith(f"{time}  ") for line in lines)
    rows = in_csv(path, "--slowest", TZ=zone)
    assert [row["wall_time"] for row in rows] == [
        utc(t * MS) for t in (0, 300, 301, 1900)
    ]


def test_hours_begin_at_full_hours_of_the_time_zone(tmp_path):
    path = tmp_path / "x.log"
    path.write_bytes(log_of([0, 50 * 3600 * 1000]))
    lines = run(path, "--by", "time", "--wall-clock", TZ="Asia/Kolkata").stdout
    assert "  2020-05-04 07:00 to 2020-05-04 08:00\n" in lines
    assert "  2020-05-06 09:00 to 2020-05-06 10:00\n" in lines


def test_a_long_fault_s_time_is_in_all_intervals(tmp_path):
    path = tmp_path / "x.log"
    path.write_bytes(log_of([0, 990], latency_ns=25 * MS))
    rows = in_csv(path, "--by", "time", "--sort", "key")
    spent = {row["time"][17:23]: int(row["total_ns"]) for row in rows}
    assert spent == {
        "37.120": 16543211,  # until 37.14
        "37.140": 25 * MS - 16543211,
        "38.100": 6543211,
        "38.120": 25 * MS - 6543211,
    }


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_rows_have_the_time_of_day(path, suffix):
    output = path.with_suffix(suffix)
    assert run(path, "-o", output).returncode == 0
    assert "wall_time" not in output.read_text()
    assert run(path, "--wall-clock", "-o", output, TZ="Asia/Kolkata").returncode == 0
    lines = output.read_text().splitlines()
    rows = list(csv.DictReader(lines) if suffix == ".csv" else map(json.loads, lines))
    for row, time_ms in zip(rows, (0, 300, 301, 1900)):
        assert row["wall_time"] == utc(time_ms * MS)
        assert int(row["time_ns"]) == LOADED + time_ms * MS


@pytest.mark.parametrize(
    "text",
    [FAMILY, OLD],
)
def test_a_log_without_a_time_of_day_is_refused(tmp_path, text):
    (tmp_path / "x.log").write_bytes(text)
    done = run(tmp_path / "x.log", "--by", "time", "--wall-clock")
    assert (done.returncode, done.stdout) == (1, "")
    assert (
        "no time of day for --wall-clock; the head of the log must have" in done.stderr
    )


@pytest.mark.parametrize(
    "options",
    [[], ["--by"], ["-o", "x.svg"], ["-o", "x.sqlite"], ["--compare", "x.log"]],
)
def test_other_outputs_have_no_times_of_day(path, options):
    done = run(path, "--wall-clock", *options, cwd=path.parent)
    assert done.returncode == 1
    assert "--wall-clock is for --by time, --slowest, .csv and .jsonl" in done.stderr


@pytest.mark.parametrize(
    "head, latency_ns",
    [
        (HEAD.replace(b"epoch=1588556857", b"epoch=99999999999"), 1),
        (HEAD, (1 << 64) - 2 - LOADED),  # a fault that ends after 2262
    ],
)
@pytest.mark.parametrize("options", [["--by", "time"], ["--slowest"], ["-o", "x.csv"]])
def test_times_far_away_are_refused(tmp_path, head, latency_ns, options):
    lines = [fault(LOADED + i, 0, tid=1, latency_ns=latency_ns) for i in (1, 2)]
    (tmp_path / "x.log").write_bytes(head + b"".join(lines))
    done = run("x.log", *options, "--wall-clock", cwd=tmp_path)
    assert done.returncode == 1
    assert "x.log: --wall-clock: times before 1970 or after 2262\n" in done.stderr


def test_all_times_that_a_head_allows():
    """The sums of 64 bits do not overflow, or are refused."""
    for epoch, loaded, time_ns in (
        ("0", 1, 1),
        ("9223372036", 0, 1),
        ("0", 9223372036854775807, (1 << 64) - 2),
        ("9000000000", 9223372036854775807, (1 << 63) + 5),
    ):
        head = f"# pf_probe_B version=1.0 pid=1 comm=x loaded={loaded} epoch={epoch}\n"
        log = read(head.encode() + fault(5, 0))
        log.time_ns = np.array([time_ns], dtype=np.uint64)
        boot = clock.required(log, "x")
        expected = np.datetime64(time_ns + boot, "ns")
        assert clock.utc(log.time_ns, boot)[0].decode() == f"{expected}Z"
        assert len(clock.text(time_ns + boot, 1000, True)) == 26


@pytest.mark.parametrize(
    "step_ns, expected",
    [
        (1, "01:47:37.000000120"),
        (20, "01:47:37.00000012"),
        (500 * MS, "01:47:37.0"),
        (10**9, "01:47:37"),
        (30 * 10**9, "01:47:37"),
        (60 * 10**9, "01:47"),
    ],
)
def test_digits(step_ns, expected, monkeypatch):
    monkeypatch.setattr(clock, "local", lambda ns: START)
    assert (
        clock.text(int(START.timestamp()) * 10**9 + 120, step_ns, False) == expected
    )
