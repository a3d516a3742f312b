# SPDX-License-Identifier: GPL-2.0-or-later
"""A table of single faults: those that took longest."""

from __future__ import annotations

import argparse

import numpy as np

from ..analyse.groups import KEYS, UNKNOWN, Groups
from ..analyse.threads import thread_names
from ..base.arrays import NDArray
from ..base.error import LogError
from ..base.fit import shortened
from ..base.words import plural, time_text, time_unit
from ..parse import clock
from ..parse.log import MAJOR, Log, has_failed
from .outputs import Job
from .rows import BLOCK, csv_line
from .table import heading
from .terminal import (
    BAR,
    BOLD,
    CYAN,
    RED,
    YELLOW,
    Grid,
    Terminal,
    bar,
    put,
    terminal,
    warn,
)

DIGITS = {"s": 6, "ms": 3, "µs": 3}  # of times behind the point, by unit
MAX_WORD = 20  # characters of programs, results ...; the kernel's have fewer
NAME_CHARS = (24, 16)  # of mapping and function, for which figures give way
GIVE_WAY = (BAR, "address", "thread", "access", "result")
HEADER = (
    *("time_ns", "elapsed_ns", "latency_ns", "pid", "tid", "program", "address"),
    *("map", "offset", "function", "access", "result", "threadname"),
)


def columns(_options: argparse.Namespace) -> set[str]:
    """The columns of a log that the table needs."""
    return {"latency_ns", "result", "access", "mode", "map", "offset", "ip", "tid"}


def check(options: argparse.Namespace) -> None:
    """Raise LogError for options that are for other tables."""
    for option, why in (
        ("sort", "--slowest sorts by latency"),
        ("top", "give the number of rows as --slowest N"),
    ):
        if getattr(options, option) is not None:
            raise LogError(f"--{option}: {why}; leave --{option} out")


def write(job: Job) -> None:
    """Print the table."""
    if not job.log.known("latency_ns").any():
        raise LogError(
            f"{job.name}: no latencies, for --slowest: {job.log.outcome_hint}"
        )
    rows = slowest(job.log, job.options.slowest)
    log = job.log.take(rows)
    functions = KEYS["function"].groups(log, job.whole)
    notes = list(dict.fromkeys([*job.notes, *functions.notes]))
    if job.options.csv:
        put(csv_line(HEADER + ("wall_time",) * (log.boot_ns is not None)))
        for begin in range(0, len(log), BLOCK):
            part = slice(begin, begin + BLOCK)
            codes = functions.codes[part]
            names = [functions.plain(code) for code in codes.tolist()]
            put(csv_text(log.take(part), job.whole, names))
        warn(*notes)
        return
    to = terminal()
    spent, whole = int(log.spent_ns().sum()), int(job.log.spent_ns().sum())
    share = f", {100 * spent / whole:.1f} % of the time in faults" if whole else ""
    sums = f"The {plural(len(log), 'longest fault')} took {time_text(spent)}{share}"
    lines = heading(job, [sums, *notes], to)
    lines += grid(log, job.whole, functions, to).lines(to)
    put("".join(line + "\n" for line in lines))


def slowest(log: Log, count: int) -> NDArray[np.int64]:
    """Indices of the count faults (0: all) with the largest latencies, (m,), those first.

    Of equal ones, the earlier first. Faults without a latency are left out.
    """
    rows = np.flatnonzero(log.known("latency_ns"))
    if count and count < len(rows):
        # All that are as long as the last one, of which some are left out below.
        least = np.partition(log.latency_ns[rows], len(rows) - count)[len(rows) - count]
        rows = rows[log.latency_ns[rows] >= least]
    order = np.lexsort((log.time_ns[rows], ~log.latency_ns[rows]))
    return rows[order][: count or len(rows)]


def _elapsed(log: Log, whole: Log) -> list[int]:
    """Times since the first fault of the whole log, in ns."""
    return (log.time_ns - whole.time_ns.min()).tolist()


