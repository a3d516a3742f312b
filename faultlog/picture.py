# SPDX-License-Identifier: GPL-2.0-or-later
"""The picture: time on X, the touched addresses on Y, and what a log tells beyond.

Every fault becomes a mark at its time and its address. Address space that was not touched
is left out: each touched area gets a panel of its own, highest addresses on top. What a
log tells beyond that is drawn too: how each fault ended and how long it took, the files
that are mapped, the processes.
"""

from __future__ import annotations

import argparse
import textwrap
import warnings
from collections import Counter
from dataclasses import replace

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, Locator, MaxNLocator

from .areas import Panel, find_panels, page_ticks, panel_of
from .checks import Verdict
from .lanes import Lanes, find_lanes
from .log import ACCESSES, MAJOR, MINOR, RESULTS, Log, has_failed
from .outputs import Job, replacing
from .words import plural, short_time_text, shortened, size_text, time_text, time_unit


def columns(_options: argparse.Namespace) -> set[str]:
    """What the picture takes of a log."""
    return {"tid", "access", "region", "result", "latency_ns", "map", "offset"}


def write(job: Job) -> None:
    """Draw a picture into a file."""
    matplotlib.rcdefaults()  # the same picture whatever the user's style
    warnings.filterwarnings("ignore", message="Glyph .* missing from")
    matplotlib.rcParams["svg.hashsalt"] = "pf_probe"
    figure = Figure()
    draw(figure, job.log, job.verdict, job.filters.text())
    kind = job.suffix[1:]
    metadata = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(kind)
    with replacing(job.output) as file:
        figure.savefig(file, format=kind, dpi=DPI, metadata=metadata)


# Told apart by colour-blind readers too: they differ in lightness as well as in hue.
# By access: not told, read, write, exec, and words that are new to us.
COLOURS = ("#4d5560", "#4ba3dd", "#d55e00", "#8e1a78", "#2a7f62")
NR_KINDS = len(COLOURS)
NEW_ACCESS = len(ACCESSES)
ACCESS_WORDS = ("not told", *ACCESSES[1:], "other")
INK, FAINT, GROUND, ALARM = "#22262b", "#7b828b", "#f5f6f8", "#b00020"

# What stands out of the minor faults.
MAJOR_MARK = {
    "marker": "o",
    "markersize": 5.5,
    "markerfacecolor": "none",
    "markeredgecolor": INK,
    "markeredgewidth": 0.9,
}
FAILED_MARK = {
    "marker": "x",
    "markersize": 6,
    "markeredgecolor": ALARM,
    "markeredgewidth": 1.6,
}
UNSEEN = ("abandoned", "unfinished")  # counted, but not in the log

# Inches.
WIDTH, LEFT, RIGHT, TOP, BOTTOM = 12.0, 1.35, 1.95, 0.85, 0.72
LOSS_LINE, STRIP, GAP, MIN_PANEL, EDGE = 0.22, 0.95, 0.26, 0.36, 0.035
CELL = 1 / 75  # of a binned picture: 2 pixels of a PNG
DPI = 150

LANE, LATENCY = 0.17, 0.85  # heights: of a process, of the panel of latencies
NAMES = 1.3  # room for the names of mapped files, between the panels and their labels
NAME_CHARS, NAME_PITCH = 21, 0.125
MAX_SAME = 3  # a name is shown so often in a panel, or not at all
RING = 0.07  # marks of major and failed faults are at least that far apart

MAX_MARKS = 1500  # per square inch; where there are more, they are binned
STRIP_BINS = 200
MAX_COMM = 40  # characters of a title
WARNING_WIDTH, MAX_WARNINGS = 125, 6  # characters; lines
MAX_LANES = 12


class PageLocator(Locator):
    """Ticks at round hexadecimal addresses; positions are bytes above base."""

    def __init__(self, base: int, page_size: int, max_ticks: int) -> None:
        self.base, self.page_size, self.max_ticks = base, page_size, max_ticks

    def __call__(self) -> list[int]:
        return self.tick_values(*self.axis.get_view_interval())

    def tick_values(self, vmin: float, vmax: float) -> list[int]:
        """As page_ticks()."""
        low, high = sorted((vmin, vmax))
        return page_ticks(low, high, self.base, self.page_size, self.max_ticks)


