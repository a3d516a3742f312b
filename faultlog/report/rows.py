# SPDX-License-Identifier: GPL-2.0-or-later
"""A row of text for each fault: .csv and .jsonl.

No Python statement runs for each row. Most of a row is one of few texts (thread, access,
file ...), made once for all faults that share it; the numbers that differ, time and
addresses, are put before it.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
from dataclasses import astuple, dataclass, fields
from typing import Any, Callable, Iterable, Iterator

import numpy as np

from ..analyse import code
from ..analyse.threads import thread_names
from ..base import progress
from ..base.arrays import NDArray
from ..base.helper import Helpers
from ..base.packed import number
from ..base.words import csv_cell
from ..parse import clock, recording
from ..parse.log import COLUMNS, Log
from .digits import constant, decimal, hexadecimal, interleaved, replaced, row_texts
from .outputs import Job, replacing
from .terminal import warn

BLOCK = 1 << 14  # faults
OWN = ("time_ns", "address", "ip", "offset", "latency_ns")  # differ between faults
SHARED = (
    *("pid", "tid", "cpu", "access", "mode", "region", "kind", "result", "tries"),
    *("map", "program", "threadname"),
)
HEXADECIMAL = ("address", "ip")  # the others are decimal, also offset
CONSTANT = tuple(f.name for f in fields(recording.Recording))
REST = SHARED + CONSTANT + code.COLUMNS
HEADER = OWN + REST


def own_columns(log: Log) -> tuple[str, ...]:
    """OWN, and with --wall-clock the time of day."""
    return OWN if log.boot_ns is None else (*OWN, "wall_time")


def columns(_options: argparse.Namespace) -> set[str]:
    """All columns."""
    return set(COLUMNS)


def write(job: Job) -> None:
    """Write a row for each fault in the order of the log, block by block."""
    blocks = csv_blocks(job) if job.suffix == ".csv" else jsonl_blocks(job)
    with replacing(job) as file:
        for text in blocks:
            file.write(text)
            progress.add(BLOCK)


def shared_columns(
    log: Log,
) -> tuple[dict[str, NDArray[Any]], dict[str, list[str]]]:
    """The columns of SHARED, (n,) each; and the names of those that are codes."""
    columns = {name: getattr(log, name) for name in SHARED[:-2]}
    programs, columns["program"] = log.programs()
    names, columns["threadname"] = thread_names(log)
    return columns, dict(log.names, program=programs, threadname=names)


def csv_blocks(job: Job) -> Iterator[bytes]:
    """A .csv, in pieces. Missing values are empty."""
    own = own_columns(job.log)
    yield csv_line(own + REST).encode()
    form = Form(
        before=[b""] + [b","] * (len(own) - 1),
        between=b",",
        quote=b"",
        missing=b"",
        shared=lambda values: csv_line(values)[:-1] + ",",
        code=csv_line,
    )
    yield from _blocks(job, form)


def jsonl_blocks(job: Job) -> Iterator[bytes]:
    """A .jsonl, in pieces. Missing values are null."""

    def text(names: tuple[str, ...], values: tuple) -> str:
        pairs = {k: None if v == "" else v for k, v in zip(names, values)}
        return json.dumps(pairs, separators=(",", ":"))[1:-1]

    def shared(values: tuple) -> str:
        return text(SHARED + CONSTANT, values) + ","

    def of_code(values: tuple) -> str:
        return text(code.COLUMNS, values) + "}\n"

    before = [f',"{name}":'.encode() for name in own_columns(job.log)]
    before[0] = b"{" + before[0][1:]
    form = Form(before, b",", b'"', missing=b"null", shared=shared, code=of_code)
    yield from _blocks(job, form)


def csv_line(values: tuple) -> str:
    """A line of CSV."""
    safe = [csv_cell(v) if isinstance(v, str) else v for v in values]
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(safe)
    return text.getvalue()


@dataclass(frozen=True)
class Form:
    """The format of a row."""

    before: list[bytes]  # before each of OWN
    between: bytes  # between the last of OWN and the rest
    quote: bytes  # around hexadecimal numbers
    missing: bytes  # for a missing value of OWN
    shared: Callable[[tuple], str]  # makes the text of SHARED and CONSTANT
    code: Callable[[tuple], str]  # makes the end of a line, of code.COLUMNS


def _blocks(job: Job, form: Form) -> Iterator[bytes]:
    """The rows' text, BLOCK of them at a time."""
    log = job.log
    constants = astuple(recording.of_log(log, job.name))
    columns, texts = shared_columns(log)
    texts["program"] = ["" if name == "?" else name for name in texts["program"]]
    ran = code.of_log(log, job.whole)
    warn(*ran.notes)
    ends = [form.code((place.function, place.line)).encode() for place in ran.places]
    end_of_place = np.array(ends, dtype=object)

    def text(begin: int) -> bytes:
        part = slice(begin, begin + BLOCK)
        nr_rows = len(log.time_ns[part])
        own = []
        for name, before in zip(own_columns(log), form.before):
            quote = form.quote if name in HEXADECIMAL else None
            own.append(constant(before, nr_rows))
            if name == "wall_time":
                own.append(of_day_text(log, part, form.quote))
                continue
            own.append(own_text(log, name, part, quote, form.missing))
        own.append(constant(form.between, nr_rows))
        shared = [columns[name][part] for name in SHARED]
        which, first = number(*shared, *largest(log, SHARED, part))
        middles = []
        for at in first.tolist():
            values = [
                _value(log, name, begin + at, int(column[at]), texts)
                for name, column in zip(SHARED, shared)
            ]
            middles.append(form.shared((*values, *constants)).encode())
        middle = np.array(middles, dtype=object)[which].tolist()
        return interleaved(
            row_texts(*own), middle, end_of_place[ran.codes[part]].tolist()
        )

    with Helpers(text, range(0, len(log), BLOCK)) as found:
        yield from found


def of_day_text(log: Log, part: slice, quote: bytes) -> NDArray[np.uint8]:
    """Times of day in UTC as text of digits.py, with quotes around them."""
    assert log.boot_ns is not None
    text = clock.utc(log.time_ns[part], log.boot_ns).view(np.uint8)
    ends = constant(quote, len(log.time_ns[part]))
    return np.concatenate([ends, text.reshape(len(ends), -1), ends], axis=1)


def own_text(
    log: Log, name: str, part: slice, quote: bytes | None, missing: bytes
) -> NDArray[np.uint8]:
    """A column's numbers as text of digits.py, with missing in place of missing ones.

    quote: put around hexadecimal numbers; None: decimal.
    """
    values = getattr(log, name)[part]
    if quote is None:
        text = decimal(values)
    else:
        ends = [constant(end, len(values)) for end in (quote + b"0x", quote)]
        text = np.concatenate([ends[0], hexadecimal(values), ends[1]], axis=1)
    return replaced(text, ~log.known(name, part), missing)


def _value(
    log: Log, name: str, row: int, value: int, texts: dict[str, list[str]]
) -> int | str:
    """A number of a fault, or the name of a code; "" if it is missing."""
    if name in texts:
        return texts[name][value]
    return value if log.known(name, slice(row, row + 1))[0] else ""


def largest(log: Log, names: Iterable[str], part: slice) -> list[NDArray[np.uint8]]:
    """More columns for number(): they distinguish a missing value from the same number."""
    return [
        log.largest[name][part].astype(np.uint8)
        for name in names
        if name in log.largest
    ]
