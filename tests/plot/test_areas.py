# SPDX-License-Identifier: GPL-2.0-or-later
"""The parts of the address space that are shown."""

from __future__ import annotations

import numpy as np
import pytest
from faultlog.draw import areas
from logs import compiler_log, read


def check_areas(pages: np.ndarray, max_areas: int = areas.MAX_AREAS) -> list:
    """Every page is in exactly one panel, the one that area_of() returns."""
    found = areas.find_areas(np.unique(pages), max_areas)
    assert 1 <= len(found) <= max_areas
    inside = [(pages >= p.first) & (pages <= p.last) for p in found]
    assert (np.sum(inside, axis=0) == 1).all()
    assert (np.argmax(inside, axis=0) == areas.area_of(pages, found)).all()
    for low, high in zip(found, found[1:]):
        assert high.first - low.last - 1 >= areas.MIN_GAP_PAGES
    for panel in found:
        assert panel.first in pages and panel.last in pages
    return found


@pytest.mark.parametrize("seed", range(40))
def test_every_page_is_in_one_panel(seed):
    rng = np.random.default_rng(seed)
    parts = [
        rng.integers(0, 1 << int(rng.integers(1, 52)), dtype=np.uint64)
        + rng.integers(0, 1 << int(rng.integers(1, 20)), n, dtype=np.uint64)
        for n in rng.integers(1, 200, rng.integers(1, 30))
    ]
    check_areas(np.concatenate(parts), int(rng.integers(1, 12)))


def test_pages_at_both_ends_of_the_64_bit_range():
    pages = np.array([0, (1 << 52) - 1, 0xFFFFFFFFFF600], dtype=np.uint64)
    assert [(p.first, p.last) for p in check_areas(pages)] == [
        (0, 0),
        (0xFFFFFFFFFF600, 0xFFFFFFFFFF600),
        ((1 << 52) - 1, (1 << 52) - 1),
    ]


def test_one_page():
    found = check_areas(np.array([7, 7, 7], dtype=np.uint64))
    assert [(p.first, p.last, p.nr_pages) for p in found] == [(7, 7, 1)]


def test_a_process_is_cut_at_its_areas():
    log = read(compiler_log(5000))
    found = check_areas(log.address >> np.uint64(12))
    where = areas.area_of(log.address >> np.uint64(12), found)
    names = [
        {log.names["region"][r] for r in np.unique(log.region[where == i])}
        for i in range(len(found))
    ]
    assert names == [{"code", "data"}, {"heap"}, {"anon"}, {"file"}, {"stack"}]


def test_alike_gaps_are_cut_all_or_none():
    """64 thread stacks: it must not happen that only some of them get panels of their own."""
    stacks = 0x7F0000000 + 2049 * np.arange(64, dtype=np.uint64)
    pages = np.concatenate((stacks, stacks + np.uint64(1), [np.uint64(0x400)]))
    assert len(check_areas(pages)) == 2


def test_scattered_pages_stay_together():
    rng = np.random.default_rng(3)
    assert len(check_areas(rng.integers(0, 1 << 20, 20000, dtype=np.uint64))) == 1


@pytest.mark.parametrize("base", [0, 0x7FAA3B000000, (1 << 64) - (1 << 30)])
@pytest.mark.parametrize("pages", [1, 2, 3, 46, 6200, 1 << 18])
@pytest.mark.parametrize("max_ticks", [1, 2, 8])
def test_ticks_are_round_addresses_and_few(base, pages, max_ticks):
    ticks = areas.page_ticks(-10.0, pages * 4096.0, base, 4096, max_ticks)
    assert 1 <= len(ticks) <= max_ticks
    assert all((base + t) % 4096 == 0 and 0 <= base + t < 1 << 64 for t in ticks)
    assert all(-10 <= t <= pages * 4096 for t in ticks)
