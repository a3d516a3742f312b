# SPDX-License-Identifier: GPL-2.0-or-later
"""Which recording a log is of, so that those of many machines can be in one table."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from .log import Log

ID_CHARS = 16


@dataclass(frozen=True)
class Recording:
    """What each row of a table says of where it comes from; "": the log doesn't know."""

    host: str
    boot: str  # when CLOCK_MONOTONIC was 0, UTC; the clock may have been set since
    recording: str  # the same for the same log, whatever it is called


def of_log(log: Log, name: str) -> Recording:
    """Which recording it is; name: of the log, which must do where it has no head."""
    head = log.head
    told = json.dumps(head, sort_keys=True) if head else name
    digest = hashlib.sha256(told.encode("utf-8", "surrogateescape")).hexdigest()
    return Recording(head.get("host", ""), _boot(log), digest[:ID_CHARS])


def _boot(log: Log) -> str:
    """By the head's epoch and loaded, to the second: 2026-11-24T23:58:39Z."""
    epoch = log.head.get("epoch", "")
    if log.loaded_ns is None or not re.fullmatch(r"\d{1,11}(\.\d{0,9})?", epoch):
        return ""
    whole, _, part = epoch.partition(".")
    boot_ns = int(whole) * 10**9 + int(part.ljust(9, "0")) - log.loaded_ns
    try:
        boot = datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(
            seconds=(boot_ns + 5 * 10**8) // 10**9
        )
    except OverflowError:
        return ""
    return boot.strftime("%Y-%m-%dT%H:%M:%SZ")
