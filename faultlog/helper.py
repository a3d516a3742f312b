# SPDX-License-Identifier: GPL-2.0-or-later
"""Work done by processes beside us, one for each processor."""

from __future__ import annotations

import os
import pickle
import signal
from contextlib import suppress
from functools import partial
from itertools import islice
from typing import Callable, Generic, Iterator, NoReturn, Sequence, TypeVar

S, T = TypeVar("S"), TypeVar("T")
MAX_HELPERS = 8  # what they give is taken by one


def nr_helpers() -> int:
    """As many as there are processors that we may use; none besides our own."""
    nr_processors = min(len(os.sched_getaffinity(0)), MAX_HELPERS)
    return nr_processors if nr_processors > 1 else 0


class Helper(Generic[T]):
    """A fork of this process that does some work and tells what comes of it, piece by piece.

    It has all that we have, so nothing has to be handed to it, and doesn't outlive us: what
    it tells goes into a pipe. (Processes of concurrent.futures are left behind if we are
    killed, and take longer to import than a small log to read.)
    """

    def __init__(self, work: Callable[[], Iterator[T]]) -> None:
        self.work = work
        self.nr_told = 0
        self.own: Iterator[T] | None = None  # ours, if it has failed
        self.pid = 0
        ours, theirs = os.pipe()
        with suppress(OSError):  # no process to be had: as if it had failed
            self.pid = os.fork()
            if not self.pid:
                os.close(ours)
                _help(work, theirs)
        os.close(theirs)
        self.pipe = open(ours, "rb")

    def next(self) -> T:
        """The next piece. If the helper has failed, the work is done here, up to that piece.

        So whatever went wrong, such as no memory, is told as if there were no helper.
        """
        if self.own is None:
            try:
                piece = pickle.load(self.pipe)
                self.nr_told += 1
                return piece
            except (EOFError, pickle.UnpicklingError):
                self.own = islice(self.work(), self.nr_told, None)
        return next(self.own)

    def end(self) -> None:
        """Let it go, whatever it does."""
        self.pipe.close()
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
            self.pid = 0


def _help(work: Callable[[], Iterator[T]], pipe: int) -> NoReturn:
    """Be the helper. Whatever happens, it ends here: what has called us is the parent's."""
    try:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # the parent tells of it
        with open(pipe, "wb") as out:
            for piece in work():
                pickle.dump(piece, out, protocol=5)
                out.flush()
    finally:
        os._exit(0)


class Helpers(Generic[S, T]):
    """What a function makes of each item, in their order; helpers take turns with them.

    They begin at once, and are gone behind the with statement that this is for.
    """

    def __init__(self, function: Callable[[S], T], items: Sequence[S]) -> None:
        self.function, self.items = function, items
        self.helpers: list[Helper[T]] = []

    def __enter__(self) -> Iterator[T]:
        nr = min(nr_helpers(), len(self.items))
        for i in range(nr):
            self.helpers.append(Helper(partial(map, self.function, self.items[i::nr])))
        return self._results()

    def __exit__(self, *_error: object) -> None:
        for helper in self.helpers:
            helper.end()

    def _results(self) -> Iterator[T]:
        if not self.helpers:
            yield from map(self.function, self.items)
        for i in range(len(self.items) if self.helpers else 0):
            yield self.helpers[i % len(self.helpers)].next()
