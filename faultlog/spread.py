# SPDX-License-Identifier: GPL-2.0-or-later
"""The time of faults, spread over the pieces of time that each overlaps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Later:
    """Time in pieces after those in which its faults began, summed by key and piece.

    Arrays of shape (m,), one entry for each key and piece that have any.
    """

    key: np.ndarray
    piece: np.ndarray  # int64
    spent_ns: np.ndarray  # uint64


def spread(
    begin_ns: np.ndarray, end_ns: np.ndarray, width_ns: int, key: np.ndarray
) -> tuple[np.ndarray, Later]:
    """Cut faults at the ends of pieces of one width, the first of which begins at 0.

    begin_ns, end_ns: uint64 (n,); key: what a fault's later time is summed by; (n,).
    Returns the time of each fault in the piece in which it began, uint64 (n,), and the rest.
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
    # Whole pieces are where sums rise and fall again; faults may be in many of them.
    np.add.at(sums, (at, first - low), width)
    np.subtract.at(sums, (at, last - low), width)
    np.cumsum(sums, axis=1, out=sums)
    np.add.at(sums, (at, last - low), end_ns[rows] - last.astype(np.uint64) * width)
    key_of, piece = np.nonzero(sums)
    return within, Later(keys[key_of], piece + low, sums[key_of, piece])
