# SPDX-License-Identifier: GPL-2.0-or-later
"""Converts what pf_probe_A printed to the kernel's log into the lines of a log of ours.

Prefixes are removed: those of dmesg (any of its formats: -T, -e, -x, --raw, --time-format iso,
or none), of journalctl -k and of syslog.
"""

from __future__ import annotations

import re

# Each part has a bounded length, because the text may be hostile.
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
# What the module reports about the recording: becomes the head, the summary, more summary.
REPORTS = (
    (
        rb"(?:recording|tracking) process (\d{1,9}) \((\S*)\).*",
        rb"# pf_probe_A pid=\1 comm=\2",
    ),
    (rb"(recorded=\d.*)", rb"# \1"),
    (rb"((?:unseen|abandoned|unfinished)=\d{1,20}):.*", rb"# more \1"),
)
REPORTED = [
    (re.compile(rb"^%spf_probe_A: %s$" % (STAMP, what), re.MULTILINE), line)
    for what, line in REPORTS
]
OF_A_FAULT = (b"PID =", b"Page Fault at")  # even a damaged line has one of them


def as_log(text: bytes) -> tuple[bytes, int]:
    """Convert text of whole lines; also returns how many fault lines had a prefix removed."""
    text, nr_printed = PRINTED.subn(b"", text)
    for pattern, line in REPORTED:
        text = pattern.sub(line, text)
    return text, nr_printed


def can_be_other(line: bytes) -> bool:
    """Whether the line may be one of the kernel's other messages."""
    return b"\0" not in line and not any(words in line for words in OF_A_FAULT)
