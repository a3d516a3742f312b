# SPDX-License-Identifier: GPL-2.0-or-later
"""The picture's time axis, on which long stretches of time without faults are left out.

A stretch counts from the end of the last fault before it, so a long fault is no such stretch.
Elapsed times count from the first fault that is drawn. Positions are places on the axis, in ns;
they differ from elapsed times only after a break, where a stretch is left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable, Sequence

import numpy as np

from ..base.arrays import NDArray
from ..base.words import ROUND_TIMES, round_width
from ..parse.log import Log
from .areas import ALIKE

STRIP_BINS, TIME_TICKS = 200, 12
MAX_BREAKS = 8
# Left out is a stretch of a tenth of the axis or more, if it is that much longer than the median
# time from one fault to the next.
MIN_STRETCH, MIN_STEPS = 10, 20


def bin_width(duration_ns: int) -> int:
    """The length of a bin of the strips, a round time in ns."""
    return round_width(duration_ns, STRIP_BINS)


@dataclass(frozen=True)
class Part:
    """A part of the axis between two breaks; times in ns."""

    first_ns: int  # elapsed, of the first fault that begins
    last_ns: int  # elapsed, of the last end of a fault
    begin_ns: int  # elapsed, where the part begins; with a margin
    place: int  # the position of begin_ns
    width: int  # on the axis

    def position(self, elapsed_ns: int) -> int:
        """The position of a time of this part."""
        return elapsed_ns - self.begin_ns + self.place


@dataclass(frozen=True)
class Break:
    """A break of the axis: positions, and the time without faults, in ns."""

    begin: int
    end: int
    idle_ns: int


class Timeline:
    """The parts of the axis; all are whole bins of the strips, so no bin contains a break."""

    def __init__(self, parts: list[Part]) -> None:
        """parts: by time, at least one."""
        self.parts = parts
        self.breaks = [
            Break(one.place + one.width, two.place, two.first_ns - one.last_ns)
            for one, two in zip(parts, parts[1:])
        ]

    @property
    def duration_ns(self) -> int:
        """The position of the end of the last fault."""
        return self.parts[-1].position(self.parts[-1].last_ns)

    def positions(self, elapsed_ns: NDArray[np.uint64]) -> NDArray[np.uint64]:
        """The positions of times at which faults begin; uint64 (n,)."""
        if not self.breaks:
            return elapsed_ns
        begins = np.array([part.begin_ns for part in self.parts], dtype=np.uint64)
        left_out = [part.begin_ns - part.place for part in self.parts]
        which = np.searchsorted(begins, elapsed_ns, side="right") - 1
        return elapsed_ns - np.array(left_out, dtype=np.uint64)[which]

    def ticks(
        self, before_ns: int, most: Callable[[int], int], text: Callable[[int], str]
    ) -> list[tuple[int, str]]:
        """Positions and labels of ticks at round times, none in a break and none too close.

        before_ns: is added to elapsed times; most: the room that a label needs, in ns, for its
        time; text: the label for a time, "" if the unit does not suit it.
        """
        ranges = [
            (before_ns + p.first_ns, before_ns + max(p.last_ns, p.first_ns))
            for p in self.parts
        ]
        lowest = round_width(self.duration_ns, TIME_TICKS)

        def has_room(step: int) -> bool:
            # Of two neighbours, one has all the digits that times of this step can have.
            lasts = [high // step * step for _, high in ranges]
            wide = max(most(max(t - i * step, 0)) for t in lasts for i in (0, 1))
            return step >= max(lowest, wide)

        step = next(filter(has_room, ROUND_TIMES), ROUND_TIMES[-1])
        ticks: list[tuple[int, int, int]] = []  # position, time, part
        for i, (part, (low, high)) in enumerate(zip(self.parts, ranges)):
            times: Sequence[int] = range(-(-low // step) * step, high + 1, step)
            for time in times or list(filter(text, [roundest(low, high)])):
                place = part.position(time - before_ns)
                while (
                    ticks
                    and place - ticks[-1][0] < (most(time) + most(ticks[-1][1])) // 2
                ):
                    # The only tick of a part stays; one of several makes room.
                    before = ticks[-1][2]
                    if before == i or sum(t[2] == before for t in ticks) == 1:
                        break
                    ticks.pop()
                else:
                    ticks.append((place, time, i))
        return [(place, text(time)) for place, time, _ in ticks]


def roundest(low: int, high: int) -> int:
    """The roundest time from low to high, all in ns."""
    return next(
        -(-low // step) * step
        for step in reversed(ROUND_TIMES)
        if -(-low // step) * step <= high
    )


def whole_axis(duration_ns: int) -> Timeline:
    """An axis without breaks."""
    return Timeline([Part(0, duration_ns, 0, 0, duration_ns)])


def find(log: Log, share: float) -> Timeline:
    """The axis for a log that has at least one fault.

    share: how much of the axis a break takes. The longest stretches are left out first. If that
    makes too many breaks, the shortest of them are undone, and those of about that length.
    """
    start, duration = int(log.time_ns.min()), log.duration_ns
    whole = whole_axis(duration)
    if len(log) < 4 or not duration:
        return whole
    # Logs are in the order in which faults began, or in which they ended: then all faults before
    # a stretch are before all that follow it.
    ends = np.maximum.accumulate(log.ends_ns())[:-1]
    begins = np.minimum.accumulate(log.time_ns[::-1])[::-1]
    steps, begins = np.diff(begins), begins[1:]
    idle = np.where(begins > ends, begins - ends, np.uint64(0))
    if int(idle.max()) * MIN_STRETCH < duration:
        return whole
    usual = float(np.median(steps))
    nr = min(MAX_BREAKS + 1, len(idle))
    widest = np.argpartition(idle, len(idle) - nr)[-nr:]
    left = duration
    cuts: list[tuple[int, int, int]] = []  # width, elapsed ns of its begin and end
    for at in sorted(widest.tolist(), key=lambda at: (-int(idle[at]), at)):
        gap = int(idle[at])
        if gap * MIN_STRETCH < left or gap < MIN_STEPS * usual:
            break
        if len(cuts) == MAX_BREAKS:
            cuts = [cut for cut in cuts if cut[0] > gap * ALIKE]
            break
        cuts.append((gap, int(ends[at]) - start, int(begins[at]) - start))
        left -= gap
    cuts.sort(key=lambda cut: cut[1])
    lasts = [last for _, last, _ in cuts] + [duration]
    firsts = [0] + [first for _, _, first in cuts]
    if not cuts or sum(lasts) - sum(firsts) < STRIP_BINS:
        return whole
    return _placed(list(zip(firsts, lasts)), share) or whole


def _placed(spans: list[tuple[int, int]], share: float) -> Timeline | None:
    """Place spans of time on the axis; None if the breaks would be no shorter than the time.

    spans: elapsed times of the first begin and the last end, in ns.
    """
    width = bin_width(sum(last - first for first, last in spans))
    while True:  # the longer the bins, the longer the axis, but only by some bins
        parts: list[Part] = []
        # With a margin of a bin.
        begins = [first - width * (first > 0) for first, _ in spans]
        ends = [last + width for _, last in spans]
        wides = [((b - a) // width + 1) * width for a, b in zip(begins, ends)]
        gap = sum(wides) * share / (1 - share * (len(spans) - 1))
        gap = int(gap // width + 1) * width
        place = 0
        for (first, last), begin, wide in zip(spans, begins, wides):
            parts.append(Part(first, last, begin, place, wide))
            place += wide + gap
        timeline = Timeline(parts)
        wanted = bin_width(timeline.duration_ns)
        if wanted <= width:
            break
        width = wanted
    for one, two in zip(parts, parts[1:]):
        if one.begin_ns + one.width + gap > two.begin_ns:
            return None
    return timeline
