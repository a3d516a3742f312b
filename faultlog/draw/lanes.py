# SPDX-License-Identifier: GPL-2.0-or-later
"""Lanes: rows over time, each for a process, a program or a thread."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..analyse.threads import last_names
from ..base.arrays import NDArray
from ..base.packed import number
from ..parse.log import Log
from .panels import cost_of

MAX_LANES, MAX_THREADS = 12, 48
MAX_SLOW = 3  # slow processes that are shown separately from others of their program
SLOW = 5  # a process is slow if it costs more than so many times its program's median


@dataclass(frozen=True)
class Lanes:
    """The rows, and the row of each fault."""

    names: list[str]  # in the order of their first faults; "N others" is last
    lane: NDArray[np.uint8]  # each fault's index into names; uint8 (n,)
    notes: tuple[str, ...] = ()


def find_lanes(log: Log, max_lanes: int = MAX_LANES) -> Lanes | None:
    """Rows of processes, or of programs if there are many; None for a single process.

    A fault belongs to the program that its process ran at that time. The traced process always
    has rows of its own, and so have processes that cost more than SLOW times their program's
    median.
    """
    if not log.has_several:
        return None
    programs, program = log.programs()
    both = log.process.astype(np.uint64) << np.uint64(32) | program
    tasks, task = np.unique(both, return_inverse=True)
    pid, comm = (tasks >> np.uint64(32)).tolist(), (
        tasks & np.uint64(0xFFFFFFFF)
    ).tolist()
    cost = cost_of(log, task, len(tasks))
    single = [f"{programs[c]} {log.process_text(p)}" for p, c in zip(pid, comm)]
    if len(tasks) <= max_lanes:
        return _rows(log, single, task, max_lanes, set())
    comm = np.array(comm)
    own = {i for i, p in enumerate(pid) if p == log.main_pid}
    own = set(sorted(own, key=lambda i: -cost[i])[: max_lanes // 3])
    usual = np.maximum(_medians(cost, comm), 1e-9)
    slow = [i for i in np.argsort(-cost / usual) if cost[i] > SLOW * usual[i]]
    slow = [i for i in slow if i not in own][:MAX_SLOW]
    grouped = np.array([i not in own and i not in slow for i in range(len(tasks))])
    sizes = np.bincount(comm[grouped], minlength=len(programs))
    names = [
        single[i]
        if not grouped[i] or sizes[c] == 1
        else f"{programs[c]} \u00d7{sizes[c]:,}"
        for i, c in enumerate(comm.tolist())
    ]
    must = {single[i] for i in (*own, *slow)}
    found = _rows(log, names, task, max_lanes, must)
    note = f"shown separately: processes over {SLOW} times their program's median cost"
    return Lanes(found.names, found.lane, (note,) if slow else ())


def _medians(
    cost: NDArray[np.number[Any]], comm: NDArray[np.int64]
) -> NDArray[np.float64]:
    """For each task the median of what tasks of its program cost; (n,).

    cost: of each task, (n,); comm: the code of its program, (n,).
    """
    order = np.lexsort((cost, comm))
    starts = np.flatnonzero(np.diff(comm[order], prepend=-1))
    sizes = np.diff(np.append(starts, len(comm)))
    ranked = cost[order].astype(np.float64)
    medians = (ranked[starts + (sizes - 1) // 2] + ranked[starts + sizes // 2]) / 2
    found = np.empty(len(comm))
    found[order] = np.repeat(medians, sizes)
    return found


def find_threads(log: Log, max_lanes: int = MAX_THREADS) -> Lanes:
    """Rows of threads; if there are too many, of the most expensive ones.

    A thread has its last name, or if the log has none, its process's last program.
    """
    has_tid = log.known("tid")
    thread, first = number(log.process, has_tid, log.tid)
    programs, program = log.programs()
    last = np.zeros(len(first), dtype=np.int64)
    last[thread] = program
    tids = [
        tid if is_known else "unknown"
        for tid, is_known in zip(log.tid[first], has_tid[first])
    ]
    processes = map(log.process_text, log.process[first].tolist())
    own = last_names(log, thread, len(first))
    names = [
        f"{name or programs[c]} {t}{''.join(process.partition('~')[1:])}"
        for name, c, t, process in zip(own, last, tids, processes)
    ]
    main = [name for name, t in zip(names, tids) if t == log.main_pid]
    return _rows(log, names, thread, max_lanes, {*main})


def _rows(
    log: Log, names: list[str], which: NDArray[np.int64], max_lanes: int, must: set[str]
) -> Lanes:
    """Rows of faults by name, the most expensive ones and must; the rest in "N others".

    which: each fault's index into names, (n,). Entries of the same name share a row.
    """
    titles, lane_of = np.unique(names, return_inverse=True)
    lane = lane_of[which]
    first = np.full(len(titles), np.iinfo(np.uint64).max, dtype=np.uint64)
    np.minimum.at(first, lane, log.time_ns)
    shown = np.arange(len(titles))
    if len(titles) > max_lanes:
        cost = cost_of(log, lane, len(titles)).astype(np.float64)
        cost[[title in must for title in titles.tolist()]] = np.inf
        shown = np.argsort(-cost, kind="stable")[: max_lanes - 1]
    shown = shown[np.argsort(first[shown], kind="stable")]
    row = np.full(len(titles), len(shown))
    row[shown] = np.arange(len(shown))
    rows = titles[shown].tolist()
    nr_others = int(np.count_nonzero(row[lane_of] == len(shown)))
    if nr_others:
        rows.append(f"{nr_others:,} others")
    return Lanes(rows, row[lane].astype(np.uint8))


def lane_label(name: str, width: int = 20) -> str:
    """A row's name, shortened to width; the number at its end is kept."""
    comm, blank, number = name.rpartition(" ")
    room = width - len(blank + number)
    if len(name) <= width or room < 2:
        return name[:width]
    return comm[: room - 1] + "…" + blank + number
