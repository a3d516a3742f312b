# SPDX-License-Identifier: GPL-2.0-or-later
"""Faults in a panel: a mark for each, or where they are many, cells shaded by their count."""

from __future__ import annotations

import matplotlib
import numpy as np
from matplotlib.axes import Axes

from ..base.arrays import NDArray
from ..parse.log import ACCESSES, MAJOR, RESULTS

# By access: unknown, read, write, exec, other. They differ in lightness as well as in hue, for
# colour-blind readers and for print in grey.
COLOURS = ("#727a84", "#4ba3dd", "#d55e00", "#6a0f5c", "#2a7f62")
ACCESS_WORDS = ("access unknown", *ACCESSES[1:], "other access")
NR_KINDS = len(COLOURS)
INK, FAINT, GROUND, ALARM = "#22262b", "#5d646d", "#f5f6f8", "#b00020"
RGBA = np.array([matplotlib.colors.to_rgba(c) for c in COLOURS])

CELL = 1 / 75  # inches; 2 pixels of a PNG
MAJOR_CELL = 1 / 37.5  # twice that, so that a single one is seen
RING = 0.07  # inches between rings or crosses, at least
MAX_MARKS = 1500  # per square inch; more are drawn as cells
CHUNK = 1 << 20  # faults
MAX_RINGS = 200  # of a kind in a panel; more are drawn as cells

DARKER = "darker: more faults in a cell; colours in proportion to the accesses"
SEVERAL = "a ring (major) or cross (failed) may stand for several faults"

# Marks of major and failed faults.
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
# The shade of a cell with one major or failed fault; the fullest cell has 1.
LIGHTEST = 0.85


def mark_of(result: int, is_binned: bool) -> dict[str, object]:
    """The style of the marks of a result, as arguments of Line2D.

    result: a code of RESULTS from MAJOR on; is_binned: cells, not a mark for each fault.
    """
    if is_binned:
        one, most = _shades(result, np.array([LIGHTEST, 1.0]))
        return CELL_MARK | {"markerfacecolor": one, "markerfacecoloralt": most}
    if result == MAJOR:
        return MAJOR_MARK
    return FAILED_MARK | {"marker": SHAPES[RESULTS[result]]}


def _shades(result: int, shade: NDArray[np.float64]) -> NDArray[np.float64]:
    """The colours of cells; float (...,) to (..., 3).

    They are opaque: colours below would make them differ from the legend.
    """
    dark: NDArray[np.float64] = np.array(
        matplotlib.colors.to_rgb(INK if result == MAJOR else ALARM)
    )
    return 1.0 - shade[..., None] * (1.0 - dark)


def inches(axis: Axes) -> tuple[float, float]:
    """The width and height of the axes."""
    box = axis.get_position()
    wide, tall = axis.figure.get_size_inches()
    return wide * box.width, tall * box.height


def has_room(axis: Axes, nr_faults: int) -> bool:
    """Is there room for a mark for each fault?"""
    wide, tall = inches(axis)
    return nr_faults <= MAX_MARKS * wide * tall


def draw_marks(
    axis: Axes,
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    access: NDArray[np.uint8],
) -> None:
    """Draw a mark for each fault; the more faults, the smaller.

    x, y: places of n faults in units of the axes, (n,), in the order of time, as later marks cover
    earlier ones; access: their codes, below NR_KINDS, (n,).
    """
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
    axis: Axes,
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    pitch: float,
    rows: int = 0,
) -> tuple[NDArray[np.int64], int, int]:
    """The cell of each point in a grid over the axes; points outside get the nearest cell.

    x, y: in units of the axes, (n,); pitch: the size of a cell in inches; rows: replaces the number
    of rows that follows from it. Returns the cells, numbered from the lowest row and the left,
    (n,); and the numbers of rows and of columns.
    """
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
    axis: Axes,
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    access: NDArray[np.uint8],
    rows: int = 0,
) -> NDArray[np.int64]:
    """Faults in each cell of the panel, by access: (rows, columns, NR_KINDS), the lowest row first.

    x, y, access: as for draw_marks(), in any order; rows: of cells, 0: as many as fit.
    """
    counts = np.zeros(1, dtype=np.int64)  # the first sum has all cells
    for first in range(0, max(len(x), 1), CHUNK):  # in parts: each fault takes 40 bytes
        part = slice(first, first + CHUNK)
        cell, nr_rows, columns = _places(axis, x[part], y[part], CELL, rows)
        cell *= NR_KINDS
        cell += access[part]
        counts = counts + np.bincount(cell, minlength=nr_rows * columns * NR_KINDS)
    return counts.reshape(nr_rows, columns, NR_KINDS)


