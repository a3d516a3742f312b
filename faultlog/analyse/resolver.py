# SPDX-License-Identifier: GPL-2.0-or-later
"""Finds the file that contains an instruction, by the log's lines about address spaces.

The newest line at or before the fault that covers the address, in the address space of the
process at that moment, is right: nothing executes where nothing is mapped. A process that was
forked has what its parent had until then, so its space refers to that of its parent and copies
nothing. The traced process chooses numbers and places of mappings and processes: n faults and m
lines take (n + m) log m steps, for at most MAX_PARENTS generations.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..base.arrays import NDArray
from ..base.moments import NEVER, latest
from ..base.packed import number, pack
from ..base.words import plural
from ..parse.areas import NO_FILE
from ..parse.log import COLUMNS, Log
from .elf import Segment, read_segments
from .placer import placed

USER = COLUMNS["mode"].words.index("user")
MAX_PARENTS = 64  # generations between two execs that are searched
MAX_STEPS_EACH = 4  # searches in spaces of parents for each fault, on average
MIN_STEPS = 1 << 20
CHUNK = 1 << 18  # faults at a time: it takes 100 bytes a fault
NO_SPACE = -1
TOP = np.uint64((1 << 64) - 1)
ANONYMOUS = ("anon", "[heap]", "[stack]")  # memory whose contents are of no file


def is_anonymous(name: str) -> bool:
    """Is this name of the column map that of memory without a file?"""
    return name in ANONYMOUS


class Covering:
    """Finds the newest of many ranges that covers an address, at any moment.

    A tree over the ranges' bounds: each range is at the few nodes that make it up, so that an
    address is in the ranges at the nodes above it. The ranges at a node are sorted by time. A key
    of 64 bits has room for a million ranges: 20 bits for a space, 23 for a node, 21 for a range.
    """

    def __init__(
        self,
        space: NDArray[np.int64],
        start: NDArray[np.uint64],
        end: NDArray[np.uint64],
    ) -> None:
        """space, start, end: of ranges in order of time, (m,); start < end."""
        self.spaces, space = np.unique(space, return_inverse=True)
        self.bounds = np.unique(np.concatenate([start, end]))
        low = np.searchsorted(self.bounds, start)
        high = np.searchsorted(self.bounds, end)
        self.rank_bits = np.uint64(max(len(start), 1).bit_length())
        self.node_bits = np.uint64(max(len(self.bounds), 1).bit_length() + 1)
        rank = np.arange(len(start), dtype=np.int64)
        # For each level of the tree, from the leaves on, the ranges there: space, node, rank.
        self.levels: list[NDArray[np.uint64]] = []
        while len(rank):
            left, right = low & 1 == 1, high & 1 == 1
            keys = np.concatenate(
                [
                    self._node(space[left], low[left]) + rank[left].astype(np.uint64),
                    self._node(space[right], high[right] - 1)
                    + rank[right].astype(np.uint64),
                ]
            )
            self.levels.append(np.sort(keys))
            low, high = low + 1 >> 1, high >> 1
            more = low < high
            space, rank, low, high = space[more], rank[more], low[more], high[more]

    def _node(
        self, space: NDArray[np.int64], node: NDArray[np.int64]
    ) -> NDArray[np.uint64]:
        """The key of rank 0 at a node of a level."""
        key = space.astype(np.uint64) << self.node_bits | node.astype(np.uint64)
        return key << self.rank_bits

    def leaves(self, address: NDArray[np.uint64]) -> NDArray[np.int64]:
        """The leaf of each address, -1: below all ranges; addresses of a leaf are alike."""
        return np.searchsorted(self.bounds, address, side="right") - 1

    def find(
        self,
        space: NDArray[np.int64],
        leaf: NDArray[np.int64],
        before: NDArray[np.int64],
    ) -> NDArray[np.int64]:
        """The range of each row: of those of the space at the leaf, the last below before.

        space, leaf, before: (n,). Returns indices of ranges; NEVER: none covers it.
        """
        best = np.full(len(space), NEVER, dtype=np.int64)
        if not len(self.spaces):
            return best
        at = np.minimum(np.searchsorted(self.spaces, space), len(self.spaces) - 1)
        is_there, space = self.spaces[at] == space, at
        mask = (np.uint64(1) << self.rank_bits) - np.uint64(1)
        node = leaf
        for keys in self.levels:
            if len(keys):
                first = self._node(space, node)
                at = np.searchsorted(keys, first + before.astype(np.uint64)) - 1
                found = keys[np.maximum(at, 0)]
                fits = (at >= 0) & (found >> self.rank_bits == first >> self.rank_bits)
                rank = (found & mask).astype(np.int64)
                np.maximum(best, np.where(fits, rank, NEVER), out=best)
            node = node >> 1
        best[~is_there] = NEVER
        return best


class Resolver:
    """Finds the file that contains an instruction; see Placer for logs without such lines."""

    def __init__(self, whole: Log) -> None:
        """whole: a log before filters, with ip and mode."""
        self.log = whole
        self.nr_unsearched = 0  # faults for which not all generations were searched
        self.nr_doubtful = 0  # faults that were placed although lines are missing
        self.has_no_file = np.array([is_anonymous(name) for name in whole.names["map"]])
        self._order()
        self._spaces()
        self._parents()
        self._ends_of_exec()

    def _order(self) -> None:
        """Put all lines into one order: by time, then as in the log."""
        tables = self.log.areas.tables
        births = [e for e in self.log.events if e.kind == "child"]
        execs = [e for e in self.log.events if e.kind == "exec"]
        times, lines = [], []
        for kind in ("map", "space"):
            times.append(tables[kind]["time"].astype(np.uint64))
            lines.append(tables[kind]["line"])
        for events in (births, execs):
            times.append(np.array([e.time_ns for e in events], dtype=np.uint64))
            lines.append(np.array([e.line for e in events], dtype=np.int64))
        time_ns = np.concatenate(times)
        order = np.lexsort((np.concatenate(lines), time_ns))
        place = np.empty(len(order), dtype=np.int64)
        place[order] = np.arange(len(order))
        self.times = time_ns[order]
        bounds = np.cumsum([len(some) for some in times])[:-1]
        map_at, self.space_at, birth_at, exec_at = np.split(place, bounds)
        self.births = sorted(zip(birth_at.tolist(), births), key=lambda pair: pair[0])
        self.execs, self.exec_at = execs, exec_at
        sort = np.argsort(map_at)
        self.map_at = map_at[sort]
        self.map = {name: column[sort] for name, column in tables["map"].items()}

    def _spaces(self) -> None:
        """Number the address spaces, and note from when on each process has which."""
        space_pid = self.log.areas.tables["space"]["pid"]
        parents = [birth.ppid for _, birth in self.births if birth.ppid is not None]
        self.first_pids = np.unique(
            np.concatenate([self.map["pid"], space_pid, parents]).astype(np.int64)
        )
        # A process has one already at its first line, unless that is its birth.
        first = {pid: i for i, pid in enumerate(self.first_pids.tolist())}
        self.parent = [NO_SPACE] * len(first)
        self.born_at = [0] * len(first)
        now = dict(first)
        changes = [
            (at, pid, None)
            for at, pid in zip(self.space_at.tolist(), space_pid.tolist())
        ] + [(at, birth.pid, birth) for at, birth in self.births]
        changes.sort(key=lambda change: change[0])
        rows: list[tuple[int, int, int, int, bool]] = []
        for at, pid, birth in changes:
            of_parent = NO_SPACE
            if birth and birth.ppid is not None:
                of_parent = now[birth.ppid]
            before = now.get(pid, NO_SPACE)
            if birth and birth.shares and of_parent != NO_SPACE:
                now[pid] = of_parent
            else:
                now[pid] = len(self.parent)
                self.parent.append(of_parent)
                self.born_at.append(at)
            rows.append((pid, at, now[pid], before, birth is None))
        columns = np.array(rows, dtype=np.int64).reshape(-1, 5).T
        self.pid, self.at, self.space, self.space_before, is_exec = columns
        self.is_exec = is_exec == 1

    def _parents(self) -> None:
        """Find the lines of each space, and the next ancestor that has some of its own."""
        self.map_space = self._space_of(self.map["pid"], self.map_at + 1)
        self.covering = Covering(self.map_space, self.map["start"], self.map["end"])
        nr_spaces, nr_lines = len(self.parent), len(self.map_at)
        first = np.full(nr_spaces, nr_lines)
        np.minimum.at(first, self.map_space, np.arange(nr_lines))
        first_line = first.tolist()
        until = np.searchsorted(self.map_at, self.born_at).tolist()
        for i, parent in enumerate(self.parent):  # parents come before their children
            if parent != NO_SPACE and first_line[parent] >= until[i]:
                self.parent[i], until[i] = self.parent[parent], until[parent]
        self.parents = np.array(self.parent, dtype=np.int64)
        self.until = np.array(until, dtype=np.int64)

    def _ends_of_exec(self) -> None:
        """When a program really begins: at its "# exec" line, or its first own fault.

        Until then, the kernel reads the new program for the system call of the old one.
        """
        self.begins = np.full(len(self.pid), TOP)
        rows = np.flatnonzero(self.is_exec)
        if not len(rows):
            return
        pids, begun = self.pid[rows], self.times[self.at[rows]]
        if self.execs:
            last = len(self.times)
            pid = np.array([event.pid for event in self.execs])
            found = latest(pid, last - self.exec_at, pids, last - self.at[rows])
            ends = self.times[self.exec_at[found]]
            self.begins[rows] = np.where(found != NEVER, ends, TOP)
        log = self.log
        own = np.flatnonzero((log.mode == USER) & np.isin(log.pid, pids))
        if not len(own):
            return
        keys = pack(
            np.concatenate([pids, log.pid[own]]),
            np.concatenate([begun, log.time_ns[own]]),
        )
        order = np.argsort(keys[len(rows) :], kind="stable")
        own = np.append(own[order], 0)
        at = np.searchsorted(keys[len(rows) :][order], keys[: len(rows)])
        is_there = (at < len(order)) & (log.pid[own[at]] == pids)
        first = np.where(is_there, log.time_ns[own[at]], TOP)
        self.begins[rows] = np.minimum(self.begins[rows], first)

    def _space_of(
        self, pid: NDArray[np.integer[Any]], before: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """The space of each process after the lines below before; NO_SPACE: unknown; (n,)."""
        return self._of_change(pid, latest(self.pid, self.at, pid, before))

    def _of_change(
        self, pid: NDArray[np.integer[Any]], change: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """The space after a process's change of it; NEVER: before all of its changes."""
        found = np.full(len(pid), NO_SPACE, dtype=np.int64)
        if len(self.first_pids):
            at = np.searchsorted(self.first_pids, pid)
            at = np.minimum(at, len(self.first_pids) - 1)
            found = np.where(self.first_pids[at] == pid, at, NO_SPACE)
        has_change = change != NEVER
        found[has_change] = self.space[change[has_change]]
        return found

    def spaces(self, log: Log) -> NDArray[np.int64]:
        """The address space that each fault's instruction is in; NO_SPACE: unknown; (n,)."""
        before = np.searchsorted(self.times, log.time_ns, side="right")
        change = latest(self.pid, self.at, log.pid, before)
        found = self._of_change(log.pid, change)
        by_kernel = (log.mode != USER) & log.known("mode")
        rows = np.flatnonzero(by_kernel & (change != NEVER))
        rows = rows[log.time_ns[rows] < self.begins[change[rows]]]
        rows = rows[self.is_exec[change[rows]]]
        found[rows] = self.space_before[change[rows]]
        return found

    def place(self, log: Log) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
        """The file and offset of each instruction, as of Placer.place().

        The code of anon is a file, too. It and other memory without a file have offset 0.
        """
        return placed(log, self._place, CHUNK)

    def _place(
        self, log: Log, file: NDArray[np.int64], offset: NDArray[np.uint64]
    ) -> None:
        """Fill in both arrays of place()."""
        line = self._lines(log)
        rows = np.flatnonzero(line != NEVER)
        rows = rows[self.map["file"][line[rows]] != NO_FILE]
        line = line[rows]
        file[rows] = self.map["file"][line]
        begin = self.map["start"][line] - self.map["offset"][line]
        inside = log.ip[rows] - begin
        offset[rows] = np.where(self.has_no_file[file[rows]], np.uint64(0), inside)
        lost_ns = self.log.areas.lost_ns()
        if lost_ns is not None:
            late = log.time_ns[rows] >= np.uint64(lost_ns)
            self.nr_doubtful += int(np.count_nonzero(late))

    def _lines(self, log: Log) -> NDArray[np.int64]:
        """The line that each instruction is in, by its index in map; NEVER: none; (n,)."""
        best = np.full(len(log), NEVER, dtype=np.int64)
        space, leaf = self.spaces(log), self.covering.leaves(log.ip)
        can_be = np.flatnonzero((space != NO_SPACE) & (leaf >= 0))
        if not len(can_be):
            return best
        before = np.searchsorted(self.times, log.time_ns[can_be], side="right")
        before = np.searchsorted(self.map_at, before)
        which, first = number(space[can_be], leaf[can_be], before)
        space, leaf, before = space[can_be][first], leaf[can_be][first], before[first]
        found = np.full(len(first), NEVER, dtype=np.int64)
        left, room = np.arange(len(first)), len(log) * MAX_STEPS_EACH + MIN_STEPS
        for _ in range(1 + MAX_PARENTS):
            found[left] = self.covering.find(space[left], leaf[left], before[left])
            left = left[found[left] == NEVER]
            before[left] = self.until[space[left]]
            space[left] = self.parents[space[left]]
            left = left[space[left] != NO_SPACE]
            room -= len(left)
            if not len(left) or room < 0:
                break
        if len(left):
            counts = np.bincount(which, minlength=len(first))
            self.nr_unsearched += int(counts[left].sum())
        best[can_be] = found[which]
        return best

    def segments_of(self, file: int) -> list[Segment]:
        """The segments of a file by its code in the column map; none if it is not here."""
        path, _ = self.log.roots.find(self.log.paths[file])
        return read_segments(path) if path.startswith(b"/") else []

    def notes(self) -> list[str]:
        """What the user must know about the places, after place()."""
        found = []
        if self.nr_doubtful:
            found.append(
                f"Names: {plural(self.nr_doubtful, 'fault')} may have a wrong name: they came "
                "after lines about mappings were lost"
            )
        if self.nr_unsearched:
            found.append(
                f"Names: {plural(self.nr_unsearched, 'fault')} without a name: their processes "
                "were forked through too many generations to search them all"
            )
        return found
