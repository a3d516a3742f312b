# SPDX-License-Identifier: GPL-2.0-or-later
"""What a log's lines about address spaces say: mappings, files, new spaces, names of threads.

area_lines.py reads them, analyse/resolver.py finds instructions by them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..base.arrays import NDArray

Table = dict[str, NDArray[Any]]
# The columns of each kind of line, which all have the line's number, from 1, in "line".
COLUMNS: dict[str, tuple[str, ...]] = {
    "map": ("line", "time", "pid", "start", "end", "offset", "file"),
    "space": ("line", "time", "pid"),
    "comm": ("line", "time", "pid", "tid", "comm"),
    "exit": ("line", "time", "pid"),
    "maps-lost": ("line", "time"),
}
NO_FILE = -1


@dataclass(frozen=True)
class File:
    """A "# file" line."""

    path: bytes  # escaped, as in the log
    build_id: str  # hexadecimal; "": unknown
    about: str  # device, inode, size, time of its last change


def _empty() -> dict[str, Table]:
    return {
        kind: {name: np.zeros(0, dtype=np.int64) for name in names}
        for kind, names in COLUMNS.items()
    }


@dataclass(frozen=True)
class Areas:
    """The lines about address spaces.

    tables: by kind, in the order of the lines; a column is an array of shape (m,). Times are
    CLOCK_MONOTONIC in ns; "file" has codes of the column map, NO_FILE: unknown; "comm" has
    indices of comms.
    files: by code of the column map. Two files with the same path have different codes.
    """

    tables: dict[str, Table] = field(default_factory=_empty)
    files: dict[int, File] = field(default_factory=dict)
    comms: list[str] = field(default_factory=list)

    def lost_ns(self) -> int | None:
        """From when on lines are missing; None: nothing is."""
        time_ns = self.tables["maps-lost"]["time"]
        return int(time_ns.min()) if len(time_ns) else None
