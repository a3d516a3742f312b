# SPDX-License-Identifier: GPL-2.0-or-later
"""Rows of several columns as one number each, to sort and to tell apart."""

from __future__ import annotations

import numpy as np

ROOM = 1 << 64  # of a packed row
FEW = 1 << 20  # so many values are counted, which is faster than sorting
MIN_MARKED = 1 << 16  # of so many, one at least; for fewer, sorting is as fast


def pack(*columns: np.ndarray) -> np.ndarray:
    """One number a row, which sorts as the rows do by the first column, then the next.

    columns: unsigned or not negative, (n,) each. Returns uint64 (n,). Two rows are equal
    exactly if their numbers are.
    """
    packed, span = np.zeros(len(columns[0]), dtype=np.uint64), 1
    if not len(packed):
        return packed
    for column in columns:
        column = column.astype(np.uint64)
        low, width = column.min(), int(column.max()) - int(column.min()) + 1
        column = column - low
        if span * width > ROOM:
            packed, span = _dense(packed)
        if span * width > ROOM:
            column, width = _dense(column)
        packed = packed * np.uint64(width) + column if width < ROOM else column
        span *= width
    return packed


def _dense(column: np.ndarray) -> tuple[np.ndarray, int]:
    """Ranks in place of values, and how many there are."""
    values, ranks = np.unique(column, return_inverse=True)
    return ranks.astype(np.uint64), len(values)


def distinct(values: np.ndarray) -> np.ndarray:
    """The values that there are, ascending; unsigned (n,) to (m,) of the same type."""
    if not len(values):
        return values
    low = values.min()
    if int(values.max() - low) < FEW:
        return _those(values - low, FEW).astype(values.dtype) + low
    above, rest = np.divmod(values - low, values.dtype.type(FEW))
    # Pages lie in some few places far apart: these first, then what there is in each.
    places = distinct(above) if int(above.max()) < FEW else above
    if len(places) > len(values) // MIN_MARKED:
        return np.unique(values)
    place = np.zeros(int(places[-1]) + 1, dtype=np.int64)
    place[places] = np.arange(len(places)) * FEW
    found = _those(place[above] + rest.astype(np.int64), len(places) * FEW)
    return places[found // FEW] * FEW + (found % FEW).astype(values.dtype) + low


def _those(values: np.ndarray, span: int) -> np.ndarray:
    """The values that there are, all below span, ascending; int64 (m,)."""
    is_there = np.zeros(span, dtype=bool)
    is_there[values] = True
    return np.flatnonzero(is_there)


def compact(packed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Ranks in place of values, and the first row of each; n > 0."""
    if packed.max() >= FEW:
        _, first, codes = np.unique(packed, return_index=True, return_inverse=True)
        return codes, first
    value = packed.astype(np.int64)
    is_there = np.bincount(value) > 0
    first = np.zeros(len(is_there), dtype=np.int64)
    first[value[::-1]] = np.arange(len(value))[::-1]  # of one value the last counts
    return (np.cumsum(is_there) - 1)[value], first[is_there]
