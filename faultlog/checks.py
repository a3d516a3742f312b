# SPDX-License-Identifier: GPL-2.0-or-later
"""Is all there that happened, and does the log agree with itself?"""

from __future__ import annotations

from dataclasses import dataclass

from .log import Log, LogError
from .words import plural


@dataclass(frozen=True)
class Verdict:
    """What must be said of a log beside its faults, each in words of its own."""

    losses: list[str]  # what happened and is not in it
    says_complete: bool  # it has a summary, and lost nothing

    def lines(self) -> list[str]:
        """All of it, each with its heading."""
        return ["Not complete: " + ", ".join(self.losses)] if self.losses else []


def examine(log: Log) -> Verdict:
    """Judge a whole log, before any filter."""
    lost = losses(log)
    return Verdict(losses=lost, says_complete=bool(log.summary) and not lost)


def losses(log: Log) -> list[str]:
    """What is missing in the log, in words; empty if all that happened is there."""
    told = [
        f"{log.count(key):,} {key}"
        for key in ("dropped", "overwritten", "missed")
        if log.count(key)
    ]
    kept = log.count("recorded") - log.count("overwritten")
    if len(log) < kept:
        told.append(f"{kept - len(log):,} recorded but not in this log")
    if log.oddities.nr_bad:
        bad = plural(log.oddities.nr_bad, "bad line")
        told.append(f"{bad} left out, the first is line {log.oddities.first_bad}")
    if not log.summary and is_new(log):
        told.append("the log has no summary, a part may be missing")
    if log.oddities.source:
        told.append(log.oddities.source)
    return told


def is_new(log: Log) -> bool:
    """Is it more than a log of 2020, which has nothing but the faults?"""
    return bool(log.head or (log.tid is not None and log.told("tid").any()))


def require_faults(log: Log, name: str) -> None:
    """Raise LogError, with the reason, if there is no fault in it."""
    if len(log):
        return
    if log.summary.get("recorded") == 0:
        lost = "".join(f", {text}" for text in losses(log))
        raise LogError(f"{name}: nothing was recorded (recorded=0{lost})")
    if log.head:
        raise LogError(f"{name}: no fault follows the head of the log")
    raise LogError(f"{name}: no page fault in it; is it a log of pf_probe_X?")
