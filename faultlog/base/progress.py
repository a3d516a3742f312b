# SPDX-License-Identifier: GPL-2.0-or-later
"""A bar on the terminal for work that takes over a second: how much is done, its rate, time left.

Work counts what it has done; a timer's signal shows the counts, so that a bar moves also while this
process waits for helpers. python3-tqdm draws it; without that package there is no bar, and without
a terminal on standard error nothing is done at all.
"""

from __future__ import annotations

import mmap
import os
import signal
import sys
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Iterator, TypeVar

import numpy as np

from .arrays import NDArray

if TYPE_CHECKING:
    from tqdm import tqdm

T = TypeVar("T")
DELAY_S = 1.0  # what is done sooner gets no bar
EVERY_S = 0.2
NR_SLOTS = 64  # of counts; more than helper processes


@dataclass(eq=False)
class Stage:
    """A part of the work."""

    what: str
    total: int | None  # None: unknown
    unit: str  # "": nothing is counted, so only the time is shown
    each: int  # counts that are one unit
    began: float = field(default_factory=time.monotonic)
    # Counts of this process and of each helper, in memory that they share; int64 (NR_SLOTS,).
    counts: NDArray[np.int64] = field(
        default_factory=lambda: np.frombuffer(mmap.mmap(-1, 8 * NR_SLOTS), np.int64)
    )

    @property
    def done(self) -> int:
        """The units that all processes have done, at most the total."""
        done = int(self.counts.sum()) // self.each
        return done if self.total is None else min(done, self.total)


class _Terminal:
    """What is shown: the bar of the innermost stage."""

    def __init__(self) -> None:
        self.is_on = False
        self.is_drawing = False  # then what is written on standard error is the bar
        self.slot = 0  # of this process
        self.stages: list[Stage] = []
        self.shown: Stage | None = None
        self.bar: tqdm | None = None

    def tick(self, *_signal: object) -> None:
        """Draw the bar, if it is time for one. It must not fail: any code may be interrupted."""
        stage = self.stages[-1] if self.stages else None
        if self.is_drawing or not stage or time.monotonic() - stage.began < DELAY_S:
            return
        self.is_drawing = True
        try:
            if self.shown is not stage:
                self._erase()
                self.bar, self.shown = _bar(stage), stage
            if self.bar is not None:
                self.bar.n = stage.done
                self.bar.refresh()
        except Exception:  # pylint: disable=broad-exception-caught
            # Such as a closed terminal, or tqdm is not installed.
            self.stages.clear()
        finally:
            self.is_drawing = False

    def erase(self) -> None:
        """Remove the bar; the next tick may draw it again."""
        if self.is_drawing or self.bar is None:
            return
        self.is_drawing = True
        try:
            self._erase()
        finally:
            self.is_drawing = False

    def _erase(self) -> None:
        bar, self.bar, self.shown = self.bar, None, None
        if bar is not None:
            with suppress(OSError, ValueError):
                bar.close()


_terminal = _Terminal()


def _bar(stage: Stage) -> tqdm:
    """A bar that began with its stage; raises ImportError without tqdm."""
    from .libraries import libraries

    with libraries():
        from tqdm import tqdm

    class Bar(tqdm):
        """A bar without a thread and a lock between processes, as this process forks."""

        monitor_interval = 0

    Bar.set_lock(threading.RLock())
    bar = Bar(
        total=stage.total,
        desc=stage.what,
        unit=stage.unit,
        unit_scale=True,
        bar_format=None if stage.unit else "{desc}: {elapsed}",
        leave=False,
        file=sys.stderr,
        ascii="UTF-8" not in (sys.__stderr__.encoding or "").upper(),
        dynamic_ncols=True,
        miniters=0,
        smoothing=0,
        delay=EVERY_S,  # so that it is not drawn before its start is set
    )
    bar.start_t -= time.monotonic() - stage.began
    return bar


@contextmanager
def on_terminal() -> Iterator[None]:
    """Show bars meanwhile, if standard error is a terminal."""
    if not _is_terminal() or threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGALRM, _terminal.tick)
    _terminal.is_on = True
    signal.setitimer(signal.ITIMER_REAL, DELAY_S, EVERY_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        _terminal.is_on = False
        _terminal.stages.clear()
        _terminal.erase()


def _is_terminal() -> bool:
    try:
        has_codes = os.environ.get("TERM", "dumb") != "dumb"
        return has_codes and os.isatty(sys.stderr.fileno())
    except (AttributeError, OSError):
        return False


@contextmanager
def stage(
    what: str, total: int | None = None, unit: str = "", each: int = 1
) -> Iterator[None]:
    """Show a part of the work, of total units; add() counts parts of a unit, of which it has each.

    Of a stage within another one, only the inner one is shown.
    """
    if not _terminal.is_on:
        yield
        return
    one = Stage(what, total or None, unit, each)
    _terminal.stages.append(one)
    try:
        yield
    finally:
        if one in _terminal.stages:
            _terminal.stages.remove(one)
        if _terminal.shown is one:
            _terminal.erase()


def add(count: int) -> None:
    """So much more of the innermost stage is done."""
    if _terminal.stages:
        _terminal.stages[-1].counts[_terminal.slot] += count


def _reach(count: int) -> None:
    """So much of the innermost stage is done, whatever was counted before."""
    if _terminal.stages:
        _terminal.stages[-1].counts[:] = 0
        add(count)


def use_slot(number: int) -> None:
    """In a helper: count beside the other processes; number: that of the helper, from 1."""
    _terminal.slot = number % NR_SLOTS


def in_turn(what: str, sizes: dict[T, int], unit: str, each: int = 1) -> Iterator[T]:
    """The keys of sizes, as a stage in which each key has so many units, whatever is counted."""
    with stage(what, sum(sizes.values()), unit, each):
        nr_done = 0
        for key, size in sizes.items():
            _reach(nr_done * each)
            yield key
            nr_done += size


def before_message() -> None:
    """Something else is written on the terminal: remove the bar first."""
    _terminal.erase()
