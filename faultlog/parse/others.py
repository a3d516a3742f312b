# SPDX-License-Identifier: GPL-2.0-or-later
"""Recognizes the files of other recorders, so that they are read like a log of ours.

Their lines are converted block by block (recorder.py); what a file lacks is missing in the log.
"""

from __future__ import annotations

import os
import re
from dataclasses import replace
from typing import BinaryIO

from .ftrace import Ftrace
from .log import COLUMNS, OF_OTHERS, Log
from .perf import PerfScript, PerfTrace
from .recorder import Recorder
from .source import Source

RECORDERS: tuple[type[Recorder], ...] = (PerfScript, PerfTrace, Ftrace)
START_BYTES = 1 << 20  # from the beginning of a file, to recognize it
# A log of ours, or pf_probe_A's lines in the kernel's log.
OURS = re.compile(
    rb"^# pf_probe_[A-Z] |PID = {0,20}\d{1,10} Page Fault at", re.MULTILINE
)
OURS_BYTES = 64  # at most in what OURS finds
TAR = (b"ustar\x0000", b"ustar  \0")  # POSIX, GNU
WORDS = {  # for the names of columns
    "pid": "process",
    "tid": "thread",
    "ip": "instruction",
    "latency_ns": "latency",
    "map": "mapping",
}
# Keys of --by whose values are in one column.
COLUMN_OF_KEY = {"thread": "tid", "process": "pid", "page": "address"} | {
    name: name
    for name in ("map", "offset", "region", "kind", "access", "mode", "result", "cpu")
}


def start_of(file: BinaryIO | Source) -> tuple[bytes, bool]:
    """The beginning of a file, and whether reading goes on behind it.

    Up to START_BYTES; of a log of ours in a pipe, up to the line that shows that it is one.
    """
    regular = file.regular if isinstance(file, Source) else None
    if regular:
        fd = regular.fileno()
        if os.fstat(fd).st_size:  # /proc/pf_probe_X, of size 0, can be read only once
            return os.pread(fd, START_BYTES, regular.tell()), False
    start, at = bytearray(), 0
    while len(start) < START_BYTES and not OURS.search(start, at):
        at = max(len(start) - OURS_BYTES, 0)
        data = file.read(START_BYTES - len(start))
        if not data:
            break
        start += data
    return bytes(start), True


def is_tar(start: bytes) -> bool:
    """Is this the beginning of a tar archive? No line of a log has a NUL byte there."""
    return start[257:265] in TAR


def recognize(start: bytes) -> Recorder | None:
    """The recorder of a file with this beginning; None: ours, or unknown."""
    ours = OURS.search(start)
    end = ours.start() if ours else len(start)
    found = [recorder.START.search(start, 0, end) for recorder in RECORDERS]
    places = [(match.start(), i) for i, match in enumerate(found) if match]
    return RECORDERS[min(places)[1]]() if places else None


def completed(log: Log, recorder: Recorder, code_paths: list[bytes]) -> Log:
    """The log of a recorder, with what it reported as lost.

    code_paths: the names of the column code, as raw bytes. They follow those of the mappings.
    """
    names = dict(log.names)
    first = len(names["map"]) - 1
    names["map"] = names["map"] + names["code"][1:]
    counts = {
        "lost": recorder.nr_lost,
        "lost_uncounted": int(recorder.has_lost),
        "unsampled": recorder.nr_unsampled,
        "repeated_kinds": len(recorder.kinds) - 1,
    }
    return replace(
        log,
        names=names,
        paths=log.paths + code_paths[1:],
        first_code=first,
        recorder=recorder.name,
        summary={key: number for key, number in counts.items() if number > 0},
    )


def lacks(log: Log) -> list[str]:
    """Names of the columns that no fault has a value in, for people."""
    return [
        WORDS.get(name, name)
        for name in COLUMNS
        if name not in (*OF_OTHERS, "tries")
        and getattr(log, name) is not None
        and not log.known(name).any()
    ]


def about(log: Log) -> str:
    """A note: the recorder, and what its text lacks."""
    return f"text of {log.recorder}; not in it: {', '.join(lacks(log))}"


def notes(log: Log, keys: list[str]) -> list[str]:
    """A note about those keys of --by that the file of another recorder has no values of."""
    if not log.recorder:
        return []
    lost = [
        key
        for key in keys
        if key in COLUMN_OF_KEY and not log.known(COLUMN_OF_KEY[key]).any()
    ]
    return [f"This text of {log.recorder} has no {', '.join(lost)}"] if lost else []
