# SPDX-License-Identifier: GPL-2.0-or-later
"""The parts of the picture above and below the panels: counts, rows, latencies, pages."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.ticker import FuncFormatter, MaxNLocator

from ..analyse.spread import spread
from ..analyse.runs import owners
from ..base.arrays import NDArray
from ..base.error import LogError
from ..base.words import plural, short_time_text, time_text, time_unit
from ..parse.log import MAJOR, MINOR, NO_PAGE, Log, has_failed, percentile
from .lanes import Lanes, lane_label
from .layout import EDGE, LATENCY, Sheet, label, literal, note
from .marks import (
    ALARM,
    COLOURS,
    DARKER,
    FAINT,
    INK,
    SEVERAL,
    count_cells,
    draw_cells,
    draw_marks,
    draw_standouts,
    has_room,
)
from .timeline import bin_width

MIN_FOR_CURVES = 200  # with fewer latencies, percentiles over time mean nothing
CURVE_BINS = 50
MIN_IN_BIN = 5
PERCENTILES = "p50: half of the faults took at most this long; p99: 99 of 100 did"
FIRST, AGAIN = "#3b6fb6", "#c0532b"
SPENT_COLOURS = ("#9aa3ad", INK, ALARM)  # minor and unknown, major, failed


def _counts(axis: Axes) -> None:
    axis.yaxis.set_major_locator(MaxNLocator(3, integer=True))
    axis.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{int(y):,}"))


def set_time_ticks(axis: Axes) -> None:
    """Ticks of Y, which is in ns: one unit, and as many decimals as the step needs."""
    locator = MaxNLocator(3)
    axis.yaxis.set_major_locator(locator)
    top = axis.get_ylim()[1]
    ticks = locator.tick_values(0, top)
    # Not minutes or more, in which round numbers of ns are not round.
    unit, name = time_unit(min(ticks[ticks <= top].max(), 60e9))
    step = f"{(ticks[1] - ticks[0]) / unit:.3f}".rstrip("0")
    nr_decimals = len(step.partition(".")[2])
    axis.yaxis.set_major_formatter(
        FuncFormatter(lambda y, _: f"{y / unit:,.{nr_decimals}f} {name}")
    )


def _tally(
    bins: NDArray[np.int64],
    kind: NDArray[np.uint8],
    kinds: int,
    weights: NDArray[np.uint64] | None = None,
) -> NDArray[Any]:
    """Count the faults of each kind in each bin, or sum their weights.

    bins: the bin of each fault, (n,); kind: its kind, below kinds, (n,); weights: (n,). Returns
    (bins, kinds): int64 counts, or float64 sums.
    """
    nr_bins = int(bins.max()) + 1
    counts = np.bincount(bins * kinds + kind, weights, minlength=nr_bins * kinds)
    return counts.reshape(nr_bins, kinds)


def _stack(
    axis: Axes,
    counts: NDArray[Any],
    colours: tuple[str, ...],
    width: float,
    duration: int,
) -> None:
    """Draw a bar for each bin, stacked by kind.

    counts: of _tally(); colours: of the kinds; width: of a bin on X, in its unit; duration: of the
    time axis in ns, 0: there is one bin, which is drawn around 0.
    """
    left = np.arange(len(counts)) * width
    below = np.zeros(len(counts))
    if not duration:
        width = axis.get_xlim()[1] / 20
        left -= width / 2
    for i, colour in enumerate(colours):
        some = np.flatnonzero(counts[:, i])
        x, low, high = left[some], below[some], (below + counts[:, i])[some]
        # One artist for all bars: one each takes a sixth of the time to draw a small picture.
        corners = [(x, low), (x + width, low), (x + width, high), (x, high)]
        bars = np.stack([np.stack(corner, axis=1) for corner in corners], axis=1)
        axis.add_collection(PolyCollection(bars, color=colour, linewidth=0), False)
        below += counts[:, i]
    axis.set_ylim(0, max(below.max(), 1) * 1.05)
    _counts(axis)


def _bins(log: Log, start: np.uint64, duration: int) -> tuple[NDArray[np.int64], int]:
    """The bin in which each fault begins, (n,), and the length of a bin in ns.

    start: Time of the first fault; duration: of the axis; both in ns.
    """
    width = bin_width(duration)
    return ((log.time_ns - start) // np.uint64(width)).astype(np.int64), width


def draw_strip(
    axis: Axes, log: Log, start: np.uint64, duration: int, unit: float
) -> None:
    """Draw faults over time, stacked by access.

    start, duration: as for _bins(); unit: of X, in ns.
    """
    bins, width = _bins(log, start, duration)
    counts = _tally(bins, log.access, len(COLOURS))
    _stack(axis, counts, COLOURS, width / unit, duration)
    axis.set_ylabel(f"faults per\n{short_time_text(width)}", size=8, color=INK)


def draw_spent(
    axis: Axes,
    log: Log,
    start: np.uint64,
    duration: int,
    unit: float,
    aside: float,
    texts: list[str],
) -> None:
    """Draw the time spent in faults, stacked by result: shows which moment costs most.

    A fault's time is spread over the bins that it overlaps. Y is in ns. start, duration, unit: as
    for draw_strip(); aside, texts: as for label().
    """
    kind = (log.result == MAJOR).astype(np.uint8)
    kind[has_failed(log.result)] = 2
    ends = log.ends_ns()
    ends -= start
    within, later = spread(log.time_ns - start, ends, bin_width(duration), kind)
    del ends
    bins, width = _bins(log, start, duration)
    spent = _tally(bins, kind, len(SPENT_COLOURS), within)
    more = int(later.piece.max(initial=0)) + 1 - len(spent)
    spent = np.pad(spent, ((0, max(more, 0)), (0, 0)))
    spent[later.piece, later.key] += later.spent_ns
    _stack(axis, spent, SPENT_COLOURS, width / unit, duration)
    set_time_ticks(axis)
    axis.set_ylabel(f"time per\n{short_time_text(width)}", size=8, color=INK)
    label(axis, "time in faults", texts, aside)


def spent_text(log: Log) -> str:
    """The time spent in all faults, and in major faults."""
    spent = log.spent_ns()
    major = int(spent[log.result == MAJOR].sum())
    text = time_text(int(spent.sum()))
    return f"{text}, {time_text(major)} major (dark)" if major else text


def draw_memory(
    sheet: Sheet, log: Log, start: np.uint64, duration: int, unit: float
) -> None:
    """Draw distinct pages per bin, new and seen before; below, the number of pages so far.

    If the lower curve keeps rising, memory grows. If it is flat while there are many faults,
    the same memory is taken away and comes back. start, duration, unit: as for draw_strip().
    Raises LogError if no fault has an address.
    """
    if log.recorder:
        log = log.take(log.page != NO_PAGE)
        if not len(log):
            raise LogError("--view memory: the file has no addresses")
    bins, width = _bins(log, start, duration)
    pages = log.page
    rows: list[NDArray[np.unsignedinteger[Any]]] = [pages, owners(log)]
    order = np.lexsort([log.time_ns, *rows])
    same = np.ones(len(log) - 1, dtype=bool)
    for column in rows:
        same &= column[order][1:] == column[order][:-1]
    again = np.append(False, same)
    # A page counts once per bin, by its first fault there.
    ordered = bins[order]
    counted = ~again | np.append(True, ordered[1:] != ordered[:-1])
    page_bins, page_again = ordered[counted], again[counted]
    counts = _tally(page_bins, page_again.astype(int), 2)
    _stack(sheet.memory, counts, (FIRST, AGAIN), width / unit, duration)
    sheet.memory.set_ylabel(f"pages per\n{short_time_text(width)}", size=8, color=INK)
    nr_again = int(np.count_nonzero(again))
    style = {"size": 9, "weight": "bold"}
    note(
        sheet.memory,
        "first fault on a page",
        sheet.aside,
        0.5,
        16,
        color=FIRST,
        **style,
    )
    note(
        sheet.memory, "later fault on a page", sheet.aside, 0.5, 2, color=AGAIN, **style
    )
    words = f"{plural(nr_again, 'fault')} on pages"
    note(sheet.memory, words, sheet.aside, 0.5, -12, size=8, color=FAINT)
    note(
        sheet.memory,
        "that had already faulted",
        sheet.aside,
        0.5,
        -24,
        size=8,
        color=FAINT,
    )

    first = np.sort(bins[order[~again]])
    total = np.cumsum(np.bincount(first, minlength=duration // width + 1))
    x = (np.arange(len(total)) + 1) * (width / unit)
    sheet.new.fill_between(
        np.append(0, x),
        np.append(0, total),
        step="pre",
        color=FIRST,
        alpha=0.85,
        linewidth=0,
    )
    sheet.new.set_ylim(0, total[-1] * 1.05)
    _counts(sheet.new)
    sheet.new.set_ylabel("pages\nso far", size=8, color=INK)
    note(sheet.new, "pages touched so far", sheet.aside, 0.5, 6, color=INK, **style)
    words = f"{plural(int(total[-1]), 'page')} in total"
    note(sheet.new, words, sheet.aside, 0.5, -8, size=8, color=FAINT)


def draw_lanes(
    axis: Axes, log: Log, lanes: Lanes, elapsed: NDArray[np.float64], aside: float
) -> None:
    """Draw a row for each lane: its faults over time, and their number on the right.

    elapsed: where each fault begins on X, in its unit, (n,); aside: as for note().
    """
    nr_lanes = len(lanes.names)
    axis.set_ylim(0, nr_lanes)
    row = nr_lanes - 1 - lanes.lane.astype(np.float64) + 0.5  # the first one on top
    draw_cells([(axis, count_cells(axis, elapsed, row, log.access, nr_lanes))])
    for y in range(1, nr_lanes):
        axis.axhline(y, color="white", linewidth=1.5, zorder=3)
    size = 7.5 if nr_lanes <= 12 else 6.5
    axis.set_yticks(np.arange(nr_lanes) + 0.5)
    names = [literal(lane_label(name)) for name in reversed(lanes.names)]
    axis.set_yticklabels(names, size=size)
    axis.tick_params(axis="y", length=0)
    axis.tick_params(axis="x", bottom=False)
    axis.spines["bottom"].set_visible(False)
    counts = np.bincount(lanes.lane, minlength=nr_lanes)
    spent = np.bincount(lanes.lane, log.spent_ns(), nr_lanes)
    for i, count in enumerate(counts):
        words = plural(count, "fault")
        if spent.any():
            words += f", {time_text(spent[i])}"
        note(axis, words, aside, (1 - (i + 0.5) / nr_lanes), size=size, color=FAINT)


def draw_latencies(
    axis: Axes,
    log: Log,
    elapsed: NDArray[np.float64],
    aside: float,
    drawn: set[tuple[int, bool]],
    cuts: tuple[float, ...],
) -> list[str]:
    """Draw latencies on a logarithmic scale, with percentiles as curves and as text.

    Faults without a latency are left out. elapsed, drawn, cuts: as for plot_latencies(); aside: as
    for note(). Returns notes for the foot.
    """
    notes = plot_latencies(axis, log, elapsed, drawn, cuts)
    has_latency = log.known("latency_ns")
    latency, result = log.latency_ns[has_latency], log.result[has_latency]
    note(axis, "fault latency", aside, 0.5, 20, size=9, weight="bold", color=INK)
    middle = time_text(percentile(latency, 50))
    words = f"p50 {middle}, longest {time_text(latency.max())}"
    note(axis, words, aside, 0.5, 8, size=8, color=FAINT)
    kinds = (
        ("minor", result == MINOR),
        ("major", result == MAJOR),
        ("failed", has_failed(result)),
    )
    up = -4
    for name, is_kind in kinds:
        if is_kind.any():
            words = f"{name} {percentiles_text(latency[is_kind])}"
            note(axis, words, aside, 0.5, up, size=8, color=FAINT)
            up -= 12
    return notes


def percentiles_text(latency: NDArray[np.uint64]) -> str:
    """p50 and p99 as text; latency: in ns, (n,) with n > 0."""
    middle, most = (time_text(percentile(latency, percent)) for percent in (50, 99))
    return f"p50 {middle}, p99 {most}"


def plot_latencies(
    axis: Axes,
    log: Log,
    elapsed: NDArray[np.float64],
    drawn: set[tuple[int, bool]],
    cuts: tuple[float, ...] = (),
) -> list[str]:
    """Draw the marks and curves of draw_latencies(); Y is the logarithm to base 10 of ns.

    elapsed: where each fault begins on X, in its unit, (n,); drawn: as for draw_standouts(); cuts:
    where on X a new curve begins, ascending. Returns notes for the foot.
    """
    order = np.argsort(log.time_ns, kind="stable")
    order = order[log.known("latency_ns")[order]]
    latency = log.latency_ns[order]
    height = latency.astype(np.float64)
    np.log10(np.maximum(height, 1, out=height), out=height)
    low, high = np.floor(height.min()), np.ceil(height.max())
    high = max(high, low + 1)
    edge = (high - low) * EDGE / (LATENCY - 2 * EDGE)
    axis.set_ylim(low - edge, high + edge)
    axis.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    axis.yaxis.set_major_formatter(
        FuncFormatter(lambda y, _: short_time_text(round(10**y)))
    )
    axis.grid(True, axis="y", linewidth=0.8)
    x, access, result = elapsed[order], log.access[order], log.result[order]
    del order
    notes = []
    if has_room(axis, len(x)):
        draw_marks(axis, x, height, access)
    else:
        draw_cells([(axis, count_cells(axis, x, height, access))])
        notes.append(DARKER)
    if draw_standouts(axis, x, height, result, drawn):
        notes.append(SEVERAL)
    ends = np.searchsorted(x, [*cuts, np.inf])
    for first, end in zip([0, *ends], ends):
        if end - first >= MIN_FOR_CURVES and x[end - 1] > x[first]:
            _draw_percentiles(axis, x[first:end], latency[first:end])
            notes.append("lines: p50 (solid) and p99 (dashed) of latencies over time")
    return notes


def _draw_percentiles(
    axis: Axes, x: NDArray[np.float64], latency: NDArray[np.uint64]
) -> None:
    """Draw p50 and p99 over time, for CURVE_BINS parts of equal length of the time.

    x: on X, in its unit, ascending, the first below the last; latency: in ns; (n,) both. A curve
    leaves out parts with fewer than MIN_IN_BIN latencies, and is interrupted where there are none.
    """
    edges = np.linspace(x[0], x[-1], CURVE_BINS + 1)
    cuts = np.searchsorted(x, edges[1:-1])
    places: list[float] = []
    values: list[tuple[float, float]] = []  # p50 and p99 in ns
    for i, part in enumerate(np.split(latency, cuts)):
        if len(part) >= MIN_IN_BIN:
            places.append((edges[i] + edges[i + 1]) / 2)
            values.append((percentile(part, 50), percentile(part, 99)))
        elif not len(part):  # no fault, no curve
            places.append((edges[i] + edges[i + 1]) / 2)
            values.append((np.nan, np.nan))
    if not places:
        return
    heights = np.log10(np.maximum(np.array(values), 1))
    for column, style in ((0, "-"), (1, (0, (3, 1.5)))):
        axis.plot(
            places,
            heights[:, column],
            color=INK,
            linewidth=0.9,
            linestyle=style,
            zorder=2.7,
        )
