# SPDX-License-Identifier: GPL-2.0-or-later
"""The sentences under a table: what its figures mean for the run, and what can be done.

They contain only what the log's numbers show. What a number could mean, but need not, is left out.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..base.arrays import NDArray
from ..base.packed import pack
from ..base.words import plural, time_text
from ..parse.log import MAJOR, MINOR, Log
from . import warm
from .outputs import Job

LITTLE = 0.01  # of the run; below it, faults are not what makes the run slow
WORTH_ADVICE = 0.1  # of the time in faults
MOST = 0.5
# Mappings without a file that grow as the program asks for memory.
WITHOUT_FILE = ("anon", "[heap]")


def columns() -> set[str]:
    """The columns of a log that of_table() needs."""
    return {*warm.COLUMNS, "tid"}


def of_table(job: Job) -> str:
    """What the faults of a table cost, which part was major, and what helps against it."""
    log = job.log
    nr_timed = int(np.count_nonzero(log.known("latency_ns")))
    spent = _total(log)
    if not nr_timed:
        return f"The time in faults is unknown: the log has no latencies ({log.outcome_hint})."
    if not spent:
        return ""
    nr_threads = _nr_threads(job.whole)
    can_share = nr_threads == 1 and nr_timed == len(log) and not job.filters
    share = _share_of_run(job, spent) if can_share else None
    found = [_cost(job, spent, share, nr_threads)]
    if nr_timed < len(log):
        nr_left = plural(len(log) - nr_timed, "fault")
        found[0] += f" This leaves out {nr_left} without a latency."
    if share is not None and share < LITTLE:
        # Without children=1 it may wait for the faults of a process that it started.
        whose = "Page faults" if "children" in log.summary else "Its own page faults"
        return f"{found[0]} {whose} are not what makes it slow."
    if log.has_outcomes:
        found += _causes(log, spent)
    return " ".join(found)


def _total(log: Log, rows: NDArray[Any] | slice = slice(None)) -> float:
    """The time of these faults in ns; as a float, which cannot overflow."""
    return float(log.spent_ns(rows).sum(dtype=np.float64))


def _nr_threads(log: Log) -> int:
    """The number of threads with faults; 0: not known."""
    if not log.known("tid").all():
        return 0
    return len(np.unique(pack(log.process, log.tid)))


def _share_of_run(job: Job, spent: float) -> float | None:
    """The share of the time from the first fault to the last that was spent in faults.

    None: faults are missing, or the log contradicts itself. Of several threads the sum would be
    no share, because they can wait at the same time.
    """
    is_sound = not (job.verdict.losses or job.verdict.contradictions)
    duration = job.whole.duration_ns
    if not is_sound or len(job.whole) < 2:
        return None
    return spent / duration if spent <= duration else None


def _cost(job: Job, spent: float, share: float | None, nr_threads: int) -> str:
    """The first sentence: how much time, and of what."""
    took = f"took {time_text(spent)}"
    if job.filters:
        of_all = _total(job.whole)
        text = f"The selected faults {took}: {_percent(spent / of_all)} of the "
        text += f"{time_text(of_all)} of all faults"
    elif share is not None:
        text = f"Faults {took}: {_percent(share)} of the "
        text += f"{time_text(job.whole.duration_ns)} from the first fault to the last"
    elif nr_threads > 1:
        text = f"Faults {took}, summed over {plural(nr_threads, 'thread')}"
    else:
        text = f"The faults of this log {took}"
    return f"{text}."


def _causes(log: Log, spent: float) -> list[str]:
    """Further sentences: how much of the time was in which kind of fault."""
    is_major = log.result == MAJOR
    nr_major = int(np.count_nonzero(is_major))
    found = []
    if nr_major == len(log):
        text = "All of them are major" if nr_major > 1 else "It is major"
        found.append(f"{text}{_preload(log, is_major, spent)}.")
    elif nr_major:
        text = f"{_percent(_total(log, is_major) / spent)} of it was in "
        text += plural(nr_major, "major fault")
        found.append(f"{text}{_preload(log, is_major, spent)}.")
    else:
        found.append("None of them is major.")
    names = [name in WITHOUT_FILE for name in log.names["map"]]
    is_new = (log.result == MINOR) & np.array(names)[log.map]
    if _total(log, is_new) >= MOST * spent:
        nr_new = plural(int(np.count_nonzero(is_new)), "minor fault")
        found.append(
            f"{_percent(_total(log, is_new) / spent)} of the time was in {nr_new} on heap and "
            "anonymous memory: there are fewer if the program reuses memory, or has larger pages."
        )
    return found


def _preload(log: Log, is_major: NDArray[np.bool_], spent: float) -> str:
    """The end of the sentence on major faults, if most of their time is in readable files."""
    cost = _total(log, is_major)
    in_files = _total(log, is_major & warm.in_files(log))
    if cost < WORTH_ADVICE * spent or in_files < MOST * cost:
        return ""
    its = "its" if np.count_nonzero(is_major) == 1 else "their"
    return f"; to preload {its} data: -o warm.sh"


def _percent(share: float) -> str:
    """A share of 0 to 1: "67 %", "5.9 %"; never 0 or 100 by rounding."""
    percent = 100 * share
    if 0 < percent < 0.1:
        return "less than 0.1 %"
    if 99.9 < percent < 100:
        return "more than 99.9 %"
    return f"{percent:.{0 if 10 <= percent < 99 or percent == 100 else 1}f} %"


WHAT = {
    "total": "Time in faults",
    "faults": "The number of faults",
    "major": "The number of major faults",
}


def of_comparison(
    measure: str, before: float, after: float, differs: bool | None, is_selection: bool
) -> str:
    """How a measure, a key of WHAT, changed; differs: significantly, None if it was not tested."""
    what = WHAT[measure]
    if is_selection:
        what = what.replace("in faults", "in the selected faults")
        what = what.replace("of ", "of selected ")
    if before == after:
        return f"{what} did not change."
    if differs is False:
        return f"{what}: no change that exceeds run-to-run variation was found."
    change = abs(after - before)
    by = time_text(round(change)) if measure == "total" else f"{change:,.10g}"
    text = f"{what} {'fell' if after < before else 'rose'} by {by}"
    if before:
        text += f" ({_percent(change / before)})"
    if differs:
        return f"{text}, which exceeds run-to-run variation."
    return f"{text}. With so few runs, that may be chance."
