# SPDX-License-Identifier: GPL-2.0-or-later
"""Tables of faults grouped by keys, the most expensive groups first."""

from __future__ import annotations

import argparse
import csv
import io
import os
import re
from dataclasses import dataclass
from typing import Callable, Iterable

import numpy as np

from ..analyse import groups
from ..analyse.groups import (
    KEYS,
    OF_LATENCY,
    OF_RESULT,
    Figures,
    Members,
    figures,
    group_by,
)
from ..base.arrays import NDArray
from ..base.fit import columns_of, shortened
from ..base.words import csv_cell, did_you_mean, plural, time_text, wrapped
from ..parse import clock, others
from . import findings
from .outputs import Job
from .terminal import (
    BAR,
    BOLD,
    CYAN,
    DIM,
    RED,
    YELLOW,
    Grid,
    Terminal,
    bar,
    put,
    terminal,
    warn,
)

SORTS = ("time", "faults", "major", "p99", "key")
TOP, DEFAULT_KEY = 10, "map"  # lines, and --by without a key
# Columns of figures are left out until names have at least this many characters: with one key,
# and with several. CODE_CHARS is for functions and lines, which include their file.
NAME_CHARS, CODE_CHARS = (24, 16), (40, 28)
MAX_TITLE = 40  # characters of a process's name in the title


@dataclass(frozen=True)
class Shown:
    """A column of figures as the terminal shows it."""

    name: str  # of the figure
    text: Callable[[int], str]
    adds_up: bool  # so the line "(more)" can show the sum of the groups not listed
    title: str = ""  # the heading, if it is not the name


def _count(value: int) -> str:
    return f"{value:,}"


# From left to right.
SHOWN = (
    Shown("share", lambda per_mille: f"{per_mille / 10:.1f} %", True),
    Shown("total", time_text, True),
    Shown("faults", _count, True),
    Shown("minor", _count, True),
    Shown("major", _count, True),
    Shown("failed", _count, True),
    Shown("pages", _count, False),
    Shown("p50", time_text, False),
    Shown("p99", time_text, False),
    Shown("max", time_text, False, "longest"),
)
# Left out in this order to make room for names. Figures that the log lacks are never there.
GIVE_WAY = ("minor", "max", "pages", BAR, "failed", "p50", "p99", "share")
OF_CODE = ("function", "line")
# For keys that have another name here.
OTHER_WORDS = {"file": "map", "files": "map", "moment": "time", "symbol": "function"}


def _hint(name: str, text: str) -> str:
    """What was probably meant by a name that is no key."""
    if os.path.exists(text):
        return "; the log comes before --by"
    return did_you_mean(OTHER_WORDS.get(name, name), KEYS)


def keys(text: str) -> list[str]:
    """Parse --by: names of KEYS, separated by commas."""
    names = text.split(",")
    for name in names:
        if not name:
            raise argparse.ArgumentTypeError(
                f"{text or 'nothing'}: a key is missing; write keys as map,function, without spaces"
            )
        if name not in KEYS:
            hint = _hint(name, text)
            raise argparse.ArgumentTypeError(
                f"{name}: not one of {', '.join(KEYS)}{hint}"
            )
    if len(set(names)) < len(names):
        raise argparse.ArgumentTypeError(f"{text}: a key is given twice")
    return names


def top(text: str) -> int:
    """Parse --top."""
    if not re.fullmatch(r"\d{1,9}", text):
        raise argparse.ArgumentTypeError(f"{text}: not a number of lines; 0: all")
    return int(text)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the tables' options."""
    box = parser.add_argument_group(
        "tables",
        "Print a table instead of drawing a picture: where faults occurred and what they cost.",
    )
    box.add_argument(
        "--by",
        metavar="KEY[,KEY]",
        nargs="?",
        const=[DEFAULT_KEY],
        type=keys,
        help=f"a row for each {', '.join(KEYS)}; default: {DEFAULT_KEY}. map and offset describe "
        "the memory that was touched; function and line, the code that touched it; latency "
        "makes a histogram",
    )
    box.add_argument(
        "--slowest",
        metavar="N",
        nargs="?",
        const=TOP,
        type=top,
        help=f"a row for each of the N faults that took longest; 0: all; default {TOP}",
    )
    box.add_argument(
        "--sort",
        choices=SORTS,
        help="order of the rows, largest first; default: time (faults if the log has no "
        "latencies). key sorts by the --by values, which is the default of --by latency",
    )
    box.add_argument(
        "--top",
        metavar="N",
        type=top,
        help=f"print N rows; 0 prints all; default {TOP} (all with --csv and --by latency). "
        "With -o FILE.sh: preload only the N costliest parts of files",
    )
    box.add_argument(
        "--csv",
        action="store_const",
        const=True,
        help="print the table as CSV, with all columns, times in ns",
    )


