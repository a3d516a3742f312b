# SPDX-License-Identifier: GPL-2.0-or-later
"""The picture: time on the X axis, and on the Y axis what the view selects.

Every fault is drawn at its time and its place. By address, address space that was not touched
is left out: each touched area is a panel, the highest addresses on top. By mapping, each file
is a panel. Results, latencies, mapped files, processes and threads are drawn if the log has
them.
"""

from __future__ import annotations

import textwrap
import warnings
from dataclasses import replace

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ..analyse.runs import MAX_MARKED, changes, owners
from ..base.arrays import NDArray
from ..base.fit import shortened
from ..base.packed import distinct, pack
from ..base.words import plural, time_text, wrapped
from ..parse import others
from ..parse.areas import Areas
from ..parse.checks import Verdict
from ..parse.log import ACCESSES, MAJOR, MINOR, NO_PAGE, RESULTS, Log, has_failed
from . import fonts
from .breaks import SHARE, draw_breaks, unit_of
from .lanes import find_lanes, find_threads
from .layout import LABEL_CHARS, NAMES, STYLE, Sheet, label, note
from .marks import (
    ACCESS_WORDS,
    COLOURS,
    DARKER,
    FAINT,
    INK,
    NR_KINDS,
    SEVERAL,
    count_cells,
    draw_cells,
    draw_marks,
    draw_standouts,
    has_room,
    mark_of,
)
from .panels import Panel, Panels, by_address, by_mapping, file_label
from .strips import (
    PERCENTILES,
    draw_latencies,
    draw_lanes,
    draw_memory,
    draw_spent,
    draw_strip,
    spent_text,
)
from .timeline import find, whole_axis

NEW_ACCESS = len(ACCESSES)
NOT_IN_LOG = ("abandoned", "unfinished")  # counted, but not recorded as lines
NAME_PITCH = 0.125  # inches between names of files
MAX_SAME = 3  # a file that would be named more often in a panel is not named there
MAX_COMM = 40  # characters of a title
LINE_WIDTH, MAX_WARNINGS = 125, 6  # characters; lines


def new_figure() -> Figure:
    """A figure that does not depend on the user's matplotlib style."""
    matplotlib.rcdefaults()
    warnings.filterwarnings("ignore", message="Glyph .* missing from")
    matplotlib.rcParams.update(STYLE | {"svg.hashsalt": "pf_probe"})
    return Figure()


def default_view(log: Log) -> str:
    """By address, unless there are several address spaces."""
    if log.recorder and not len(log.pages):
        return "threads"
    has_all = not log.recorder or bool(log.known("address").all())
    return "address" if has_all and not log.has_several else "mapping"


