# SPDX-License-Identifier: GPL-2.0-or-later
"""Finds the file that contains an instruction.

A fault in a file mapping shows where the file is mapped: at the address less the offset. The
files' program headers show which parts are code. A file that is not here is placed by the log
alone. The traced process chooses the files and their names: nothing in them is trusted.
"""

from __future__ import annotations

import bisect
import itertools
import os
from collections import Counter
from dataclasses import dataclass, field
from typing import Callable, Iterable, NamedTuple

import numpy as np

from ..base.arrays import NDArray
from ..base.moments import NEVER, latest
from ..base.packed import distinct, number, pack
from ..parse.log import COLUMNS, Event, Log
from .elf import Segment, read_segments

EXEC = COLUMNS["access"].words.index("exec")
AROUND = 16 * 4096  # bytes that the kernel maps with a file's page
MAX_HOLDING = 8  # segments that a page can be of; in a small file all of them share one
MAX_OVERLAP = 8  # files that can be distinguished at one address
MAX_LOADS = 16  # places of one file in one address space
MAX_BASES = 256  # of one file in one address space; more are ignored
MAX_PARENTS = 64  # of a process, from which it may have inherited files
CHUNK = 1 << 20  # faults placed at a time: it takes 100 bytes a fault
NOWHERE = -1
TOP = (1 << 64) - 1
INFERRED = (
    "Names are inferred from other faults, as the log has no lines about mappings"
)


@dataclass(frozen=True)
class Range:
    """Where a file's code lies in an address space, [low, high)."""

    low: int
    high: int
    file: int  # code of the column map
    base: int  # address of the file's byte 0
    since_ns: int  # Time of the first fault that shows it

    def is_possible(self) -> bool:
        """Is it in the address space? A log may contain anything."""
        return 0 <= self.low < self.high < 1 << 64 and self.base >= 0


class Base(NamedTuple):
    """A mapping of a file, as faults in it show it: where byte 0 of the file would be."""

    address: int  # of that byte
    low: int  # the lowest and the highest offset of faults, in bytes
    high: int
    since_ns: int  # Time of the first fault that shows it
    has_run: int  # 1: an instruction was executed there


@dataclass(eq=False)
class Space:
    """An address space: of a process, from one exec to the next."""

    number: int
    parent: tuple[int, int] | None
    bases: dict[int, list[Base]] = field(default_factory=dict)  # by file
    is_known: bool = False  # its code is in a Placer's ranges


def _loads(base: Base, segments: list[Segment], page: int) -> dict[int, int]:
    """The addresses where a file with a mapping at this base can be loaded, and their weights.

    An address is that of the file's virtual address 0; page: the size of a page in bytes.

    Parts that are as far apart in memory as in the file have one base; then the lowest and the
    highest fault may be in different parts. The page where one part ends and the next begins is
    mapped with both; then code has a little more weight. If a fault executed the page, only code
    is possible.
    """
    ends = []
    for at in (base.low, base.high):
        holding = (s for s in segments if s.holds(at, at, page))
        some = itertools.islice(holding, MAX_HOLDING)
        ends.append({base.address + s.offset - s.vaddr for s in some})
    with_code = {
        base.address + s.offset - s.vaddr
        for s in segments
        if s.is_code and s.begin(page) <= base.high and base.low < s.offset + s.size
    }
    return {
        load: 2 * MAX_BASES + (load in with_code)
        for load in ends[0] & ends[1]
        if load in with_code or not base.has_run
    }


def placed(
    log: Log,
    place: Callable[[Log, NDArray[np.int64], NDArray[np.uint64]], None],
    chunk: int,
) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
    """As Placer.place(): place() fills in both arrays, for chunk faults at a time."""
    file = np.full(len(log), NOWHERE, dtype=np.int64)
    offset = np.zeros(len(log), dtype=np.uint64)
    for begin in range(0, len(log), chunk):
        part = slice(begin, begin + chunk)
        place(log.take(part), file[part], offset[part])
    return file, offset


