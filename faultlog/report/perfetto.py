# SPDX-License-Identifier: GPL-2.0-or-later
"""A time line for Perfetto and chrome://tracing: .trace.json, in the Trace Event Format.

A fault is a slice on its thread's track, as long as its latency; without a latency it is an
instant. Times are CLOCK_MONOTONIC in µs, as in other traces of this machine.
"""

from __future__ import annotations

import argparse
import json
from typing import Iterator

import numpy as np

from ..analyse import code
from ..analyse.threads import last_names
from ..base import progress
from ..base.arrays import NDArray
from ..base.helper import Helpers
from ..base.packed import number
from ..base.words import ROUND_TIMES, short_time_text
from ..parse.log import COLUMNS, Log
from .digits import constant, decimal, interleaved, replaced, row_texts
from .outputs import Job, replacing
from .rows import largest, own_text

BLOCK = 1 << 14  # faults
NR_STEPS = 500  # values of a counter over the whole time, at most
SHARED = (
    *("pid", "tid", "cpu", "access", "mode", "region", "kind", "result", "tries"),
    "map",
)

# Numbers that differ between faults: the text before them, the column, quotes.
OWN = (
    (b',"args":{"address":', "address", b'"'),
    (b',"ip":', "ip", b'"'),
    (b',"offset":', "offset", b'"'),
    (b',"latency_ns":', "latency_ns", None),
)


def columns(_options: argparse.Namespace) -> set[str]:
    """All columns."""
    return set(COLUMNS)


def write(job: Job) -> None:
    """Write the trace, block by block."""
    ran = code.of_log(job.log, job.whole)
    with replacing(job) as file:
        about = json.dumps(
            {
                "log": job.name.encode("utf-8", "replace").decode(),
                "filter": job.filters.text(),
                "notes": job.verdict.lines(),
                "names": ran.notes,
                "head": job.log.head,
                "summary": job.log.summary,
            }
        )
        before = f'{{"displayTimeUnit":"ns","otherData":{about},"traceEvents":[\n'
        for text in _texts(job.log, ran):
            file.write(before.encode() + text)
            before = ",\n"
            progress.add(BLOCK)
        file.write(b"\n]}\n")


def _texts(log: Log, ran: code.Code) -> Iterator[bytes]:
    """Texts of many events each, separated by commas."""
    others = [*_names(log), *_events(log), *_counters(log)]
    yield ",\n".join(json.dumps(e, separators=(",", ":")) for e in others).encode()
    yield from _faults(log, ran)


def _names(log: Log) -> Iterator[dict]:
    """The names of processes and threads."""
    names = log.last_names()
    tids = _tids(log).astype(np.uint64)
    key = log.process.astype(np.uint64) << np.uint64(32) | tids
    both, thread = np.unique(key, return_inverse=True)
    own = last_names(log, thread, len(both))
    done = set()
    pairs = ((int(key) >> 32, int(key) & 0xFFFFFFFF) for key in both)
    for own_name, (pid, tid) in zip(own, pairs):
        name = names.get(pid, "?")
        if pid in log.reused:  # a track of its own, beside that of the first
            name += f" (PID {log.process_text(pid)})"
        event = {"ph": "M", "pid": pid, "tid": tid}
        if pid not in done:
            yield {**event, "name": "process_name", "args": {"name": name}}
            done.add(pid)
        name = name if tid == log.reused.get(pid, (pid, 1))[0] else f"thread {tid}"
        name = own_name or name
        yield {**event, "name": "thread_name", "args": {"name": name}}


def _events(log: Log) -> Iterator[dict]:
    """An instant for each new process and each new program."""
    for event, pid in zip(log.events_by_time(), log.process_of_event):
        yield {
            "ph": "i",
            "s": "p",
            "cat": event.kind,
            "name": f"{event.kind} {event.comm}",
            "pid": pid,
            "tid": event.pid,
            "ts": event.time_ns / 1000,
            "args": {} if event.ppid is None else {"ppid": event.ppid},
        }


def _counters(log: Log) -> Iterator[dict]:
    """Faults per step of time, by process and region, where the number changes."""
    first_ns = int(log.time_ns.min())
    step_ns = step(int(log.time_ns.max()) - first_ns)
    at = (log.time_ns - np.uint64(first_ns)) // np.uint64(step_ns)
    which, rows = number(log.process, log.region, at)
    counts = np.bincount(which).tolist()
    order = np.lexsort((at[rows], log.region[rows], log.process[rows])).tolist()
    regions = log.names["region"]
    unit = short_time_text(step_ns)
    for i, k in enumerate(order):
        row = rows[k]
        pid, region, now = int(log.process[row]), int(log.region[row]), int(at[row])
        event = {
            "ph": "C",
            "cat": "region",
            "name": f"faults in {unit}: {regions[region] or 'region unknown'}",
            "pid": pid,
        }
        ts = first_ns + now * step_ns
        yield {**event, "ts": ts / 1000, "args": {"faults": counts[k]}}
        following = rows[order[i + 1]] if i + 1 < len(order) else None
        goes_on = following is not None and (pid, region, now + 1) == (
            int(log.process[following]),
            int(log.region[following]),
            int(at[following]),
        )
        if not goes_on:
            yield {**event, "ts": (ts + step_ns) / 1000, "args": {"faults": 0}}


