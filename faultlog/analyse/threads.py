# SPDX-License-Identifier: GPL-2.0-or-later
"""The names of threads at the time of each fault, by "# comm", "# child" and "# exec" lines."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..base.arrays import NDArray
from ..base.moments import NEVER, latest
from ..parse.log import Log


def thread_names(log: Log) -> tuple[list[str], NDArray[np.int64]]:
    """The name that each fault's thread had at that time.

    Returns names, of which the first is "", unknown; and for each fault the index of its name;
    int64 (n,). Logs without "# comm" lines have none; those of other recorders have a name in
    each fault.
    """
    if log.comm is not None:
        return ["", *log.names["comm"][1:]], log.comm.astype(np.int64)
    lines = log.areas.tables["comm"]
    if not len(lines["time"]):
        return [""], np.zeros(len(log), dtype=np.int64)
    code_of: dict[str, int] = {"": 0}
    codes = [code_of.setdefault(name, len(code_of)) for name in log.areas.comms]
    events = log.events
    pids = np.array([event.pid for event in events], dtype=np.uint64)
    of_events = [code_of.setdefault(event.comm, len(code_of)) for event in events]
    code = np.concatenate([np.array(codes)[lines["comm"]], of_events]).astype(np.int64)
    time_ns = np.concatenate(
        [lines["time"], np.array([e.time_ns for e in events], dtype=np.uint64)]
    )
    line = np.concatenate(
        [lines["line"], np.array([e.line for e in events], dtype=np.int64)]
    )
    thread = np.concatenate([_thread(lines["pid"], lines["tid"]), _thread(pids, pids)])
    sort = np.lexsort((line, time_ns))
    order = np.empty(len(sort), dtype=np.int64)
    order[sort] = np.arange(len(sort))
    before = np.searchsorted(time_ns[sort], log.time_ns, side="right")
    named = latest(thread, order, _thread(log.pid, log.tid), before)
    # The threads of a process that had the same PID before have nothing to do with these.
    births = np.flatnonzero([event.kind == "child" for event in events])
    begin = order[len(lines["time"]) + births]
    born = latest(pids[births], begin, log.pid, before)
    found = np.where(named != NEVER, code[named], 0)
    if len(births):
        found[(born != NEVER) & (order[named] < begin[born])] = 0
    return list(code_of), found


def _thread(
    pid: NDArray[np.unsignedinteger[Any]], tid: NDArray[np.unsignedinteger[Any]]
) -> NDArray[np.uint64]:
    """One number for a thread of a process."""
    return pid.astype(np.uint64) << np.uint64(32) | tid.astype(np.uint64)


def last_names(log: Log, group: NDArray[np.integer[Any]], count: int) -> list[str]:
    """The last known name of the threads in each of count groups; "": unknown.

    group: of each fault, (n,), below count.
    """
    names, code = thread_names(log)
    rows = np.flatnonzero(code)
    last = np.zeros(count, dtype=np.int64)
    last[group[rows]] = code[rows]  # of equal groups the last is assigned last
    return [names[i] for i in last.tolist()]
