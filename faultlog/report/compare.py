# SPDX-License-Identifier: GPL-2.0-or-later
"""Compares two sides of one or more logs each, group by group."""

from __future__ import annotations

import argparse
import csv
import io
import textwrap
from collections import Counter
from dataclasses import dataclass
from typing import Iterable

from ..analyse import differ, groups, select
from ..base.error import LogError
from ..base.fit import columns_of
from ..base.words import csv_cell, plural, printable, time_text
from ..parse import others
from . import findings, table, terminal
from .outputs import Job

OF_ONE_RUN = ("process", "thread", "page", "time")  # their values change with each run
TOO_FEW_RUNS = (
    "Too few runs to test whether the difference is significant: each side needs "
    f"{differ.RUNS_NEEDED}"
)
MEASURES = {"time": "total", "faults": "faults", "major": "major"}


def columns(options: argparse.Namespace) -> set[str]:
    """The columns of a log that a comparison needs."""
    return groups.columns(_keys(options))


def _keys(options: argparse.Namespace) -> list[str]:
    keys = options.by or ["map"]
    for key in keys:
        if key in OF_ONE_RUN:
            raise LogError(f"--by {key}: its values differ from run to run")
    if options.sort in ("p99", "key"):
        raise LogError(
            f"--sort {options.sort}: only time, faults and major are compared"
        )
    return keys


@dataclass(frozen=True)
class Run:
    """One log's sums by group; a group is the tuple of its texts, one for each key."""

    # For "faults", "major", "total": the sum of each group.
    sums: dict[str, Counter[tuple[str, ...]]]
    is_timed: bool  # also true of a log without faults: no latency is missing there
    has_outcomes: bool  # the same
    notes: list[str]  # for the reader of the table
    hint: str  # Log.outcome_hint

    def has(self, measure: str) -> bool:
        """Whether the log recorded this measure, a value of MEASURES."""
        return {"total": self.is_timed, "major": self.has_outcomes}.get(measure, True)


def summed(job: Job) -> Run:
    """Sum up a log, which can then be freed."""
    log = job.log
    sums: dict[str, Counter[tuple[str, ...]]] = {}
    sums.update((name, Counter()) for name in MEASURES.values())
    name_of_log = printable(job.name)
    texts = [*job.verdict.lines(), *job.notes]
    notes = [f"{name_of_log}: {text}" for text in texts]
    if len(log):
        codes, members = groups.group_by(log, job.whole, _keys(job.options))
        rows = groups.figures(log, codes, len(members))
        for i in range(len(members)):
            name = tuple(members.plain(i))  # the labels of two groups may be the same
            for key, counter in sums.items():
                counter[name] += int(getattr(rows, key)[i])
        more = [*members.notes, *others.notes(log, _keys(job.options))]
        notes += [f"{name_of_log}: {text}" for text in more]
    else:
        notes.append(f"{name_of_log}: {job.filters.why_none(job.whole)}")
    whole = job.whole
    is_timed = not len(whole) or bool(whole.known("latency_ns").any())
    has_outcomes = not len(whole) or whole.has_outcomes
    return Run(sums, is_timed, has_outcomes, notes, whole.outcome_hint)


def outcomes_missing(hints: Iterable[str]) -> str:
    """A note that some logs lack outcomes, with their hints."""
    reasons = "; ".join(dict.fromkeys(hints))
    return f"Not all of the logs have results and latencies: {reasons}"


def mean(values: list[int]) -> float:
    """The arithmetic mean of at least one value."""
    return sum(values) / len(values)


@dataclass(frozen=True)
class Judgement:
    """Which differences are significant."""

    total: bool | None  # None: it could not be tested
    rows: dict[tuple, bool]  # by the groups' names; empty if it could not be tested


