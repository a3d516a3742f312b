# SPDX-License-Identifier: GPL-2.0-or-later
"""Faults in a panel: a mark each while there is room, else cells whose shade is a count."""

from __future__ import annotations

import matplotlib
import numpy as np
from matplotlib.axes import Axes

from .log import ACCESSES, MAJOR, RESULTS

# By access: not told, read, write, exec, and words that are new to us. Told apart by
# colour-blind readers and in grey: they differ in lightness as well as in hue.
COLOURS = ("#727a84", "#4ba3dd", "#d55e00", "#6a0f5c", "#2a7f62")
ACCESS_WORDS = ("access not told", *ACCESSES[1:], "other access")
NR_KINDS = len(COLOURS)
INK, FAINT, GROUND, ALARM = "#22262b", "#5d646d", "#f5f6f8", "#b00020"
RGBA = np.array([matplotlib.colors.to_rgba(c) for c in COLOURS])

CELL = 1 / 75  # inches, of a binned picture: 2 pixels of a PNG
MAJOR_CELL = 1 / 37.5  # twice that: a single one must be seen
RING = 0.07  # inches: rings and crosses are at least that far apart
MAX_MARKS = 1500  # per square inch; where there are more, they are binned
CHUNK = 1 << 20  # faults
MAX_RINGS = 200  # of a kind in a panel; more are binned

DARKER = "darker: more faults at one spot; colours in proportion to the accesses"
SEVERAL = "a ring (major) or cross (failed) may stand for several faults"

# What stands out of the minor faults.
MAJOR_MARK = {
    "marker": "o",
    "markersize": 5,
    "markerfacecolor": "none",
    "markeredgecolor": INK,
    "markeredgewidth": 0.9,
}
FAILED_MARK = {"markersize": 6, "markeredgecolor": ALARM, "markerfacecolor": "none"}
FAILED_MARK["markeredgewidth"] = 1.4
SHAPES = {"sigbus": "x", "sigsegv": "+", "oom": "v", "hwpoison": "D", "error": "s"}
CELL_MARK = {"marker": "s", "markersize": 6, "markeredgewidth": 0, "fillstyle": "left"}
# The shade of a cell with one major or failed fault; 1 is that of the most.
LIGHTEST = 0.85


def mark_of(result: int, is_binned: bool) -> dict[str, object]:
    """How faults of this result, major or failed, are marked."""
    if is_binned:
        one, most = _shades(result, np.array([LIGHTEST, 1.0]))
        return CELL_MARK | {"markerfacecolor": one, "markerfacecoloralt": most}
    if result == MAJOR:
        return MAJOR_MARK
    return FAILED_MARK | {"marker": SHAPES[RESULTS[result]]}


def _shades(result: int, shade: np.ndarray) -> np.ndarray:
    """The colours of cells; float (...,) to (..., 3).

    Opaque, as the colour of what is below would make them another than the legend's.
    """
    dark = np.array(matplotlib.colors.to_rgb(INK if result == MAJOR else ALARM))
    return 1 - shade[..., None] * (1 - dark)


def inches(axis: Axes) -> tuple[float, float]:
    """How wide and how tall the axes are."""
    box = axis.get_position()
    wide, tall = axis.figure.get_size_inches()
    return wide * box.width, tall * box.height


def has_room(axis: Axes, nr_faults: int) -> bool:
    """Is there room for a mark each?"""
    return nr_faults <= MAX_MARKS * np.prod(inches(axis))


def draw_marks(axis: Axes, x: np.ndarray, y: np.ndarray, access: np.ndarray) -> None:
    """A mark a fault, in the order of time, smaller where there are many."""
    axis.scatter(
        x,
        y,
        s=float(np.clip(38 / max(len(x), 1) ** 0.28, 3, 14)),
        c=RGBA[access],
        alpha=0.8,
        linewidths=0,
        rasterized=len(x) > 1000,
        zorder=2,
    )


