# SPDX-License-Identifier: GPL-2.0-or-later
"""A shell script that reads into memory the parts of files that had major faults.

A log does not know what a major fault waited for: it may also be userfaultfd or a lock. Files
that are only in memory are left out.
"""

from __future__ import annotations

import argparse
import os
import shlex
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from ..base.arrays import NDArray
from ..base.error import LogError
from ..base.words import plural, size_text, time_text
from ..parse.log import MAJOR, Log
from .outputs import Job, replacing
from .terminal import warn

READAHEAD = 128 << 10  # bytes that the kernel reads around a major fault by default
AROUND = 64 << 10  # bytes that it maps around a fault, aligned to this size
TOP_OFFSET = 1 << 47  # beyond any file; offset and file fit in one number
MAX_RANGES = 1000
DELETED = b" (deleted)"
# Names, regions and kinds of mappings that are no files on a disk.
NO_DISK = (b"/dev/", b"/proc/", b"/sys/", b"/memfd:", b"/SYSV")
OTHER_REGIONS, OTHER_KINDS = {"heap", "stack", "anon", "special"}, {"hugetlb", "swap"}
# The columns that ranges() needs.
COLUMNS = {"result", "latency_ns", "map", "offset", "region", "kind"}
IN_MEMORY = {"tmpfs", "ramfs", "devtmpfs", "hugetlbfs", "proc", "sysfs"}

SCRIPT = """\
#!/bin/sh
# {what}.
# This script reads these parts into memory, in the order of first use.
set -u
command -v vmtouch >/dev/null || {{
	echo "vmtouch is needed (Debian: apt install vmtouch)" >&2
	exit 1
}}

warm() {{ # FIRST-END FILE, in bytes
	if [ ! -f "$2" ]; then
		missing=$((missing + 1))
	else
		vmtouch -q -t -m 4611686018427387904 -p "$1" -- "$2" || failed=$((failed + 1))
	fi
}}
missing=0 failed=0

"""
NAMED = """\
named() { # a name with unprintable characters, escaped for printf %b
	name=$(printf '%b.' "$1")
	name=${name%.}
}

"""
END = """
[ $missing = 0 ] ||
	echo "$0: $missing of {nr_ranges} parts are in files that do not exist on this machine" >&2
[ $((missing + failed)) -lt {nr_ranges} ]
"""


@dataclass(frozen=True)
class Range:
    """A part of a file that was used."""

    path: bytes
    low: int  # bytes, [low, high)
    high: int
    nr_major: int
    cost_ns: int  # total latency of its major faults
    first_ns: int  # Time of the first fault in it


def columns(_options: argparse.Namespace) -> set[str]:
    """The columns that the script needs."""
    return COLUMNS


def write(job: Job) -> None:
    """Write the script; raises LogError, also if none of its files is here."""
    log = job.log
    if not log.has_outcomes:
        raise LogError(
            f"{job.name}: the log has no results of faults; {job.whole.outcome_hint}"
        )
    found = ranges(log)
    if not found:
        if (log.result == MAJOR).any():
            raise LogError(
                f"{job.name}: no major fault is in a file that can be preloaded"
            )
        raise LogError(f"{job.name}: no major faults, so there is nothing to preload")
    top = MAX_RANGES if job.options.top is None else job.options.top
    chosen = costliest(found, top or len(found))
    with replacing(job) as file:
        file.write(script(chosen, int(np.count_nonzero(log.result == MAJOR))))
    files = dict.fromkeys(r.path for r in chosen)
    missing = [path for path in files if not os.path.isfile(path)]
    if missing:
        first = os.fsdecode(missing[0])
        more = f" and {len(missing) - 1:,} more" if len(missing) > 1 else ""
        text = f"{job.output}: written, but {len(missing):,} of its "
        text += f"{plural(len(files), 'file')} {'is' if len(missing) == 1 else 'are'} not on this "
        text += f"machine ({first}{more}); use --root if they are elsewhere"
        if len(missing) == len(files):
            raise LogError(text)
        warn(text)


