# SPDX-License-Identifier: GPL-2.0-or-later
"""Tables: the faults by some keys, those that cost most on top."""

from __future__ import annotations

import argparse
import csv
import io
import os
import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Iterable

import numpy as np

from . import groups
from .fit import columns_of, fitted, padded, shortened
from .groups import KEYS, OF_LATENCY, OF_RESULT, Figures, Members, figures, group
from .log import OUTCOME_HINT
from .outputs import Job
from .words import csv_cell, plural, time_text, wrapped

SORTS = ("time", "faults", "major", "p99", "key")
TOP = 10  # lines that most people want
PLAIN_WIDTH = 80  # where there is no terminal
# A table in less is none: it is wider than the terminal then.
LEAST_WIDTH, LEAST_NAME = 20, 8
# Columns of figures give way so that names have so many characters, and names of functions,
# with their files: if there is one key, and if there are several.
NAME_CHARS, CODE_CHARS = (24, 16), (40, 28)
MAX_TITLE = 40  # characters of a process's name in the title


@dataclass(frozen=True)
class Shown:
    """A column of figures as people read it."""

    name: str
    text: Callable[[int], str]
    adds_up: bool  # so what is not listed can be told


def _count(value: int) -> str:
    return f"{value:,}"


# In the order in which they stand.
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
    Shown("max", time_text, False),
)
# In the order in which they give way to names. What isn't in the log is left out before.
GIVE_WAY = ("minor", "max", "pages", "failed", "p50", "p99", "share")
OF_CODE = ("function", "line")


def keys(text: str) -> list[str]:
    """What --by takes: names of KEYS, with commas between."""
    names = text.split(",")
    for name in names:
        if name not in KEYS:
            hint = "; the log comes before --by" if os.path.exists(text) else ""
            raise argparse.ArgumentTypeError(
                f"{name or 'nothing'}: not one of {', '.join(KEYS)}{hint}"
            )
    if len(set(names)) < len(names):
        raise argparse.ArgumentTypeError(f"{text}: a key is there twice")
    return names


def top(text: str) -> int:
    """What --top takes."""
    if not re.fullmatch(r"\d{1,9}", text):
        raise argparse.ArgumentTypeError(f"{text}: not a number of lines; 0 is all")
    return int(text)


def add_options(parser: argparse.ArgumentParser) -> None:
    """The tables' options."""
    box = parser.add_argument_group(
        "tables", "Printed in place of a picture: where the faults and their time went."
    )
    box.add_argument(
        "--by",
        metavar="KEY[,KEY]",
        nargs="?",
        const=["map"],
        type=keys,
        help=f"a line for each {', '.join(KEYS)}; map if none is named",
    )
    box.add_argument(
        "--sort",
        choices=SORTS,
        help="what is largest comes first; time, or faults where no latency is told. "
        "key: in the order of the keys, as of time",
    )
    box.add_argument(
        "--top",
        metavar="N",
        type=top,
        help=f"so many lines ({TOP}); 0: all. --csv has all unless it is given; "
        "of the script -o FILE.sh, so many file ranges",
    )
    box.add_argument(
        "--csv",
        action="store_const",
        const=True,
        help="all figures, times in ns",
    )


def columns(options: argparse.Namespace) -> set[str]:
    """What a table takes of a log."""
    return groups.columns(options.by)


def write(job: Job) -> None:
    """Print a table."""
    options = job.options
    codes, members = group(job.log, job.whole, options.by)
    rows = figures(job.log, codes, len(members), members.spent_ns)
    table = Table(options.by, members, rows)
    everything = figures(job.log, np.zeros(len(job.log), dtype=np.int64), 1)
    order = sorted_rows(
        table.rows, options.sort or ("time" if everything.timed[0] else "faults")
    )
    top = options.top if options.top is not None else 0 if options.csv else TOP
    order = order[: top or len(order)]
    notes = members.notes
    column = "total" if options.sort == "time" else options.sort
    if column in groups.absent(everything, 0):
        notes.append(f"The log has no results and latencies: {OUTCOME_HINT}")
    if options.csv:
        put(csv_text(table, everything, order))
        for note in notes:
            print(f"{Path(sys.argv[0]).name}: {note}", file=sys.stderr)
        return
    room = terminal_columns()
    told = [title(job), *job.verdict.lines(), *notes]
    lines = [line for text in told for line in wrapped(text, room)]
    lines += text_lines(table, everything, order, room, column)
    put("".join(line + "\n" for line in lines))


@dataclass(frozen=True)
class Table:
    """Groups of faults, and their figures."""

    keys: list[str]
    members: Members
    rows: Figures


def terminal_columns() -> int:
    """Room in a line, its last column left free: some terminals wrap there."""
    columns = shutil.get_terminal_size((PLAIN_WIDTH, 0)).columns
    return max(columns, LEAST_WIDTH) - 1


def title(job: Job) -> str:
    """What the table is of, in a line or two."""
    log = job.log
    name = shortened(log.head.get("comm", ""), MAX_TITLE)
    who = f"{name}, pid {log.main_pid}" if name else f"pid {log.main_pid}"
    if job.whole.nr_children:
        who += " and what it forked"
    text = f"{who}: {plural(len(log), 'fault')}"
    if log.told("latency_ns").any():
        text += f", {time_text(int(log.spent_ns().sum()))} in them"
    text += f", within {time_text(log.duration_ns)}"
    only = job.filters.text()
    return f"{text} ({only})" if only else text


