# SPDX-License-Identifier: GPL-2.0-or-later
"""Tables over time: moments, the filters of time, and long faults."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from faultlog.analyse.spread import spread
from logs import HEAD_AT_0, fault, read, run, summary
from printing import printed, table_of


@pytest.mark.parametrize("first_ms", [0, 700])
def test_moments_are_pieces_of_one_length_from_the_log_s_first_fault(
    tmp_path, first_ms
):
    times_ms = [0, 1, 2, 699, 700, 701, 705, 919, 920, 999, 1234]
    text = HEAD_AT_0 + b"".join(fault(5 + t * 10**6, 4096) for t in times_ms)
    (tmp_path / "x.log").write_bytes(text + summary(len(times_ms)))
    rows = table_of(tmp_path / "x.log", "--by", "time", "--from", f"{first_ms}ms")
    left = [t for t in times_ms if t >= first_ms]
    width = 20 if first_ms == 0 else 10  # fewer than 100 of them
    expected = Counter(t // width * width for t in left)
    assert {int(row["time"]): int(row["faults"]) for row in rows} == {
        t * 10**6: n for t, n in expected.items()
    }
    output = run(
        tmp_path / "x.log", "--by", "time", "--from", "1s", "--to", "9s"
    ).stdout
    assert "1.234 to 1.234000001 s" in output


MS = 10**6


def one_long_fault() -> bytes:
    """10 s of short faults, and one of 771 ms from 7.63 s on."""
    keys = {"tid": 1, "result": "minor", "map": "/a"}
    lines = [fault(i * 10 * MS, 4096, **keys, latency_ns=1000) for i in range(1000)]
    keys |= {"result": "major", "map": "/b"}
    lines.insert(763, fault(7630 * MS, 8192, **keys, latency_ns=771 * MS))
    return HEAD_AT_0 + b"".join(lines) + summary(len(lines))


def test_a_long_fault_s_time_is_in_all_moments_that_it_overlaps(tmp_path):
    """All 771 ms were in the interval of 100 ms in which it began."""
    path = tmp_path / "x.log"
    path.write_bytes(one_long_fault())
    rows = {
        int(row["time"]) // MS: row
        for row in table_of(path, "--by", "time,map")
        if row["map"] == "/b"
    }
    spent = {at: int(row["total_ns"]) // MS for at, row in rows.items()}
    assert spent == {7600: 70, **{at: 100 for at in range(7700, 8400, 100)}, 8400: 1}
    counts = {
        at: (row["faults"], row["major"], row["pages"]) for at, row in rows.items()
    }
    assert counts.pop(7600) == ("1", "1", "1")
    assert set(counts.values()) == {("0", "0", "0")}
    assert (rows[7600]["p99_ns"], rows[7700]["p99_ns"]) == ("771000000", "")
    by_time = table_of(path, "--by", "time")
    assert len(by_time) == 100
    assert sum(int(row["total_ns"]) for row in by_time) == 771 * MS + 1000 * 1000
    assert max(int(row["total_ns"]) for row in by_time) == 100 * MS + 10 * 1000


def test_filters_of_time_include_faults_in_progress(tmp_path):
    """--from 7.9s --to 8.3s did not find the fault that took all of that time."""
    path = tmp_path / "x.log"
    path.write_bytes(one_long_fault())
    options = ("--from", "7.901s", "--to", "7.909s", "--by", "map")
    (row,) = table_of(path, *options)
    assert (row["map"], row["faults"], row["total_ns"]) == ("/b", "1", "771000000")
    done = run(path, "--from", "8.401s", "--to", "8.409s", "--by", "map")
    assert "no faults match the filters (from 8.401s to 8.409s)" in done.stderr
    assert len(table_of(path, "--from", "8.4009999s", "--to", "8.409s", "--by")) == 1


def test_a_duration_ends_with_the_last_fault_to_end(tmp_path):
    """It was "1.00 s in them, within 2.00 ms" before."""
    keys = {"tid": 1, "result": "minor"}
    text = HEAD_AT_0 + fault(1000, 4096, **keys, latency_ns=1000)
    text += fault(2 * MS, 8192, **keys, latency_ns=1000 * MS) + summary(2)
    assert " in 1.00 s; 1.00 s spent in faults" in printed(tmp_path, text, "--by")[0]
    keys["latency_ns"] = (1 << 64) - 2  # ends at the end of 64 bits
    log = read(fault(5, 4096, **keys))
    assert log.duration_ns == (1 << 64) - 6


@pytest.mark.parametrize("seed", range(20))
def test_time_is_spread_as_fault_by_fault(seed):
    rng = np.random.default_rng(seed)
    width, n = int(rng.integers(1, 50)), 200
    begin = rng.integers(0, 1000, n).astype(np.uint64)
    end = begin + (rng.pareto(0.7, n) * 20).astype(np.uint64) % np.uint64(5000)
    key = rng.integers(0, 4, n)
    expected: Counter = Counter()
    for low, high, k in zip(begin.tolist(), end.tolist(), key.tolist()):
        for ns in range(low, high):
            expected[k, ns // width] += 1
    within, later = spread(begin, end, width, key)
    found: Counter = Counter()
    for k, piece, ns in zip(key, begin // np.uint64(width), within):
        found[int(k), int(piece)] += int(ns)
    for k, piece, ns in zip(later.key, later.piece, later.spent_ns):
        assert ns
        found[int(k), int(piece)] += int(ns)
    assert +found == expected


def test_moments_of_hours_and_days_are_whole_ones(tmp_path):
    """They were "20000 to 40000 s"."""
    day = 86400 * 10**9
    text = HEAD_AT_0 + b"".join(fault(i * day // 24, 4096) for i in range(240))
    (tmp_path / "x.log").write_bytes(text + summary(240))
    output = run(tmp_path / "x.log", "--by", "time", "--top", "0").stdout
    assert "  3 to 6 h\n" in output and "  237 to 240 h\n" in output
    text = HEAD_AT_0 + b"".join(fault(i * day, 4096) for i in range(240))
    (tmp_path / "x.log").write_bytes(text + summary(240))
    output = run(tmp_path / "x.log", "--by", "time", "--top", "0").stdout
    assert "  235 to 240 d\n" in output


def test_moments_of_long_logs_and_late_instants_are_written_as_options_accept_them(
    tmp_path,
):
    hour = 3600 * 10**9
    text = (
        HEAD_AT_0 + fault(0, 4096) + b"".join(fault(hour + i, 4096) for i in (1, 2, 3))
    )
    (tmp_path / "x.log").write_bytes(text + summary(4))
    output = run(tmp_path / "x.log", "--by", "time").stdout
    assert "  0 to 1 min\n" in output and "  60 to 61 min\n" in output
    lines = run(tmp_path / "x.log", "--by", "time", "--from", "60min", "--to", "1d")
    assert lines.stdout.splitlines()[0].split(": ")[1].startswith("3 faults")
    output = run(tmp_path / "x.log", "--by", "time", "--from", "100s").stdout
    assert "  3600.000000001 to 3600.000000002 s\n" in output
    assert "  3600.000000003 to 3600.000000004 s\n" in output
