# SPDX-License-Identifier: GPL-2.0-or-later
"""How long tests took the last time, kept in the cache, and how long the rest of a run takes."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import kernel


def _file(name: str) -> Path:
    return kernel.cache_dir() / "durations" / f"{name}.json"


def known(name: str) -> dict[str, float]:
    """Seconds of each test of a kind of run; empty if none is known."""
    try:
        kept = json.loads(_file(name).read_text())
        return {str(test): float(seconds) for test, seconds in kept.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def keep(name: str, spent_s: dict[str, float]) -> None:
    """Remember the seconds of these tests; without a place for it, nothing is kept."""
    path = _file(name)
    new = path.with_name(f"{path.name}.{os.getpid()}")
    rounded = {test: round(seconds, 1) for test, seconds in spent_s.items()}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        new.write_text(json.dumps({**known(name), **rounded}, indent=0))
        os.replace(new, path)
    except OSError:
        pass


class Rest:
    """The tests of a run that have not ended.

    `lanes`: tests that run one after the other; several lanes run at the same time.
    `expected_s`: seconds of each test, as known() returns them.
    """

    def __init__(
        self, lanes: Iterable[Sequence[str]], expected_s: dict[str, float]
    ) -> None:
        self.lanes = [list(lane) for lane in lanes]
        self.nr_tests = sum(map(len, self.lanes))
        self.since_s = [float("inf")] * len(self.lanes)  # when the test began that runs
        self.expected_s = expected_s

    @property
    def nr_ended(self) -> int:
        return self.nr_tests - sum(map(len, self.lanes))

    def begin(self) -> None:
        """The first test of each lane begins."""
        self.since_s = [time.monotonic()] * len(self.lanes)

    def end(self, test: str) -> None:
        """A test has ended."""
        for number, lane in enumerate(self.lanes):
            if test in lane:
                lane.remove(test)
                self.since_s[number] = time.monotonic()

    def end_all(self) -> None:
        """No other test will begin, for example because the guest has crashed."""
        self.lanes = [[] for _ in self.lanes]

    def left_s(self) -> float | None:
        """Seconds until the last test ends; None if a test's duration is not known."""
        if any(test not in self.expected_s for lane in self.lanes for test in lane):
            return None
        now, longest = time.monotonic(), 0.0
        for lane, since_s in zip(self.lanes, self.since_s):
            seconds = [self.expected_s[test] for test in lane]
            if seconds:
                spent = min(max(now - since_s, 0), seconds[0])  # of the test that runs
                longest = max(longest, sum(seconds) - spent)
        return longest


def left_s(rests: Sequence[Rest], nr_at_once: int) -> float | None:
    """Seconds until several runs end, so many of which run at once; None if not known."""
    seconds = [rest.left_s() for rest in rests]
    known_s = [x for x in seconds if x is not None]
    if len(known_s) < len(seconds):
        return None
    return max(*known_s, sum(known_s) / nr_at_once, 0)