def columns(options: argparse.Namespace) -> set[str]:
    """The columns of a log that a table needs."""
    return groups.columns(options.by) | (set() if options.csv else findings.columns())


def write(job: Job) -> None:
    """Print a table."""
    options = job.options
    codes, members = group_by(job.log, job.whole, options.by)
    rows = figures(job.log, codes, len(members), members.spent_ns)
    table = Table(options.by, members, rows)
    everything = figures(job.log, np.zeros(len(job.log), dtype=np.int64), 1)
    is_histogram = options.by == ["latency"]
    sort = "key" if is_histogram else "time" if everything.timed[0] else "faults"
    order = sorted_rows(table.rows, options.sort or sort)
    top = 0 if options.csv or is_histogram else TOP
    if options.top is not None:
        top = options.top
    order = order[: top or len(order)]
    notes = [*job.notes, *members.notes, *others.notes(job.log, options.by)]
    notes = list(dict.fromkeys(notes))
    column = "total" if options.sort == "time" else options.sort
    if column in groups.absent(everything, 0):
        notes.append(f"The log has no results and latencies: {job.log.outcome_hint}")
    if options.csv:
        put(csv_text(table, everything, order))
        warn(*notes)
        return
    to = terminal()
    lines = heading(job, notes, to)
    lines += text_lines(table, everything, order, to, column)
    lines += ["", *to.sentences(findings.of_table(job))]
    put("".join(line + "\n" for line in lines))


@dataclass(frozen=True)
class Table:
    """Groups of faults, and their figures."""

    keys: list[str]
    members: Members
    rows: Figures


def heading(job: Job, notes: list[str], to: Terminal) -> list[str]:
    """The lines above a table: what it is about, what the log lacks, notes."""
    texts = [(title(job), ""), *((text, RED) for text in job.verdict.lines())]
    texts += [(text, "") for text in notes]
    if job.whole.boot_ns is not None:
        texts.append((clock.note(job.log), ""))
    return [
        to.styled(line, style)
        for text, style in texts
        for line in wrapped(text, to.columns)
    ]


def title(job: Job) -> str:
    """What the table is about."""
    log = job.log
    name = shortened(log.main_name, MAX_TITLE)
    assert log.main_pid is not None  # there is a fault
    pid = log.process_text(log.main_pid)
    target = f"{name}, pid {pid}" if name else f"pid {pid}"
    if job.whole.nr_children:
        target += " and its children"
    elif log.recorder and not log.is_of_one_process:
        target += " and others"
    if log.recorder:
        target = f"{log.recorder}, {target}"
    text = f"{target}: {plural(len(log), 'fault')}"
    text += f" in {time_text(log.duration_ns)}"
    if log.known("latency_ns").any():
        text += f"; {time_text(int(log.spent_ns().sum()))} spent in faults"
    only = job.filters.text()
    return f"{text} ({only})" if only else text


def sorted_rows(rows: Figures, sort: str) -> NDArray[np.int64]:
    """Indices of the groups, the largest first; ties by faults, then in their present order.

    sort: one of SORTS; "key": the present order, which is that of the keys' values.
    """
    if sort == "key":
        return np.arange(len(rows.faults))
    chosen = {"time": rows.total, "p99": rows.p99, "major": rows.major}
    by = chosen.get(sort, rows.faults)
    # Descending: the complement of unsigned numbers reverses their order.
    return np.lexsort((~rows.faults.astype(np.uint64), ~by.astype(np.uint64)))


def _weight(everything: Figures) -> str:
    """The figure that shares refer to: time, or faults if there are no latencies."""
    return "total" if everything.timed[0] else "faults"


def _values(rows: Figures, i: int) -> dict[str, int | None]:
    """Group i's figures of SHOWN, without the share; None: not recorded."""
    absent = groups.absent(rows, i)
    return {
        c.name: None if c.name in absent else int(getattr(rows, c.name)[i])
        for c in SHOWN
        if c.name != "share"
    }


