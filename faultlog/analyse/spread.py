# SPDX-License-Identifier: GPL-2.0-or-later
"""Spreads the time of each fault over the time intervals that it overlaps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..base.arrays import NDArray


@dataclass(frozen=True)
class Later:
    """Time in intervals after the one in which the fault began, summed by key and interval.

    Arrays of shape (m,), one entry for each key and interval with any time.
    """

    key: NDArray[np.integer[Any]]
    piece: NDArray[np.int64]  # the interval's index, int64
    spent_ns: NDArray[np.uint64]  # uint64


def spread(
    begin_ns: NDArray[np.uint64],
    end_ns: NDArray[np.uint64],
    width_ns: int,
    key: NDArray[np.integer[Any]],
) -> tuple[NDArray[np.uint64], Later]:
    """Cut faults at the ends of intervals of one width, the first of which begins at 0.

    begin_ns, end_ns: uint64 (n,); key: by which later time is summed, (n,). Returns the time of
    each fault in the interval in which it began, uint64 (n,), and the rest.
    """
    width = np.uint64(width_ns)
    within = begin_ns % width
    np.subtract(width, within, out=within)
    spent = end_ns - begin_ns
    rows = np.flatnonzero(spent > within)
    np.minimum(spent, within, out=within)
    del spent
    keys, at = np.unique(key[rows], return_inverse=True)
    if not len(rows):
        return within, Later(keys, at.astype(np.int64), within[rows])
    first = (begin_ns[rows] // width).astype(np.int64) + 1
    last = ((end_ns[rows] - np.uint64(1)) // width).astype(np.int64)
    low = int(first.min())
    sums = np.zeros((len(keys), int(last.max()) - low + 1), dtype=np.uint64)
    # A fault may span many intervals: add the width where whole intervals begin and subtract it
    # where they end, then take cumulative sums.
    np.add.at(sums, (at, first - low), width)
    np.subtract.at(sums, (at, last - low), width)
    np.cumsum(sums, axis=1, out=sums)
    np.add.at(sums, (at, last - low), end_ns[rows] - last.astype(np.uint64) * width)
    key_of, piece = np.nonzero(sums)
    return within, Later(keys[key_of], piece + low, sums[key_of, piece])
