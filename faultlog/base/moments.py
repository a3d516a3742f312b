# SPDX-License-Identifier: GPL-2.0-or-later
"""Which of many changes is the last before a moment, for many moments at a time."""

from __future__ import annotations

from typing import Any

import numpy as np

from .arrays import NDArray

NEVER = -1


def latest(
    key: NDArray[np.integer[Any]],
    order: NDArray[np.int64],
    of: NDArray[np.integer[Any]],
    before: NDArray[np.int64],
) -> NDArray[np.int64]:
    """The last change of a key before each moment: its index, NEVER without any; int64 (n,).

    key, order: of the m changes, (m,); order: distinct, not negative. of, before: the key and
    the moment, (n,); of the changes of this key, that with the largest order below before.
    """
    if not len(key):
        return np.full(len(of), NEVER, dtype=np.int64)
    keys, rank = np.unique(key, return_inverse=True)
    span = np.int64(int(order.max()) + 2)
    steps = rank * span + order
    sort = np.argsort(steps, kind="stable")
    at = np.minimum(np.searchsorted(keys, of), len(keys) - 1)
    wanted = at * span + np.minimum(before, span - 1)
    found = np.searchsorted(steps[sort], wanted, side="left") - 1
    found = sort[np.maximum(found, 0)]
    is_there = (key[found] == of) & (order[found] < before)
    return np.where(is_there, found, NEVER)
