# SPDX-License-Identifier: GPL-2.0-or-later
"""The code that faulted, as columns for exported files: function and source line.

They are found as for a table by function or line, in the files of this machine, or below --root.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..base.arrays import NDArray
from ..parse.log import Log
from .groups import function_text, place_label
from .resolver import is_anonymous
from .symbols import NOWHERE, find

COLUMNS = ("function", "line")


@dataclass(frozen=True)
class Place:
    """An instruction, or all that are unknown. Values of COLUMNS are "" if unknown."""

    file: str  # "": unknown
    offset: int | None  # in the file, in bytes
    function: str  # with its file, or as FILE+OFFSET if it has no name
    line: str  # FILE:NUMBER of its source


@dataclass(frozen=True)
class Code:
    """The places of the instructions of n faults."""

    codes: NDArray[np.int64]  # of each fault's place; int64 (n,)
    places: list[Place]
    notes: list[str]  # about missing or doubtful names


def of_log(log: Log, whole: Log) -> Code:
    """Find the code of the faults of log, a part of whole; both with all columns."""
    found = find(log, whole)
    places = []
    for i, file in enumerate(found.files):
        if file == NOWHERE:
            places.append(Place("", None, found.names[i].function, ""))
            continue
        function = place_label(found, i, whole, function_text)
        name = whole.names["map"][file]
        offset = None if is_anonymous(name) else found.offsets[i]
        places.append(Place(name, offset, function, found.names[i].line))
    return Code(found.codes, places, found.notes)