def times(log: Log, whole: Log) -> list[str]:
    """Times of day, or since the first fault, all in one unit that --from accepts."""
    if log.boot_ns is not None:
        of_day = [log.boot_ns + ns for ns in log.time_ns.tolist()]
        with_date = not clock.is_of_one_day(min(of_day), max(of_day))
        return [clock.text(ns, 1000, with_date) for ns in of_day]
    elapsed_ns = _elapsed(log, whole)
    length, unit = min(time_unit(max(elapsed_ns)), (1e9, "s"))
    digits = DIGITS.get(unit, 0)
    return [f"{ns / length:.{digits}f} {unit}" for ns in elapsed_ns]


def _tids(log: Log, missing: str) -> list[str]:
    known = log.known("tid").tolist()
    return [
        str(t) if is_known else missing for t, is_known in zip(log.tid.tolist(), known)
    ]


def _labels(key: str, log: Log, whole: Log) -> list[str]:
    """The text of each fault, as a table by this key has it."""
    found = KEYS[key].groups(log, whole)
    return [found.label(code) for code in found.codes.tolist()]


def grid(log: Log, whole: Log, functions: Groups, to: Terminal) -> Grid:
    """The table's cells, in the order of the log."""
    names, program = log.programs()
    threads, thread = thread_names(log)
    latencies = log.latency_ns.tolist()
    labels = [functions.label(code) for code in functions.codes.tolist()]
    cells = {
        "time": times(log, whole),
        "latency": list(map(time_text, latencies)),
        BAR: [bar(ns, max(latencies)) for ns in latencies],
        "thread": [
            f"{shortened(threads[own] or names[code], MAX_WORD)} {tid}"
            for own, code, tid in zip(
                thread.tolist(), program.tolist(), _tids(log, UNKNOWN)
            )
        ],
        "access": [shortened(text, MAX_WORD) for text in _labels("access", log, whole)],
        "result": [shortened(text, MAX_WORD) for text in _labels("result", log, whole)],
        "address": list(map(hex, log.address.tolist())),
    }
    if not to.has_bars:
        del cells[BAR]
    figures = {name: [name * (name != BAR), *of] for name, of in cells.items()}
    texts = {"map": _labels("offset", log, whole), "function": labels}
    if set(labels) == {UNKNOWN}:
        del texts["function"]
    columns = [[name, *of] for name, of in texts.items()]
    wanted = [min(max(map(len, of)), limit) for of, limit in zip(columns, NAME_CHARS)]
    styles = {(BAR, i + 1): CYAN for i in range(len(log))}
    failed = has_failed(log.result).tolist()
    for i, code in enumerate(log.result.tolist()):
        styles["result", i + 1] = RED if failed[i] else YELLOW if code == MAJOR else ""
    return Grid(figures, columns, wanted, GIVE_WAY, styles, {0: BOLD})


def csv_text(log: Log, whole: Log, functions: list[str]) -> str:
    """Rows of CSV; values that were not recorded are empty. functions: of each fault."""
    of_day: list[bytes] = []
    if log.boot_ns is not None:
        of_day = clock.utc(log.time_ns, log.boot_ns).tolist()
    names, program = log.programs()
    threads, thread = thread_names(log)
    has_offset = log.known("offset").tolist()
    rows = zip(
        log.time_ns.tolist(),
        _elapsed(log, whole),
        log.latency_ns.tolist(),
        log.pid.tolist(),
        _tids(log, ""),
        [names[code] if names[code] != "?" else "" for code in program.tolist()],
        map(hex, log.address.tolist()),
        [log.names["map"][code] for code in log.map.tolist()],
        [n if is_known else "" for n, is_known in zip(log.offset.tolist(), has_offset)],
        functions,
        [log.names["access"][code] for code in log.access.tolist()],
        [log.names["result"][code] for code in log.result.tolist()],
        [threads[code] for code in thread.tolist()],
    )
    return "".join(
        csv_line((*row, *(text.decode() for text in of_day[i : i + 1])))
        for i, row in enumerate(rows)
    )
