# SPDX-License-Identifier: GPL-2.0-or-later
"""Identifies the recording that a log contains, so that one table can have many of them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import timedelta

from . import clock
from .log import Log

ID_CHARS = 16


@dataclass(frozen=True)
class Recording:
    """Where a row of a table comes from; "": not in the log."""

    host: str
    boot: str  # when CLOCK_MONOTONIC was 0, UTC; wrong if the clock was set later
    recording: str  # a hash of the log's head, so independent of the log's name


def of_log(log: Log, name: str) -> Recording:
    """Identify a log's recording; name: of the log, used if it has no head."""
    head = log.head
    identity = json.dumps(head, sort_keys=True) if head else name
    digest = hashlib.sha256(identity.encode("utf-8", "surrogateescape")).hexdigest()
    return Recording(head.get("host", ""), _boot(log), digest[:ID_CHARS])


def _boot(log: Log) -> str:
    """The time of boot from the head's epoch and loaded, to the second: 2026-11-24T23:58:39Z."""
    boot_ns = clock.boot_ns(log)
    if boot_ns is None:
        return ""
    try:
        boot = clock.EPOCH + timedelta(seconds=(boot_ns + 5 * 10**8) // 10**9)
    except OverflowError:
        return ""
    return boot.strftime("%Y-%m-%dT%H:%M:%SZ")
