# SPDX-License-Identifier: GPL-2.0-or-later
"""Which of its process's address spaces a fault was in: exec gives a process a new one."""

from __future__ import annotations

import numpy as np

from ..base.arrays import NDArray
from ..base.packed import pack
from ..parse.log import Log

MAX_MARKED = 20  # changes of the address space that pictures and pages mark


def runs(log: Log) -> NDArray[np.int64]:
    """How many address spaces each fault's process had before this one; int64 (n,).

    By "# space" lines, or in a log without those by "# exec" lines.
    """
    lines = log.areas.tables["space"]
    pid, time_ns = lines["pid"], lines["time"]
    if not len(pid):
        execs = [event for event in log.events if event.kind == "exec"]
        pid = np.array([event.pid for event in execs], dtype=np.uint32)
        time_ns = np.array([event.time_ns for event in execs], dtype=np.uint64)
    if not len(pid):
        return np.zeros(len(log), dtype=np.int64)
    births = [event for event in log.events if event.kind == "child"] * bool(log.reused)
    # All in one order, by process and time: lines, births and faults.
    born_pid = np.array([birth.pid for birth in births], dtype=np.uint64)
    born_ns = np.array([birth.time_ns for birth in births], dtype=np.uint64)
    rows = pack(
        np.concatenate([pid.astype(np.uint64), born_pid, log.pid.astype(np.uint64)]),
        np.concatenate([time_ns, born_ns, log.time_ns]),
    )
    n, m = len(pid), len(pid) + len(births)
    found = np.searchsorted(np.sort(rows[:n]), rows[n:], side="right")
    # Those of other processes, and of the one that had the same PID before.
    before = np.searchsorted(np.sort(pid), log.pid)
    if births:
        born = np.argsort(rows[n:m], kind="stable")
        last = np.searchsorted(rows[n:m][born], rows[m:], side="right") - 1
        birth = born[np.maximum(last, 0)]
        is_own = (last >= 0) & (born_pid[birth] == log.pid)
        before = np.where(is_own, found[birth], before)
    return found[m - n :] - before


def numbered(log: Log, whole: Log) -> NDArray[np.int64]:
    """As runs(), but counted from the first that has faults in the whole log; int64 (n,)."""
    processes, which = np.unique(whole.process, return_inverse=True)
    of_whole = runs(whole)
    first = np.full(len(processes), of_whole.max(initial=0))
    np.minimum.at(first, which, of_whole)
    return runs(log) - first[np.searchsorted(processes, log.process)]


def changes(log: Log) -> NDArray[np.uint64]:
    """When a log's only process had its first fault in each further address space; ns, (m,).

    Empty for several processes: their programs are in lanes, and each has its own memory anyway.
    """
    if not len(log) or not log.is_of_one_process:
        return np.zeros(0, dtype=np.uint64)
    spaces, which = np.unique(runs(log), return_inverse=True)
    first = np.full(len(spaces), np.iinfo(np.uint64).max, dtype=np.uint64)
    np.minimum.at(first, which, log.time_ns)
    return first[1:]


def owners(log: Log) -> NDArray[np.uint64]:
    """A number for the address space that each fault's page is in; uint64 (n,).

    Processes share none, and neither do the programs that one executes.
    """
    return pack(log.process, runs(log))
