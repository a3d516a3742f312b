# SPDX-License-Identifier: GPL-2.0-or-later
"""Finds the file, function and source line of an instruction's address.

A fault in a file mapping shows where the file is mapped: at the address less the offset. The
files' program headers show which parts are code, and elfutils (eu-addr2line) finds names; with
DEBUGINFOD_URLS it also fetches debug information. A file that is not here is placed by the log
alone. The traced process chooses the files and their names: nothing in them is trusted.
"""

from __future__ import annotations

import bisect
import ctypes
import itertools
import os
import re
import struct
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Iterable

import numpy as np

from ..base import progress
from ..base.packed import pack
from ..base.words import plural
from ..parse.log import COLUMNS, Event, Log
from .asking import Budget, ask
from .debug import Refused, debug_paths
from .files import libc, open_stored

EXEC = COLUMNS["access"].words.index("exec")
AROUND = 16 * 4096  # bytes that the kernel maps with a file's page
MAX_HEADERS = 128
MAX_CODE = 16  # loaded segments with code; a program has one or two
MAX_HOLDING = 8  # segments that a page can be of; in a small file all of them share one
MAX_OVERLAP = 8  # files that can be distinguished at one address
MAX_LOADS = 16  # places of one file in one address space
MAX_BASES = 256  # of one file in one address space; more are ignored
MAX_PARENTS = 64  # of a process, from which it may have inherited files
MAX_NOTES = 3
LINES_EACH = 3  # lines of eu-addr2line's answer for an address: that, function, source
CHUNK = 1 << 20  # faults placed at a time: it takes 100 bytes a fault
NOWHERE = -1
# eu-addr2line appends where a function was inlined; without that, it is one row.
INLINED = re.compile(rb" inlined(?: (?:at|from|in) .*)?")
STATX_BTIME = 0x800  # as statx() has it, relative to the current folder (-100)
REPLACED = "written after the recording"
ABSENT = "no program here"
REFUSED = "refused, as the name of its debug information is no file name"
NO_SYMBOLS = "No symbols found for"
SILENT = "no answer from eu-addr2line (elfutils)"
EXCEEDED = "some are missing, as the limit of time, memory or text was reached"


@dataclass(frozen=True)
class Segment:
    """A loaded part of an ELF file; bytes."""

    offset: int
    vaddr: int
    size: int  # in the file
    is_code: bool

    def holds(self, low: int, high: int, page: int) -> bool:
        """Does its mapping contain the pages at these file offsets?"""
        return self.offset // page * page <= low and high < self.offset + self.size


