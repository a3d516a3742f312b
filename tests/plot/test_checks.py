# SPDX-License-Identifier: GPL-2.0-or-later
"""What a log is told to lack."""

from __future__ import annotations

from faultlog.checks import losses
from logs import HEAD, NEW, OLD, read, summary


def test_losses_are_told():
    text = HEAD + NEW + b"junk\n"
    assert losses(read(HEAD + NEW + summary(1))) == []
    assert losses(read(text + summary(9, 4000, 3, 2))) == [
        "4,000 dropped",
        "3 overwritten",
        "2 missed",
        "5 recorded but not in this log",
        "1 bad line left out, the first is line 3",
    ]
    for part in (HEAD + NEW, NEW):
        assert losses(read(part)) == ["the log has no summary, a part may be missing"]
    assert losses(read(OLD)) == []
