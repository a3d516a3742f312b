# SPDX-License-Identifier: GPL-2.0-or-later
"""Helper processes, one for each processor."""

from __future__ import annotations

import os
import pickle
import signal
from contextlib import suppress
from functools import partial
from itertools import islice
from typing import Callable, Generic, Iterator, NoReturn, Sequence, TypeVar

from . import progress

S = TypeVar("S")
T = TypeVar("T")
MAX_HELPERS = 8  # one process takes all their results


def nr_helpers() -> int:
    """The number of usable processors; 0 if there is only one."""
    nr_processors = min(len(os.sched_getaffinity(0)), MAX_HELPERS)
    return nr_processors if nr_processors > 1 else 0


class Helper(Generic[T]):
    """A fork of this process that works and sends its results, piece by piece.

    It has a copy of all data here, so it needs no input. It writes to a pipe, so it ends if
    this process ends. (Processes of concurrent.futures stay if this process is killed, and
    importing them takes longer than reading a small log.)
    """

    def __init__(self, work: Callable[[], Iterator[T]], number: int = 1) -> None:
        """number: of this helper among those that work at the same time, from 1."""
        self.work = work
        self.nr_pieces = 0
        self.own: Iterator[T] | None = None  # made here, if the helper has failed
        self.pid = 0
        ours, theirs = os.pipe()
        with suppress(OSError):  # without a process, as if it had failed
            self.pid = os.fork()
            if not self.pid:
                os.close(ours)
                progress.use_slot(number)
                _help(work, theirs)
        os.close(theirs)
        self.pipe = open(ours, "rb")

    def next(self) -> T:
        """The next piece. If the helper has failed, the work is done again, in this process.

        So an error, as of memory, is reported as it would be without helpers.
        """
        if self.own is None:
            try:
                piece = pickle.load(self.pipe)
                self.nr_pieces += 1
                return piece
            except (EOFError, pickle.UnpicklingError):
                self.own = islice(self.work(), self.nr_pieces, None)
        return next(self.own)

    def end(self) -> None:
        """End it, whatever it does."""
        self.pipe.close()
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
            self.pid = 0


def _help(work: Callable[[], Iterator[T]], pipe: int) -> NoReturn:
    """Work as the helper. It always ends here: the callers belong to the parent."""
    try:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # the parent reports it
        with open(pipe, "wb") as out:
            for piece in work():
                pickle.dump(piece, out, protocol=5)
                out.flush()
    finally:
        os._exit(0)


class Helpers(Generic[S, T]):
    """The results of a function for all items, in order; each helper takes every nth item.

    For a with statement: the helpers start at its begin, and are gone after it.
    """

    def __init__(self, function: Callable[[S], T], items: Sequence[S]) -> None:
        self.function, self.items = function, items
        self.helpers: list[Helper[T]] = []

    def __enter__(self) -> Iterator[T]:
        nr = min(nr_helpers(), len(self.items))
        for i in range(nr):
            self.helpers.append(Helper(partial(self._work, i, nr), number=i + 1))
        return self._results()

    def __exit__(self, *_error: object) -> None:
        for helper in self.helpers:
            helper.end()

    def _work(self, first: int, step: int) -> Iterator[T]:
        return map(self.function, self.items[first::step])

    def _results(self) -> Iterator[T]:
        if not self.helpers:
            yield from map(self.function, self.items)
        for i in range(len(self.items) if self.helpers else 0):
            yield self.helpers[i % len(self.helpers)].next()
