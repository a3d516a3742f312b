# SPDX-License-Identifier: GPL-2.0-or-later
"""Breaks of the time axis, drawn as breaks between areas of the address space are."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedFormatter, FixedLocator

from ..base.words import axis_unit, exact_text, plural, time_text, time_unit
from .layout import ALONG, BREAK_TEXT, GAP, LEFT, RIGHT, WIDTH, ZIGZAG, Sheet
from .marks import FAINT, inches
from .timeline import TIME_TICKS, Timeline

AXIS_WIDTH = WIDTH - LEFT - RIGHT  # of all pictures, in inches
SHARE = GAP / AXIS_WIDTH  # of the axis, for a break
# Inches: a digit and a comma of a tick's label, room between labels, a letter of a break's text.
DIGIT, COMMA, BETWEEN, LETTER = 0.0708, 0.0354, 0.22, 0.055


def unit_of(timeline: Timeline, duration_ns: int) -> tuple[float, str]:
    """The axis's unit, in ns, and its name; duration_ns: also of what is left out."""
    unit, name = axis_unit(timeline.duration_ns, TIME_TICKS)
    if not timeline.breaks or unit > 1e9:
        return unit, name
    # A short part of a long time: seconds with decimals, not billions of microseconds.
    unit, name = time_unit(duration_ns)
    return (unit, name) if unit <= 1e9 else (1e9, "s")


def draw_breaks(sheet: Sheet, timeline: Timeline, unit: float, before_ns: int) -> str:
    """Draw the breaks, and ticks between them; returns a note.

    unit, before_ns: as for Sheet.time_axis(), which was called before.
    """
    length = int(unit)

    def text(time_ns: int) -> str:
        if unit <= 1e9:
            return exact_text(time_ns, length)
        return "" if time_ns * 10 % length else f"{time_ns / unit:,.10g}"

    low, high = sheet.strip.get_xlim()
    per_inch = (high - low) * unit / AXIS_WIDTH

    def room(time_ns: int) -> int:
        words = text(time_ns)
        small = words.count(",") + words.count(".")
        wide = DIGIT * (len(words) - small) + COMMA * small + BETWEEN
        return int(wide * per_inch)

    ticks = timeline.ticks(before_ns, room, text)
    sheet.strip.xaxis.set_major_locator(FixedLocator([at / unit for at, _ in ticks]))
    sheet.strip.xaxis.set_major_formatter(FixedFormatter([words for _, words in ticks]))
    tallest = max(sheet.figure.axes, key=lambda axis: inches(axis)[1])
    texts = [f"{time_text(gap.idle_ns)} without faults" for gap in timeline.breaks]
    if max(map(len, texts)) * LETTER + BETWEEN > inches(tallest)[1]:
        texts = [time_text(gap.idle_ns) for gap in timeline.breaks]
    for gap, words in zip(timeline.breaks, texts):
        begin, end = gap.begin / unit, gap.end / unit
        for axis in sheet.figure.axes:
            # Above curves of sums, below the marks of faults beside the break.
            axis.axvspan(begin, end, color="white", linewidth=0, zorder=1.9)
            if axis.spines["bottom"].get_visible():
                _break_line(sheet, axis, begin, end)
        tallest.annotate(
            words,
            ((begin + end) / 2, 0.5),
            xycoords=("data", "axes fraction"),
            va="center",
            rotation=90,
            zorder=4,
            **BREAK_TEXT,
        )
    idle = time_text(sum(gap.idle_ns for gap in timeline.breaks))
    nr = plural(len(timeline.breaks), "break")
    return f"{nr} of the time axis: {idle} without faults left out"


def _break_line(sheet: Sheet, axis: Axes, begin: float, end: float) -> None:
    """Replace the bottom line of the axes by a zigzag, from begin to end on X."""
    box, (low, high) = axis.get_position(), axis.get_xlim()
    left, wide = box.x0 * sheet.width, box.width * sheet.width
    x = left + (np.array([begin, end]) - low) / (high - low) * wide
    y = np.full(2, box.y0 * sheet.height)
    sheet.draw_line(x, y, color="white", linewidth=2.5, solid_capstyle="butt")
    x = x[0] + np.array(ALONG) * (x[1] - x[0])
    sheet.draw_line(x, y[0] - np.array(ZIGZAG), color=FAINT, linewidth=0.8)
