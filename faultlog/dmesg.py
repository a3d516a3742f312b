# SPDX-License-Identifier: GPL-2.0-or-later
"""Faults that pf_probe_A printed, in the kernel's own log, made lines of a log.

What is before them is left out: stamps of dmesg (also -T, -e, -x, --raw, --time-format iso, or
none), of journalctl -k and of syslog.
"""

from __future__ import annotations

import re

# Each of bounded length, as the text is anybody's.
LEVEL = rb"(?:<\d{1,3}>|[a-z]{1,9} {0,9}:[a-z]{1,9} {0,9}: ?)?"
BRACKETS = rb"(?:\[[ -Z^-~]{1,40}\]){1,3} "
DATE = rb"(?:\d{4}-\d\d-\d\dT[-+:,.\dZ]{8,24}|[A-Z][a-z]{2} [ \d]\d [:.\d]{8,16}) "
HOST = rb"[!-~]{1,255} kernel: "
STAMP = rb"%s(?:%s|%s)?(?:%s)?(?:%s)?" % (LEVEL, BRACKETS, DATE, HOST, BRACKETS)
PRINTED = re.compile(
    rb"^(?=[<\[\da-zA-Z])(?!PID =|\d{1,20}::)%s(?:pf_probe_[A-Z]: )?"
    rb"(?= {0,20}(?:\d{1,20}:: {1,20})?PID =)" % STAMP,
    re.MULTILINE,
)
# What the module reports of the recording, as head, summary and more of that.
REPORTS = (
    (rb"tracking process (\d{1,9}) \((\S*)\).*", rb"# pf_probe_A pid=\1 comm=\2"),
    (rb"(recorded=\d.*)", rb"# \1"),
    (rb"((?:unseen|abandoned|unfinished)=\d{1,20}):.*", rb"# more \1"),
)
REPORTED = [
    (re.compile(rb"^%spf_probe_A: %s$" % (STAMP, what), re.MULTILINE), line)
    for what, line in REPORTS
]
OF_A_FAULT = (b"PID =", b"Page Fault at")  # or what is left of it


def as_log(text: bytes) -> tuple[bytes, int]:
    """Text of whole lines, as a log has them; and how many faults were otherwise."""
    text, nr_printed = PRINTED.subn(b"", text)
    for pattern, line in REPORTED:
        text = pattern.sub(line, text)
    return text, nr_printed


def can_be_other(line: bytes) -> bool:
    """May it be a line of the kernel's that is of no fault?"""
    return b"\0" not in line and not any(words in line for words in OF_A_FAULT)