class Placer:
    """Finds the file that contains an instruction."""

    def __init__(self, whole: Log) -> None:
        """whole: a log before filters, with ip, access, map and offset."""
        self.log, self.page = whole, 1 << whole.page_shift
        self.segments: dict[int, list[Segment]] = {}
        execs = [event for event in whole.events if event.kind == "exec"]
        self.births: dict[int, Event] = {}
        # A pid's next process begins as if by exec, but with what its parent has.
        self.later_births: dict[tuple[int, int], Event] = {}
        for event, process in zip(whole.events_by_time(), whole.process_of_event):
            if event.kind == "child" and process in whole.reused:
                self.later_births[event.pid, event.time_ns] = event
            elif event.kind == "child":
                self.births[event.pid] = event
        starts = [(event.pid, event.time_ns) for event in execs]
        self.execs = sorted([*starts, *self.later_births])
        self.has_placed = False
        self.spaces: dict[tuple[int, int], Space] = {}
        self.found: list[tuple[int, Range]] = []  # with their spaces' numbers
        self.ranges = Ranges(self.found)
        self.neighbours = self._neighbours()
        self.pages_of_code = self._pages_of_code()
        self._bases()

    def _neighbours(self) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
        """The distinct pages of faults, ascending, with their mappings; (k,) both."""
        rows = np.flatnonzero(self.log.map)
        page, map_code = self.log.page[rows], self.log.map[rows]
        _, first = np.unique(pack(page, map_code), return_index=True)
        return page[first], map_code[first].astype(np.int64)

    def _pages_of_code(self) -> Log:
        """The faults, by time, on pages that also have instructions that faulted."""
        log = self.log
        code = distinct(log.ip >> np.uint64(log.page_shift))
        rows = np.flatnonzero(np.isin(log.page, code) & (log.map != 0))
        return log.take(rows[np.argsort(log.time_ns[rows], kind="stable")])

    def _is_elsewhere(
        self, log: Log, epoch: NDArray[np.int64], file: NDArray[np.int64]
    ) -> NDArray[np.bool_]:
        """Which instructions' pages were last seen in another mapping than this; bool (n,)."""
        seen, shift = self.pages_of_code, np.uint64(log.page_shift)
        keys = pack(
            np.concatenate([seen.pid, log.pid]),
            np.concatenate([self._epochs(seen), epoch]),
            np.concatenate([seen.page, log.ip >> shift]),
        )
        before = np.searchsorted(seen.time_ns, log.time_ns, side="right")
        n = len(seen)
        last = latest(keys[:n], np.arange(n), keys[n:], before)
        other = np.zeros(len(log), dtype=bool)
        rows = np.flatnonzero(last != NEVER)
        other[rows] = seen.map[last[rows]] != file[rows]
        return other

    def _epochs(self, log: Log) -> NDArray[np.int64]:
        """How many exec lines precede each fault, by process and time; int64 (n,)."""
        n = len(self.execs)
        if not n:
            return np.zeros(len(log), dtype=np.int64)
        pid, time_ns = np.array(self.execs, dtype=np.uint64).T
        rows = pack(
            np.concatenate([pid, log.pid]), np.concatenate([time_ns, log.time_ns])
        )
        return np.searchsorted(rows[:n], rows[n:], side="right")

    def _space(self, pid: int, epoch: int) -> Space:
        """The address space of a process after epoch exec lines."""
        space = self.spaces.get((pid, epoch))
        if space is None:
            birth, parent = self.births.get(pid), None
            began_by_exec = epoch > 0 and self.execs[epoch - 1][0] == pid
            if began_by_exec and self.execs[epoch - 1] in self.later_births:
                birth = self.later_births[self.execs[epoch - 1]]
                began_by_exec = False
            if birth and birth.ppid is not None and not began_by_exec:
                at = (birth.ppid, birth.time_ns)
                parent = (birth.ppid, bisect.bisect_right(self.execs, at))
            space = self.spaces[pid, epoch] = Space(len(self.spaces), parent)
        return space

    def _bases(self) -> None:
        """Collect the bases of the files in each space from the log."""
        log = self.log
        is_file = np.array([name.startswith("/") for name in log.names["map"]])
        which = is_file[log.map] & log.known("offset") & (log.address >= log.offset)
        log, epoch = log.take(which), self._epochs(log)[which]
        if not len(log):
            return
        base = log.address // np.uint64(self.page) * np.uint64(self.page) - log.offset
        rows = pack(log.pid, epoch, log.map, base)
        order = np.argsort(rows, kind="stable")
        starts = np.flatnonzero(np.append(True, np.diff(rows[order]) != 0))
        low = np.minimum.reduceat(log.offset[order], starts)
        high = np.maximum.reduceat(log.offset[order], starts)
        since = np.minimum.reduceat(log.time_ns[order], starts)
        ran = np.maximum.reduceat((log.access == EXEC)[order], starts)
        for i, at in enumerate(order[starts].tolist()):
            space = self._space(int(log.pid[at]), int(epoch[at]))
            row = (base[at], low[i], high[i], since[i], ran[i])
            space.bases.setdefault(int(log.map[at]), []).append(Base(*map(int, row)))

    def _chain(self, key: tuple[int, int] | None) -> list[Space]:
        """A space and those that it was forked from, if they have files in the log."""
        chain: dict[Space, None] = {}
        while key is not None and len(chain) <= MAX_PARENTS:
            space = self._space(*key)
            if space in chain:
                break
            chain[space] = None
            key = space.parent
        return [space for space in chain if space.bases]

    def _learn(self, spaces: Iterable[Space]) -> None:
        """Add the code of these spaces to the ranges."""
        news = [space for space in spaces if not space.is_known]
        for space in news:
            space.is_known = True
            for file, bases in space.bases.items():
                code = self._code(file, bases)
                self.found += [(space.number, r) for r in code if r.is_possible()]
        if news:
            self.ranges = Ranges(self.found)

    def _code(self, file: int, bases: list[Base]) -> list[Range]:
        """Where a file's code is, by the bases of its mappings.

        Parts of a file may be further apart in memory than in the file, so data has other
        bases than code. The place with the most weight of all bases is where the file is.
        """
        if file not in self.segments:
            path, _ = self.log.roots.find(self.log.paths[file])
            self.segments[file] = read_segments(path)
        segments, found = self.segments[file], []
        left = sorted(bases, key=lambda base: not base.has_run)[:MAX_BASES]
        loads = {base: _loads(base, segments, self.page) for base in left}
        for _ in range(MAX_LOADS):
            votes: Counter[int] = Counter()
            for base in left:
                votes.update(loads[base])
            if not votes:
                break
            _, load = min((-weight, at) for at, weight in votes.items())
            mine = {base for base in left if load in loads[base]}
            since = min(base.since_ns for base in mine)
            for s in segments:
                if s.is_code:
                    low, high = load + s.vaddr, load + s.vaddr + s.size
                    byte_0 = load + s.vaddr - s.offset
                    found.append(Range(low, high, file, byte_0, since))
            left = [base for base in left if base not in mine]
        # Bases that do not match the file, or a missing file: those that were executed, if any.
        # A file that is here and no program has no code where nothing was executed.
        ran = [base for base in left if base.has_run]
        size = self._size(file)
        may_be = left if not found and (size is None or segments) else []
        for at, _, high, since, _ in ran or may_be:
            end = self._end(at + high, file)
            if size is not None:  # unless the one that ran was longer
                end = min(end, at + max(size, high + self.page))
            found.append(Range(at, end, file, at, since))
        return found

    def _size(self, file: int) -> int | None:
        """The size of a file in bytes, or the end of its code; None: it is not here."""
        if self.segments[file]:
            ends = [s.offset + s.size for s in self.segments[file] if s.is_code]
            return max(ends, default=0)
        path, _ = self.log.roots.find(self.log.paths[file])
        try:
            return os.stat(path).st_size
        except (OSError, ValueError):
            return None

    def _end(self, last: int, file: int) -> int:
        """Where a mapping ends at most: AROUND its last fault, or where another one begins."""
        pages, maps = self.neighbours
        begin = last // self.page + 1
        at = int(np.searchsorted(pages, np.uint64(min(max(begin, 0), TOP))))
        end = last + AROUND
        while at < len(pages) and int(pages[at]) * self.page < end:
            if maps[at] != file:
                return int(pages[at]) * self.page
            at += 1
        return end

    def notes(self) -> list[str]:
        """What the user must know about the places, after place()."""
        return [INFERRED] if self.has_placed else []

    def segments_of(self, file: int) -> list[Segment]:
        """The segments of a file in which an instruction was placed; none if it is not here."""
        return self.segments.get(file, [])

    def place(self, log: Log) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
        """The file and offset of each instruction.

        Returns codes of the column map, int64 (n,), NOWHERE if unknown; and offsets in that
        file in bytes, uint64 (n,).
        """
        return placed(log, self._place, CHUNK)

    def _place(
        self, log: Log, file: NDArray[np.int64], offset: NDArray[np.uint64]
    ) -> None:
        """Fill in both arrays of place().

        It does all processes at once: first by the ranges of each space itself, then by those
        of its parent, and so on.
        """
        if not len(log):
            return
        epoch = self._epochs(log)
        which, first = number(log.pid, epoch)
        keys = zip(log.pid[first].tolist(), epoch[first].tolist())
        chains = [self._chain(key) for key in keys]
        self._learn({space: None for chain in chains for space in chain})
        best = np.full(len(log), -1, dtype=np.int64)
        for level in range(max(map(len, chains))):
            numbers = [c[level].number if len(c) > level else -1 for c in chains]
            space = np.array(numbers)[which]
            rows = np.flatnonzero(space >= 0)
            self.ranges.find(space[rows], log.ip, log.time_ns, best, rows)
        there = np.flatnonzero(best >= 0)
        placed, in_file = log.take(there), self.ranges.file[best[there]]
        there = there[~self._is_elsewhere(placed, epoch[there], in_file)]
        self.has_placed |= bool(len(there))
        file[there] = self.ranges.file[best[there]]
        offset[there] = log.ip[there] - self.ranges.base[best[there]]


