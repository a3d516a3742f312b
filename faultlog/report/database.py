# SPDX-License-Identifier: GPL-2.0-or-later
"""A database: .sqlite, with the tables recording, process, mapping, code and fault."""

from __future__ import annotations

import argparse
import json
import os
import sqlite3
from contextlib import closing, suppress
from dataclasses import astuple
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from ..analyse import code
from ..analyse.threads import thread_names
from ..base import progress
from ..base.arrays import NDArray
from ..base.error import LogError
from ..base.packed import number
from ..parse import others, recording
from ..parse.log import COLUMNS, WORD, Log
from .outputs import Job, replacing
from .rows import largest

BLOCK = 1 << 16  # faults
AT_ONCE = 64  # faults in one statement

# A row of fault has ids of process, mapping and code; the view faults has their columns instead.
# SQLite's integers are signed: an address from 1 << 63 on is negative; printf('0x%x') is right.
SCHEMA = """
CREATE TABLE recording (
    id INTEGER PRIMARY KEY,
    recording TEXT, host TEXT, boot TEXT, -- as in .csv and .jsonl
    log TEXT,       -- its name
    filter TEXT,    -- which of its faults are here; empty: all
    notes TEXT,     -- what is missing or contradictory, in lines
    complete INTEGER, -- 1: it has a summary, and nothing is missing or contradictory
    head TEXT, summary TEXT, -- JSON
    first_ns INTEGER, -- of its first fault, also if that is not here
    names TEXT -- which names of functions are missing or in doubt, in lines
);
CREATE TABLE process ( -- a program in a process
    id INTEGER PRIMARY KEY,
    pid INTEGER, ppid INTEGER, program TEXT,
    since_ns INTEGER -- CLOCK_MONOTONIC; NULL: before the first fault
);
CREATE TABLE mapping (
    id INTEGER PRIMARY KEY,
    name TEXT -- path of a file, [heap], anon ...
);
CREATE TABLE code ( -- an instruction that faulted
    id INTEGER PRIMARY KEY,
    file TEXT, offset INTEGER, -- in bytes
    function TEXT, -- as in a table by function
    line TEXT -- of its source: file:number
);
CREATE TABLE fault (
    id INTEGER PRIMARY KEY, -- in the order of the log
    time_ns INTEGER, address INTEGER, ip INTEGER, offset INTEGER, latency_ns INTEGER,
    process INTEGER REFERENCES process, tid INTEGER, threadname TEXT,
    cpu INTEGER, tries INTEGER,
    access TEXT, mode TEXT, region TEXT, kind TEXT, result TEXT,
    mapping INTEGER REFERENCES mapping, code INTEGER REFERENCES code
);
CREATE VIEW faults AS
    SELECT fault.id, (time_ns - first_ns) / 1e6 AS at_ms, latency_ns / 1e6 AS latency_ms,
        pid, tid, threadname, program, cpu, result, access, mode, region, kind, tries,
        mapping.name AS map, fault.offset, function, line,
        printf('0x%x', address) AS address_hex, nullif(printf('0x%x', ip), '0x0') AS ip_hex,
        time_ns, latency_ns, address, ip
    FROM fault JOIN process ON process = process.id LEFT JOIN mapping ON mapping = mapping.id
        LEFT JOIN code ON code = code.id CROSS JOIN recording;
"""
INDEXES = (
    "CREATE INDEX fault_mapping ON fault (mapping, offset)",
    "CREATE INDEX fault_time ON fault (time_ns)",
)
NUMBERS = ("time_ns", "address", "ip", "offset", "latency_ns")
LIKE_LOG = (
    *("tid", "cpu", "tries"),
    *("access", "mode", "region", "kind", "result"),
)
SHARED = ("process", "threadname", *LIKE_LOG, "mapping", "code")


def columns(_options: argparse.Namespace) -> set[str]:
    """All columns."""
    return set(COLUMNS)