@dataclass(frozen=True)
class Sides:
    """The runs before and after."""

    before: list[Run]
    after: list[Run]

    def values(self, measure: str, names: list[tuple]) -> tuple[list[int], list[int]]:
        """A measure summed over these groups: a list of the runs before, one of those after."""
        before, after = (
            [sum(run.sums[measure][name] for name in names) for run in side]
            for side in (self.before, self.after)
        )
        return before, after

    def have(self, measure: str) -> tuple[bool, bool]:
        """Whether all runs before, and all runs after, recorded this measure."""
        before, after = (
            all(run.has(measure) for run in side) for side in (self.before, self.after)
        )
        return before, after

    def judge(self, measure: str, names: list[tuple]) -> Judgement:
        """Test the difference; untested with too few runs, or if some lack the measure."""
        can = differ.can_judge(len(self.before), len(self.after))
        if not can or not all(self.have(measure)):
            return Judgement(None, {})
        rows = [self.values(measure, [name]) for name in names]
        total, of_rows = differ.judge(self.values(measure, names), rows)
        return Judgement(total, dict(zip(names, of_rows)))


def write(before: list[Run], after: list[Run], options: argparse.Namespace) -> None:
    """Print how the sides differ, the largest difference first."""
    sides, runs = Sides(before, after), [*before, *after]
    timed = all(sides.have("total"))
    measure = MEASURES[options.sort or ("time" if timed else "faults")]
    names = sorted({name for run in runs for name in run.sums["faults"]})
    by = measure if all(sides.have(measure)) else "faults"

    def difference(name: tuple) -> tuple[float, float]:
        a, b = map(mean, sides.values(by, [name]))
        return -abs(b - a), -max(a, b)

    judgement = sides.judge(measure, names)
    names.sort(key=difference)
    notes = list(dict.fromkeys(note for run in runs for note in run.notes))
    differ_in_kind = any(len({*sides.have(name)}) > 1 for name in ("total", "major"))
    if differ_in_kind or by != measure:
        lacking = [run.hint for run in runs if not (run.is_timed and run.has_outcomes)]
        notes.append(outcomes_missing(lacking))
    if options.csv:
        some = names[: options.top or len(names)]
        terminal.put(csv_text(sides, _keys(options), some, measure, judgement))
        terminal.warn(*notes)
        return
    to = terminal.terminal()
    room = to.columns
    top = table.TOP if options.top is None else options.top or len(names)
    head = [line for text in notes for line in textwrap.wrap(text, room)]
    head += legend(sides, measure, judgement.total, room)
    lines = text_lines(sides, _keys(options), names, top, measure, judgement, room)
    lines[0], lines[-1] = (
        to.styled(line, terminal.BOLD) for line in lines[:: len(lines) - 1]
    )
    if all(sides.have(measure)):
        a, b = map(mean, sides.values(measure, names))
        is_selection = bool(select.filters(options))
        text = findings.of_comparison(
            measure, a, b, judgement.total, is_selection=is_selection
        )
        lines += ["", *to.sentences(text)]
    terminal.put("".join(line + "\n" for line in [*head, *lines]))


def percent_text(a: float, b: float) -> str:
    """By how many percent b exceeds a."""
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
    """The comparison as lines of at most room columns."""
    judged = judgement.total is not None
    shown = [(name, [name], judgement.rows.get(name)) for name in names[:top]]
    rest = [""] * (len(keys) - 1)
    if len(names) > top:  # not tested: the differences themselves select these rows
        shown.append(((f"({len(names) - top:,} more)", *rest), names[top:], None))
    shown.append((("(all)", *rest), names, judgement.total))
    with_major = measure != "major" and any(sides.have("major"))
    head = ["before", "after", "change", ""]
    head += ["differs"] * judged + ["major"] * with_major
    majors = _major_cells(sides, [of_row for _, of_row, _ in shown])
    rows = [head]
    for (_, of_row, differs), major in zip(shown, majors):
        row = _changes(sides, measure, of_row)
        if judged:
            row.append({True: "yes", False: "no", None: ""}[differs])
        if with_major:
            row.append(major)
        rows.append(row)
    cells = [list(texts) for texts in zip(*rows)]
    widths = [max(map(columns_of, texts)) for texts in cells]
    labels = [keys]
    labels += [_labels(keys, name) for name, *_ in shown]
    left = room - sum(widths) - 2 * len(widths)
    parts = terminal.in_room([list(texts) for texts in zip(*labels)], left)
    numbers = (terminal.right(texts, width) for texts, width in zip(cells, widths))
    return ["  ".join(line).rstrip() for line in zip(*numbers, *parts)]


