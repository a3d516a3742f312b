# SPDX-License-Identifier: GPL-2.0-or-later
"""Two sides of one or more logs each, held against each other group by group."""

from __future__ import annotations

import argparse
import csv
import io
import sys
import textwrap
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

from . import groups, table
from .fit import columns_of
from .log import LogError
from .outputs import Job
from .words import csv_cell, plural, printable, time_text

OF_ONE_RUN = ("process", "thread", "page", "time")  # another run has others
MEASURES = {"time": "total", "faults": "faults", "major": "major"}


def columns(options: argparse.Namespace) -> set[str]:
    """What a comparison takes of a log."""
    return groups.columns(_keys(options))


def _keys(options: argparse.Namespace) -> list[str]:
    keys = options.by or ["map"]
    for key in keys:
        if key in OF_ONE_RUN:
            raise LogError(f"--by {key}: it can't be found again in another run")
    if options.sort in ("p99", "key"):
        raise LogError(
            f"--sort {options.sort}: only time, faults and major are compared"
        )
    return keys


@dataclass(frozen=True)
class Run:
    """One log's sums by group; a group is its texts, one a key."""

    sums: dict[str, Counter]  # "faults", "major", "total": of each group
    is_timed: bool
    has_outcomes: bool
    notes: list[str]  # what must be told of it


def summed(job: Job) -> Run:
    """Sum up a log; after that it isn't needed."""
    log, sums = job.log, {name: Counter() for name in MEASURES.values()}
    name_of_log = printable(job.name)
    told = [f"{name_of_log}: {text}" for text in job.verdict.lines()]
    if len(log):
        codes, members = groups.group(log, job.whole, _keys(job.options))
        rows = groups.figures(log, codes, len(members))
        for i in range(len(members)):
            name = tuple(members.plain(i))  # two groups may look the same
            for key, counter in sums.items():
                counter[name] += int(getattr(rows, key)[i])
        told += [f"{name_of_log}: {text}" for text in members.notes]
    is_timed = bool(job.whole.told("latency_ns").any())
    return Run(sums, is_timed, job.whole.has_outcomes, told)


def is_more(before: list[int], after: list[int]) -> bool | None:
    """Do two sides differ by more than the runs of a side do? None: too few runs to tell.

    They do if no run of one side is among the other's and the means are further apart than
    the runs of either side.
    """
    if min(len(before), len(after)) < 2:
        return None
    apart = max(before) < min(after) or max(after) < min(before)
    within = max(max(side) - min(side) for side in (before, after))
    return apart and abs(mean(after) - mean(before)) > within


def mean(values: list[int]) -> float:
    """The arithmetic mean; there is at least one value."""
    return sum(values) / len(values)


@dataclass(frozen=True)
class Sides:
    """The runs before and after."""

    before: list[Run]
    after: list[Run]

    def values(self, measure: str, names: list[tuple]) -> tuple[list[int], list[int]]:
        """A measure in each run of each side, these groups together."""
        return tuple(
            [sum(run.sums[measure][name] for name in names) for run in side]
            for side in (self.before, self.after)
        )


def write(before: list[Run], after: list[Run], options: argparse.Namespace) -> None:
    """Print how the sides differ, the largest difference first."""
    sides, runs = Sides(before, after), [*before, *after]
    timed = all(run.is_timed for run in runs)
    sort = options.sort or ("time" if timed else "faults")
    if sort == "time" and not timed:
        raise LogError("--sort time: not all of the logs tell latencies")
    if sort == "major" and not all(run.has_outcomes for run in runs):
        raise LogError("--sort major: not all of the logs tell results")
    measure = MEASURES[sort]
    names = sorted({name for run in runs for name in run.sums["faults"]})

    def difference(name: tuple) -> tuple[float, float]:
        a, b = map(mean, sides.values(measure, [name]))
        return -abs(b - a), -max(a, b)

    names.sort(key=difference)
    notes = list(dict.fromkeys(note for run in runs for note in run.notes))
    if options.csv:
        table.put(csv_text(sides, _keys(options), names[: options.top or len(names)]))
        for note in notes:
            print(f"{Path(sys.argv[0]).name}: {note}", file=sys.stderr)
        return
    room = table.terminal_columns()
    top = table.TOP if options.top is None else options.top or len(names)
    told = [line for text in notes for line in textwrap.wrap(text, room)]
    lines = [*told, *text_lines(sides, _keys(options), names, top, measure, room)]
    table.put("".join(line + "\n" for line in lines))