def put(text: str) -> None:
    """Print, with what the terminal's encoding lacks replaced."""
    encoding = sys.stdout.encoding or "utf-8"
    sys.stdout.flush()
    sys.stdout.buffer.write(text.encode(encoding, "replace"))
    sys.stdout.flush()


def sorted_rows(rows: Figures, sort: str) -> np.ndarray:
    """Indices of the groups, the largest first; equal ones by faults, then as they are.

    sort: of SORTS; "key": all as they are, in the order of what they are grouped by.
    """
    if sort == "key":
        return np.arange(len(rows.faults))
    chosen = {"time": rows.total, "p99": rows.p99, "major": rows.major}
    by = chosen.get(sort, rows.faults)
    # Both fall: the complement of an unsigned number turns its order round.
    return np.lexsort((~rows.faults.astype(np.uint64), ~by.astype(np.uint64)))


def _weight(everything: Figures) -> str:
    """The figure that shares are of: time, or faults where no latency is told."""
    return "total" if everything.timed[0] else "faults"


def _values(rows: Figures, i: int) -> dict[str, int | None]:
    """The figures of SHOWN of group i, but for the share; None: none of its faults has it."""
    absent = groups.absent(rows, i)
    return {
        c.name: None if c.name in absent else int(getattr(rows, c.name)[i])
        for c in SHOWN
        if c.name != "share"
    }


def _shown(everything: Figures, sort: str | None) -> list[Shown]:
    """The columns of which the log tells anything."""
    absent = groups.absent(everything, 0)
    if not everything.failed[0]:
        absent.add("failed")
    return [c for c in SHOWN if c.name not in absent or c.name == sort]


def _cell(column: Shown, row: dict[str, int | None]) -> str:
    """A figure as it is shown: a dash if it is not told, nothing where there can be none."""
    if column.name not in row:
        return ""
    value = row[column.name]
    return groups.NOT_TOLD if value is None else column.text(value)


def text_lines(
    table: Table, everything: Figures, order: np.ndarray, room: int, sort: str | None
) -> list[str]:
    """The table in lines of at most room columns: figures, then names."""
    shown = _shown(everything, sort)
    all_values = _values(everything, 0)
    rows = [_values(table.rows, i) for i in order]
    labels = [table.members.labels(i) for i in order]
    nr_more = len(table.members) - len(order)
    if nr_more:
        rows.append(
            {
                c.name: all_values[c.name] - sum(row[c.name] or 0 for row in rows)
                if all_values[c.name] is not None
                else None
                for c in shown
                if c.adds_up and c.name != "share"
            }
        )
        labels.append([f"({nr_more:,} more)"] + [""] * (len(table.keys) - 1))
    rows.append(all_values)
    weight = _weight(everything)
    whole = all_values[weight]
    for row in rows:
        # What is left is below 0 if a log's latencies add up to more than 64 bits.
        row["share"] = round(1000 * max(row[weight] or 0, 0) / whole) if whole else 0
    labels.append(["(all)"] + [""] * (len(table.keys) - 1))
    cells = {c.name: [c.name] + [_cell(c, row) for row in rows] for c in shown}
    widths = {name: max(map(columns_of, texts)) for name, texts in cells.items()}
    names = list(map(list, zip(table.keys, *labels)))  # by key
    wanted = [
        min(
            max(map(columns_of, texts)),
            (CODE_CHARS if key in OF_CODE else NAME_CHARS)[len(names) > 1],
        )
        for key, texts in zip(table.keys, names)
    ]
    give_way = [n for n in GIVE_WAY if n in cells and n != sort]

    def left_for_names() -> int:
        return room - sum(widths[name] + 2 for name in cells)

    while give_way and left_for_names() < sum(wanted) + 2 * len(names) - 2:
        del cells[give_way.pop(0)]
    names = in_room(names, left_for_names())
    lines = zip(*(right(texts, widths[name]) for name, texts in cells.items()), *names)
    return ["  ".join(line).rstrip() for line in lines]


def right(texts: list[str], width: int) -> list[str]:
    """Texts with blanks before them, width columns in all."""
    return [" " * (width - columns_of(text)) + text for text in texts]


def in_room(names: list[list[str]], room: int) -> list[list[str]]:
    """Columns of names, the widest shortened until all fit into room, as far as that goes."""
    widths = [max(map(columns_of, texts)) for texts in names]
    while sum(widths) + 2 * (len(widths) - 1) > room and max(widths) > LEAST_NAME:
        widths[widths.index(max(widths))] -= 1
    return [
        [padded(text, width) for text in fitted(texts, width)]
        for texts, width in zip(names, widths)
    ]


def csv_text(table: Table, everything: Figures, order: Iterable[int]) -> str:
    """The table as CSV, times in ns; what the log does not tell is empty."""
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
        told = ["" if n in absent else getattr(rows, n)[i] for n in columns]
        share = f"{int(weight[i]) / whole:.6f}" if whole else ""
        cells = map(csv_cell, table.members.plain(i))
        writer.writerow([*cells, *told, share])
    return file.getvalue()