def cell_kinds(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """The access whose colour each cell gets: (rows, columns); counts: of count_cells().

    It is chosen in proportion to the cell's faults, by a sequence that is uniform over the
    plane: if half of the faults are reads, half of the cells are blue, and no rare access
    is hidden.
    """
    rows, columns, _ = counts.shape
    across = np.arange(columns) * 0.5698402909980532
    up = np.arange(rows)[:, None] * 0.7548776662466927
    lot = (up + across + 0.5) % 1 * counts.sum(axis=2)
    return (counts.cumsum(axis=2) <= lot[..., None]).sum(axis=2).clip(0, NR_KINDS - 1)


def draw_cells(binned: list[tuple[Axes, NDArray[np.int64]]]) -> None:
    """Draw cells in the colours of their accesses, darker for more faults.

    binned: axes and the counts of count_cells(); the same shade means the same count in all axes.
    """
    most = max((counts.sum(axis=2).max() for _, counts in binned), default=1)
    for axis, counts in binned:
        picture = RGBA[cell_kinds(counts)]
        total = counts.sum(axis=2)
        shade = np.log(np.maximum(total, 1)) / max(np.log(most), 1.0)
        picture[..., 3] = np.where(total, 0.55 + 0.45 * shade, 0.0)
        _show(axis, picture, 2)


def _show(axis: Axes, picture: NDArray[np.float64], zorder: float) -> None:
    """An image over the whole panel.

    picture: RGBA from 0 to 1, (rows, columns, 4), the lowest row first.
    """
    axis.imshow(
        (picture * 255 + 0.5).astype(np.uint8),  # drawn in half the time of floats
        extent=(*axis.get_xlim(), *axis.get_ylim()),
        origin="lower",
        aspect="auto",
        interpolation="nearest",
        zorder=zorder,
    )


def draw_standouts(
    axis: Axes,
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    result: NDArray[np.uint8],
    drawn: set[tuple[int, bool]],
) -> bool:
    """Draw marks for major and failed faults.

    If they are few, a ring or a cross for each, one for all in a place; else cells, darker
    for more faults. x, y: as for draw_marks(), in any order; result: codes of RESULTS, (n,); drawn:
    pairs of the result and whether cells were used are added, for the legend. Returns whether a
    mark stands for several faults.
    """
    shared = False
    for code in range(MAJOR, len(RESULTS)):
        rows = np.flatnonzero(result == code)
        if not len(rows):
            continue
        is_binned = len(rows) > MAX_RINGS
        drawn.add((code, is_binned))
        if is_binned:
            cell, high, wide = _places(axis, x[rows], y[rows], MAJOR_CELL)
            counts = np.bincount(cell, minlength=high * wide).reshape(high, wide)
            picture = np.empty((high, wide, 4))
            shade = np.log(np.maximum(counts, 1)) / max(np.log(counts.max()), 1.0)
            picture[..., :3] = _shades(code, LIGHTEST + (1 - LIGHTEST) * shade)
            picture[..., 3] = counts > 0
            _show(axis, picture, 2.5)
            continue
        cell = _places(axis, x[rows], y[rows], RING)[0]
        first = np.unique(cell, return_index=True)[1]
        shared |= len(first) < len(rows)
        rows = rows[first]
        style = mark_of(code, False)
        axis.plot(x[rows], y[rows], linestyle="", zorder=3, clip_on=False, **style)
    return shared
