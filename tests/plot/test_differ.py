# SPDX-License-Identifier: GPL-2.0-or-later
"""Do sides differ? How often that is reported for runs that are alike, and for others."""

from __future__ import annotations

import itertools
from typing import Callable

import numpy as np
import pytest
from faultlog.analyse import differ
from scipy import stats

NR_TABLES, NR_ROWS = 1500, 30


def means(rng: np.random.Generator) -> np.ndarray:
    """Means of large and small rows, as tables have them."""
    return np.exp(rng.normal(6, 2, (NR_ROWS, 1)))


def normal(rng, shape):
    return means(rng) * (1 + 0.05 * rng.normal(size=shape))


def heavy(rng, shape):
    """In some row, one run in ten takes five times as long."""
    hiccups = np.where(rng.random(shape) < 0.1, 5, 1)
    return means(rng) * np.exp(0.05 * rng.normal(size=shape)) * hiccups


def lognormal(rng, shape):
    return means(rng) * np.exp(rng.normal(size=shape))


def small_counts(rng, shape):
    return rng.poisson(np.exp(rng.normal(0, 1, (NR_ROWS, 1))), shape)


def mostly_zeros(rng, shape):
    return np.where(rng.random(shape) < 0.8, 0, lognormal(rng, shape))


def yes_or_no(rng, shape):
    return rng.integers(0, 2, shape)


def together(rng, shape):
    """Slow runs are slow in all rows."""
    return normal(rng, shape) * np.exp(0.3 * rng.normal(size=(1, shape[1])))


def all_kinds(rng, shape):
    kinds = (normal, heavy, small_counts, mostly_zeros, together)
    return np.concatenate([kind(rng, shape)[i::5] for i, kind in enumerate(kinds)])


ALIKE = (normal, heavy, lognormal, small_counts, mostly_zeros, yes_or_no, together)
ALIKE += (all_kinds,)


def judged(values: np.ndarray, nr_before: int) -> tuple[bool, list[bool]]:
    """The verdicts; values has a column for each run."""
    rows = values.round().astype(int)
    sides = lambda row: (row[:nr_before].tolist(), row[nr_before:].tolist())
    return differ.judge(sides(rows.sum(axis=0)), [sides(row) for row in rows])


def share_of_tables(
    draw: Callable, nr_before: int, nr_after: int, nr_tables: int = NR_TABLES
) -> float:
    """The share of tables of runs that are all alike in which any difference is reported."""
    rng = np.random.default_rng(2026)
    said = 0
    for _ in range(nr_tables):
        total, rows = judged(draw(rng, (NR_ROWS, nr_before + nr_after)), nr_before)
        said += total or any(rows)
    return said / nr_tables


def test_at_most_5_of_100_tables_of_equal_runs_report_a_difference():
    """With 2 runs on each side every fifth row was reported."""
    shares = {draw.__name__: share_of_tables(draw, 5, 5) for draw in ALIKE}
    assert np.mean([*shares.values()]) <= differ.LEVEL, shares
    # For each kind: within three standard errors for this number of tables.
    error = np.sqrt(differ.LEVEL * (1 - differ.LEVEL) / NR_TABLES)
    assert max(shares.values()) <= differ.LEVEL + 3 * error, shares
    assert shares["normal"] > 0.02, shares  # a test that never reports is no test


@pytest.mark.parametrize("sides", [(3, 8), (6, 4), (9, 9)])
def test_sides_of_other_sizes_and_splits_by_lot(sides):
    nr_tables = 300
    share = share_of_tables(all_kinds, *sides, nr_tables)
    assert share <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / nr_tables)


def test_a_row_that_differs_is_found_and_others_are_not_blamed():
    """One row of 30 grows by a fifth, with noise of 5 % and 5 runs on each side."""
    rng = np.random.default_rng(3)
    nr_tables = 300
    found = blamed = found_all = 0
    for _ in range(nr_tables):
        values = normal(rng, (NR_ROWS, 10))
        row = int(values.mean(axis=1).argmax())
        values[row, 5:] *= 1.2
        total, rows = judged(values, 5)
        found += rows[row]
        blamed += any(rows[:row] + rows[row + 1 :])
        values[:, 5:] *= 1.2
        found_all += judged(values, 5)[0]
    assert found / nr_tables > 0.6
    assert found_all / nr_tables > 0.95
    assert blamed / nr_tables <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / nr_tables)


def test_rows_that_make_up_for_each_other_are_found():
    """The total does not change, so the rows have the stricter level."""
    rng = np.random.default_rng(4)
    values = 1000 * (1 + 0.03 * rng.normal(size=(NR_ROWS, 10)))
    values[0, 5:] -= 500
    values[1, 5:] += 500
    total, rows = judged(values, 5)
    assert not total and [i for i, differs in enumerate(rows) if differs] == [0, 1]


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("draw", [normal, small_counts])
def test_one_row_s_chance_is_scipy_s(seed, draw):
    rng = np.random.default_rng(seed)
    n, m = (int(k) for k in rng.integers(3, 7, 2))
    row = draw(rng, (NR_ROWS, n + m))[0].round().astype(int)
    before, after = row[:n].tolist(), row[n:].tolist()
    expected = stats.permutation_test(
        (before, after),
        lambda a, b, axis: np.abs(a.mean(axis=axis) - b.mean(axis=axis)).round(9),
        vectorized=True,
        n_resamples=np.inf,
        alternative="greater",
    ).pvalue
    (chance,) = differ.chances([(before, after)], (n, m))
    assert chance == pytest.approx(expected)


@pytest.mark.parametrize("seed", range(5))
def test_chances_of_rows_are_those_of_a_plain_count(seed):
    rng = np.random.default_rng(seed)
    rows = [rng.poisson(5, 8).tolist() for _ in range(4)] + [[7] * 8]
    splits = [set(split) for split in itertools.combinations(range(8), 3)]

    def parted(row: list[int], split: set[int]) -> float:
        inside = [row[i] for i in split]
        outside = [row[i] for i in range(8) if i not in split]
        return abs(np.mean(inside) - np.mean(outside)) / (np.std(row) or 1)

    table = np.array([[parted(row, split) for row in rows] for split in splits])
    table = table.round(9)
    left, least, expected = list(range(5)), 0.0, {}
    while left:
        row = max(left, key=lambda i: table[0, i])
        share = np.mean(table[:, left].max(axis=1) >= table[0, row])
        least = expected[row] = max(least, share)
        left.remove(row)
    found = differ.chances([(row[:3], row[3:]) for row in rows], (3, 5))
    assert found.tolist() == pytest.approx([expected[i] for i in range(5)])


def test_the_number_of_runs_that_are_needed():
    assert differ.RUNS_NEEDED == 5
    can = {(a, b) for a in range(1, 9) for b in range(1, 9) if differ.can_judge(a, b)}
    assert {(5, 5), (4, 5), (3, 8)} <= can
    assert not {(4, 4), (3, 6), (1, 8), (2, 2)} & can


def test_chances_do_not_depend_on_units_or_size():
    rows = [([1, 2, 3, 4, 5], [6, 7, 8, 9, 11]), ([5, 4, 4, 4, 5], [4, 5, 5, 4, 4])]
    expected = differ.chances(rows, (5, 5)).tolist()
    large = [tuple([(v << 50) + 7 for v in side] for side in row) for row in rows]
    assert differ.chances(large, (5, 5)).tolist() == expected
    many = rows + [([7] * 5, [7] * 5)] * 20000  # equal in all runs: no competitors
    assert differ.chances(many, (5, 5)).tolist()[:2] == expected
