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

from . import differ, groups, table
from .fit import columns_of
from .log import OUTCOME_HINT, LogError
from .outputs import Job
from .words import csv_cell, plural, printable, time_text

OF_ONE_RUN = ("process", "thread", "page", "time")  # another run has others
TOO_FEW_RUNS = (
    "Too few runs to say whether the sides differ by more than chance: it takes "
    f"{differ.RUNS_NEEDED} on each side"
)
NOT_ALL_TELL = f"Not all of the logs have results and latencies: {OUTCOME_HINT}"
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
    is_timed: bool  # as a log without faults is; it has no other
    has_outcomes: bool
    notes: list[str]  # what must be told of it

    def tells(self, measure: str) -> bool:
        """Does its log have this measure, of MEASURES?"""
        return {"total": self.is_timed, "major": self.has_outcomes}.get(measure, True)


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
    else:
        told.append(f"{name_of_log}: {job.filters.why_none(job.whole)}")
    whole = job.whole
    is_timed = not len(whole) or bool(whole.told("latency_ns").any())
    return Run(sums, is_timed, not len(whole) or whole.has_outcomes, told)


def mean(values: list[int]) -> float:
    """The arithmetic mean; there is at least one value."""
    return sum(values) / len(values)


@dataclass(frozen=True)
class Judgement:
    """What differs by more than runs of one kind do."""

    total: bool | None  # None: nothing can be said
    rows: dict[tuple, bool]  # by the groups' names; empty then


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

    def tell(self, measure: str) -> tuple[bool, bool]:
        """Do all runs of each side tell this measure?"""
        before, after = (
            all(run.tells(measure) for run in side)
            for side in (self.before, self.after)
        )
        return before, after

    def judge(self, measure: str, names: list[tuple]) -> Judgement:
        """Do the sides differ? None where there are too few runs, or not all tell it."""
        can = differ.can_judge(len(self.before), len(self.after))
        if not can or not all(self.tell(measure)):
            return Judgement(None, {})
        rows = [self.values(measure, [name]) for name in names]
        total, of_rows = differ.judge(self.values(measure, names), rows)
        return Judgement(total, dict(zip(names, of_rows)))


def write(before: list[Run], after: list[Run], options: argparse.Namespace) -> None:
    """Print how the sides differ, the largest difference first."""
    sides, runs = Sides(before, after), [*before, *after]
    timed = all(sides.tell("total"))
    measure = MEASURES[options.sort or ("time" if timed else "faults")]
    names = sorted({name for run in runs for name in run.sums["faults"]})
    by = measure if all(sides.tell(measure)) else "faults"

    def difference(name: tuple) -> tuple[float, float]:
        a, b = map(mean, sides.values(by, [name]))
        return -abs(b - a), -max(a, b)

    judgement = sides.judge(measure, names)
    names.sort(key=difference)
    notes = list(dict.fromkeys(note for run in runs for note in run.notes))
    differ_in_kind = any(len({*sides.tell(name)}) > 1 for name in ("total", "major"))
    if differ_in_kind or by != measure:
        notes.append(NOT_ALL_TELL)
    if options.csv:
        some = names[: options.top or len(names)]
        table.put(csv_text(sides, _keys(options), some, measure, judgement))
        for note in notes:
            print(f"{Path(sys.argv[0]).name}: {note}", file=sys.stderr)
        return
    room = table.terminal_columns()
    top = table.TOP if options.top is None else options.top or len(names)
    told = [line for text in notes for line in textwrap.wrap(text, room)]
    told += legend(sides, measure, judgement.total, room)
    lines = text_lines(sides, _keys(options), names, top, measure, judgement, room)
    table.put("".join(line + "\n" for line in [*told, *lines]))


def percent_text(a: float, b: float) -> str:
    """How much b is above a."""
    if a == b:
        return "0.0 %"
    return f"{100 * (b - a) / a:+,.1f} %" if a else "new"


