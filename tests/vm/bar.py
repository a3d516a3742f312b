# SPDX-License-Identifier: GPL-2.0-or-later
"""A bar on the terminal for work that takes over a second: what is done, its rate, time left.

It is drawn on standard error by python3-tqdm.  Without a terminal, or without that package,
nothing is drawn.  Lines that are printed meanwhile go through say(), which removes the bar.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import IO, Any, Optional, TextIO, Union

DELAY_S = 1.0  # what is done sooner gets no bar
EVERY_S = 0.3

Left = Callable[[], Optional[float]]


@dataclass(eq=False)
class Stage:
    """A part of the work.

    `total`: in units; 0 if it is unknown.
    `poll`: returns how much is done; without it, add() counts that.
    `left_s`: returns the seconds left, or None; without it, they follow from the rate.
    """

    what: str
    total: float = 0
    unit: str = ""
    poll: Callable[[], float] | None = None
    left_s: Left | None = None
    begun_s: float = field(default_factory=time.monotonic)
    nr_done: float = 0

    def add(self, count: float = 1) -> None:
        """So much more is done."""
        self.nr_done += count

    @property
    def done(self) -> float:
        """How much is done, at most the total."""
        done = self.poll() if self.poll else self.nr_done
        return min(done, self.total) if self.total else done

    @property
    def form(self) -> str | None:
        """tqdm's format of the line; None is tqdm's own, with a rate."""
        if self.left_s is None:
            return None if self.unit else "{desc}: {elapsed}"
        count = "{n_fmt}/{total_fmt}{unit} " if self.unit else ""
        head = "{l_bar}{bar}| " if self.total else "{desc}: "
        return f"{head}{count}[{{elapsed}}{{postfix}}]"


class _Terminal:
    """What is shown: the bar of the stage that began last."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.stages: list[Stage] = []
        self.shown: Stage | None = None
        self.bar: Any = None
        self.stream: TextIO = sys.stderr
        self.ended = threading.Event()

    def begin(self, stage: Stage) -> None:
        with self.lock:
            if not self.stages:
                self.stream = sys.stderr  # may be replaced meanwhile, see matrix.py
                self.ended = threading.Event()
                draw = threading.Thread(target=self.run, args=(self.ended,))
                draw.daemon = True
                draw.start()
            self.stages.append(stage)

    def end(self, stage: Stage) -> None:
        with self.lock:
            self.stages.remove(stage)
            if self.shown is stage:
                self.erase()
            if not self.stages:
                self.ended.set()

    def run(self, ended: threading.Event) -> None:
        """Draw the bar now and then."""
        while not ended.wait(EVERY_S):
            with self.lock:
                try:
                    if not ended.is_set():
                        self.draw(self.stages[-1])
                # The terminal is closed, tqdm is not installed, or a stage's poll() fails: whatever
                # it is, the thread would print a traceback among the lines.
                except Exception:  # pylint: disable=broad-exception-caught
                    self.erase()
                    return

    def draw(self, stage: Stage) -> None:
        if time.monotonic() - stage.begun_s < DELAY_S:
            return
        if self.shown is not stage or self.bar is None:
            self.erase()
            self.bar, self.shown = _tqdm(stage, self.stream), stage
        if stage.left_s:
            left_s = stage.left_s()
            text = "" if left_s is None else f"about {_words(left_s)} left"
            self.bar.set_postfix_str(text, refresh=False)
        self.bar.n = stage.done
        self.bar.refresh()

    def erase(self) -> None:
        """Remove the bar; it may be drawn again later."""
        bar, self.bar, self.shown = self.bar, None, None
        if bar is not None:
            with suppress(Exception):  # as in run(); the work goes on without a bar
                bar.close()


_terminal = _Terminal()


def _tqdm(stage: Stage, stream: TextIO) -> Any:
    """A bar that began with its stage; raises ImportError without tqdm."""
    from tqdm import tqdm

    class Bar(tqdm):
        """A bar without a thread of its own, and without a lock between processes."""

        monitor_interval = 0

    Bar.set_lock(threading.RLock())
    bar = Bar(
        total=stage.total or None,
        desc=stage.what,
        unit=stage.unit,
        unit_scale=stage.unit == "B",
        bar_format=stage.form,
        leave=False,
        file=stream,
        ascii="UTF-8" not in (stream.encoding or "").upper(),
        dynamic_ncols=True,
        miniters=0,
        smoothing=0,
        delay=EVERY_S,  # so that it is not drawn before its start is set
    )
    bar.start_t -= time.monotonic() - stage.begun_s
    return bar


def _words(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"


def is_on() -> bool:
    """Whether standard error is a terminal that can show a bar."""
    try:
        has_codes = os.environ.get("TERM", "dumb") != "dumb"
        return has_codes and os.isatty(sys.stderr.fileno())
    except (AttributeError, OSError, ValueError):
        return False


@contextmanager
def stage(
    what: str,
    total: Union[float, Callable[[], float]] = 0,
    unit: str = "",
    poll: Callable[[], float] | None = None,
    left_s: Left | None = None,
) -> Iterator[Stage]:
    """Show a part of the work meanwhile, see Stage; a `total` to call is only called for a bar.

    Of a stage within another one, only the inner one is shown.
    """
    if not is_on():
        yield Stage(what)
        return
    one = Stage(what, total() if callable(total) else total, unit, poll, left_s)
    _terminal.begin(one)
    try:
        yield one
    finally:
        _terminal.end(one)


@contextmanager
def hidden() -> Iterator[None]:
    """Remove the bar, so that something can be printed."""
    with _terminal.lock:
        _terminal.erase()
        yield


def say(text: str, file: IO[str] | None = None) -> None:
    """Print a line, on standard output or `file`; a bar is removed before."""
    with hidden():
        print(text, file=file or sys.stdout, flush=True)
