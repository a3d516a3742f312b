# SPDX-License-Identifier: GPL-2.0-or-later
"""The touched areas of the address space, without the gaps between them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..base.arrays import NDArray

MAX_AREAS = 10
MIN_GAP_PAGES = 16
MIN_GAP_PART = 1 / 4  # of its panel, if it were not cut out
ALIKE = 1.25  # of gaps within this factor, all or none are cut out


@dataclass(frozen=True)
class Area:
    """A touched area: the pages first to last, both touched."""

    first: int  # page numbers
    last: int

    @property
    def nr_pages(self) -> int:
        """The number of its pages, touched or not."""
        return self.last - self.first + 1


def find_areas(pages: NDArray[np.uint64], max_areas: int = MAX_AREAS) -> list[Area]:
    """Split the address space at its wide gaps; the areas, lowest first.

    pages: distinct page numbers, at least one, ascending; uint64 (n,). A gap is cut out if
    it would leave much of its panel blank, the widest gaps first. If that makes too many
    areas, the narrowest cuts are undone. Every page is in exactly one area.
    """
    gaps = np.diff(pages) - np.uint64(1)

    def widest(first: int, last: int) -> tuple[int, int, int, int]:
        """The gap to cut in pages[first..last]: width (0: none), index, first, last."""
        if first == last:
            return 0, first, first, last
        at = first + int(gaps[first:last].argmax())
        gap, span = int(gaps[at]), int(pages[last]) - int(pages[first]) + 1
        cut = gap >= MIN_GAP_PAGES and gap >= MIN_GAP_PART * span
        return gap if cut else 0, at, first, last

    parts = [widest(0, len(pages) - 1)]
    # (width, index of the page below), the widest first
    cuts: list[tuple[int, int]] = []
    while True:
        gap, at, first, last = part = max(parts)
        if not gap:
            break
        if len(parts) == max_areas:
            cuts = [cut for cut in cuts if cut[0] > gap * ALIKE]
            break
        cuts.append((gap, at))
        parts.remove(part)
        parts += [widest(first, at), widest(at + 1, last)]
    below = sorted(at for _, at in cuts)
    firsts = [0] + [at + 1 for at in below]
    lasts = below + [len(pages) - 1]
    return [Area(int(pages[a]), int(pages[b])) for a, b in zip(firsts, lasts)]


def area_of(pages: NDArray[np.uint64], areas: list[Area]) -> NDArray[np.uint8]:
    """The index in areas of the last area that does not begin above each page; (n,).

    pages: page numbers, (n,), none below the first area; areas: up to 255, lowest first.
    """
    firsts = np.array([p.first for p in areas], dtype=np.uint64)
    return (np.searchsorted(firsts, pages, side="right") - 1).astype(np.uint8)


def page_ticks(
    low: float, high: float, base: int, page_size: int, max_ticks: int
) -> list[int]:
    """At most max_ticks round addresses for an axis of bytes above base.

    They are multiples of the smallest possible power of two, less base: floating-point
    numbers of an axis could not distinguish pages at the top of the 64-bit range.
    """
    low, high = base - int(-low // 1), base + int(high // 1)
    low, high = max(low, 0), min(high, (1 << 64) - 1)
    step = page_size
    while high // step - (low - 1) // step > max_ticks:
        step *= 2
    return [t - base for t in range(-(-low // step) * step, high + 1, step)]
