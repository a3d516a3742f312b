# SPDX-License-Identifier: GPL-2.0-or-later
"""Rows of several columns as one number each, to sort and to tell apart."""

from __future__ import annotations

import numpy as np

ROOM = 1 << 64  # of a packed row
FEW = 1 << 20  # so many values are counted, which is faster than sorting


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
    if not len(values) or int(values.max()) - int(values.min()) >= FEW:
        return np.unique(values)
    low = values.min()
    is_there = np.zeros(int(values.max() - low) + 1, dtype=bool)
    is_there[values - low] = True
    return np.flatnonzero(is_there).astype(values.dtype) + low


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
