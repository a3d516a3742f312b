# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads the kernel's events page_fault_user and page_fault_kernel as text.

It is the text of trace-cmd report, and of the kernel's files trace and trace_pipe.
"""

from __future__ import annotations

import re

from .recorder import Recorder, escaped, fault

# The comm has up to 15 bytes. The process, in parentheses, and the flags may be missing.
TASK = (
    rb"(?P<comm>.{0,32})-(?P<tid>\d{1,10}) {1,20}"
    rb"(?:\( {0,20}(?P<pid>\d{1,10}|-{1,10})\) {1,20})?\[(?P<cpu>\d{1,5})\] {1,20}"
    rb"(?:[^ \d][^ ]{0,11} {1,20})?"
    rb"(?P<seconds>\d{1,10})\.(?P<part>\d{6}(?:\d{3})?): {1,80}"
)
EVENT = rb"(?:exceptions:)?page_fault_(?P<mode>user|kernel): "
FIELDS = re.compile(
    rb" {0,80}address=(?:0x(?P<address>[0-9a-f]{1,16})|\S{1,256}) "
    rb"ip=(?:0x(?P<ip>[0-9a-f]{1,16})|(?P<function>\S.{0,255})) "
    rb"error_code=(?:0x)?(?P<error>[0-9a-f]{1,16})\s*$"
)
LOST = re.compile(
    rb"CPU:? ?\d{1,5} \[(?:LOST )?(?:(\d{1,18}) )?EVENTS(?: DROPPED)?\]\s*$"
)
WRITTEN = re.compile(rb"# entries-in-buffer/entries-written: (\d{1,18})/(\d{1,18}) ")
# Of x86's error code. RISC-V has numbers of exceptions instead, which all have the bit RESERVED.
WRITE, RESERVED, FETCH = 2, 8, 16
OFFSET = re.compile(rb"\+0x[0-9a-f]{1,16}(?:/0x[0-9a-f]{1,16})?(?: \[[^ ]{1,64}\])?$")


def keys_of(fields: re.Match[bytes]) -> tuple[bytes | None, dict[str, bytes]]:
    """The address, in digits, and keys of a fault's line, by a match of FIELDS."""
    error = int(fields["error"], 16)
    access = b""
    if not error & RESERVED:
        access = b"write" if error & WRITE else b"exec" if error & FETCH else b"read"
    function = fields["function"] or b""
    return fields["address"], {
        "ip": b"0x" + fields["ip"] if fields["ip"] else b"",
        "access": access,
        "function": escaped(OFFSET.sub(b"", function)),
    }


class Ftrace(Recorder):
    """trace-cmd report, trace, trace_pipe."""

    name = "ftrace"
    START = re.compile(rb"^" + TASK + EVENT, re.MULTILINE)
    OF_A_FAULT = (b": page_fault_user:", b": page_fault_kernel:")
    LINE = re.compile(TASK + EVENT)

    def line(self, line: bytes) -> bytes:
        """Convert a line."""
        found = self.LINE.match(line)
        fields = found and FIELDS.match(line, found.end())
        if not found or not fields:
            return self._other(line)
        address, keys = keys_of(fields)
        pid = found["pid"]
        return fault(
            found["seconds"] + found["part"].ljust(9, b"0"),
            pid if pid and pid.isdigit() else None,
            address,
            tid=found["tid"],
            cpu=found["cpu"],
            ip=keys["ip"],
            access=keys["access"],
            mode=found["mode"],
            comm=escaped(found["comm"].strip()),
            function=keys["function"],
        )

    def _other(self, line: bytes) -> bytes:
        lost = LOST.match(line)
        if lost:
            self.nr_lost += int(lost[1] or 0)
            self.has_lost |= not lost[1]
            return b""
        written = WRITTEN.match(line)
        if written:
            self.nr_lost += max(int(written[2]) - int(written[1]), 0)
            return b""
        return self.other(line)
