# SPDX-License-Identifier: GPL-2.0-or-later
"""The picture's layout: axes that share X, titles, labels, notes. All lengths in inches."""

from __future__ import annotations

import textwrap

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, Locator, MaxNLocator

from ..base.arrays import NDArray
from ..base.fit import shortened
from ..base.words import exact_text, plural, round_width, size_text, time_text
from .areas import page_ticks
from .marks import ALARM, FAINT, GROUND, INK
from .panels import Panel
from .timeline import TIME_TICKS, bin_width

WIDTH, LEFT, RIGHT = 12.0, 1.35, 2.05
HEAD, FOOT, LINE, SMALL_LINE = 0.6, 0.68, 0.22, 0.14
STRIP, GAP, MIN_PANEL, EDGE = 0.95, 0.26, 0.42, 0.035
SMALL_WIDTH, FOOT_LINES = 165, 3  # characters; lines at the foot
LANE, SPENT, LATENCY, MEMORY = 0.17, 0.6, 1.0, 1.6  # heights: of a row, of those panels
NAMES = 1.3  # room for the names of mapped files, between the panels and their labels
LABEL_CHARS = 30
# The line of a break, in parts of its length and in inches aside; the text in a break.
ALONG, ZIGZAG = (0.0, 0.3, 0.4, 0.6, 0.7, 1.0), (0.0, 0.0, -0.05, 0.05, 0.0, 0.0)
BREAK_TEXT = {"ha": "center", "size": 7.5, "style": "italic", "color": FAINT}
# The style of all axes. Setting it once is several times faster than for each of them.
STYLE = {
    "axes.axisbelow": True,
    "axes.edgecolor": FAINT,
    "axes.facecolor": GROUND,
    "axes.grid": True,
    "axes.grid.axis": "x",
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titley": 1.0,  # axes have no titles; by default ticks are measured to place them
    # In SVG text stays text; the other families are about as wide as DejaVu, or narrower.
    "font.sans-serif": ["DejaVu Sans", "Verdana", "Arial", "Helvetica"],
    "font.monospace": ["DejaVu Sans Mono", "Menlo", "Consolas", "Courier New"],
    "svg.fonttype": "none",
    "grid.color": "white",
    "grid.linewidth": 1.2,
    **{f"{axis}tick.color": FAINT for axis in "xy"},
    **{f"{axis}tick.labelcolor": INK for axis in "xy"},
    **{f"{axis}tick.labelsize": 8.0 for axis in "xy"},
    **{f"{axis}tick.major.size": 3.0 for axis in "xy"},
}


def literal(text: str) -> str:
    """Escape text so that matplotlib does not read it as mathematics."""
    return text.replace("$", r"\$")


def run_in(notes: list[str], width: int, nr_lines: int) -> list[str]:
    """Notes, without repetitions, as running text of at most nr_lines lines of width characters.

    If there is no room for all, the last line ends with the number of those left out.
    """
    kept = [shortened(text, width) for text in dict.fromkeys(notes)]
    nr_more = 0
    while True:
        more = [f"no room for {plural(nr_more, 'more note')}"] * (nr_more > 0)
        lines = textwrap.wrap(" · ".join(kept + more), width)
        if len(lines) <= nr_lines:
            return lines
        kept.pop()
        nr_more += 1


def note(
    axis: Axes, words: str, aside: float, y: float, up: float = 0, **kwargs: object
) -> None:
    """Text on the right of the axes.

    aside: distance from the axes in inches; y: height, as a fraction of the axes; up: shift in
    points; kwargs: of annotate().
    """
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


def label(axis: Axes, title: str, lines: list[str], aside: float) -> None:
    """Text on the right of the axes, vertically centred: a title, if not "", and lines.

    aside: distance from the axes in inches.
    """
    middle = 6 * len(lines) if title else 6 * (len(lines) - 1)
    if title:
        style = {"size": 9, "weight": "bold", "color": INK}
        note(axis, title, aside, 0.5, middle, **style)
    for i, line in enumerate(lines):
        up = middle - 12 * (i + bool(title))
        note(axis, line, aside, 0.5, up, size=8, color=FAINT)


class PlaceLocator(Locator):
    """Ticks at round addresses; positions are in bytes above base."""

    def __init__(self, base: int, page_size: int, max_ticks: int) -> None:
        self.base, self.page_size, self.max_ticks = base, page_size, max_ticks

    def __call__(self) -> list[int]:
        return self.tick_values(*self.axis.get_view_interval())

    def tick_values(self, vmin: float, vmax: float) -> list[int]:
        """Ticks from vmin to vmax, both in bytes above base; see page_ticks()."""
        low, high = sorted((vmin, vmax))
        return page_ticks(low, high, self.base, self.page_size, self.max_ticks)