def write(job: Job) -> None:
    """Write a database of the faults."""
    with replacing(job) as file:
        try:
            with closing(_open(job, file)) as database:
                _fill(database, job)
        except sqlite3.Error as err:
            raise LogError(f"{job.output}: {err}") from err


def _open(job: Job, file: BinaryIO) -> sqlite3.Connection:
    """Open a database in file. SQLite opens it by name, so check that it is the same file."""
    uri = Path(file.name).absolute().as_uri()
    database = sqlite3.connect(f"{uri}?mode=rw", isolation_level=None, uri=True)
    for fd in {*map(int, os.listdir("/proc/self/fd"))} - {file.fileno()}:
        with suppress(OSError):  # the descriptor of the folder is closed
            if os.path.samestat(os.fstat(fd), os.fstat(file.fileno())):
                return database
    database.close()
    raise LogError(f"{job.output}: somebody replaced it while it was written")


def _fill(database: sqlite3.Connection, job: Job) -> None:
    """Write all tables, without a journal: after a crash the file is not used."""
    database.executescript(
        "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA page_size=16384;"
        "PRAGMA cache_size=-4096; PRAGMA threads=2; PRAGMA analysis_limit=1000;"
        + SCHEMA
    )
    database.execute("BEGIN")
    log = job.log
    ran = code.of_log(log, job.whole)
    database.execute(
        "INSERT INTO recording VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            *astuple(recording.of_log(log, job.name)),
            job.name.encode("utf-8", "replace").decode(),
            job.filters.text(),
            "\n".join(_notes(job)),
            int(job.verdict.says_complete),
            json.dumps(log.head),
            json.dumps(log.summary),
            int(job.whole.time_ns.min().astype(np.int64)),
            "\n".join(ran.notes),
        ),
    )
    database.executemany(
        "INSERT INTO mapping VALUES (?, ?)",
        [(i, name) for i, name in enumerate(log.names["map"]) if name],
    )
    known = [
        (i, place.file, place.offset, place.function, place.line or None)
        for i, place in enumerate(ran.places, 1)
        if place.file
    ]
    database.executemany("INSERT INTO code VALUES (?, ?, ?, ?, ?)", known)
    processes, process = _processes(log)
    database.executemany("INSERT INTO process VALUES (?, ?, ?, ?, ?)", processes)
    is_known = np.array([bool(place.file) for place in ran.places])
    _insert_faults(database, log, process, (ran.codes + 1) * is_known[ran.codes])
    for statement in (*INDEXES, "COMMIT", "ANALYZE"):
        database.execute(statement)


def _notes(job: Job) -> list[str]:
    """What is missing or contradictory; of another recorder's file also what it never has."""
    notes = job.verdict.lines()
    if job.whole.recorder:
        notes.append(
            f"{others.about(job.whole)}; it does not state how many faults there were"
        )
    return notes


def _processes(
    log: Log,
) -> tuple[list[tuple[int | str | None, ...]], NDArray[np.int64]]:
    """The rows of process, and the id there of each fault; (n,).

    Processes without faults have rows, too.
    """
    names, code = log.programs()
    since: dict[tuple[int, str], int] = {}
    parents = {}
    for event, process in zip(log.events_by_time(), log.process_of_event):
        pair = (process, event.comm)
        since[pair] = min(since.get(pair, event.time_ns), event.time_ns)
        if event.ppid is not None:
            parents[process] = event.ppid
    key = log.process.astype(np.uint64) << np.uint64(32) | code
    found, which = np.unique(key, return_inverse=True)
    pairs = [(int(k) >> 32, names[int(k) & 0xFFFFFFFF]) for k in found]
    known = set(pairs)
    pairs += [pair for pair in since if pair not in known]
    rows: list[tuple[int | str | None, ...]] = [
        (
            i,
            log.reused.get(process, (process, 1))[0]
            if log.process_text(process) != "?"
            else None,
            parents.get(process),
            None if name == "?" else name,
            since.get((process, name)),
        )
        for i, (process, name) in enumerate(pairs, 1)
    ]
    return rows, which + 1


