# SPDX-License-Identifier: GPL-2.0-or-later
"""A picture that compares logs: side by side, on common axes.

All logs have the same panels, heights and scale of time. So this is one picture, in which the
time of each log follows that of the log before it.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedFormatter, FixedLocator

from ..analyse.differ import RUNS_NEEDED
from ..analyse.groups import UNKNOWN
from ..base.arrays import NDArray
from ..base.error import LogError
from ..base.fit import shortened
from ..base.words import axis_unit, plural, round_width, wrapped
from ..draw import drawing, fonts
from ..draw.layout import RIGHT, Sheet, TimeLocator, literal, note
from ..draw.marks import ACCESS_WORDS, COLOURS, FAINT, INK, draw_cells, mark_of
from ..draw.panels import Panels, by_address, by_mapping
from ..draw.strips import (
    PERCENTILES,
    draw_spent,
    draw_strip,
    percentiles_text,
    plot_latencies,
    spent_text,
)
from ..draw.timeline import TIME_TICKS, bin_width
from ..parse.areas import Areas
from ..parse.log import (
    ACCESSES,
    COLUMNS,
    MAJOR,
    NOT_READ,
    OF_OTHERS,
    RESULTS,
    WORD,
    Log,
)
from . import picture
from .compare import outcomes_missing
from .outputs import Job

MAX_LOGS = 4  # there is no room for more
MAX_NAME = 48  # characters of the names of all logs together
SIDES = {"A": "before", "B": "after"}
# Widths in inches: of a character of the labels, of one of the legend, of a mark, of the margin.
LABEL_INCHES, LEGEND_INCHES, MARK_INCHES, MARGIN = 0.064, 0.072, 0.25, 0.2
VIEWS = ("mapping", "address")
TESTED_IN_TABLES = (
    "for significance, use the table (no -o) with "
    f"{RUNS_NEEDED} or more runs on each side"
)


columns = picture.columns


@dataclass(frozen=True)
class Section:
    """A log's part of the time axis."""

    letter: str  # A1
    job: Job
    nr_faults: int
    first: int  # its first fault's index in the joined log
    start_ns: int  # where it begins on the axis

    @property
    def side(self) -> str:
        """The side's name in tables."""
        return SIDES[self.letter[0]]


def check(options: argparse.Namespace) -> None:
    """Raise LogError for a view that comparisons do not have, and for too many logs."""
    if options.view not in (None, *VIEWS):
        raise LogError(f"--view {options.view}: a comparison has {' and '.join(VIEWS)}")
    nr_logs = 1 + len(options.more) + len(options.compare)
    if nr_logs > MAX_LOGS:
        raise LogError(f"a picture has room for {MAX_LOGS} logs, not {nr_logs}")


def write(before: list[Job], after: list[Job], options: argparse.Namespace) -> None:
    """Draw the picture; raises LogError if the logs have no common axes, and OSError."""
    jobs = [*before, *after]
    if len({job.log.page_shift for job in jobs}) > 1:
        raise LogError("the logs are from machines with different page sizes")
    figure = drawing.new_figure()
    draw(figure, before, after, options.view or "mapping")
    picture.save(figure, jobs[0])


def letters(nr_before: int, nr_after: int) -> list[str]:
    """The logs' letters: A and B, or A1, A2, B1 ..."""
    names = []
    for letter, nr in zip(SIDES, (nr_before, nr_after)):
        names += [letter] if nr == 1 else [f"{letter}{i + 1}" for i in range(nr)]
    return names