class Ranges:
    """The ranges of code of all spaces, in columns that are sorted by space, then by low."""

    def __init__(self, found: list[tuple[int, Range]]) -> None:
        """found: ranges with the numbers of their spaces."""
        rows = [(n, r.low, r.since_ns, r.file, r.base, r.high) for n, r in found]
        rows.sort()
        columns = list(zip(*rows)) or [()] * 6
        self.space, self.file = (np.array(columns[i], dtype=np.int64) for i in (0, 3))
        self.low, self.since, self.base, self.high = (
            np.array(columns[i], dtype=np.uint64) for i in (1, 2, 4, 5)
        )
        self.lows = np.unique(self.low)
        rank = np.searchsorted(self.lows, self.low)
        self.place = self._place(self.space, rank)  # ascending
        same = self.space[1:] == self.space[:-1]
        self.overlap = bool((same & (self.high[:-1] > self.low[1:])).any())

    def _place(
        self, space: NDArray[np.int64], rank: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """One number for a space and a rank in lows; int64."""
        return space * (len(self.lows) + 1) + rank

    def find(
        self,
        space: NDArray[np.int64],
        ip: NDArray[np.uint64],
        time_ns: NDArray[np.uint64],
        best: NDArray[np.int64],
        rows: NDArray[np.int64],
    ) -> None:
        """Improve best, the index of the range that contains each instruction; -1: none.

        space: of rows, (m,); rows: indices in ip, time_ns and best; (m,). Of several ranges,
        the last that was seen before that time is right, or else the first after it.
        """
        if not len(self.low):
            return
        ip, time_ns = ip[rows], time_ns[rows]
        rank = np.searchsorted(self.lows, ip, side="right")
        last = np.searchsorted(self.place, self._place(space, rank)) - 1
        found = best[rows]
        for back in range(MAX_OVERLAP if self.overlap else 1):
            i = np.maximum(last - back, 0)
            fits = (last - back >= 0) & (self.space[i] == space) & (ip < self.high[i])
            old, new = self.since[found], self.since[i]
            before = new <= time_ns
            better = np.where(
                before, (old > time_ns) | (new > old), (old > time_ns) & (new < old)
            )
            found = np.where(fits & (better | (found < 0)), i, found)
        best[rows] = found
