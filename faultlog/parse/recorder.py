# SPDX-License-Identifier: GPL-2.0-or-later
"""What the readers of other recorders' text have in common: they make lines of a log of ours.

Each line of the text becomes one line, so that numbers of lines stay right: a fault, an event, an
empty line for what says nothing about faults, or BAD. The traced processes choose their names, so
every pattern is bounded, and names are escaped like the modules escape them.
"""

from __future__ import annotations

import re
from functools import lru_cache

from .log import COLUMNS

BAD = b"PID ="  # the beginning of a fault's line: it counts as a bad one
KEYS = {name: name.encode() for name in COLUMNS}
MAX_NAME = 4096  # bytes; of longer names nothing is kept
ESCAPED = re.compile(rb"[\0-\x20\x7f\\]")
NO_PID = b"%d" % COLUMNS["pid"].unknown
NO_ADDRESS = b"%x" % COLUMNS["address"].unknown


@lru_cache(maxsize=4096)
def escaped(name: bytes) -> bytes:
    """A name as a word of a log; b"" if it is too long."""
    if len(name) > MAX_NAME:
        return b""
    return ESCAPED.sub(lambda found: b"\\%03o" % found[0][0], name)


def fault(
    time_ns: bytes, pid: bytes | None, address: bytes | None, **keys: bytes
) -> bytes:
    """The line of a fault; address: hexadecimal digits; None: missing.

    keys: in the order of COLUMNS, which is read fastest; without those that are missing.
    """
    line = b"PID = %b Page Fault at Address 0x%b at Time %b" % (
        pid or NO_PID,
        address or NO_ADDRESS,
        time_ns,
    )
    for key, value in keys.items():
        if value:
            line += b" %b=%b" % (KEYS[key], value)
    return line


class Recorder:
    """Converts the text of one recorder, line by line; a subclass for each."""

    name = ""  # for people
    # Finds a line that only this recorder writes.
    START: re.Pattern[bytes]
    # In every line of a fault, even if it is damaged.
    OF_A_FAULT: tuple[bytes, ...] = ()

    def __init__(self) -> None:
        self.nr_lost = 0  # events that the recorder reports as lost
        self.has_lost = False  # it also reports a loss without a number
        self.nr_unsampled = 0  # faults that recorded ones stand for
        # Kinds of events; each fault causes one of each kind.
        self.kinds: set[bytes | None] = set()

    def line(self, line: bytes) -> bytes:
        """Convert a line, without its newline."""
        raise NotImplementedError

    def end(self) -> bytes:
        """The line of a fault whose last line has been read; b"" for none."""
        return b""

    def other(self, line: bytes) -> bytes:
        """Convert a line that is no fault."""
        return BAD if any(words in line for words in self.OF_A_FAULT) else b""
