# SPDX-License-Identifier: GPL-2.0-or-later
"""Who faulted: rows of processes or programs."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from .log import Log

MAX_LANES = 12


@dataclass(frozen=True)
class Lanes:
    """Who faulted, a row each: a process, or all that run one program if many do."""

    names: list[str]  # in the order of their first faults, what is left over last
    lane: np.ndarray  # uint8 (n,), index into names


def find_lanes(log: Log, max_lanes: int = MAX_LANES) -> Lanes | None:
    """The rows of processes; None if the log is of one process, or not of children."""
    if not log.nr_children:
        return None
    pids, which = np.unique(log.pid, return_inverse=True)
    if len(pids) < 2:
        return None
    last_names = log.last_names()
    comms = [last_names.get(pid, "?") for pid in pids.tolist()]
    if len(pids) <= max_lanes:
        names = [f"{comm} {pid}" for comm, pid in zip(comms, pids)]
    else:
        many = {comm: n for comm, n in Counter(comms).items() if n > 1}
        names = [f"{c} \u00d7{many[c]:,}" if c in many else c for c in comms]
    titles, lane_of_pid = np.unique(names, return_inverse=True)
    lane = lane_of_pid[which]
    first = np.full(len(titles), np.iinfo(np.uint64).max, dtype=np.uint64)
    np.minimum.at(first, lane, log.time_ns)
    shown = np.arange(len(titles))
    if len(titles) > max_lanes:
        shown = np.argsort(-np.bincount(lane), kind="stable")[: max_lanes - 1]
    shown = shown[np.argsort(first[shown], kind="stable")]
    row = np.full(len(titles), len(shown))
    row[shown] = np.arange(len(shown))
    rows = titles[shown].tolist()
    nr_others = np.count_nonzero(row[lane_of_pid] == len(shown))
    if nr_others:
        rows.append(f"{nr_others:,} others")
    return Lanes(rows, row[lane].astype(np.uint8))