def _nr_pages(log: Log, pages: np.ndarray) -> int:
    """How many pages were touched; each process counts its own."""
    if not log.nr_children:
        return _nr_distinct(pages)
    order = np.lexsort((pages, log.pid))
    page, pid = pages[order], log.pid[order]
    return int(np.count_nonzero((np.diff(page) != 0) | (np.diff(pid) != 0))) + 1


def draw(figure: Figure, log: Log, verdict: Verdict, told: str = "") -> None:
    """Draw a log that has at least one fault, and set the figure's size.

    told: which faults these are, if not all of the log.
    """
    log = replace(log, access=np.minimum(log.access, NEW_ACCESS))
    shift = np.uint64(log.page_shift)
    pages = log.address >> shift
    panels = find_panels(pages)
    where = panel_of(pages, panels)
    nr_pages = _nr_pages(log, pages)
    del pages
    lanes = find_lanes(log)
    files = np.array(["/" in name for name in log.names["map"]])
    aside = NAMES * bool(files[log.map].any())

    has_latency = bool(log.told("latency_ns").any())
    start = log.time_ns.min()
    duration = int(log.time_ns.max() - start)
    unit, unit_name = time_unit(duration)
    elapsed = (log.time_ns - start) / unit

    page = _Page(
        figure,
        top=TOP + LOSS_LINE * len(warnings_of(verdict)),
        aside=aside,
        nr_lanes=len(lanes.names) if lanes else 0,
        has_latency=has_latency,
        panels=panels,
        page_shift=log.page_shift,
    )
    strip = page.strip
    pad = duration / unit * 0.01 or 1.0
    strip.set_xlim(-pad, duration / unit + pad)
    strip.xaxis.set_major_locator(
        MaxNLocator(11, steps=[1, 2, 5, 10], integer=unit == 1)
    )
    page.lowest.set_xlabel(
        f"time since the first fault ({unit_name})", size=9, color=INK
    )

    _draw_strip(strip, log, start, duration, unit)
    order = None
    if log.has_outcomes:  # then the log is in the order in which faults ended
        order = np.argsort(log.time_ns, kind="stable")
        where = where[order]
    binned, shared, cells = [], False, bool(lanes)
    for i, (axis, panel) in enumerate(zip(page.areas, panels)):
        here = np.flatnonzero(where == i)
        if order is not None:
            here = order[here]
        base = panel.first << log.page_shift
        above = (log.address[here] - np.uint64(base)).astype(np.float64)
        access = log.access[here]
        if len(here) <= MAX_MARKS * np.prod(_inches(axis)):
            _draw_marks(axis, elapsed[here], above, access)
        else:
            binned.append((axis, _count_cells(axis, elapsed[here], above, access)))
        shared |= _draw_rings(axis, elapsed[here], above, log.result[here])
        _label_panel(axis, panel, log, here, aside)
        if aside:
            _name_files(axis, log, here, above, files)
    _draw_cells(binned)
    if lanes:
        _draw_lanes(page.lanes, log, lanes, elapsed, aside)
    if has_latency:
        cells |= _draw_latencies(page.latency, log, order, elapsed, aside)
    notes = [told] if told else []
    if binned or cells:
        notes.append("a spot has the colour of its most frequent access")
        notes.append("darker: more faults at one spot")
    if binned:
        most = max(int(counts.sum(axis=2).max()) for _, counts in binned)
        notes[-1] += f", up to {most:,} by address"
    if shared:
        such = (("ring", log.result == MAJOR), ("cross", has_failed(log.result)))
        marks = [name for name, where in such if where.any()]
        notes.append(f"a {' or '.join(marks)} may stand for several faults")
    _draw_title(page, log, verdict, nr_pages, duration, notes)


def _nr_distinct(values: np.ndarray) -> int:
    ordered = np.sort(values)
    return int(np.count_nonzero(ordered[1:] != ordered[:-1])) + 1