def draw(
    figure: Figure,
    log: Log,
    verdict: Verdict,
    view: str | None = None,
    only: str = "",
    whole: Log | None = None,
    fold: bool = True,
) -> None:
    """Draw a log that has at least one fault, and set the figure's size.

    view: one of outputs.VIEWS; only: the filters that selected the log's faults from the whole;
    fold: leave long stretches of time without faults out.
    """
    whole = log if whole is None else whole
    log = replace(log, access=np.minimum(log.access, NEW_ACCESS))
    view = view or default_view(log)
    lanes = find_threads(log) if view == "threads" else find_lanes(log)
    if view == "address":
        panels = by_address(log)
    elif view == "mapping":
        panels = by_mapping(log)
    else:
        panels = Panels([], np.zeros(0, dtype=np.uint8), [])
    files = np.array(["/" in name for name in log.names["map"]])
    has_names = view == "address" and bool(files[log.map].any())
    has_latency = bool(log.known("latency_ns").any())

    nr_pages = count_pages(log)
    start = log.time_ns.min()
    duration = log.duration_ns
    title, counts = headline(log, verdict, nr_pages, duration)
    if only:
        all_faults = plural(len(whole), "fault")
        counts = f"{only[0].upper()}{only[1:]}, of {all_faults}: {counts}"
    subtitle = wrapped(counts, LINE_WIDTH)
    warned = warnings_of(verdict.lines())
    missing = fonts.use_fonts(
        [title, *log.names["map"], *(lanes.names if lanes else ())]
    )

    sheet = Sheet(
        figure,
        nr_head_lines=(len(subtitle), len(warned)),
        aside=NAMES * has_names,
        nr_lanes=len(lanes.names) if lanes else 0,
        panels=panels.panels,
        has_memory=view == "memory",
        has_latency=has_latency,
        page_shift=log.page_shift,
    )
    timeline = find(log, SHARE) if fold else whole_axis(duration)
    unit, unit_name = unit_of(timeline, duration)
    before = int(start - whole.time_ns.min())
    sheet.time_axis(timeline.duration_ns, unit, unit_name, before)
    execs, origin = timeline.positions(changes(log) - start) / unit, _origin(log)
    if timeline.breaks:
        # From here on times are positions on the axis. Processes and address spaces depend on times
        # and lines, so each address space becomes a process.
        places = timeline.positions(log.time_ns - start)
        spaces = np.unique(owners(log), return_inverse=True)[1].astype(np.uint32)
        log = replace(log, time_ns=places, pid=spaces, events=[], areas=Areas())
        start, duration = np.uint64(0), timeline.duration_ns
    elapsed = (log.time_ns - start) / unit
    draw_strip(sheet.strip, log, start, duration, unit)
    drawn: set[tuple[int, bool]] = set()
    notes = _draw_panels(
        sheet, log, panels, elapsed, drawn, files if has_names else None
    )
    if lanes:
        draw_lanes(sheet.lanes, log, lanes, elapsed, sheet.aside)
        notes += lanes.notes
    if view == "memory":
        draw_memory(sheet, log, start, duration, unit)
        notes.append("a huge page counts as one page, as logs do not record page sizes")
    if has_latency:
        texts = [spent_text(log)]
        draw_spent(sheet.spent, log, start, duration, unit, sheet.aside, texts)
        cuts = tuple(gap.end / unit for gap in timeline.breaks)
        notes += draw_latencies(sheet.latency, log, elapsed, sheet.aside, drawn, cuts)
    if timeline.breaks:
        notes.insert(0, draw_breaks(sheet, timeline, unit, before))
    notes = origin + _mark_execs(sheet, execs) + notes
    if len(panels.panels) > 1:
        notes.append("panel heights: logarithm of size")
    if missing:
        notes.append(f"no font for {missing} (Debian: fonts-noto-cjk, fonts-symbola)")
    if has_latency:
        notes.append(PERCENTILES)  # the last one, as it is the first to be left out
    sheet.head(title, subtitle, warned)
    sheet.foot(notes)
    _legend(sheet, log, drawn)


def _mark_execs(sheet: Sheet, places: NDArray[np.float64]) -> list[str]:
    """Draw a line where the process began to run another program; returns notes.

    places: on the axis of time, (m,). The addresses before and after belong to different memory.
    """
    if not len(places):
        return []
    texts = "exec: the memory is new from there on"
    if len(places) > MAX_MARKED:
        return [f"{len(places):,} times {texts} (not marked)"]
    for place in places.tolist():
        for axis in sheet.figure.axes:
            axis.axvline(
                place, color=INK, linewidth=0.8, linestyle=(0, (4, 3)), zorder=1.8
            )
    return [f"{plural(len(places), 'vertical dashed line')}: {texts}"]


def count_pages(log: Log) -> int:
    """How many pages were touched; processes share none, and no programs of a process do."""
    owner = owners(log)
    if (owner == owner[0]).all():
        return len(log.pages)
    pages = log.page
    known = pages != NO_PAGE if log.recorder else slice(None)
    return len(distinct(pack(owner[known], pages[known])))


def _draw_panels(
    sheet: Sheet,
    log: Log,
    panels: Panels,
    elapsed: NDArray[np.float64],
    drawn: set[tuple[int, bool]],
    files: NDArray[np.bool_] | None,
) -> list[str]:
    """Draw all panels and their labels, and return notes.

    files: whether each mapping is a file, to be named beside the panels, bool; None: name none.
    """
    where, order = panels.where, None
    if (
        log.has_outcomes
    ):  # then the log is in the order in which faults ended, not began
        order = np.argsort(log.time_ns, kind="stable")
        where = where[order] if len(where) else where
    cells: list[tuple[Axes, NDArray[np.int64]]] = []
    shared, nr_unnamed = False, 0
    for i, (axis, panel) in enumerate(zip(sheet.areas, panels.panels)):
        here = np.flatnonzero(where == i)
        if order is not None:
            here = order[here]
        y = panels.heights(log, panel, here)
        x = elapsed[here]
        shared |= draw_faults(axis, log, here, (x, y), cells, drawn)
        _label_panel(axis, panel, log, here, sheet.aside)
        if files is not None:
            nr_unnamed += _name_files(axis, log, here, y, files)
    draw_cells(cells)
    notes = panel_notes(panels, cells, shared)
    if nr_unnamed:
        notes.append(f"{plural(nr_unnamed, 'mapped file')} not labelled (no room)")
    return notes