def read_segments(path: bytes) -> list[Segment]:
    """The loaded segments of a 64-bit little-endian ELF file; none for other files."""
    try:
        with open(open_stored(path), "rb") as file:
            head = file.read(64)
            if len(head) < 64 or head[:6] != b"\x7fELF\2\1":
                return []
            at, each, count = struct.unpack_from("<Q14xHH", head, 32)
            if each != 56 or count > MAX_HEADERS or at > 1 << 40:
                return []
            file.seek(at)
            table = file.read(each * count)
    except (OSError, ValueError):
        return []
    whole = table[: len(table) // 56 * 56]
    segments = [
        Segment(offset, vaddr, size, bool(flags & 1))
        for kind, flags, offset, vaddr, _, size, _, _ in struct.iter_unpack(
            "<IIQQQQQQ", whole
        )
        if kind == 1 and max(offset, vaddr, size) < 1 << 62
    ]
    # All code is in the ranges of each place where the file is loaded, so its size is bounded.
    return segments if sum(s.is_code for s in segments) <= MAX_CODE else []


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


@dataclass(eq=False)
class Space:
    """An address space: of a process, from one exec to the next."""

    number: int
    parent: tuple[int, int] | None
    bases: dict[int, list[tuple]] = field(default_factory=dict)  # by file
    is_known: bool = False  # its code is in a Placer's ranges


def _loads(base: tuple, segments: list[Segment], page: int) -> dict[int, int]:
    """Where a file with a mapping at this base can be loaded, with the weight of each place.

    The page where one part ends and the next begins is mapped with both; then code has a
    little more weight. If a fault executed the page, only code is possible.
    """
    at, low, high, _, ran = base
    found: dict[int, int] = {}
    holding = (s for s in segments if s.holds(low, high, page))
    for s in itertools.islice(holding, MAX_HOLDING):
        if s.is_code or not ran:
            load = at + s.offset - s.vaddr
            found[load] = max(found.get(load, 0), 2 * MAX_BASES + s.is_code)
    return found


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
        self.spaces: dict[tuple[int, int], Space] = {}
        self.found: list[tuple[int, Range]] = []  # with their spaces' numbers
        self.ranges = Ranges(self.found)
        self._bases()

    def _epochs(self, log: Log) -> np.ndarray:
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
            space.bases.setdefault(int(log.map[at]), []).append(tuple(map(int, row)))

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

    def _code(self, file: int, bases: list[tuple]) -> list[Range]:
        """Where a file's code is, by the bases of its mappings.

        Parts of a file may be further apart in memory than in the file, so data has other
        bases than code. The place with the most weight of all bases is where the file is.
        """
        if file not in self.segments:
            path, _ = self.log.roots.find(self.log.paths[file])
            self.segments[file] = read_segments(path)
        segments, found = self.segments[file], []
        left = sorted(bases, key=lambda base: not base[4])[:MAX_BASES]
        loads = {base: _loads(base, segments, self.page) for base in left}
        for _ in range(MAX_LOADS):
            votes: Counter[int] = Counter()
            for base in left:
                votes.update(loads[base])
            if not votes:
                break
            load = min(votes, key=lambda at: (-votes[at], at))
            mine = {base for base in left if load in loads[base]}
            since = min(b[3] for b in mine)
            for s in segments:
                if s.is_code:
                    low, high = load + s.vaddr, load + s.vaddr + s.size
                    base = load + s.vaddr - s.offset
                    found.append(Range(low, high, file, base, since))
            left = [b for b in left if b not in mine]
        # Bases that do not match the file, or a missing file: those that were executed, if any.
        ran = [b for b in left if b[4]]
        for base, _, high, since, _ in ran or ([] if found else left):
            found.append(Range(base, base + high + AROUND, file, base, since))
        return found

    def place(self, log: Log) -> tuple[np.ndarray, np.ndarray]:
        """The file and offset of each instruction.

        Returns codes of the column map, int64 (n,), NOWHERE if unknown; and offsets in that
        file in bytes, uint64 (n,).
        """
        file = np.full(len(log), NOWHERE, dtype=np.int64)
        offset = np.zeros(len(log), dtype=np.uint64)
        for begin in range(0, len(log), CHUNK):
            part = slice(begin, begin + CHUNK)
            self._place(log.take(part), file[part], offset[part])
        return file, offset

    def _place(self, log: Log, file: np.ndarray, offset: np.ndarray) -> None:
        """Fill in both arrays of place().

        It does all processes at once: first by the ranges of each space itself, then by those
        of its parent, and so on.
        """
        if not len(log):
            return
        epoch = self._epochs(log)
        _, first, which = np.unique(
            pack(log.pid, epoch), return_index=True, return_inverse=True
        )
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

    def _place(self, space: np.ndarray, rank: np.ndarray) -> np.ndarray:
        """One number for a space and a rank in lows; int64."""
        return space * (len(self.lows) + 1) + rank

    def find(
        self,
        space: np.ndarray,
        ip: np.ndarray,
        time_ns: np.ndarray,
        best: np.ndarray,
        rows: np.ndarray,
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


@dataclass(frozen=True)
class Name:
    """The names of a place; "": unknown."""

    function: str = ""
    line: str = ""  # file:number


def harmless(text: bytes) -> str:
    """A name from a file, with unprintable characters replaced."""
    return "".join(
        c if c.isprintable() else "\N{REPLACEMENT CHARACTER}"
        for c in text.decode("utf-8", "replace")
    )


def look_up(
    path: bytes,
    addresses: list[int],
    debug_folders: Iterable[bytes] = (),
    budget: Budget | None = None,
) -> list[Name] | None:
    """Ask elfutils for the names at all addresses of a file; None: no answer.

    debug_folders: more folders with debug information; budget: its limits. If one is reached,
    names are missing. Raises Refused for a file whose debug information has an unsafe name.
    """
    wanted = b"".join(b"%#x\n" % address for address in addresses)
    try:
        file = open_stored(path)
    except (OSError, ValueError):
        return None
    budget = budget or Budget()
    try:
        with debug_paths(path, file, debug_folders) as (paths, others):
            command = [b"eu-addr2line", b"-a", b"-f", b"-C"]
            command += [b"-e", b"/proc/self/fd/%d" % file, b"--debuginfo-path=" + paths]
            answer = ask(command, wanted, (file, *others), budget)
    except OSError:
        return None
    finally:
        os.close(file)
    if answer is None:
        return None
    lines = answer.split(b"\n")
    nr_answers = len(addresses)
    if budget.is_exceeded:  # the answers until then are right
        nr_answers = min((len(lines) - 1) // LINES_EACH, nr_answers)
        lines = [*lines[: LINES_EACH * nr_answers], b""]
    # A name with a newline would shift all further lines.
    if len(lines) != LINES_EACH * nr_answers + 1:
        return None
    names = []
    known: dict[Name, Name] = {}  # many places are in one function
    for i, address in enumerate(addresses[:nr_answers]):
        asked, function, line = lines[LINES_EACH * i : LINES_EACH * (i + 1)]
        if not re.fullmatch(rb"0x[0-9a-f]+", asked) or int(asked, 16) != address:
            return None
        function = INLINED.sub(b"", function, count=1)
        source = re.match(rb"(.+?:[1-9][0-9]*)(?![^: ])", line.rpartition(b"/")[2])
        name = Name(
            "" if function == b"??" else harmless(function),
            harmless(source[1]) if source else "",
        )
        names.append(known.setdefault(name, name))
    return names + [Name()] * (len(addresses) - nr_answers)


def born_s(path: bytes) -> int:
    """When a file was created, in s of the clock; 0: unknown. Python has no function for it.

    Unlike ctime, it does not change with the file's name, mode or number of links.
    """
    status = ctypes.create_string_buffer(256)
    try:
        failed = libc().statx(-100, path, 0, STATX_BTIME, status)
    except (AttributeError, OSError, ctypes.ArgumentError):
        return 0
    mask, seconds = struct.unpack_from("<I76xq", status)
    return 0 if failed or not mask & STATX_BTIME else seconds


def changed_text(path: bytes, log: Log, is_copy: bool) -> str:
    """Why the file may not be the one that ran; "": no reason was found.

    is_copy: it was found by --root, so its times may be those of the copying.
    """
    epoch = re.match(r"\d{1,12}", log.head.get("epoch", ""))
    if not epoch:
        return "the log has no time of its recording"
    try:
        status = os.stat(path)
    except OSError:
        return ""
    if status.st_mtime > int(epoch[0]) + 1:
        return f"copied or {REPLACED}" if is_copy else REPLACED
    if born_s(path) > int(epoch[0]) + 1:
        return f"maybe {'copied or ' * is_copy}replaced after the recording"
    return ""


@dataclass(frozen=True)
class Places:
    """The places of faults' instructions: n faults, p distinct places."""

    codes: np.ndarray  # of each fault's place; int64 (n,)
    files: list[int]  # of each place: code of the column map or NOWHERE
    offsets: list[int]  # bytes
    names: list[Name]
    has_ip: list[bool]
    notes: list[str]  # for the user, about missing or doubtful names


def _recorded(log: Log) -> Places:
    """The places that another recorder has named; it has files and functions, no offsets."""
    has_ip = (log.ip != 0) & log.known("ip")
    rows = pack(log.code, log.function, has_ip)
    _, first, codes = np.unique(rows, return_index=True, return_inverse=True)
    files = log.code[first].astype(np.int64)
    files = np.where(files > 0, files + log.first_code, NOWHERE)
    functions = [log.names["function"][code] for code in log.function[first].tolist()]
    names = [
        Name(function or "?" * (file != NOWHERE))
        for function, file in zip(functions, files.tolist())
    ]
    notes = (
        [] if any(functions) else [f"Names: {log.recorder} has no names of functions"]
    )
    places = files.tolist(), [0] * len(files), names, has_ip[first].tolist()
    return Places(codes, *places, notes)


def find(log: Log, whole: Log) -> Places:
    """Find the places and names of the instructions of log, which is a part of whole."""
    if log.recorder:
        return _recorded(log)
    placer = Placer(whole)
    file, offset = placer.place(log)
    has_ip = (log.ip != 0) & log.known("ip")
    rows = pack(file + 1, offset, has_ip)
    _, first, codes = np.unique(rows, return_index=True, return_inverse=True)
    files, offsets = file[first].tolist(), offset[first].tolist()
    names = [Name()] * len(files)
    reasons: dict[str, list[str]] = {}
    places: dict[int, list[int]] = defaultdict(list)
    for i, code in enumerate(files):
        places[code].append(i)
    places.pop(NOWHERE, None)
    # Notes first name the files whose faults took most time, or without latencies most faults.
    spent = log.spent_ns().astype(np.float64)
    costs = np.bincount(file - NOWHERE, spent if spent.any() else None)
    debug_folders, budget = whole.roots.debug_folders(), Budget()
    costliest = sorted(places, key=lambda code: -costs[code - NOWHERE])
    counts = {code: len(places[code]) for code in costliest}
    for code in progress.in_turn("names", counts, " addresses", each=LINES_EACH):
        of_file = places[code]
        segments = placer.segments.get(code)
        path, here = whole.roots.find(whole.paths[code])
        base = os.path.basename(whole.names["map"][code])
        if not segments:
            reasons.setdefault(ABSENT, []).append(base)
            continue
        reason = changed_text(path, whole, is_copy=bool(here))
        if reason:
            reasons.setdefault(reason, []).append(base)
        if reason == REPLACED:
            continue
        asked = {}
        for i in of_file:
            for s in segments:
                if s.is_code and s.offset <= offsets[i] < s.offset + s.size:
                    asked[i] = offsets[i] - s.offset + s.vaddr
        try:
            addresses = list(asked.values())
            found = look_up(path, addresses, debug_folders, budget) if asked else []
        except Refused:
            reasons.setdefault(REFUSED, []).append(base)
            continue
        if budget.is_exceeded:
            reasons.setdefault(EXCEEDED, []).append(base)
        elif found is None:
            reasons.setdefault(SILENT, []).append(base)
        if found is not None:
            for i, name in zip(asked, found):
                names[i] = name
            if not budget.is_exceeded and not any(name.function for name in found):
                reasons.setdefault(NO_SYMBOLS, []).append(base)
    notes = []
    for reason, of_files in reasons.items():
        more = len(of_files) - MAX_NOTES
        listed = ", ".join(of_files[:MAX_NOTES]) + (
            f" and {plural(more, 'other file')}" if more > 0 else ""
        )
        hint = "; use --root for a copy of them" * (reason == ABSENT)
        text = (
            f"{reason} {listed}"
            if reason == NO_SYMBOLS
            else f"Names: {reason}: {listed}"
        )
        notes.append(f"{text}{hint}")
    return Places(codes, files, offsets, names, has_ip[first].tolist(), notes)