def percent_text(a: float, b: float) -> str:
    """How much b is above a."""
    if a == b:
        return "0.0 %"
    return f"{100 * (b - a) / a:+,.1f} %" if a else "new"


def text_lines(
    sides: Sides, keys: list[str], names: list[tuple], top: int, measure: str, room: int
) -> list[str]:
    """The comparison in lines of at most room columns."""
    text: Callable[[float], str] = lambda value: (
        time_text(round(value)) if measure == "total" else f"{value:,.10g}"
    )
    shown = [(name, [name]) for name in names[:top]]
    rest = [""] * (len(keys) - 1)
    if len(names) > top:
        shown.append(((f"({len(names) - top:,} more)", *rest), names[top:]))
    shown.append((("(all)", *rest), names))
    has_several = min(len(sides.before), len(sides.after)) > 1
    head = ["before", "after", "change", ""]
    head += ["beyond"] if has_several else []
    with_major = measure != "major" and all(
        run.has_outcomes for run in [*sides.before, *sides.after]
    )
    head += ["major", "then"] if with_major else []
    rows = [head]
    for _, of_row in shown:
        before, after = sides.values(measure, of_row)
        a, b = mean(before), mean(after)
        sign = "-" if b < a else "+" if b > a else ""
        row = [text(a), text(b), sign + text(abs(b - a)), percent_text(a, b)]
        if has_several:
            row.append("yes" if is_more(before, after) else "no")
        if with_major:
            majors = map(mean, sides.values("major", of_row))
            row += [f"{round(n, 1):,.10g}" for n in majors]
        rows.append(row)
    cells = list(map(list, zip(*rows)))
    widths = [max(map(columns_of, texts)) for texts in cells]
    labels = [keys] + [[part or groups.NOT_TOLD for part in name] for name, _ in shown]
    left = room - sum(widths) - 2 * len(widths)
    parts = table.in_room(list(map(list, zip(*labels))), left)
    numbers = (table.right(texts, width) for texts, width in zip(cells, widths))
    lines = ["  ".join(line).rstrip() for line in zip(*numbers, *parts)]
    return [*legend(sides, measure, has_several, room), *lines]


def legend(sides: Sides, measure: str, has_several: bool, room: int) -> list[str]:
    """What the columns are."""
    what = {"total": "time in faults", "faults": "faults", "major": "major faults"}
    nr_before, nr_after = len(sides.before), len(sides.after)
    text = f"Before: {plural(nr_before, 'run')}, after: {plural(nr_after, 'run')}"
    text += f"; {what[measure]}"
    if nr_before + nr_after > 2:
        text += ", means"
    if has_several:
        text += (
            ". Beyond: no run of one side is among the other's, and the means are "
            "further apart than the runs of either side."
        )
    else:
        text += ". How far runs differ among themselves takes several on each side."
    return textwrap.wrap(text, room)


def csv_text(sides: Sides, keys: list[str], names: list[tuple]) -> str:
    """The comparison as CSV: means of each measure, and whether it is beyond chance."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    measures = {"faults": "faults", "major": "major", "total": "total_ns"}
    ends = ("before", "after", "beyond")
    writer.writerow(
        [*keys, *(f"{title}_{end}" for title in measures.values() for end in ends)]
    )
    for name in names:
        row: list[object] = [csv_cell(part) for part in name]
        for measure in measures:
            before, after = sides.values(measure, [name])
            more = is_more(before, after)
            row += [f"{mean(side):.15g}" for side in (before, after)]
            row.append("" if more is None else "yes" if more else "no")
        writer.writerow(row)
    return file.getvalue()


def add_options(parser: argparse.ArgumentParser) -> None:
    """The comparison's options."""
    box = parser.add_argument_group("comparison")
    box.add_argument(
        "--compare",
        metavar="LOG",
        nargs="+",
        help="hold these logs against the others, by --by: map, function, program ...; "
        "with several on each side it tells what is more than runs differ anyway; with "
        "-o a picture of them side by side",
    )
