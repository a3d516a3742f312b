# SPDX-License-Identifier: GPL-2.0-or-later
"""Rows of processes, programs, threads."""

from __future__ import annotations

import time

import numpy as np
from faultlog.draw import lanes, panels
from logs import HEAD, HEAD_AT_0, NEW, drawn, family_log, fault, read, summary, texts


def test_one_child_and_none():
    assert "PID 4494 and 1 child\n" in texts(drawn(family_log(["sh"])))
    alone = HEAD + NEW + summary(1).replace(b"\n", b" children=0\n")
    assert "PID 4494\n" in texts(drawn(alone))
    # A child without faults.
    assert lanes.find_lanes(read(alone.replace(b"children=0", b"children=1"))) is None


def test_many_processes_share_rows_by_program():
    comms = ["sh", "cc1", "as"] * 20 + ["ld"]
    found = lanes.find_lanes(read(family_log(comms)))
    assert found.names == ["cc1plus 4494", "sh ×20", "cc1 ×20", "as ×20", "ld 5060"]
    assert np.bincount(found.lane).tolist() == [3, 60, 60, 60, 3]


def test_many_programs_leave_a_row_for_the_others():
    comms = [f"p{i}" for i in range(40)] + ["p7"] * 5
    found = lanes.find_lanes(read(family_log(comms)))
    assert len(found.names) == lanes.MAX_LANES
    assert found.names[-1] == "30 others"
    assert "p7 ×6" in found.names
    counts = np.bincount(found.lane)
    assert counts[found.names.index("p7 ×6")] == 18
    assert counts[-1] == 90 and counts.sum() == 3 * 46


def test_names_of_rows_and_files_fit():
    assert lanes.lane_label("cc1 125") == "cc1 125"
    assert lanes.lane_label("cc1plus") == "cc1plus"
    assert lanes.lane_label("abcdefghijkl001 4000001") == "abcdefghijk… 4000001"
    assert panels.file_label("/usr/lib/libc.so.6") == "libc.so.6"
    assert panels.file_label("/memfd:a b (deleted)") == "memfd:a b"
    assert (
        panels.file_label("/" + "x" * 30 + ".so.7")
        == "x" * 10 + "…" + "x" * 5 + ".so.7"
    )


def test_region_labels_fit():
    assert panels.region_label([]) == ""
    assert panels.region_label(["heap"]) == "heap"
    assert panels.region_label(["code", "data"]) == "code, data"
    assert (
        panels.region_label(["special", "stack", "file", "anon"]) == "special, stack +2"
    )
    assert panels.region_label(["x" * 99]) == "x" * 10 + "…" + "x" * 9


def test_the_traced_process_is_never_among_the_others():
    """Even if it has one fault, and 40 programs have many."""
    text = family_log([f"p{i}" for i in range(40)], nr_each=9)
    lines = text.splitlines(keepends=True)
    found = lanes.find_lanes(read(lines[0] + b"".join(lines[9:])))
    assert found.names[0] == "cc1plus 4494"
    assert np.bincount(found.lane)[0] == 1
    assert len(found.names) == lanes.MAX_LANES


def test_a_fault_is_in_the_row_of_the_program_that_ran_at_its_time():
    text = HEAD_AT_0 + (
        fault(1, 0x1000)
        + b"# child time=2 pid=7 ppid=4494 comm=cc1plus\n"
        + fault(3, 0x1000, pid=7) * 2
        + b"# exec time=4 pid=7 comm=as\n"
        + fault(5, 0x1000, pid=7) * 3
    )
    found = lanes.find_lanes(read(text))
    assert found.names == ["cc1plus 4494", "cc1plus 7", "as 7"]
    assert np.bincount(found.lane).tolist() == [1, 2, 3]


def test_of_200_processes_of_one_name_the_slow_one_is_seen():
    lines = [HEAD_AT_0, fault(0, 0x1000, access="read", result="minor", latency_ns=5)]
    for pid in range(5000, 5200):
        lines.append(f"# child time={pid} pid={pid} ppid=4494 comm=sh\n".encode())
        for i in range(4):
            latency = 10**7 if pid == 5077 else 1000 + i
            keys = {"result": "minor", "latency_ns": latency}
            lines.append(fault(pid + i, 0x1000 * i, pid, access="read", **keys))
    found = lanes.find_lanes(read(b"".join(lines)))
    assert found.names == ["cc1plus 4494", "sh ×199", "sh 5077"]
    assert np.bincount(found.lane).tolist() == [1, 796, 4]
    assert "over 5 times their program's median" in texts(drawn(b"".join(lines)))


def test_as_many_programs_as_processes_take_no_longer():
    """2 MB of .gz with 262,000 of each took minutes."""

    def cpu_s(comm: str) -> float:
        lines = [HEAD_AT_0, fault(0, 0x1000)]
        for pid in range(5000, 45_000):
            comm_of_pid = comm.format(pid).encode()
            lines.append(
                b"# child time=1 pid=%d ppid=4494 comm=%s\n" % (pid, comm_of_pid)
            )
            lines.append(fault(2, 0x1000, pid))
        log = read(b"".join(lines))
        began = time.process_time()
        assert len(lanes.find_lanes(log).names) > 1
        return time.process_time() - began

    assert cpu_s("p{}") < 4 * cpu_s("p") + 0.5
