# SPDX-License-Identifier: GPL-2.0-or-later
"""Turns a log of page faults into pictures, tables and other formats.

    import faultlog

    log = faultlog.read("x.log")
    frame = log.to_pandas()  # help(log.to_pandas) lists the columns

The packages are layers: each imports only from itself and from those before it.

    base      what all of them use: texts and units, progress, helper processes
    parse     from text to columns; parse/log.py is a log in columns
    analyse   filters, groups of faults and their figures, the code that faulted
    draw      the parts of a picture
    report    the outputs, one file each; report/outputs.py chooses one

cli is the command line. draw and the HTML page need matplotlib and plotly; the rest only numpy.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Callable, Iterable

from .base.error import LogError

if TYPE_CHECKING:
    from .parse.log import Log

__all__ = ["LogError", "VERSION", "read"]

VERSION = "1.0"


def read(
    path: str | os.PathLike[str],
    columns: Iterable[str] | None = None,
    meanwhile: Callable[[], None] = lambda: None,
) -> Log:
    """Read a log, of `user` or of another recorder, into columns.

    path: of the log, which may be compressed by gzip, xz or zstd; "-": standard input.
    columns: names of those to read, which Log.to_pandas() lists; None: all. time_ns, address and
    pid are always read. meanwhile: called while helper processes read a large log.

    A damaged log is read as far as possible; to_pandas() warns of what is missing. Raises OSError
    if the file can't be read, and LogError if it can't be decompressed, is a tar archive, or a
    column has no such name.
    """
    # Only here: numpy takes most of the time of an import.
    from .parse.read import read_log
    from .parse.log import COLUMNS
    from .parse.source import open_log

    wanted = set(COLUMNS if columns is None else columns)
    if wrong := sorted(wanted - set(COLUMNS)):
        raise LogError(
            f"no column {', '.join(wrong)}: choose from {', '.join(COLUMNS)}"
        )
    with open_log(os.fspath(path)) as file:
        return read_log(file, wanted, meanwhile=meanwhile, name=os.fspath(path))