def _insert_faults(
    database: sqlite3.Connection,
    log: Log,
    process: NDArray[np.int64],
    place: NDArray[np.int64],
) -> None:
    """Insert the rows of fault; of each, the ids of process and of code, 0: none; (n,).

    Statements and values take most of the time. So a statement inserts many faults, and the
    values that many faults share come from a row of a temporary table.
    """
    shared = ", ".join(SHARED)
    threads, thread = thread_names(log)
    database.execute(f"CREATE TEMP TABLE alike (id INTEGER PRIMARY KEY, {shared})")
    nr_alike = 0
    for begin in range(0, len(log), BLOCK):
        part = slice(begin, begin + BLOCK)
        columns: list[NDArray[Any]] = [process[part], thread[part], log.map[part]]
        columns += [place[part]] + [getattr(log, name)[part] for name in LIKE_LOG]
        which, first = number(*columns, *largest(log, LIKE_LOG, part))
        ids: list[NDArray[np.integer[Any]]] = [log.map, place]  # 0: none
        rows = zip(
            range(nr_alike, nr_alike + len(first)),
            process[part][first].tolist(),
            [threads[i] or None for i in thread[part][first].tolist()],
            *(_values(log, name, first + begin) for name in LIKE_LOG),
            *([i or None for i in column[part][first].tolist()] for column in ids),
        )
        database.executemany(f"INSERT INTO alike VALUES (?{', ?' * len(SHARED)})", rows)
        numbers = [getattr(log, name)[part].view(np.int64) for name in NUMBERS]
        values = np.stack([*numbers, which + nr_alike], axis=1)
        missing = np.stack([~log.known(name, part) for name in NUMBERS], axis=1)
        has_nulls = bool((missing != (values[:, :-1] == -1)).any())
        if has_nulls:  # some values are the number that means a missing one
            values = values.astype(object)
            values[:, :-1][missing] = None
        whole = len(values) // AT_ONCE * AT_ONCE
        many = values[:whole].reshape(-1, AT_ONCE * values.shape[1])
        database.executemany(_fill_in(AT_ONCE, has_nulls), many.tolist())
        if whole < len(values):
            rest = values[whole:]
            database.execute(_fill_in(len(rest), has_nulls), rest.ravel().tolist())
        nr_alike += len(first)
        progress.add(len(which))
    database.execute("DROP TABLE alike")


def _fill_in(nr_rows: int, has_nulls: bool) -> str:
    """The statement that inserts nr_rows faults; each has NUMBERS and an id of alike.

    has_nulls: a missing number is given as NULL, which is slower than -1.
    """
    shared = ", ".join(SHARED)
    row = f"({', '.join('?' * (len(NUMBERS) + 1))})"
    # A missing number, the largest, is -1 as a signed one.
    column = "column{}" if has_nulls else "nullif(column{}, -1)"
    numbers = [column.format(i) for i in range(1, len(NUMBERS) + 1)]
    return (
        f"INSERT INTO fault ({', '.join(NUMBERS)}, {shared})"
        f" SELECT {', '.join(numbers)}, {shared} FROM"
        f" (VALUES {', '.join([row] * nr_rows)}) CROSS JOIN alike"
        f" ON alike.id = column{len(NUMBERS) + 1}"
    )


def _values(log: Log, name: str, rows: NDArray[np.int64]) -> list[int | str | None]:
    """A column of some faults, with words as text; None: missing."""
    if COLUMNS[name].form == WORD:
        names = log.names[name]
        return [names[code] or None for code in getattr(log, name)[rows].tolist()]
    values = zip(getattr(log, name)[rows].tolist(), log.known(name, rows).tolist())
    return [value if has_value else None for value, has_value in values]