def _labels(keys: list[str], name: tuple) -> list[str]:
    """A group's name for people; the lines for the rest and for all are no groups."""
    return [
        groups.latency_text(part)
        if key == "latency" and (part.isdigit() or not part)
        else part or groups.UNKNOWN
        for key, part in zip(keys, name)
    ]


def _means(sides: Sides, measure: str, names: list[tuple]) -> list[float | None]:
    """A measure's mean on each side, summed over these groups; None if a run lacks it."""
    values = sides.values(measure, names)
    return [mean(v) if has else None for v, has in zip(values, sides.have(measure))]


def _major_cells(sides: Sides, rows: list[list[tuple]]) -> list[str]:
    """The means of major faults before and after, a cell for each row: "100 to 0"."""
    means = [_means(sides, "major", names) for names in rows]
    ends = [
        [_text("major", n if n is None else round(n, 1)) for n in side]
        for side in zip(*means)
    ]
    width = max(map(len, ends[1]))
    return [f"{a} to {b.ljust(width)}" for a, b in zip(*ends)]


def _text(measure: str, value: float | None) -> str:
    """A mean as the table shows it."""
    if value is None:
        return groups.UNKNOWN
    return time_text(round(value)) if measure == "total" else f"{value:,.10g}"


def _changes(sides: Sides, measure: str, names: list[tuple]) -> list[str]:
    """The cells before, after, change, and change in percent."""
    a, b = _means(sides, measure, names)
    if a is None or b is None:
        return [_text(measure, a), _text(measure, b), groups.UNKNOWN, ""]
    sign = "-" if b < a else "+" if b > a else ""
    change = sign + _text(measure, abs(b - a))
    return [_text(measure, a), _text(measure, b), change, percent_text(a, b)]


def legend(sides: Sides, measure: str, differs: bool | None, room: int) -> list[str]:
    """What the columns mean; differs: whether the totals differ significantly."""
    what = {"total": "time in faults", "faults": "faults", "major": "major faults"}
    nr_before, nr_after = len(sides.before), len(sides.after)
    text = f"Before: {plural(nr_before, 'run')}, after: {plural(nr_after, 'run')}"
    text += f"; {what[measure]}"
    if nr_before + nr_after > 2:
        text += ", means"
    if differs is not None:
        text += (
            f". The totals {'differ' if differs else 'do not differ'} significantly (by "
            'more than run-to-run variation). The "differs" column applies the same test to each '
            f"row. If the change had no effect, at most {round(100 * differ.LEVEL)} in 100 such "
            'tables would contain a "yes".'
        )
    elif all(sides.have(measure)):
        text += f". {TOO_FEW_RUNS}."
    return textwrap.wrap(text, room)


def csv_text(
    sides: Sides,
    keys: list[str],
    names: list[tuple],
    measure: str,
    judgement: Judgement,
) -> str:
    """The comparison as CSV: the means of each measure, empty where it was not recorded.

    Only the measure that the rows are sorted by is tested, so only its "differs" is filled in.
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
            means = _means(sides, each, [name])
            row += ["" if value is None else f"{value:.15g}" for value in means]
            differs = judgement.rows.get(name) if each == measure else None
            row.append("" if differs is None else "yes" if differs else "no")
        writer.writerow(row)
    return file.getvalue()


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the comparison's options."""
    box = parser.add_argument_group("comparison")
    box.add_argument(
        "--compare",
        metavar="LOG",
        nargs="+",
        help="compare the logs named before this option with those named after it, row by row "
        "(see --by); "
        f"with {differ.RUNS_NEEDED} or more logs on each side the table marks significant "
        "differences; with -o, draw the logs side by side",
    )
