# SPDX-License-Identifier: GPL-2.0-or-later
"""Do two sides of runs differ significantly, that is by more than run-to-run variation?

This is a permutation test of the difference of means. If all runs are alike, each could as well
have been on the other side. So the runs are split into two sides in all possible ways; the p-value
is the share of splits in which the means are at least as far apart as in the real one. The
test keeps its level for any distribution: heavy tails, ties, mostly zeros. Welch's t-test does
not: counts of 0 or 1 that happen to be equal within each side have no spread, so their p-value is
0. With 300 rows of these counts it found a difference in 42 of 100 tables of 5 + 5 equal runs.

A table has one total and many rows. If all runs are alike, at most 5 of 100 tables may report any
difference. The total is tested first, at LEVEL_OF_SUM. The rows get the rest of the 5 %, or all of
it if the total differs (a fallback procedure: no part of the level is spent twice). Among rows we
use Westfall and Young's step-down maxT: each row's difference, in units of its own spread, is
compared with the largest difference of any row in the same split; rows that were found to differ
drop out. Whole runs change sides, so correlated rows stay correlated.

A rank test with Holm's correction has no power here: with 5 runs a side its smallest p-value is 2
in 252, too large for 7 or more rows. This test has the power of Welch's: if one row of 30 takes
20 % longer, with 5 % of noise, it is found in three of four tables.
"""

from __future__ import annotations

import itertools
from math import comb
from typing import Iterator

import numpy as np

from ..base.arrays import NDArray

LEVEL, LEVEL_OF_SUM = 0.05, 0.04
LEVEL_OF_ROWS = LEVEL - LEVEL_OF_SUM  # if the total does not differ
MAX_SPLITS = 5000  # if there are more, a random sample of this size
CELLS = 1 << 22  # rows times splits that are computed at a time
TOO_CLOSE = 1e-9  # statistics from 0 to 1 that are closer count as equal (rounding)

Values = tuple[list[int], list[int]]  # of each run, before and after


def can_judge(nr_before: int, nr_after: int) -> bool:
    """Whether there are enough runs for the smallest possible p-value to be below all levels.

    If both sides have the same size, each split has a mirror image with the same difference.
    """
    nr_alike = 2 if nr_before == nr_after else 1
    return nr_alike / comb(nr_before + nr_after, nr_before) <= LEVEL_OF_ROWS


RUNS_NEEDED = next(n for n in itertools.count(1) if can_judge(n, n))


def judge(total: Values, rows: list[Values]) -> tuple[bool, list[bool]]:
    """Whether the total differs, and each row. can_judge() is true; all values have equal sides."""
    sides = len(total[0]), len(total[1])
    (chance,) = chances([total], sides)
    differs = bool(chance <= LEVEL_OF_SUM)
    level = LEVEL if differs else LEVEL_OF_ROWS
    return differs, (chances(rows, sides) <= level).tolist()


def chances(rows: list[Values], sides: tuple[int, int]) -> NDArray[np.float64]:
    """The p-value of each row, corrected for the number of rows; float64 (m,)."""
    units = _in_units(rows)
    nr_rows, nr_splits = len(units), 0
    seen = np.abs(units[:, : sides[0]].sum(axis=1))
    order = np.argsort(seen, kind="stable")
    units, seen = units[order], seen[order]
    nr_as_far = np.zeros(nr_rows, dtype=np.int64)
    for splits in _splits(*sides, max(CELLS // max(nr_rows, 1), 1)):
        parted = np.abs(splits @ units.T)
        # Rows are in ascending order: each gets the maximum of itself and the smaller ones.
        np.maximum.accumulate(parted, axis=1, out=parted)
        nr_as_far += np.count_nonzero(parted >= seen - TOO_CLOSE, axis=0)
        nr_splits += len(splits)
    # A row's p-value is at least that of any row with a larger difference.
    chance = np.maximum.accumulate(nr_as_far[::-1])[::-1] / nr_splits
    found = np.empty(nr_rows)
    found[order] = chance
    return found


def _in_units(rows: list[Values]) -> NDArray[np.float64]:
    """Each row minus its mean, divided by its spread; 0 if all runs are equal; (m, runs)."""
    values = [[*before, *after] for before, after in rows]
    # Subtract the minimum as exact integers: large values lose digits as floats.
    above = np.array([[v - min(row) for v in row] for row in values], dtype=np.float64)
    above -= above.mean(axis=1, keepdims=True)
    spread = np.sqrt((above**2).sum(axis=1, keepdims=True))
    return above / np.where(spread, spread, 1)


def _splits(nr_before: int, nr_after: int, most: int) -> Iterator[NDArray[np.float64]]:
    """Ways to choose the runs before, at most this many at a time; float64 (splits, runs).

    1.0 marks the chosen runs. All ways or, if there are too many, the real one and a random
    sample with a fixed seed.
    """
    nr_runs = nr_before + nr_after
    if comb(nr_runs, nr_before) <= MAX_SPLITS:
        chosen = np.array(list(itertools.combinations(range(nr_runs), nr_before)))
    else:
        lots = np.random.default_rng(0).random((MAX_SPLITS, nr_runs))
        chosen = np.argsort(lots, axis=1)[:, :nr_before]
        chosen[0] = np.arange(nr_before)
    for first in range(0, len(chosen), most):
        part = chosen[first : first + most]
        splits = np.zeros((len(part), nr_runs))
        np.put_along_axis(splits, part, 1.0, axis=1)
        yield splits