def _places(
    axis: Axes, x: np.ndarray, y: np.ndarray, pitch: float, rows: int = 0
) -> tuple[np.ndarray, int, int]:
    """The cell that each point is in, row by row; and how many rows and columns."""
    wide, tall = inches(axis)
    columns, rows = max(int(wide / pitch), 1), rows or max(int(tall / pitch), 1)
    (left, right), (low, high) = axis.get_xlim(), axis.get_ylim()
    row = ((y - low) * (rows / (high - low))).astype(np.int64)
    column = ((x - left) * (columns / (right - left))).astype(np.int64)
    np.clip(row, 0, rows - 1, out=row)
    np.clip(column, 0, columns - 1, out=column)
    row *= columns
    row += column
    return row, rows, columns


def count_cells(
    axis: Axes, x: np.ndarray, y: np.ndarray, access: np.ndarray, rows: int = 0
) -> np.ndarray:
    """Faults a cell of the panel, by access: int64 of shape (rows, columns, accesses)."""
    counts = 0
    for first in range(0, max(len(x), 1), CHUNK):  # in parts: it takes 40 bytes a fault
        part = slice(first, first + CHUNK)
        cell, nr_rows, columns = _places(axis, x[part], y[part], CELL, rows)
        cell *= NR_KINDS
        cell += access[part]
        counts += np.bincount(cell, minlength=nr_rows * columns * NR_KINDS)
    return counts.reshape(nr_rows, columns, NR_KINDS)


def cell_kinds(counts: np.ndarray) -> np.ndarray:
    """The access whose colour each cell gets: int64 (rows, columns).

    Drawn by lot in proportion to its faults, by a sequence that is even over the plane:
    so of cells in which half are reads, half are blue, and nothing that's rare is hidden.
    """
    rows, columns, _ = counts.shape
    across = np.arange(columns) * 0.5698402909980532
    up = np.arange(rows)[:, None] * 0.7548776662466927
    lot = (up + across + 0.5) % 1 * counts.sum(axis=2)
    return (counts.cumsum(axis=2) <= lot[..., None]).sum(axis=2).clip(0, NR_KINDS - 1)


def draw_cells(binned: list[tuple[Axes, np.ndarray]]) -> None:
    """Binned panels: the colours of their accesses, darker for more."""
    most = max((counts.sum(axis=2).max() for _, counts in binned), default=1)
    for axis, counts in binned:
        picture = RGBA[cell_kinds(counts)]
        total = counts.sum(axis=2)
        shade = np.log(np.maximum(total, 1)) / max(np.log(most), 1.0)
        picture[..., 3] = np.where(total, 0.55 + 0.45 * shade, 0.0)
        _show(axis, picture, 2)


def _show(axis: Axes, picture: np.ndarray, zorder: float) -> None:
    """An image over the whole panel; RGBA from 0 to 1, (rows, columns, 4)."""
    axis.imshow(
        (picture * 255 + 0.5).astype(np.uint8),  # drawn in half the time of floats
        extent=(*axis.get_xlim(), *axis.get_ylim()),
        origin="lower",
        aspect="auto",
        interpolation="nearest",
        zorder=zorder,
    )


def draw_standouts(
    axis: Axes, x: np.ndarray, y: np.ndarray, result: np.ndarray, drawn: set
) -> bool:
    """Marks for major and failed faults.

    Where they are few, a ring or a cross each, one for all at a spot; else cells, the
    darker the more. drawn grows by which were used: pairs of the result and whether
    it was binned. Returns True if a mark stands for several.
    """
    shared = False
    for code in range(MAJOR, len(RESULTS)):
        such = np.flatnonzero(result == code)
        if not len(such):
            continue
        is_binned = len(such) > MAX_RINGS
        drawn.add((code, is_binned))
        if is_binned:
            cell, rows, columns = _places(axis, x[such], y[such], MAJOR_CELL)
            counts = np.bincount(cell, minlength=rows * columns).reshape(rows, columns)
            picture = np.empty((rows, columns, 4))
            shade = np.log(np.maximum(counts, 1)) / max(np.log(counts.max()), 1.0)
            picture[..., :3] = _shades(code, LIGHTEST + (1 - LIGHTEST) * shade)
            picture[..., 3] = counts > 0
            _show(axis, picture, 2.5)
            continue
        spot = _places(axis, x[such], y[such], RING)[0]
        first = np.unique(spot, return_index=True)[1]
        shared |= len(first) < len(such)
        such = such[first]
        style = mark_of(code, False)
        axis.plot(x[such], y[such], linestyle="", zorder=3, clip_on=False, **style)
    return shared
