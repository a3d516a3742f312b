# SPDX-License-Identifier: GPL-2.0-or-later
"""Packs rows of several columns into one number each, for sorting and comparing."""

from __future__ import annotations

from typing import Any, Callable, TypeVar

import numpy as np

from .arrays import NDArray

_Unsigned = TypeVar("_Unsigned", bound="np.unsignedinteger[Any]")
ROOM = 1 << 64  # of a packed row
FEW_BITS = 20
FEW = 1 << FEW_BITS  # values up to this are counted, which is faster than sorting
MIN_MARKED = 1 << 16  # values per place of FEW; with fewer, sorting is as fast
CHUNK = 1 << 18  # values at a time


def pack(
    *columns: NDArray[np.integer[Any]] | NDArray[np.bool_],
) -> NDArray[np.uint64]:
    """A number for each row, in the order of the first column, then the next, and so on.

    columns: unsigned or not negative, (n,) each. Returns uint64 (n,). Two rows are equal if
    and only if their numbers are.
    """
    packed, span = np.zeros(len(columns[0]), dtype=np.uint64), 1
    if not len(packed):
        return packed
    for column in columns:
        low, width = column.min(), int(column.max()) - int(column.min()) + 1
        if width == 1:
            continue
        values = column.astype(np.uint64) - np.uint64(low)
        if span * width > ROOM:
            packed, span = _dense(packed)
        if span * width > ROOM:
            values, width = _dense(values)
        packed = packed * np.uint64(width) + values if width < ROOM else values
        span *= width
    return packed


def _dense(column: NDArray[np.uint64]) -> tuple[NDArray[np.uint64], int]:
    """The rank of each value among the distinct ones, (n,), and their number."""
    values, ranks = np.unique(column, return_inverse=True)
    return ranks.astype(np.uint64), len(values)


def distinct(values: NDArray[_Unsigned]) -> NDArray[_Unsigned]:
    """The distinct values, ascending; unsigned (n,) to (m,) of the same type.

    Pages are in a few places far apart: first the places are marked, then the values in them.
    """
    if not len(values):
        return values
    low = values.min()
    span = int(values.max() - low) + 1
    nr_places = (span - 1 >> FEW_BITS) + 1
    if nr_places > FEW:
        return np.unique(values)
    places = _marked(values, low, nr_places, lambda above: above >> FEW_BITS)
    if len(places) > max(len(values) // MIN_MARKED, 1):
        return np.unique(values)
    gap = (
        places - np.arange(len(places))
    ) << FEW_BITS  # unused values below each place
    gap_at = np.zeros(nr_places, dtype=np.int64)
    gap_at[places] = gap
    found = _marked(
        values,
        low,
        span - int(gap[-1]),
        lambda above: above - gap_at[above >> FEW_BITS],
    )
    found += gap[found >> FEW_BITS]
    return found.astype(values.dtype) + low


def _marked(
    values: NDArray[np.unsignedinteger[Any]],
    low: np.unsignedinteger,
    span: int,
    mark: Callable[[NDArray[np.int64]], NDArray[np.int64]],
) -> NDArray[np.int64]:
    """The distinct marks of all values, ascending, each below span; int64 (m,).

    low: the smallest value; mark: the marks of values less low, int64 (n,) to (n,). It is
    called for CHUNK values at a time, to save memory.
    """
    is_there = np.zeros(span, dtype=bool)
    for at in range(0, len(values), CHUNK):
        above = values[at : at + CHUNK] - low
        is_there[mark(above.astype(np.int64))] = True
    return np.flatnonzero(is_there)


def number(
    *columns: NDArray[np.integer[Any]] | NDArray[np.bool_],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Number the distinct rows from 0 on, in the order of pack().

    columns: as of pack(). Returns the number of each row, (n,), and of each number the first row
    that has it, (m,).
    """
    packed = pack(*columns)
    if packed.max(initial=0) >= FEW:
        _, first, codes = np.unique(packed, return_index=True, return_inverse=True)
        return codes, first
    value = packed.astype(np.int64)
    is_there = np.bincount(value) > 0
    first = np.zeros(len(is_there), dtype=np.int64)
    first[value[::-1]] = np.arange(len(value))[
        ::-1
    ]  # of equal values, the first row is assigned last
    return (np.cumsum(is_there) - 1)[value], first[is_there]