def text_lines(
    sides: Sides,
    keys: list[str],
    names: list[tuple],
    top: int,
    measure: str,
    judgement: Judgement,
    room: int,
) -> list[str]:
    """The comparison in lines of at most room columns."""
    judged = judgement.total is not None
    shown = [(name, [name], judgement.rows.get(name)) for name in names[:top]]
    rest = [""] * (len(keys) - 1)
    if len(names) > top:  # which these are depends on how they differ
        shown.append(((f"({len(names) - top:,} more)", *rest), names[top:], None))
    shown.append((("(all)", *rest), names, judgement.total))
    with_major = measure != "major" and any(sides.tell("major"))
    head = ["before", "after", "change", ""]
    head += ["differs"] * judged + ["major", "then"] * with_major
    rows = [head]
    for _, of_row, differs in shown:
        row = _changes(sides, measure, of_row)
        if judged:
            row.append({True: "yes", False: "no", None: ""}[differs])
        if with_major:
            majors = _told_means(sides, "major", of_row)
            row += [_text("major", n if n is None else round(n, 1)) for n in majors]
        rows.append(row)
    cells = list(map(list, zip(*rows)))
    widths = [max(map(columns_of, texts)) for texts in cells]
    labels = [keys]
    labels += [[part or groups.NOT_TOLD for part in name] for name, *_ in shown]
    left = room - sum(widths) - 2 * len(widths)
    parts = table.in_room(list(map(list, zip(*labels))), left)
    numbers = (table.right(texts, width) for texts, width in zip(cells, widths))
    return ["  ".join(line).rstrip() for line in zip(*numbers, *parts)]


def _told_means(sides: Sides, measure: str, names: list[tuple]) -> list[float | None]:
    """A measure's mean of each side, these groups together; None if not all runs tell it."""
    values = sides.values(measure, names)
    return [mean(v) if told else None for v, told in zip(values, sides.tell(measure))]


def _text(measure: str, value: float | None) -> str:
    """A mean as people read it."""
    if value is None:
        return groups.NOT_TOLD
    return time_text(round(value)) if measure == "total" else f"{value:,.10g}"


def _changes(sides: Sides, measure: str, names: list[tuple]) -> list[str]:
    """Before, after, and how much that changes."""
    a, b = _told_means(sides, measure, names)
    if a is None or b is None:
        return [_text(measure, a), _text(measure, b), groups.NOT_TOLD, ""]
    sign = "-" if b < a else "+" if b > a else ""
    change = sign + _text(measure, abs(b - a))
    return [_text(measure, a), _text(measure, b), change, percent_text(a, b)]


def legend(sides: Sides, measure: str, differs: bool | None, room: int) -> list[str]:
    """What the columns are; differs: the sums."""
    what = {"total": "time in faults", "faults": "faults", "major": "major faults"}
    nr_before, nr_after = len(sides.before), len(sides.after)
    text = f"Before: {plural(nr_before, 'run')}, after: {plural(nr_after, 'run')}"
    text += f"; {what[measure]}"
    if nr_before + nr_after > 2:
        text += ", means"
    if differs is not None:
        text += (
            f". In all, the sides {'differ' if differs else 'do not differ'} by more "
            "than chance; then each row is judged. Of 100 such tables of runs that are "
            f"all alike, at most {round(100 * differ.LEVEL)} say yes anywhere."
        )
    elif all(sides.tell(measure)):
        text += f". {TOO_FEW_RUNS}."
    return textwrap.wrap(text, room)


def csv_text(
    sides: Sides,
    keys: list[str],
    names: list[tuple],
    measure: str,
    judgement: Judgement,
) -> str:
    """The comparison as CSV: means of each measure, empty where they are not told.

    Of the measure that it is sorted by, whether a row differs by more than chance.
    """
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    measures = {"faults": "faults", "major": "major", "total": "total_ns"}
    ends = ("before", "after", "differs")
    writer.writerow(
        [*keys, *(f"{title}_{end}" for title in measures.values() for end in ends)]
    )
    for name in names:
        row: list[object] = [csv_cell(part) for part in name]
        for each in measures:
            means = _told_means(sides, each, [name])
            row += ["" if value is None else f"{value:.15g}" for value in means]
            differs = judgement.rows.get(name) if each == measure else None
            row.append("" if differs is None else "yes" if differs else "no")
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
        f"with {differ.RUNS_NEEDED} or more on each side it says what differs by more than "
        "runs of one kind do; with -o a picture of them side by side",
    )
