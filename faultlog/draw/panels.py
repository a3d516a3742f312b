# SPDX-License-Identifier: GPL-2.0-or-later
"""Panels: which faults each shows, and at what height.

By address, a panel is a touched area of the address space. By mapping, a panel is either a file,
with the offset as height, shared by all processes; or another mapping, with the touched pages
of each address space numbered from the lowest. (A forked process has the address space of its
parent.) A fault is in at most one panel.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..base.arrays import NDArray
from ..base.fit import shortened
from ..base.packed import distinct, pack
from ..base.words import plural, size_text
from ..parse.log import Log
from .areas import Area, area_of, find_areas

NONE = 255  # stands for the panel of a fault that is in none
MAX_MAPPINGS = 9  # panels by mapping: the most expensive ones; one more has all others
FOLD_SHARE = 1 / 50  # an area of which less than this is touched has its gaps folded
FOLDED_PAGES = 16  # the height of a folded gap
MAX_FOLDED = 1 << 22  # with more faults in an area, folding takes too long


@dataclass
class Panel:
    """What one panel shows; heights are in bytes."""

    title: str
    size: int  # its height
    base: int = 0  # the address that the axis shows at height 0
    gap_below: int = 0  # untouched bytes between this panel and the one below
    notes: tuple[str, ...] = ()  # below the title
    unit: str = "address"  # what the axis counts: address, offset, page, mapping
    # The touched pages' numbers, uint64, and heights, float64, if gaps are folded; (m,) each.
    folds: tuple[NDArray[np.uint64], NDArray[np.float64]] | None = None
    # The faults' heights, if not by address; (n,).
    keys: NDArray[np.floating[Any]] | None = None


class Panels:
    """The panels, lowest first, and the panel of each fault."""

    def __init__(
        self, panels: list[Panel], where: NDArray[np.uint8], notes: list[str]
    ) -> None:
        """where: uint8 (n,), each fault's index in panels, or NONE."""
        self.panels, self.where, self.notes = panels, where, notes

    def heights(
        self, log: Log, panel: Panel, rows: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """The heights of the faults with these indices in the panel, in bytes; float64 (n,)."""
        if panel.keys is not None:
            return panel.keys[rows].astype(np.float64)
        if panel.unit == "offset":
            inside = log.address[rows] & np.uint64((1 << log.page_shift) - 1)
            inside[~log.known("address", rows)] = 0
            return (log.offset[rows] + inside).astype(np.float64)
        above = (log.address[rows] - np.uint64(panel.base)).astype(np.float64)
        if panel.folds:
            pages, places = panel.folds
            page = log.address[rows] >> np.uint64(log.page_shift)
            at = np.searchsorted(pages, page)
            first = (pages[at] << np.uint64(log.page_shift)) - np.uint64(panel.base)
            above += places[at] - first.astype(np.float64)
        return above


def by_address(log: Log) -> Panels:
    """Panels of touched areas. Faults of exec in a new program's stack are in no panel."""
    shift = np.uint64(log.page_shift)
    pages = log.address >> shift
    notes = []
    where = np.zeros(len(log), dtype=np.uint8)
    apart = _of_exec(log, pages)
    if apart is not None:
        where[apart] = NONE
        lowest = int(log.address[apart].min())
        notes.append(
            f"not drawn: {plural(len(apart), 'fault')} of exec, from {lowest:#x}, in the new "
            "program's stack before it was moved into place"
        )
    lost = np.flatnonzero(~log.known("address") if log.recorder else where[:0])
    if len(lost):
        where[lost] = NONE
        notes.append(f"not drawn: {plural(len(lost), 'fault')} without an address")
    if len(lost) == len(log):
        return Panels([], where, notes)
    shown: NDArray[np.int64] | slice = slice(None)
    if notes:
        shown = np.flatnonzero(where != NONE)
    touched = distinct(pages[shown]) if notes else log.pages
    areas = find_areas(touched)
    where[shown] = area_of(pages[shown], areas)
    panels = []
    for i, area in enumerate(areas):
        here = where == i
        panel = Panel(
            title=regions_text(log, here),
            size=area.nr_pages << log.page_shift,
            base=area.first << log.page_shift,
            gap_below=(area.first - areas[i - 1].last - 1) << log.page_shift
            if i
            else 0,
            notes=(size_text(area.nr_pages << log.page_shift),),
        )
        if np.count_nonzero(here) <= MAX_FOLDED:
            ends = np.array([area.first, area.last + 1], dtype=np.uint64)
            first, end = np.searchsorted(touched, ends)
            _fold(panel, touched[first:end], area, log.page_shift)
        panels.append(panel)
    return Panels(panels, where, notes)


def _of_exec(log: Log, pages: NDArray[np.uint64]) -> NDArray[np.int64] | None:
    """Indices of the faults in which exec wrote arguments to a stack that it moved afterwards.

    They are above all other addresses. None: there are none, or the log has no other faults.
    """
    names = log.names["mode"]
    if "remote" not in names:
        return None
    remote = log.mode == names.index("remote")
    if not remote.any() or remote.all():
        return None
    apart = np.flatnonzero(remote & (pages > pages[~remote].max()))
    return apart if len(apart) else None


def _fold(
    panel: Panel, touched: NDArray[np.uint64], area: Area, page_shift: int
) -> None:
    """Shorten the gaps of an area of which little is touched, such as many small areas.

    touched: the numbers of its touched pages, in order; uint64 (n,).
    """
    if area.nr_pages < 64:
        return
    if len(touched) > FOLD_SHARE * area.nr_pages or len(touched) < 2:
        return
    steps = np.minimum(np.diff(touched), np.uint64(FOLDED_PAGES)).astype(np.float64)
    nr_gaps = int(np.count_nonzero(np.diff(touched) > FOLDED_PAGES))
    if not nr_gaps:
        return
    places: NDArray[np.float64] = np.append(0.0, np.cumsum(steps))
    places *= 1 << page_shift
    panel.folds = touched, places
    panel.size = int(places[-1]) + (1 << page_shift)
    panel.notes += (f"{plural(nr_gaps, 'untouched gap')} left out",)


def by_mapping(log: Log, spaces: NDArray[np.uint32] | None = None) -> Panels:
    """A panel for each of the most expensive mappings, and one for all others.

    spaces: replaces Log.spaces() for a log that was joined from several; (n,).
    """
    if log.recorder and not len(log.pages):
        where = np.full(len(log), NONE, dtype=np.uint8)
        return Panels([], where, ["not drawn: no address is known"])
    spaces = log.spaces() if spaces is None else spaces
    column = "map" if log.map.any() else "region"
    codes, names = getattr(log, column), log.names[column]
    cost = cost_of(log, codes, len(names))
    ranked = [int(i) for i in np.argsort(-cost, kind="stable") if cost[i]]
    shown = ranked[:MAX_MAPPINGS] if len(ranked) > MAX_MAPPINGS + 1 else ranked
    others = ranked[len(shown) :]
    panel_of = np.full(len(names), NONE, dtype=np.uint8)
    # The most expensive one is last, that is on top; the panel of the others is the lowest.
    order = ([None] if others else []) + shown[::-1]
    panel_of[others] = 0
    for i, code in enumerate(order):
        if code is not None:
            panel_of[code] = i
    where = panel_of[codes]
    most = "time" if has_cost_in_time(log) else "faults"
    notes = [f"panels by mapping, those with the most {most} on top; files by offset"]
    notes[0] += ", other memory by the touched pages of each process"
    if len(np.unique(pack(spaces, log.process))) > len(np.unique(spaces)):
        notes[0] += " (a forked process like its parent)"
    panels = []
    for i, code in enumerate(order):
        if code is None:
            rank = np.zeros(len(names))
            rank[others] = np.arange(len(others))[::-1]
            panel = Panel(
                title=f"{len(others):,} others",
                size=len(others) << 12,
                unit="mapping",
                notes=("one line each",),
                keys=rank[codes] * 4096 + 2048,
            )
            panels.append(panel)
            continue
        here = np.flatnonzero(where == i)
        has_offset = log.known("offset")[here]
        if np.count_nonzero(has_offset) * 2 > len(here):
            top = int(log.offset[here[has_offset]].max())
            low = int(log.offset[here[has_offset]].min())
            nr_lost = int(len(here) - np.count_nonzero(has_offset))
            where[here[~has_offset]] = NONE
            lines = (f"offsets {size_text(low)} to {size_text(top)}",) if low else ()
            if nr_lost:
                lines += (f"{plural(nr_lost, 'fault')} without an offset",)
            panel = Panel(
                title=file_label(names[code]),
                size=top + (1 << log.page_shift),
                unit="offset",
                notes=lines or (size_text(top + (1 << log.page_shift)),),
            )
        else:
            has_place = log.known("address")[here]
            where[here[~has_place]] = NONE
            here = here[has_place]
            keys, tallest, nr_pages = _packed(log, here, spaces[here])
            full = np.zeros(len(log), dtype=np.float32)
            full[here] = keys
            panel = Panel(
                title=shortened(names[code] or "unknown", 24),
                size=tallest << log.page_shift,
                unit="page",
                notes=(plural(nr_pages, "page"),),
                keys=full,
            )
        panels.append(panel)
    return Panels(panels, where, notes)


def _packed(
    log: Log, here: NDArray[np.int64], space: NDArray[np.uint32]
) -> tuple[NDArray[np.float64], int, int]:
    """Number the touched pages of each address space from the lowest one.

    space: the address space of each of these faults; (n,). Returns the heights of the faults, in
    bytes, float64 (n,); the most touched pages of an address space; the touched pages of all
    processes together.
    """
    if not len(here):
        return np.zeros(0), 1, 0
    page = log.address[here] >> np.uint64(log.page_shift)
    order = np.lexsort((page, space))
    page, space = page[order], space[order]
    new_space = np.concatenate(([True], space[1:] != space[:-1]))
    new = new_space | np.concatenate(([True], page[1:] != page[:-1]))
    number = np.cumsum(new) - 1
    first = np.maximum.accumulate(np.where(new_space, number, 0))
    height = np.empty(len(here))
    height[order] = ((number - first) + 0.5) * (1 << log.page_shift)
    own = np.unique(pack(log.process[here][order], number))
    return height, int((number - first).max()) + 1, len(own)


def has_cost_in_time(log: Log) -> bool:
    """Whether cost_of() is a time."""
    return log.latency_ns is not None and bool(log.known("latency_ns").any())


def cost_of(
    log: Log, codes: NDArray[np.integer[Any]], nr_codes: int
) -> NDArray[np.number[Any]]:
    """What each code's faults cost; (nr_codes,).

    codes: of the faults, below nr_codes, (n,). The cost is their time in ns, and 1e-3 for each, so
    that faults without a latency count; if there are no latencies, it is their number.
    """
    if has_cost_in_time(log):
        spent = np.bincount(codes, log.spent_ns(), nr_codes)
        return spent + np.bincount(codes, minlength=nr_codes) * 1e-3
    return np.bincount(codes, minlength=nr_codes)


def regions_text(log: Log, here: NDArray[np.bool_]) -> str:
    """The regions of these faults (bool (n,)), most faults first; "": none recorded."""
    names = log.names["region"]
    counts = np.bincount(log.region[here], minlength=len(names))
    order = [i for i in np.argsort(-counts, kind="stable") if counts[i]]
    return region_label([names[i] for i in order if names[i]])


def region_label(names: list[str], width: int = 20) -> str:
    """As many names as fit, and the number of the others: stack, heap +2."""
    for shown in range(len(names), 0, -1):
        more = f" +{len(names) - shown}" if shown < len(names) else ""
        label = ", ".join(names[:shown])
        if len(label + more) <= width or shown == 1:
            return shortened(label, width) + more
    return ""


def file_label(path: str, width: int = 21) -> str:
    """A file's name without its folder, shortened in the middle."""
    name = path.removesuffix(" (deleted)").rpartition("/")[2] or path
    return shortened(name, width)