def _inches(axis: Axes) -> tuple[float, float]:
    """How wide and how tall the axes are."""
    box = axis.get_position()
    wide, tall = axis.figure.get_size_inches()
    return wide * box.width, tall * box.height


class _Page:
    """The axes, sharing X, from the top: strip, lanes, areas (lowest first), latency."""

    def __init__(
        self,
        figure: Figure,
        top: float,  # inches, as aside
        aside: float,
        nr_lanes: int,
        has_latency: bool,
        panels: list[Panel],
        page_shift: int,
    ) -> None:
        self.figure = figure
        self.width, self.right = WIDTH + aside, RIGHT + aside
        head = top + STRIP + (nr_lanes * LANE + GAP if nr_lanes else 0)
        foot = BOTTOM + (LATENCY + GAP if has_latency else 0)
        self.height = height = head + foot + 4.4 + 0.32 * len(panels)
        figure.set_size_inches(self.width, height)
        figure.set_facecolor("white")
        self.strip_middle = height - top - STRIP / 2
        self.strip = self._add(height - top - STRIP, STRIP)
        self.areas = self._add_areas(panels, page_shift, foot, height - head - 0.2)
        self.lanes = self.latency = None
        if nr_lanes:
            self.lanes = self._add(height - head, nr_lanes * LANE, sharex=self.strip)
        if has_latency:
            self.latency = self._add(BOTTOM, LATENCY, sharex=self.strip)
        self.lowest = self.latency or self.areas[0]
        for axis in figure.axes:
            axis.tick_params(labelbottom=axis is self.lowest)

    def _add(self, bottom: float, tall: float, **kwargs: object) -> Axes:
        width, height = self.width, self.height
        wide = 1 - (LEFT + self.right) / width
        box = LEFT / width, bottom / height, wide, tall / height
        axis = self.figure.add_axes(box, facecolor=GROUND, **kwargs)
        for side in ("top", "right"):
            axis.spines[side].set_visible(False)
        for side in ("bottom", "left"):
            axis.spines[side].set_color(FAINT)
        axis.grid(True, axis="x", color="white", linewidth=1.2)
        axis.set_axisbelow(True)
        axis.tick_params(color=FAINT, labelcolor=INK, labelsize=8, length=3)
        return axis

    def _add_areas(
        self, panels: list[Panel], page_shift: int, bottom: float, top: float
    ) -> list[Axes]:
        """The areas' axes, in the room from bottom to top (inches)."""
        # Heights grow with the logarithm of the areas', so that none drowns another.
        weights = [np.log2(1 + panel.nr_pages) ** 2 for panel in panels]
        room = top - bottom - (len(panels) - 1) * GAP - len(panels) * MIN_PANEL
        axes = []
        for i, (panel, weight) in enumerate(zip(panels, weights)):
            tall = MIN_PANEL + room * weight / sum(weights)
            axis = self._add(bottom, tall, sharex=self.strip)
            axis.tick_params(bottom=i == 0)
            axis.spines["bottom"].set_visible(i == 0)
            axis.grid(True, axis="y", color="white", linewidth=0.8)
            base, size = panel.first << page_shift, panel.nr_pages << page_shift
            edge = size * EDGE / (tall - 2 * EDGE)
            axis.set_ylim(-edge, size + edge)
            ticks = min(max(int(tall / 0.2), 1), 8)
            axis.yaxis.set_major_locator(PageLocator(base, 1 << page_shift, ticks))
            axis.yaxis.set_major_formatter(
                FuncFormatter(lambda y, _, base=base: f"{base + int(y):#x}")
            )
            for label in axis.get_yticklabels():
                label.set_family("monospace")
            if i:
                left_out = (panel.first - panels[i - 1].last - 1) << page_shift
                _draw_break(self, bottom - GAP, left_out)
            bottom += tall + GAP
            axes.append(axis)
        return axes