def ranges(log: Log) -> list[Range]:
    """The parts of files that were used and have major faults, in no order.

    The kernel reads ahead around a major fault, and faults in the pages that it read are minor.
    So a range covers what was read around its major faults and mapped around its minor ones.
    """
    paths = [log.roots.find(path)[0] for path in log.paths]
    kept = [is_path(path) and is_path(there) for path, there in zip(log.paths, paths)]
    keep = np.array(kept)[log.map] & in_files(log)
    if keep.any():
        types = file_systems()
        on_disk = [
            ok and type_of(p, types) not in IN_MEMORY for ok, p in zip(kept, paths)
        ]
        keep &= np.array(on_disk)[log.map]
    log = log.take(keep)
    if not len(log):
        return []
    is_major = log.result == MAJOR
    offset = log.offset.astype(np.int64)
    low = np.where(is_major, offset - READAHEAD // 2, offset // AROUND * AROUND)
    high = np.where(
        is_major, offset + READAHEAD // 2, offset // AROUND * AROUND + AROUND
    )
    file = log.map.astype(np.uint64) << np.uint64(48)
    low, high = file + np.maximum(low, 0).astype(np.uint64), file + high.astype(
        np.uint64
    )
    order = np.argsort(low, kind="stable")
    reach = np.maximum.accumulate(high[order])
    begins = np.append(True, low[order][1:] > reach[:-1])
    at = np.flatnonzero(begins)
    ends = reach[np.append(at[1:], len(order)) - 1]
    nr_major = np.add.reduceat(is_major[order].astype(np.int64), at)
    spent = np.where(is_major, log.spent_ns(), np.uint64(0))
    cost_ns = np.add.reduceat(spent[order], at)
    first_ns = np.minimum.reduceat(log.time_ns[order], at)
    mask = np.uint64((1 << 48) - 1)
    return [
        Range(
            paths[log.map[order[at[i]]]],
            int(low[order[at[i]]] & mask),
            int(ends[i] & mask),
            int(nr_major[i]),
            int(cost_ns[i]),
            int(first_ns[i]),
        )
        for i in np.flatnonzero(nr_major)
    ]


def in_files(log: Log) -> NDArray[np.bool_]:
    """Which faults are in files that may be on a disk, by the log alone; bool (n,)."""
    keep = np.array([is_path(path) for path in log.paths])[log.map]
    keep &= log.offset < np.uint64(TOP_OFFSET)
    for column, others in (("region", OTHER_REGIONS), ("kind", OTHER_KINDS)):
        names = [set(name.split(",")) for name in log.names[column]]
        keep &= np.array([not name & others for name in names])[getattr(log, column)]
    return keep


def is_path(name: bytes) -> bool:
    """Can this name of a mapping be opened as a file on a disk, with no other effect?

    A name with a //, . or .. in it could lead anywhere; the kernel writes none.
    """
    is_whole = name.startswith(b"/") and b"\0" not in name
    is_clean = name == b"/" + os.path.normpath(name).lstrip(b"/")
    is_stored = not name.endswith(DELETED) and not name.startswith(NO_DISK)
    return is_whole and is_clean and is_stored


def file_systems() -> dict[int, str]:
    """The types of the mounted file systems, by device number."""
    types = {}
    with suppress(OSError, ValueError), open("/proc/self/mountinfo", "rb") as file:
        for line in file:
            fields, _, of_type = line.partition(b" - ")
            major, minor = map(int, fields.split(b" ", 3)[2].split(b":"))
            types[os.makedev(major, minor)] = of_type.split(b" ", 1)[0].decode()
    return types


def type_of(path: bytes, types: dict[int, str]) -> str:
    """The type of a file's file system; "": unknown, or no file is here."""
    try:
        return types.get(os.stat(path).st_dev, "")
    except OSError:
        return ""


def costliest(found: list[Range], top: int) -> list[Range]:
    """The ranges whose major faults cost most, in order of first use."""
    by_cost = sorted(found, key=lambda r: (-r.cost_ns, -r.nr_major, r.first_ns))
    return sorted(by_cost[:top], key=lambda r: (r.first_ns, r.path, r.low))


def script(chosen: list[Range], nr_major: int) -> bytes:
    """The script's text; nr_major: major faults in the whole log."""
    cost_ns = sum(r.cost_ns for r in chosen)
    size = size_text(sum(r.high - r.low for r in chosen))
    nr_files = len({r.path for r in chosen})
    what = (
        f"{size} of {plural(nr_files, 'file')}, where {sum(r.nr_major for r in chosen):,} of "
        f"{plural(nr_major, 'major fault')} ({time_text(cost_ns)}) occurred"
    )
    head, lines = SCRIPT.format(what=what), []
    for r in chosen:
        comment = f"  # {r.nr_major} major, {time_text(r.cost_ns)}\n"
        text = r.path.decode("utf-8", "surrogateescape")
        if text.isprintable():
            lines.append(f"warm {r.low}-{r.high} {shlex.quote(text)}{comment}")
            continue
        if not head.endswith(NAMED):
            head += NAMED
        name = shlex.quote("".join(map(_for_printf, text)))
        lines.append(f'named {name} && warm {r.low}-{r.high} "$name"{comment}')
    lines.append(END.format(nr_ranges=len(chosen)))
    return "".join([head, *lines]).encode()


def _for_printf(character: str) -> str:
    """A character of a name, escaped for printf %b, so that it cannot harm a terminal."""
    if character.isprintable():
        return character.replace("\\", "\\\\")
    octets = character.encode("utf-8", "surrogateescape")
    return "".join(f"\\0{octet:03o}" for octet in octets)