def draw_faults(
    axis: Axes,
    log: Log,
    here: NDArray[np.int64],
    places: tuple[NDArray[np.float64], NDArray[np.float64]],
    cells: list[tuple[Axes, NDArray[np.int64]]],
    drawn: set[tuple[int, bool]],
) -> bool:
    """Draw faults in a panel. If there is no room for marks, append (axis, counts) to cells.

    here: the faults' indices (n,); places: their x and y, (n,) each. Returns whether any mark
    stands for several faults.
    """
    if has_room(axis, len(here)):
        draw_marks(axis, *places, log.access[here])
    else:
        cells.append((axis, count_cells(axis, *places, log.access[here])))
    return draw_standouts(axis, *places, log.result[here], drawn)


def panel_notes(
    panels: Panels, cells: list[tuple[Axes, NDArray[np.int64]]], shared: bool
) -> list[str]:
    """Notes on the panels; cells and shared: see draw_faults()."""
    notes = list(panels.notes)
    if cells:
        most = max(int(counts.sum(axis=2).max()) for _, counts in cells)
        notes += [DARKER, f"up to {most:,} faults in one cell of a panel"]
    if shared:
        notes.append(SEVERAL)
    return notes


def _label_panel(
    axis: Axes, panel: Panel, log: Log, here: NDArray[np.int64], aside: float
) -> None:
    """Label a panel on the right: its title, its notes, its faults (here: their indices)."""
    words = [*panel.notes, plural(len(here), "fault")]
    if log.has_outcomes:
        words += outcome_words(log, here)
    lines = textwrap.wrap(
        " · ".join(w.replace(" ", "\xa0") for w in words), LABEL_CHARS
    )
    lines = [
        line.strip("· ").replace("\xa0", " ").replace(" · ", ", ") for line in lines
    ]
    label(axis, panel.title, lines, aside)


def outcome_words(log: Log, here: NDArray[np.int64]) -> list[str]:
    """The time these faults took, and how many were major and failed."""
    spent = int(log.spent_ns(here).sum())
    words = [time_text(spent)] if spent else []
    nr_major = np.count_nonzero(log.result[here] == MAJOR)
    nr_failed = np.count_nonzero(has_failed(log.result[here]))
    if nr_major:
        words.append(f"{nr_major:,} major")
    if nr_failed:
        words.append(f"{nr_failed:,} failed")
    return words


def _name_files(
    axis: Axes,
    log: Log,
    here: NDArray[np.int64],
    above: NDArray[np.float64],
    files: NDArray[np.bool_],
) -> int:
    """Write the names of mapped files beside the panel, where they were touched.

    The most expensive files are named first, as long as there is room. here: indices of the
    panel's faults (n,); above: their heights in the panel (n,); files: whether each mapping is
    a file, bool. Returns how many files have no name.
    """
    known = np.flatnonzero(files[log.map[here]])
    if not len(known):
        return 0
    here, above = here[known], above[known]
    # The address of offset 0: the same for all segments of a library.
    page = log.address[here] >> np.uint64(log.page_shift) << np.uint64(log.page_shift)
    begin = page - log.offset[here]
    begin[~log.known("offset")[here]] = 0
    order = np.lexsort((begin, log.map[here]))
    here, begin, above = here[order], begin[order], above[order]
    number = log.map[here]
    change = (begin[1:] != begin[:-1]) | (number[1:] != number[:-1])
    first = np.append(0, np.flatnonzero(change) + 1)
    cost = np.add.reduceat(log.spent_ns(here).astype(np.float64) + 1e-3, first)
    maps = number[first].tolist()
    nr_places = np.bincount(maps)
    lows = np.minimum.reduceat(above, first)
    highs = np.maximum.reduceat(above, first)

    low, high = axis.get_ylim()
    per_inch = (high - low) / (axis.get_position().height * page_height(axis))
    taken: list[float] = []
    named = set()
    for i in np.argsort(-cost, kind="stable"):
        middle = (lows[i] + highs[i]) / 2
        if nr_places[maps[i]] > MAX_SAME:
            continue
        if any(abs(middle - other) < NAME_PITCH * per_inch for other in taken):
            continue
        taken.append(middle)
        named.add(maps[i])
        half = max(highs[i] - lows[i], 0.05 * per_inch) / 2
        axis.add_line(
            Line2D(
                [1.005, 1.005],
                [middle - half, middle + half],
                transform=axis.get_yaxis_transform(),
                clip_on=False,
                color=FAINT,
                linewidth=1.5,
                solid_capstyle="butt",
            )
        )
        words = file_label(log.names["map"][maps[i]])
        place = (middle - low) / (high - low)
        note(axis, words, -0.02, place, size=7, color=FAINT)
    return len({*maps} - named)