class Time:
    """The axis of time: a span for each log, all from the same elapsed time on.

    Elapsed time counts from each log's first fault, even if filters leave that fault out.
    """

    def __init__(self, jobs: list[Job]) -> None:
        self.elapsed = [
            job.log.time_ns - job.whole.time_ns.min()
            if len(job.whole)
            else job.log.time_ns
            for job in jobs
        ]
        ranges = [
            (int(elapsed.min()), int(elapsed.min()) + job.log.duration_ns)
            for elapsed, job in zip(self.elapsed, jobs)
            if len(job.log)
        ]
        low, high = min(ranges)[0], max(high for _, high in ranges)
        width = bin_width((high - low) * len(jobs) * 21 // 20)
        # A multiple of the bins of the strip, even if it chooses the next wider ones.
        whole = 10 * width
        self.low_ns = low // whole * whole
        self.duration_ns = high - self.low_ns
        self.span_ns = ((self.duration_ns + 2 * width) // whole + 1) * whole
        if self.span_ns * len(jobs) >> 63:
            raise LogError("the logs' faults are too far apart in time for one axis")

    def draw_axis(self, sheet: Sheet, nr_logs: int) -> float:
        """Draw ticks, labels and the gaps between logs; returns the unit in ns."""
        nr_ticks = max(TIME_TICKS // nr_logs, 2) + 1
        unit, name = axis_unit(self.duration_ns, nr_ticks)
        low, span = self.low_ns / unit, self.span_ns / unit
        most = self.duration_ns / unit
        total_ns = self.span_ns * (nr_logs - 1) + self.duration_ns
        sheet.time_axis(total_ns, unit, name)
        step = round_width(self.duration_ns, nr_ticks) / unit
        locator = TimeLocator(unit, 0, step, nr_ticks)
        ticks = [t for t in locator.tick_values(low, low + most) if low <= t]
        ticks = [t for t in ticks if t <= low + most * 1.001] or [low]
        places = [t - low + i * span for i in range(nr_logs) for t in ticks]
        sheet.strip.xaxis.set_major_locator(FixedLocator(places))
        sheet.strip.xaxis.set_major_formatter(
            FixedFormatter([f"{t:,.10g}" for t in ticks] * nr_logs)
        )
        sheet.lowest.set_xlabel(
            f"time since each log's first fault ({name})", size=9, color=INK
        )
        for axis in sheet.figure.axes:
            for i in range(1, nr_logs):
                edge = 0.01 * most
                axis.axvspan(
                    (i - 1) * span + most + edge,
                    i * span - edge,
                    color="white",
                    zorder=1,
                )
        return unit


def joined(jobs: list[Job], time: Time) -> tuple[Log, NDArray[np.uint32]]:
    """Join the logs into one, with times on the common axis and sorted by them.

    Processes are renumbered, because different logs may have the same pids. Also returns the
    faults' address spaces, see Log.spaces(); (n,).
    """
    logs = [job.log for job in jobs]
    first = logs[0]
    values: dict[str, Any] = dict.fromkeys(OF_OTHERS, NOT_READ)
    names: dict[str, list[str]] = {}
    for name in COLUMNS:
        if name in OF_OTHERS:
            continue
        parts = [getattr(log, name) for log in logs]
        if any(part is None for part in parts):
            continue
        if COLUMNS[name].form == WORD:
            known: dict[str, int] = {}
            for log in logs:
                for word in log.names[name]:
                    known.setdefault(word, len(known))
            most = np.iinfo(COLUMNS[name].dtype).max
            names[name] = list(known)[: most + 1]
            parts = [
                np.array([min(known[word], most) for word in log.names[name]])[part]
                for log, part in zip(logs, parts)
            ]
        values[name] = np.concatenate(parts).astype(COLUMNS[name].dtype)
    which = np.repeat(np.arange(len(logs)), [len(log) for log in logs])
    log_bits = which.astype(np.uint64) << np.uint64(32)
    processes = np.concatenate([log.process for log in logs])
    pids = np.unique(log_bits | processes, return_inverse=True)[1]
    values["pid"] = pids.astype(np.uint32)
    spaces = log_bits | np.concatenate([log.spaces() for log in logs])
    values["time_ns"] = np.concatenate(time.elapsed) - np.uint64(time.low_ns)
    values["time_ns"] += which.astype(np.uint64) * np.uint64(time.span_ns)
    values["access"] = np.minimum(values["access"], len(ACCESSES)).astype(np.uint8)
    largest = {}
    for name in {name for log in logs for name in log.largest}:
        of_logs = [log.largest.get(name, np.zeros(len(log), bool)) for log in logs]
        largest[name] = np.concatenate(of_logs)
    log = replace(first, **values, largest=largest, names=names, paths=[], events=[])
    log.areas = Areas()  # of one of them only
    log.recorder = next((log.recorder for log in logs if log.recorder), "")
    order = np.argsort(log.time_ns, kind="stable")
    return log.take(order), spaces[order]


def draw(
    figure: Figure, before: list[Job], after: list[Job], view: str = "mapping"
) -> None:
    """Draw logs, at least one of which has a fault, and set the figure's size."""
    jobs = [*before, *after]
    time = Time(jobs)
    log, spaces = joined(jobs, time)
    firsts = np.cumsum([0] + [len(job.log) for job in jobs]).tolist()
    sections = [
        Section(letter, job, len(job.log), first, i * time.span_ns)
        for i, (letter, job, first) in enumerate(
            zip(letters(len(before), len(after)), jobs, firsts)
        )
    ]
    panels = by_mapping(log, spaces) if view == "mapping" else by_address(log)
    has_latency = bool(log.known("latency_ns").any())
    labels = [_panel_lines(log, panels, i, sections) for i in range(len(panels.panels))]
    counts = _counts(log, sections)
    longest = max(len(line) for lines in labels for line in lines) * LABEL_INCHES
    longest = max(longest, max(map(len, counts.values())) * LEGEND_INCHES + MARK_INCHES)
    aside = max(longest + MARGIN - RIGHT, 0)
    room = drawing.LINE_WIDTH + int(12 * (1 + aside))
    heads = [line for section in sections for line in _headline(section, room)]
    warned = drawing.warnings_of(
        [f"{s.letter}: {text}" for s in sections for text in s.job.verdict.lines()]
    )
    missing = fonts.use_fonts([*heads, *log.names["map"]])
    sheet = Sheet(
        figure,
        nr_head_lines=(len(heads) + 1, len(warned)),  # one more for the logs' names
        aside=aside,  # more room on the right
        nr_lanes=0,
        panels=panels.panels,
        has_memory=False,
        has_latency=has_latency,
        page_shift=log.page_shift,
    )
    unit = time.draw_axis(sheet, len(jobs))
    elapsed = log.time_ns / unit
    total_ns = time.span_ns * (len(jobs) - 1) + time.duration_ns
    draw_strip(sheet.strip, log, np.uint64(0), total_ns, unit)
    drawn: set[tuple[int, bool]] = set()
    notes = _draw_panels(sheet, log, panels, elapsed, labels, drawn)
    if has_latency:
        spent = [f"{s.letter} {_spent_text(s)}" for s in sections]
        draw_spent(sheet.spent, log, np.uint64(0), total_ns, unit, 0, spent)
        cuts = tuple(s.start_ns / unit for s in sections[1:])
        notes += plot_latencies(sheet.latency, log, elapsed, drawn, cuts)
        _label_latencies(sheet.latency, log, sections)
    notes.append(TESTED_IN_TABLES)
    if len({_has_outcomes(section) for section in sections}) > 1:
        lacking = [s.job.whole.outcome_hint for s in sections if not _has_outcomes(s)]
        notes.insert(0, outcomes_missing(lacking))
    only = jobs[0].filters.text()
    if only:
        notes.insert(0, only)
    if missing:
        notes.append(f"no font for {missing} (Debian: fonts-noto-cjk, fonts-symbola)")
    if has_latency:
        notes.append(PERCENTILES)
    sheet.head("Page faults, side by side", heads, warned)
    _name_sections(sheet, sections, unit)
    sheet.foot(notes)
    _legend(sheet, counts, drawn)


def _headline(section: Section, width: int) -> list[str]:
    """A log's target and counts, in lines of at most width characters."""
    log, verdict = section.job.log, section.job.verdict
    if not len(log):
        return [f"{section.letter}: no faults"]
    nr_pages = drawing.count_pages(log)
    title, subtitle = drawing.headline(log, verdict, nr_pages, log.duration_ns)
    target = title.removeprefix("Page faults of ")
    return wrapped(f"{section.letter}, {target}: {subtitle}", width)


def _spent_text(section: Section) -> str:
    log = section.job.log
    if not len(log):
        return "no faults"
    return spent_text(log) if log.known("latency_ns").any() else UNKNOWN


def _name_sections(sheet: Sheet, sections: list[Section], unit: float) -> None:
    """Write each log's letter, side and name above its part."""
    room = MAX_NAME // len(sections)
    for section in sections:
        name = shortened(Path(section.job.name).name, room)
        sheet.strip.annotate(
            literal(f"{section.letter}, {section.side}: {name}"),
            (section.start_ns / unit, 1),
            xytext=(0, 5),
            xycoords=("data", "axes fraction"),
            textcoords="offset points",
            size=10,
            weight="bold",
            color=INK,
            annotation_clip=False,
        )


def _has_outcomes(section: Section) -> bool:
    """Whether the log recorded outcomes; True for a log without faults, as in compare.Run."""
    whole = section.job.whole
    return not len(whole) or whole.has_outcomes


def _part(section: Section, here: NDArray[np.int64]) -> NDArray[np.int64]:
    """The section's faults among these indices, which are in ascending order."""
    ends = np.searchsorted(here, [section.first, section.first + section.nr_faults])
    return here[ends[0] : ends[1]]


def _panel_lines(
    log: Log, panels: Panels, i: int, sections: list[Section]
) -> list[str]:
    """The label of panel i: its title, and the faults of each log."""
    here = np.flatnonzero(panels.where == i)
    lines = [panels.panels[i].title] if panels.panels[i].title else []
    for section in sections:
        part = _part(section, here)
        words = [plural(len(part), "fault"), *drawing.outcome_words(log, part)]
        lines.append(f"{section.letter} {', '.join(words)}")
    return lines


def _draw_panels(
    sheet: Sheet,
    log: Log,
    panels: Panels,
    elapsed: NDArray[np.float64],
    labels: list[list[str]],
    drawn: set[tuple[int, bool]],
) -> list[str]:
    """Draw all panels and their labels; returns notes."""
    cells: list[tuple[Axes, NDArray[np.int64]]] = []
    shared = False
    for i, (axis, panel) in enumerate(zip(sheet.areas, panels.panels)):
        here = np.flatnonzero(panels.where == i)
        x, y = elapsed[here], panels.heights(log, panel, here)
        shared |= drawing.draw_faults(axis, log, here, (x, y), cells, drawn)
        _label(axis, labels[i], is_bold=bool(panel.title))
    draw_cells(cells)
    return drawing.panel_notes(panels, cells, shared)


def _label(axis: Axes, lines: list[str], is_bold: bool) -> None:
    """Write a label on the right of an axis; is_bold: the first line is a title."""
    size, pitch = (8, 12) if len(lines) <= 3 else (7, 9.5)
    for i, line in enumerate(lines):
        style = {"size": size, "color": FAINT}
        if is_bold and not i:
            style = {"size": size + 1, "weight": "bold", "color": INK}
        note(axis, line, 0, 0.5, pitch * ((len(lines) - 1) / 2 - i), **style)


def _label_latencies(axis: Axes, log: Log, sections: list[Section]) -> None:
    """Write the percentiles of each log."""
    lines = ["fault latency"]
    for section in sections:
        rows = slice(section.first, section.first + section.nr_faults)
        known = log.known("latency_ns")[rows]
        words = (
            percentiles_text(log.latency_ns[rows][known]) if known.any() else UNKNOWN
        )
        lines.append(f"{section.letter} {words}")
    _label(axis, lines, is_bold=True)


def _counts(log: Log, sections: list[Section]) -> dict[tuple[str, int], str]:
    """The legend's texts by column and code: each access or result's faults in each log."""
    texts = {}
    for column, names, low in (("access", ACCESS_WORDS, 0), ("result", RESULTS, MAJOR)):
        parts = [
            getattr(log, column)[s.first : s.first + s.nr_faults] for s in sections
        ]
        counts = [np.bincount(part, minlength=len(names)) for part in parts]
        for code in range(low, len(names)):
            if any(of_log[code] for of_log in counts):
                words = " | ".join(
                    f"{of_log[code]:,}"
                    if column != "result" or _has_outcomes(s)
                    else UNKNOWN
                    for s, of_log in zip(sections, counts)
                )
                texts[column, code] = f"{names[code]} {words}"
    return texts


def _legend(
    sheet: Sheet, counts: dict[tuple[str, int], str], drawn: set[tuple[int, bool]]
) -> None:
    """Draw the legend: colours and marks that were drawn, with their counts in each log."""
    entries = [
        ({"marker": "s", "markersize": 6, "color": COLOURS[code]}, words)
        for (column, code), words in counts.items()
        if column == "access"
    ]
    for code, is_binned in sorted(drawn):
        words = counts["result", code]
        if is_binned and (code, False) in drawn:
            words = f"{RESULTS[code]} (cells)"
        entries.append((mark_of(code, is_binned), words))
    sheet.legend(entries)
