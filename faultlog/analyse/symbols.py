# SPDX-License-Identifier: GPL-2.0-or-later
"""Finds the file, function and source line of an instruction's address.

resolver.py or placer.py finds the file, and elfutils (eu-addr2line) the names; with DEBUGINFOD_URLS
it also fetches debug information. The traced process chooses the files and their names: nothing in
them is trusted.
"""

from __future__ import annotations

import ctypes
import os
import re
import struct
from collections import defaultdict
from dataclasses import dataclass
from typing import Iterable

import numpy as np

from ..base import progress
from ..base.arrays import NDArray
from ..base.packed import number
from ..base.words import plural
from ..parse.log import Log
from .asking import Budget, ask
from .debug import Refused, debug_paths
from .elf import build_id_of
from .files import libc, open_stored
from .placer import NOWHERE, Placer
from .resolver import Resolver

MAX_NOTES = 3
LINES_EACH = 3  # lines of eu-addr2line's answer for an address: that, function, source
# eu-addr2line appends where a function was inlined; without that, it is one row.
INLINED = re.compile(rb" inlined(?: (?:at|from|in) .*)?")
STATX_BTIME = 0x800  # as statx() has it, relative to the current folder (-100)
REPLACED = "written after the recording"
ABSENT = "no program here"
OTHER = "not the file that ran, as its build-id is another"
REFUSED = "refused, as the name of its debug information is no file name"
NO_SYMBOLS = "No symbols found for"
SILENT = "no answer from eu-addr2line (elfutils)"
EXCEEDED = "some are missing, as the limit of time, memory or text was reached"


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

    codes: NDArray[np.int64]  # of each fault's place; int64 (n,)
    files: list[int]  # of each place: code of the column map or NOWHERE
    offsets: list[int]  # bytes
    names: list[Name]
    has_ip: list[bool]
    notes: list[str]  # for the user, about missing or doubtful names


def _recorded(log: Log) -> Places:
    """The places that another recorder has named; it has files and functions, no offsets."""
    has_ip = (log.ip != 0) & log.known("ip")
    codes, first = number(log.code, log.function, has_ip)
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
    placer: Resolver | Placer
    placer = Resolver(whole) if whole.has_areas else Placer(whole)
    file, offset = placer.place(log)
    has_ip = (log.ip != 0) & log.known("ip")
    codes, first = number(file + 1, offset, has_ip)
    files, offsets = file[first].tolist(), offset[first].tolist()
    names = [Name()] * len(files)
    reasons: dict[str, list[str]] = {}
    places: dict[int, list[int]] = defaultdict(list)
    for i, code in enumerate(files):
        if code != NOWHERE and whole.names["map"][code].startswith("/"):
            places[code].append(i)
    # Notes first name the files whose faults took most time, or without latencies most faults.
    spent = log.spent_ns().astype(np.float64)
    costs = np.bincount(file - NOWHERE, spent if spent.any() else None)
    budget = Budget()
    costliest = sorted(places, key=lambda code: -costs[code - NOWHERE])
    counts = {code: len(places[code]) for code in costliest}
    for code in progress.in_turn("names", counts, " addresses", each=LINES_EACH):
        base = os.path.basename(whole.names["map"][code])
        segments = placer.segments_of(code)
        if not segments:
            reasons.setdefault(ABSENT, []).append(base)
            continue
        asked = {}
        for i in places[code]:
            for s in segments:
                if s.is_code and s.offset <= offsets[i] < s.offset + s.size:
                    asked[i] = offsets[i] - s.offset + s.vaddr
        found, of_file = _names_in(whole, code, list(asked.values()), budget)
        for i, name in zip(asked, found):
            names[i] = name
        for reason in of_file:
            reasons.setdefault(reason, []).append(base)
    notes = [*_reasons_text(reasons), *placer.notes()]
    return Places(codes, files, offsets, names, has_ip[first].tolist(), notes)


def _names_in(
    whole: Log, code: int, addresses: list[int], budget: Budget
) -> tuple[list[Name], list[str]]:
    """The names at addresses of a file, and why some are missing or in doubt.

    code: of the file in the column map.
    """
    path, here = whole.roots.find(whole.paths[code])
    reason = _not_the_same(path, whole, code, is_copy=bool(here))
    if reason in (REPLACED, OTHER):
        return [], [reason]
    reasons = [reason] if reason else []
    try:
        folders = whole.roots.debug_folders()
        found = look_up(path, addresses, folders, budget) if addresses else []
    except Refused:
        return [], [*reasons, REFUSED]
    if budget.is_exceeded:
        reasons.append(EXCEEDED)
    elif found is None:
        reasons.append(SILENT)
    elif not any(name.function for name in found):
        reasons.append(NO_SYMBOLS)
    return found or [], reasons


def _not_the_same(path: bytes, whole: Log, code: int, is_copy: bool) -> str:
    """Why the file here may not be the one that ran; "": no reason was found.

    With the same build-id it is the same program, whenever it was written.
    """
    about = whole.areas.files.get(code)
    here = build_id_of(path) if about and about.build_id else ""
    if about and here:
        return "" if here == about.build_id else OTHER
    return changed_text(path, whole, is_copy)


def _reasons_text(reasons: dict[str, list[str]]) -> list[str]:
    """Notes about the files that have each reason."""
    notes = []
    for reason, of_files in reasons.items():
        more = len(of_files) - MAX_NOTES
        listed = ", ".join(of_files[:MAX_NOTES]) + (
            f" and {plural(more, 'other file')}" if more > 0 else ""
        )
        hint = "; use --root for a copy of them" * (reason in (ABSENT, OTHER))
        text = (
            f"{reason} {listed}"
            if reason == NO_SYMBOLS
            else f"Names: {reason}: {listed}"
        )
        notes.append(f"{text}{hint}")
    return notes