def page_height(axis: Axes) -> float:
    """The height of the whole picture, in inches."""
    return float(axis.figure.get_size_inches()[1])


def headline(
    log: Log, verdict: Verdict, nr_pages: int, duration: int
) -> tuple[str, str]:
    """The title, and the line below it: counts, times, whether anything was lost."""
    pids = {log.process_text(pid) for pid in distinct(log.pid).tolist()}
    pid = log.head.get("pid") or log.process_text(int(log.pid[0]))
    comm = shortened(log.main_name, MAX_COMM)
    title = f"Page faults of {comm}, PID {pid}" if comm else f"Page faults of PID {pid}"
    others = len(pids - {pid})
    if log.nr_children:
        title += f" and {log.nr_children:,} child{'ren' if log.nr_children > 1 else ''}"
    elif others:
        title += f" and {others:,} other process{'es' if others > 1 else ''}"
    faults = plural(len(log), "fault")
    if log.has_outcomes:
        results = np.bincount(log.result, minlength=len(RESULTS))
        nr_failed = int(results[MAJOR + 1 : len(RESULTS)].sum())
        nr_new = int(results[len(RESULTS) :].sum())
        faults += f" ({results[MINOR]:,} minor, {results[MAJOR]:,} major"
        faults += f", {nr_failed:,} failed" if nr_failed else ""
        faults += f", {nr_new:,} with an unknown result" if nr_new else ""
        faults += f", {results[0]:,} without a result" if results[0] else ""
        faults += ")"
    parts = [f"{faults} in {time_text(duration)}"]
    if nr_pages:
        parts.append(f"on {plural(nr_pages, 'page')}")
    nr_tids = len(distinct(log.tid[log.known("tid")]))
    if nr_tids:
        parts.append(f"by {plural(nr_tids, 'thread')}")
    subtitle = " ".join(parts)
    spent = int(log.spent_ns().sum())
    if spent:
        subtitle += f", taking {time_text(spent)} in all"
    if verdict.says_complete:
        subtitle += "; nothing lost"
    return title, subtitle


def warnings_of(texts: list[str]) -> list[str]:
    """Warnings, in lines that fit the picture's width."""
    lines = [line for text in texts for line in textwrap.wrap(text, LINE_WIDTH)]
    if len(lines) > MAX_WARNINGS:
        lines[MAX_WARNINGS - 1 :] = [
            f"({len(lines) - MAX_WARNINGS + 1} more lines on standard error)"
        ]
    return lines


def _origin(log: Log) -> list[str]:
    """Notes: where the log is from, and which faults were counted but not recorded."""
    notes = []
    if log.head:
        kernel = shortened(log.head.get("kernel", ""), 40)
        words = f"{log.head['probe']} on Linux {kernel} "
        notes.append(shortened((words + log.head.get("arch", "")).rstrip(), 80))
    if log.recorder:
        notes.append(others.about(log))
    missing = [f"{log.count(key):,} {key}" for key in NOT_IN_LOG if log.count(key)]
    if missing:
        notes.append("faults without an outcome, not shown: " + ", ".join(missing))
    if log.count("incomplete"):
        notes.append(f"{plural(log.count('incomplete'), 'fault')} never completed")
    return notes


def _legend(sheet: Sheet, log: Log, drawn: set[tuple[int, bool]]) -> None:
    """The legend, beside the strip: colours and marks that were drawn, with their counts."""
    counts = np.bincount(log.access, minlength=NR_KINDS)
    entries = [
        (
            {"marker": "s", "markersize": 6, "color": COLOURS[i]},
            f"{ACCESS_WORDS[i]} {counts[i]:,}",
        )
        for i in np.flatnonzero(counts)
    ]
    results = np.bincount(log.result, minlength=len(RESULTS))
    for code, is_binned in sorted(drawn):
        words = f"{RESULTS[code]} {results[code]:,}"
        if is_binned and (code, False) in drawn:
            words = f"{RESULTS[code]} (cells)"
        entries.append((mark_of(code, is_binned), words))
    sheet.legend(entries)