def _shown(everything: Figures, sort: str | None) -> list[Shown]:
    """The columns that have something to show, and the one that the table is sorted by."""
    absent = groups.absent(everything, 0)
    if not everything.failed[0]:
        absent.add("failed")
    return [c for c in SHOWN if c.name not in absent or c.name == sort]


def _cell(column: Shown, row: dict[str, int | None]) -> str:
    """A figure as text: a dash if it was not recorded, nothing if it makes no sense here."""
    if column.name not in row:
        return ""
    value = row[column.name]
    return groups.UNKNOWN if value is None else column.text(value)


def text_lines(
    table: Table,
    everything: Figures,
    order: NDArray[np.int64],
    to: Terminal,
    sort: str | None,
) -> list[str]:
    """The table as lines: figures, then names."""
    shown = _shown(everything, sort)
    all_values = _values(everything, 0)
    rows = [_values(table.rows, i) for i in order]
    labels = [table.members.labels(i) for i in order]
    nr_more = len(table.members) - len(order)
    if nr_more:
        rest: dict[str, int | None] = {}
        for name in (c.name for c in shown if c.adds_up and c.name != "share"):
            of_all = all_values[name]
            of_rows = sum(row[name] or 0 for row in rows)
            rest[name] = None if of_all is None else of_all - of_rows
        rows.append(rest)
        labels.append([f"({nr_more:,} more)"] + [""] * (len(table.keys) - 1))
    rows.append(all_values)
    weight = _weight(everything)
    whole = all_values[weight]
    for row in rows:
        # "(more)" is negative if the latencies add up to more than 64 bits.
        row["share"] = round(1000 * max(row[weight] or 0, 0) / whole) if whole else 0
    labels.append(["(all)"] + [""] * (len(table.keys) - 1))
    cells: dict[str, list[str]] = {}
    for c in shown:
        cells[c.name] = [c.title or c.name] + [_cell(c, row) for row in rows]
        if c.name == "share" and to.has_bars:
            cells[BAR] = _bars(rows, len(order))
    names = [list(texts) for texts in zip(table.keys, *labels)]  # by key
    wanted = [
        min(
            max(map(columns_of, texts)),
            (CODE_CHARS if key in OF_CODE else NAME_CHARS)[len(names) > 1],
        )
        for key, texts in zip(table.keys, names)
    ]
    give_way = [n for n in GIVE_WAY if n in cells and n != sort]
    styles = {(BAR, i + 1): CYAN for i in range(len(order))}
    for name, style in (("major", YELLOW), ("failed", RED)):
        which = [i for i, row in enumerate(rows[: len(order)]) if row.get(name)]
        styles |= {(name, i + 1): style for i in which}
    row_styles = {0: BOLD, len(rows): BOLD} | ({len(rows) - 1: DIM} if nr_more else {})
    return Grid(cells, names, wanted, give_way, styles, row_styles).lines(to)


def _bars(rows: list[dict[str, int | None]], nr_groups: int) -> list[str]:
    """A bar for the share of each group; the largest is as long as possible."""
    shares = [row["share"] or 0 for row in rows[:nr_groups]]
    largest = max(shares, default=0)
    bars = [bar(share, largest) for share in shares]
    return [""] + bars + [""] * (len(rows) - nr_groups)


def csv_text(table: Table, everything: Figures, order: Iterable[int]) -> str:
    """The table as CSV, times in ns; figures that were not recorded are empty."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    times = [f"{name}_ns" for name in OF_LATENCY]
    counts = ["faults", *OF_RESULT, "pages"]
    writer.writerow([*table.keys, *counts, *times, "share"])
    rows = table.rows
    whole = int(getattr(everything, _weight(everything))[0])
    weight = getattr(rows, _weight(everything))
    for i in order:
        absent = groups.absent(rows, i)
        columns = ("faults", *OF_RESULT, "pages", *OF_LATENCY)
        values = ["" if n in absent else getattr(rows, n)[i] for n in columns]
        share = f"{int(weight[i]) / whole:.6f}" if whole else ""
        cells = map(csv_cell, table.members.plain(i))
        writer.writerow([*cells, *values, share])
    return file.getvalue()