def _draw_break(page: _Page, bottom: float, left_out: int) -> None:
    """Mark a gap between two panels: zigzag edges, and how much is not shown."""
    rise = np.array([0.0, 0.3, 0.4, 0.6, 0.7, 1.0]) * GAP
    aside = np.array([0.0, 0.0, -0.05, 0.05, 0.0, 0.0])
    line = Line2D(
        (LEFT + aside) / page.width,
        (bottom + rise) / page.height,
        transform=page.figure.transFigure,
        color=FAINT,
        linewidth=0.8,
    )
    page.figure.add_artist(line)
    page.figure.text(
        (LEFT + page.width - page.right) / 2 / page.width,
        (bottom + GAP / 2) / page.height,
        f"{size_text(left_out)} not touched",
        ha="center",
        va="center_baseline",
        size=7.5,
        style="italic",
        color=FAINT,
    )


def _draw_strip(
    axis: Axes, log: Log, start: np.uint64, duration: int, unit: float
) -> None:
    """Faults over time, stacked by access."""
    width = 1
    for width in (m * 10**e for e in range(20) for m in (1, 2, 5)):
        if duration // width < STRIP_BINS:
            break
    nr_bins = duration // width + 1
    bins = ((log.time_ns - start) // np.uint64(width)).astype(np.int64)
    kinds = NR_KINDS
    counts = np.bincount(bins * kinds + log.access, minlength=nr_bins * kinds)
    counts = counts.reshape(nr_bins, kinds)
    left = np.arange(nr_bins) * (width / unit)
    below = np.zeros(nr_bins)
    span = width / unit if duration else axis.get_xlim()[1] / 2
    for kind in range(kinds):
        if counts[:, kind].any():
            axis.bar(
                left,
                counts[:, kind],
                span,
                bottom=below,
                align="edge" if duration else "center",
                color=COLOURS[kind],
                linewidth=0,
            )
            below += counts[:, kind]
    axis.set_ylim(0, below.max() * 1.05)
    axis.yaxis.set_major_locator(MaxNLocator(3, integer=True))
    axis.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{int(y):,}"))
    length, name = time_unit(width)
    axis.set_ylabel(f"faults per\n{width / length:g} {name}", size=8, color=INK)


def _draw_marks(axis: Axes, x: np.ndarray, y: np.ndarray, access: np.ndarray) -> None:
    """A mark a fault, in the order of time, smaller where there are many."""
    colours = np.array([matplotlib.colors.to_rgba(c) for c in COLOURS])[access]
    axis.scatter(
        x,
        y,
        s=12 if len(x) <= 100 else 6 if len(x) <= 1000 else 3,
        c=colours,
        alpha=0.8,
        linewidths=0,
        rasterized=len(x) > 1000,
        zorder=2,
    )


def _draw_rings(axis: Axes, x: np.ndarray, y: np.ndarray, result: np.ndarray) -> bool:
    """Marks around major faults and on failed ones; True if one stands for several."""
    shared = False
    wide, tall = _inches(axis)
    (left, right), (low, high) = axis.get_xlim(), axis.get_ylim()
    for is_such, style in (
        (result == MAJOR, MAJOR_MARK),
        (has_failed(result), FAILED_MARK),
    ):
        such = np.flatnonzero(is_such)
        spot = ((y[such] - low) * (tall / RING / (high - low))).astype(np.int64) << 32
        spot += ((x[such] - left) * (wide / RING / (right - left))).astype(np.int64)
        places = np.unique(spot, return_index=True)[1]
        shared |= len(places) < len(such)
        such = such[places]
        if len(such):
            style = style | {"markersize": 5.5 if len(such) <= 100 else 4}
            axis.plot(x[such], y[such], linestyle="", zorder=3, clip_on=False, **style)
    return shared


def _count_cells(
    axis: Axes, x: np.ndarray, y: np.ndarray, access: np.ndarray, rows: int = 0
) -> np.ndarray:
    """Faults a cell of the panel, by access: int64 of shape (rows, columns, accesses)."""
    wide, tall = _inches(axis)
    columns, rows = int(wide / CELL), rows or max(int(tall / CELL), 1)
    kinds = NR_KINDS
    (left, right), (low, high) = axis.get_xlim(), axis.get_ylim()
    cell = ((y - low) * (rows / (high - low))).astype(np.int64)
    cell *= columns
    cell += ((x - left) * (columns / (right - left))).astype(np.int64)
    cell *= kinds
    cell += access
    counts = np.bincount(cell, minlength=rows * columns * kinds)
    return counts.reshape(rows, columns, kinds)


def _draw_cells(binned: list[tuple[Axes, np.ndarray]]) -> None:
    """Binned panels: the colour of a cell's most frequent access, darker for more."""
    most = max((counts.sum(axis=2).max() for _, counts in binned), default=1)
    colours = np.array([matplotlib.colors.to_rgba(c) for c in COLOURS])
    for axis, counts in binned:
        picture = colours[counts.argmax(axis=2)]
        total = counts.sum(axis=2)
        shade = np.log(np.maximum(total, 1)) / max(np.log(most), 1.0)
        picture[..., 3] = np.where(total, 0.55 + 0.45 * shade, 0.0)
        axis.imshow(
            picture,
            extent=(*axis.get_xlim(), *axis.get_ylim()),
            origin="lower",
            aspect="auto",
            interpolation="nearest",
            zorder=2,
        )


def _draw_lanes(
    axis: Axes, log: Log, lanes: Lanes, elapsed: np.ndarray, aside: float
) -> None:
    """A row a process: its faults over time, and on the right how many there are."""
    nr_lanes = len(lanes.names)
    axis.set_ylim(0, nr_lanes)
    row = nr_lanes - 1 - lanes.lane.astype(np.float64) + 0.5  # the first one on top
    _draw_cells([(axis, _count_cells(axis, elapsed, row, log.access, nr_lanes))])
    for y in range(1, nr_lanes):
        axis.axhline(y, color="white", linewidth=1.5, zorder=3)
    axis.set_yticks(np.arange(nr_lanes) + 0.5)
    names = [literal(lane_label(name)) for name in reversed(lanes.names)]
    axis.set_yticklabels(names, size=7.5)
    axis.tick_params(axis="y", length=0)
    axis.tick_params(axis="x", bottom=False)
    axis.spines["bottom"].set_visible(False)
    counts = np.bincount(lanes.lane, minlength=nr_lanes)
    spent = np.bincount(lanes.lane, log.spent_ns(), nr_lanes)
    for i, count in enumerate(counts):
        words = plural(count, "fault")
        if log.has_outcomes:
            words += f", {time_text(spent[i])}"
        _note(axis, words, aside, (1 - (i + 0.5) / nr_lanes), size=7.5, color=FAINT)


def _draw_latencies(
    axis: Axes, log: Log, order: np.ndarray, elapsed: np.ndarray, aside: float
) -> bool:
    """How long faults took, on a logarithmic scale; True if they had to be binned."""
    order = order[log.told("latency_ns")[order]]
    latency = log.latency_ns[order]
    height = np.log10(np.maximum(latency, 1))
    low, high = np.floor(height.min()), np.ceil(height.max())
    high = max(high, low + 1)
    edge = (high - low) * EDGE / (LATENCY - 2 * EDGE)
    axis.set_ylim(low - edge, high + edge)
    axis.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    axis.yaxis.set_major_formatter(
        FuncFormatter(lambda y, _: short_time_text(round(10**y)))
    )
    axis.grid(True, axis="y", color="white", linewidth=0.8)
    x, access = elapsed[order], log.access[order]
    binned = len(order) > MAX_MARKS * np.prod(_inches(axis))
    if binned:
        _draw_cells([(axis, _count_cells(axis, x, height, access))])
    else:
        _draw_marks(axis, x, height, access)
    _draw_rings(axis, x, height, log.result[order])
    _note(axis, "time a fault took", aside, 0.5, 6, size=9, weight="bold", color=INK)
    words = f"median {time_text(np.median(latency))}, max {time_text(latency.max())}"
    _note(axis, words, aside, 0.5, -6, size=8, color=FAINT)
    return binned


def _name_files(
    axis: Axes, log: Log, here: np.ndarray, above: np.ndarray, files: np.ndarray
) -> None:
    """Beside the panel, where a mapped file was touched: its name, if there is room.

    here: indices of the panel's faults; above: their addresses, from the panel's first;
    files: of which of log.names["map"] there is a name. Those with most faults come first.
    """
    known = np.flatnonzero(files[log.map[here]])
    if not len(known):
        return
    here, above = here[known], above[known]
    # Where the file would begin in memory: one for all parts of a library.
    page = log.address[here] >> np.uint64(log.page_shift) << np.uint64(log.page_shift)
    begin = page - log.offset[here]
    begin[~log.told("offset")[here]] = 0
    order = np.lexsort((begin, log.map[here]))
    begin, number, above = begin[order], log.map[here][order], above[order]
    change = (begin[1:] != begin[:-1]) | (number[1:] != number[:-1])
    first = np.concatenate(([0], np.flatnonzero(change) + 1))
    counts = np.diff(first, append=len(order))
    names = [file_label(log.names["map"][i]) for i in number[first].tolist()]
    places = Counter(names)
    lows = np.minimum.reduceat(above, first)
    highs = np.maximum.reduceat(above, first)

    low, high = axis.get_ylim()
    per_inch = (high - low) / _inches(axis)[1]
    taken: list[float] = []
    for i in np.argsort(-counts, kind="stable"):
        middle = (lows[i] + highs[i]) / 2
        if places[names[i]] > MAX_SAME:
            continue
        if any(abs(middle - other) < NAME_PITCH * per_inch for other in taken):
            continue
        taken.append(middle)
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
        _note(axis, names[i], -0.02, (middle - low) / (high - low), size=7, color=FAINT)


def lane_label(name: str, width: int = 20) -> str:
    """A row's name, short enough for its place; its number stays whole."""
    comm, blank, number = name.rpartition(" ")
    room = width - len(blank + number)
    return name if len(comm) <= room else comm[: room - 1] + "…" + blank + number


def file_label(path: str) -> str:
    """A file's name without its folder, short enough for its place."""
    name = path.removesuffix(" (deleted)").rsplit("/", 1)[1]
    return name if len(name) <= NAME_CHARS else name[: NAME_CHARS - 1] + "…"


def _note(
    axis: Axes, words: str, aside: float, y: float, up: float = 0, **kwargs: object
) -> None:
    """Words on the right, aside by inches, y: in parts of the height, up: in points."""
    axis.annotate(
        literal(words),
        (1, y),
        xytext=(8 + 72 * aside, up),
        xycoords="axes fraction",
        textcoords="offset points",
        ha="left",
        va="center",
        annotation_clip=False,
        **kwargs,
    )


def _label_panel(
    axis: Axes, panel: Panel, log: Log, here: np.ndarray, aside: float
) -> None:
    """On the right: which regions, the size, the faults (here: their indices)."""
    counts = np.bincount(log.region[here], minlength=len(log.names["region"]))
    regions = log.names["region"]
    names = [regions[i] for i in np.argsort(-counts, kind="stable") if counts[i]]
    label = region_label([name for name in names if name])
    size = size_text(panel.nr_pages << log.page_shift)
    lines = [f"{size}, {plural(len(here), 'fault')}"]
    if log.has_outcomes:
        lines.append(outcome_text(log, here))
    middle = 6 * len(lines) if label else 6 * (len(lines) - 1)
    if label:
        _note(axis, label, aside, 0.5, middle, size=9, weight="bold", color=INK)
    for i, line in enumerate(lines):
        up = middle - 12 * (i + bool(label))
        _note(axis, line, aside, 0.5, up, size=8, color=FAINT)


def outcome_text(log: Log, here: np.ndarray) -> str:
    """How long these faults took, and how many of them were not minor."""
    words = [time_text(int(log.spent_ns()[here].sum()))]
    nr_major = np.count_nonzero(log.result[here] == MAJOR)
    nr_failed = np.count_nonzero(has_failed(log.result[here]))
    if nr_major:
        words.append(f"{nr_major:,} major")
    if nr_failed:
        words.append(f"{nr_failed:,} failed")
    return ", ".join(words)


def region_label(names: list[str], width: int = 20) -> str:
    """As many of the names as fit, and how many more there are."""
    for shown in range(len(names), 0, -1):
        more = f" +{len(names) - shown}" if shown < len(names) else ""
        label = ", ".join(names[:shown])
        if len(label + more) <= width or shown == 1:
            return (label if len(label) <= width else label[: width - 1] + "…") + more
    return ""


def literal(text: str) -> str:
    """Text that matplotlib must not read as mathematics."""
    return text.replace("$", r"\$")


def warnings_of(verdict: Verdict) -> list[str]:
    """What a verdict says, in lines that fit the picture's width."""
    return [
        line for text in verdict.lines() for line in textwrap.wrap(text, WARNING_WIDTH)
    ][:MAX_WARNINGS]


def _draw_title(
    page: _Page,
    log: Log,
    verdict: Verdict,
    nr_pages: int,
    duration: int,
    notes: list[str],
) -> None:
    """Title, counts, losses, legend; at the bottom, notes and where the log is from."""
    pids = {str(pid) for pid in np.unique(log.pid)}
    pid = log.head.get("pid") or str(log.pid[0])
    comm = shortened(log.head.get("comm", ""), MAX_COMM)
    title = f"Page faults of {comm}, PID {pid}" if comm else f"Page faults of PID {pid}"
    others = len(pids - {pid})
    if log.nr_children:
        title += f" and {log.nr_children:,} child{'ren' if log.nr_children > 1 else ''}"
    elif others:
        title += f" and {others:,} other process{'es' if others > 1 else ''}"
    results = np.bincount(log.result, minlength=len(RESULTS))
    nr_failed = int(results[MAJOR + 1 : len(RESULTS)].sum())
    faults = plural(len(log), "fault")
    if log.has_outcomes:
        faults += f" ({results[MINOR]:,} minor, {results[MAJOR]:,} major"
        faults += f", {nr_failed:,} failed)" if nr_failed else ")"
    parts = [f"{faults} in {time_text(duration)}"]
    parts.append(f"on {plural(nr_pages, 'page')}")
    tids = np.unique(log.tid[log.told("tid")])
    if len(tids):
        parts.append(f"by {plural(len(tids), 'thread')}")
    subtitle = " ".join(parts)
    if log.has_outcomes:
        subtitle += f", taking {time_text(int(log.spent_ns().sum()))} in all"
    if verdict.says_complete:
        subtitle += "; nothing lost"

    def text(x: float, y: float, words: str, **kwargs: object) -> None:
        page.figure.text(x / page.width, y / height, literal(words), **kwargs)

    height = page.height
    text(LEFT, height - 0.42, title, size=15, weight="bold", color=INK)
    text(LEFT, height - 0.68, subtitle, size=10, color=INK)
    for i, words in enumerate(warnings_of(verdict)):
        up = 0.91 + i * LOSS_LINE
        text(LEFT, height - up, words, size=9.5, weight="bold", color=ALARM)

    counts = np.bincount(log.access, minlength=NR_KINDS)
    entries = []
    if counts[1:].any():
        entries = [
            (
                {"marker": "s", "markersize": 6, "color": COLOURS[i]},
                f"{ACCESS_WORDS[i]} {counts[i]:,}",
            )
            for i in np.flatnonzero(counts)
        ]
    if results[MAJOR]:
        entries.append((MAJOR_MARK, f"major {results[MAJOR]:,}"))
    if nr_failed:
        entries.append((FAILED_MARK, f"failed {nr_failed:,}"))
    if entries:
        page.figure.legend(
            [Line2D([], [], linestyle="", **style) for style, _ in entries],
            [words for _, words in entries],
            loc="center left",
            bbox_to_anchor=(1 - page.right / page.width, page.strip_middle / height),
            borderaxespad=0.2,
            frameon=False,
            fontsize=9,
            handletextpad=0.1,
            labelcolor=INK,
        )
    if log.head:
        words = (
            f"{log.head['probe']} on Linux {shortened(log.head.get('kernel', ''), 40)} "
        )
        notes.insert(0, (words + log.head.get("arch", "")).rstrip())
    unseen = [f"{log.count(k):,} {k}" for k in UNSEEN if log.count(k)]
    if unseen:
        notes.append("faults without an outcome, not shown: " + ", ".join(unseen))
    text(LEFT, 0.14, "   ".join(notes), size=7.5, color=FAINT)