def step(duration_ns: int) -> int:
    """A round time, in ns, that fits into a duration at most NR_STEPS times.

    Below a minute it is a power of ten.
    """
    tens = (10**e for e in range(11))
    longer = (t for t in ROUND_TIMES if t >= 60 * 10**9)
    return next(t for t in (*tens, *longer) if duration_ns // t <= NR_STEPS)


def _faults(log: Log, ran: code.Code) -> Iterator[bytes]:
    """A slice or an instant for each fault, in the order of the log."""
    tids = _tids(log)
    slices = as_slices(log, tids)
    of_place = np.array([_of_place(place) for place in ran.places], dtype=object)

    def text(begin: int) -> bytes:
        part = slice(begin, begin + BLOCK)
        shared = [getattr(log, name)[part] for name in SHARED]
        shared[:2] = log.process[part], tids[part]
        shared += largest(log, SHARED, part)
        which, first = number(*shared, slices[part].astype(np.uint8))
        middles = []
        for at in first.tolist():
            values = dict(zip(SHARED, (int(column[at]) for column in shared)))
            row = begin + at
            middles.append(_middle(log, values, row, bool(slices[row])).encode())
        nr_rows = len(which)
        own = [constant(b'{"ts":', nr_rows), *_microseconds(log.time_ns[part])]
        for before, name, quote in OWN:
            own.append(constant(before, nr_rows))
            own.append(own_text(log, name, part, quote, b"null"))
        took = np.concatenate(_microseconds(log.spent_ns(part)), axis=1)
        end = row_texts(replaced(took, ~slices[part], b""), constant(b"},", nr_rows))
        middle = np.array(middles, dtype=object)[which].tolist()
        end[-1] = end[-1][:-1]  # no comma after the last
        names = of_place[ran.codes[part]].tolist()
        return interleaved(row_texts(*own), names, middle, end, [b"\n"] * nr_rows)[:-1]

    with Helpers(text, range(0, len(log), BLOCK)) as found:
        yield from found


def _of_place(place: code.Place) -> bytes:
    """The arguments that name the faulting code, as far as it is known."""
    known = {k: v for k, v in zip(code.COLUMNS, (place.function, place.line)) if v}
    text = json.dumps(known, separators=(",", ":"))[1:-1]
    return f",{text}".encode() if known else b""


def _microseconds(time_ns: NDArray[np.uint64]) -> list[NDArray[np.uint8]]:
    """1234567 ns: 1234.567, as columns of digits.py."""
    whole = time_ns // np.uint64(1000)
    part = decimal(time_ns - whole * np.uint64(1000), least=3)
    return [decimal(whole), constant(b".", len(time_ns)), part]


def _tids(log: Log) -> NDArray[np.uint32]:
    """Each fault's thread; if unknown, the process's first; uint32 (n,)."""
    return np.where(log.known("tid"), log.tid, log.pid)


def as_slices(log: Log, tids: NDArray[np.uint32]) -> NDArray[np.bool_]:
    """Which faults can be slices of their thread's track; bool (n,).

    Slices of a track are beside or within each other. A fault can be within another, if a
    signal's handler faulted during the first. A fault that ends after the one in which it
    begins cannot be a slice, and one without a latency cannot.
    """
    can = log.known("latency_ns")
    rows = np.flatnonzero(can)
    end = log.time_ns + np.minimum(
        log.spent_ns(), ~log.time_ns
    )  # no overflow of 64 bits
    process = log.process
    rows = rows[np.lexsort((~end[rows], log.time_ns[rows], tids[rows], process[rows]))]
    same = (np.diff(process[rows]) == 0) & (np.diff(tids[rows]) == 0)
    overlaps = same & (log.time_ns[rows[1:]] < end[rows[:-1]])
    if not overlaps.any():
        return can
    # Few threads have overlaps; check these fault by fault, with a stack of open slices.
    bounds = np.flatnonzero(np.concatenate(([True], ~same, [True])))
    for first in np.unique(np.searchsorted(bounds, np.flatnonzero(overlaps), "right")):
        open_ends: list[int] = []
        for row in rows[bounds[first - 1] : bounds[first]].tolist():
            begin_ns, end_ns = int(log.time_ns[row]), int(end[row])
            while open_ends and open_ends[-1] <= begin_ns:
                open_ends.pop()
            if open_ends and end_ns > open_ends[-1]:
                can[row] = False
            else:
                open_ends.append(end_ns)
    return can


def _middle(log: Log, values: dict[str, int], row: int, is_slice: bool) -> str:
    """The part of a fault's event after the latency; a slice's duration follows it."""
    known: dict[str, int | str] = {}
    for name, value in values.items():
        if name in log.names:
            known[name] = log.names[name][value]
        elif name in ("pid", "tid") or log.known(name, slice(row, row + 1))[0]:
            known[name] = value
    pid, tid = known.pop("pid"), known.pop("tid")
    place = str(known["map"]).rpartition("/")[2] or str(known["region"])
    words = (str(known["result"]), str(known["access"]), place)
    event = {
        "cat": "fault",
        "name": " ".join(filter(None, words)) or "fault",
        "pid": pid,
        "tid": tid,
        **({"ph": "X"} if is_slice else {"ph": "i", "s": "t"}),
    }
    args = json.dumps({k: v for k, v in known.items() if v != ""})[1:]
    text = json.dumps(event, separators=(",", ":"))[1:-1]
    before = "" if args == "}" else ","
    return f"{before}{args},{text}" + (',"dur":' if is_slice else "")
