# SPDX-License-Identifier: GPL-2.0-or-later
"""Counting values gives the same result as sorting them."""

from __future__ import annotations

import numpy as np
import pytest
from faultlog.base.packed import FEW, MIN_MARKED, distinct, number

TOP = (1 << 64) - 1
N = 3 * MIN_MARKED


def spread(*places: int) -> np.ndarray:
    """Values in and around some places; uint64 (N,)."""
    rng = np.random.default_rng(5)
    beside = rng.integers(0, 900, N, dtype=np.uint64)
    return rng.choice(np.array(places, dtype=np.uint64), N) + beside


PAGES = {
    "low": spread(0),
    "high": spread(TOP - 1000),
    "over the end of a place": spread(7, FEW - 500),
    "beside each other": spread(7, FEW + 6, 2 * FEW),
    "as far apart as can be": spread(0, FEW**2 - FEW, FEW**2 - 900),
    "too far apart": spread(0, FEW**2 + 1),
    "both ends": spread(3, TOP - 1000),
    "of a process": spread(0x55D0C0000, 0x7FAA30000, 0x7FFD10000),
    "too many places": spread(*(FEW * i for i in range(9))),
    "a place's ends": np.array([0, FEW - 1] * N, dtype=np.uint64),
    "the next place's": np.array([1, FEW, FEW + 1] * N, dtype=np.uint64),
    "few": np.array([5, TOP, 0, 5], dtype=np.uint64),
}


@pytest.mark.parametrize("name", PAGES)
def test_distinct_values_of_pages(name):
    values = PAGES[name]
    for some in (values, values[::-1], values[:1], values[:0], values[: N // 3]):
        found = distinct(some)
        assert found.dtype == values.dtype
        assert found.tolist() == np.unique(some).tolist()


@pytest.mark.parametrize("dtype", (np.uint8, np.uint16, np.uint32))
def test_distinct_values_of_other_columns(dtype):
    top = np.iinfo(dtype).max
    values = np.array([3, 0, top, top - 1, 3] * N, dtype=dtype)
    assert distinct(values).tolist() == [0, 3, top - 1, top]
    assert distinct(values).dtype == dtype


@pytest.mark.parametrize("low", (0, 7, TOP - 2))
def test_rows_of_many_columns_are_numbered(low):
    """Together the first two need more than 64 bits; one is constant, one signed."""
    rng = np.random.default_rng(3)
    columns = [rng.integers(0, 1 << 63, 900, dtype=np.uint64) for _ in range(2)]
    columns = [rng.choice(c[:5], 900) for c in columns]
    columns.append(np.full(900, low, dtype=np.uint64))
    columns.append(rng.integers(0, 3, 900, dtype=np.uint8))
    columns.append(rng.integers(0, 3, 900, dtype=np.int64))
    for some in (columns, columns[2:], columns[2:3]):
        numbers, first = number(*some)
        rows = list(zip(*(c.tolist() for c in some)))
        values = sorted(set(rows))
        assert [values[i] for i in numbers] == rows
        assert first.tolist() == [rows.index(value) for value in values]