class TimeLocator(MaxNLocator):
    """Ticks at round times; position 0 of the axis is the time `before`, all in units."""

    def __init__(self, unit: float, before: float, step: float, nr_ticks: int) -> None:
        """step: between ticks, in units; used only if longer than 10 s, see below.

        MaxNLocator's steps are decimal, but round times are also multiples of 60 and 24.
        """
        super().__init__(nr_ticks - 1, steps=[1, 2, 5, 10], integer=unit == 1)
        self.before, self.step = before, step if step * unit > 10e9 else 0

    def tick_values(self, vmin: float, vmax: float) -> NDArray[np.float64]:
        """Ticks from vmin to vmax, in units, (n,); see MaxNLocator."""
        vmin, vmax = vmin + self.before, vmax + self.before
        if self.step:
            ticks = np.arange(vmin // self.step, vmax // self.step + 1) * self.step
        else:
            ticks = super().tick_values(vmin, vmax)
        return ticks - self.before


class Sheet:
    """The picture's axes, which share X; those that were not asked for are missing."""

    strip: Axes  # faults over time
    spent: Axes  # time in faults, over time
    lanes: Axes
    areas: list[Axes]  # of the panels, lowest first
    memory: Axes  # pages over time
    new: Axes  # pages so far
    latency: Axes

    def __init__(
        self,
        figure: Figure,
        nr_head_lines: tuple[int, int],  # lines below the title; warnings
        aside: float,
        nr_lanes: int,
        panels: list[Panel],
        has_memory: bool,
        has_latency: bool,
        page_shift: int,
    ) -> None:
        self.figure, self.aside = figure, aside
        self.width, self.right = WIDTH + aside, RIGHT + aside
        self.page_size = 1 << page_shift
        self.top = HEAD + LINE * (sum(nr_head_lines) + 0.15)
        lane = LANE if nr_lanes <= 12 else 0.13
        foot = FOOT + (FOOT_LINES - 1) * SMALL_LINE
        tall_areas = 4.4 + 0.32 * len(panels) if panels else 0
        parts = [("strip", STRIP), ("spent", SPENT * has_latency)]
        parts += [("lanes", nr_lanes * lane), ("areas", tall_areas)]
        parts += [("memory", MEMORY * has_memory), ("new", MEMORY * has_memory)]
        parts += [("latency", LATENCY * has_latency)]
        parts = [(name, tall) for name, tall in parts if tall]
        self.height = self.top + sum(tall + GAP for _, tall in parts) - GAP + foot
        figure.set_size_inches(self.width, self.height)
        figure.set_facecolor("white")
        self.areas = []
        above = self.height - self.top
        for name, tall in parts:
            above -= tall
            if name == "areas":
                self.areas = self._add_areas(panels, above, above + tall)
                lowest = self.areas[0]
            else:
                lowest = self._add(above, tall, sharex=getattr(self, "strip", None))
                setattr(self, name, lowest)
            above -= GAP
        self.lowest = lowest
        self.strip_middle = self.height - self.top - STRIP / 2
        for axis in figure.axes:
            if axis is not self.lowest:
                axis.tick_params(labelbottom=False)

    def _add(self, bottom: float, tall: float, **kwargs: object) -> Axes:
        width, height = self.width, self.height
        wide = 1 - (LEFT + self.right) / width
        box = LEFT / width, bottom / height, wide, tall / height
        return self.figure.add_axes(box, **kwargs)

    def _add_areas(self, panels: list[Panel], bottom: float, top: float) -> list[Axes]:
        """Add the panels' axes between bottom and top."""
        # Heights grow with the logarithm of the areas' sizes, so that small ones stay visible.
        weights = [np.log2(1 + p.size / self.page_size) ** 2 for p in panels]
        room = top - bottom - (len(panels) - 1) * GAP - len(panels) * MIN_PANEL
        axes = []
        for i, (panel, weight) in enumerate(zip(panels, weights)):
            tall = MIN_PANEL + room * weight / sum(weights)
            axis = self._add(bottom, tall, sharex=self.strip)
            if i:
                axis.tick_params(bottom=False)
                axis.spines["bottom"].set_visible(False)
            axis.grid(True, axis="y", linewidth=0.8)
            edge = panel.size * EDGE / (tall - 2 * EDGE)
            axis.set_ylim(-edge, panel.size + edge)
            self._add_ticks(axis, panel, min(max(int(tall / 0.2), 1), 8))
            if panel.gap_below:
                self._draw_break(bottom - GAP, panel.gap_below)
            bottom += tall + GAP
            axes.append(axis)
        return axes

    def _add_ticks(self, axis: Axes, panel: Panel, max_ticks: int) -> None:
        if panel.unit == "mapping":
            axis.set_yticks([])
            return
        if panel.folds:
            pages, places = panel.folds
            wanted = np.linspace(0, places[-1], max_ticks)
            at = np.unique(np.searchsorted(places, wanted))
            axis.set_yticks(places[at])
            axis.set_yticklabels([f"{int(pages[i]) * self.page_size:#x}" for i in at])
        else:
            axis.yaxis.set_major_locator(
                PlaceLocator(panel.base, self.page_size, max_ticks)
            )
            axis.yaxis.set_major_formatter(
                FuncFormatter(lambda y, _: self._place_text(panel, int(y)))
            )
        for label in axis.get_yticklabels():
            label.set_family("monospace")

    def _place_text(self, panel: Panel, y: int) -> str:
        if panel.unit == "page":
            return f"page {y // self.page_size:,}"
        return f"{panel.base + y:#x}"

    def _draw_break(self, bottom: float, left_out: int) -> None:
        """Mark a gap between two panels by a zigzag line and the size that is left out."""
        rise = np.array(ALONG) * GAP
        aside = np.array(ZIGZAG)
        self.draw_line(LEFT + aside, bottom + rise, color=FAINT, linewidth=0.8)
        self.figure.text(
            (LEFT + self.width - self.right) / 2 / self.width,
            (bottom + GAP / 2) / self.height,
            f"{size_text(left_out)} not touched",
            va="center_baseline",
            **BREAK_TEXT,
        )

    def draw_line(
        self, x: NDArray[np.float64], y: NDArray[np.float64], **kwargs: object
    ) -> None:
        """Draw a line over the axes.

        x, y: in inches from the left and the bottom of the picture, (n,); kwargs: of Line2D.
        """
        places = x / self.width, y / self.height
        self.figure.add_artist(
            Line2D(*places, transform=self.figure.transFigure, **kwargs)
        )

    def time_axis(
        self, duration_ns: int, unit: float, unit_name: str, before_ns: int = 0
    ) -> None:
        """Set up X, in units: from 0 to the end of the strip's last bin, and a margin.

        before_ns: time from the log's first fault to the first that is drawn; tick labels
        include it.
        """
        width = bin_width(duration_ns)
        end = (duration_ns // width + 1) * width / unit if duration_ns else 0.0
        pad = duration_ns / unit * 0.01 or 1.0
        self.strip.set_xlim(-pad, max(duration_ns / unit + pad, end))
        if duration_ns:
            step = round_width(duration_ns, TIME_TICKS) / unit
            self.strip.xaxis.set_major_locator(
                TimeLocator(unit, before_ns / unit, step, TIME_TICKS)
            )
            words = f"time since the first fault ({unit_name})"
        else:
            self.strip.set_xticks([0])
            words = "all faults have the same time"
            words += f", {time_text(before_ns)} after the first fault of the log" * (
                before_ns > 0
            )

        def text(x: float, _: int) -> str:
            time_ns = before_ns + round(x * unit)
            if unit > 1e9:  # minutes and more
                return f"{time_ns / unit:,.10g}"
            return (
                exact_text(time_ns, int(unit)) if duration_ns or not before_ns else ""
            )

        self.strip.xaxis.set_major_formatter(FuncFormatter(text))
        self.lowest.set_xlabel(words, size=9, color=INK)

    def _text(self, x: float, y: float, words: str, **kwargs: object) -> None:
        self.figure.text(x / self.width, y / self.height, literal(words), **kwargs)

    def head(self, title: str, lines: list[str], warned: list[str]) -> None:
        """Write the title, the lines below it, and warnings."""
        self._text(LEFT, self.height - 0.42, title, size=15, weight="bold", color=INK)
        y = self.height - 0.46 - LINE
        for line in lines:
            self._text(LEFT, y, line, size=10, color=INK)
            y -= LINE
        for line in warned:
            self._text(LEFT, y, line, size=9.5, weight="bold", color=ALARM)
            y -= LINE

    def foot(self, notes: list[str]) -> None:
        """Write the notes, see run_in()."""
        y = 0.12 + (FOOT_LINES - 1) * SMALL_LINE
        for line in run_in(notes, SMALL_WIDTH, FOOT_LINES):
            self._text(LEFT, y, line, size=7.5, color=FAINT)
            y -= SMALL_LINE

    def legend(self, entries: list[tuple[dict[str, object], str]]) -> None:
        """Draw the legend beside the strip; entries: styles of Line2D, and their meaning."""
        self.figure.legend(
            [Line2D([], [], linestyle="", **style) for style, _ in entries],
            [words for _, words in entries],
            loc="center left",
            bbox_to_anchor=(
                1 - self.right / self.width,
                self.strip_middle / self.height,
            ),
            borderaxespad=0.2,
            frameon=False,
            fontsize=9 if len(entries) <= 5 else 7.5,
            handletextpad=0.1,
            labelspacing=0.4,
            labelcolor=INK,
        )
