# SPDX-License-Identifier: GPL-2.0-or-later
"""Converts columns of numbers to text; lines.py does the opposite.

A text is a row of bytes, in which zeros stand for nothing. So columns can be put side by side,
and the zeros of all rows are removed at once.
"""

from __future__ import annotations

import numpy as np

from ..base.arrays import NDArray

FOURS = np.array([b"%04d" % i for i in range(10**4)]).view(np.uint32)
PAIRS = np.array([b"%02x" % i for i in range(256)]).view(np.uint16)
POWERS = np.array([10**n for n in range(1, 20)], dtype=np.uint64)
HEX_POWERS = np.array([16**n for n in range(1, 16)], dtype=np.uint64)


def decimal(values: NDArray[np.uint64], least: int = 1) -> NDArray[np.uint8]:
    """Decimal numbers of at least least digits; uint64 (n,) to uint8 (n, width)."""
    nr_fours = (len(str(int(values.max(initial=0)))) + 3) // 4
    fours = np.empty((len(values), nr_fours), dtype=np.uint32)
    left = values
    for i in reversed(range(nr_fours)):
        above = left // np.uint64(10**4)
        fours[:, i] = FOURS[(left - above * np.uint64(10**4)).view(np.int64)]
        left = above
    return _without_zeros(fours.view(np.uint8), values, POWERS, least)


def hexadecimal(values: NDArray[np.uint64]) -> NDArray[np.uint8]:
    """Hexadecimal numbers, without 0x; uint64 (n,) to uint8 (n, width)."""
    octets = values.astype(">u8").view(np.uint8).reshape(-1, 8)
    nr_octets = max((int(values.max(initial=0)).bit_length() + 7) // 8, 1)
    pairs = PAIRS[octets[:, 8 - nr_octets :]]
    return _without_zeros(pairs.view(np.uint8), values, HEX_POWERS, 1)


def _without_zeros(
    text: NDArray[np.uint8],
    values: NDArray[np.uint64],
    powers: NDArray[np.uint64],
    least: int,
) -> NDArray[np.uint8]:
    """The text of these values without leading zeros."""
    width = text.shape[1]
    nr_digits = np.maximum(np.searchsorted(powers, values, side="right") + 1, least)
    first = (width - nr_digits).astype(np.int8)
    text *= np.arange(width, dtype=np.int8) >= first[:, None]
    return text[:, int(first.min(initial=0)) :]


def constant(text: bytes, nr_rows: int) -> NDArray[np.uint8]:
    """The same text in each row; uint8 (nr_rows, len(text))."""
    row = np.frombuffer(text, dtype=np.uint8)
    return np.broadcast_to(row, (nr_rows, len(row)))


def replaced(
    text: NDArray[np.uint8], which: NDArray[np.bool_], other: bytes
) -> NDArray[np.uint8]:
    """The texts, with other in the rows of which, bool (n,)."""
    if not which.any():
        return text
    room = max(len(other) - text.shape[1], 0)
    text = np.pad(text, ((0, 0), (0, room)))
    text[which] = np.frombuffer(other.ljust(text.shape[1], b"\0"), dtype=np.uint8)
    return text


def row_texts(*columns: NDArray[np.uint8]) -> list[bytes]:
    """The text of each row of columns, which have no newline."""
    side_by_side = np.concatenate([*columns, constant(b"\n", len(columns[0]))], axis=1)
    return side_by_side.tobytes().translate(None, b"\0").split(b"\n")[:-1]


def interleaved(*lists: list[bytes]) -> bytes:
    """The first of each list, then the second of each ..., joined; lists of equal length."""
    texts: list[bytes] = [b""] * (len(lists) * len(lists[0]))
    for i, some in enumerate(lists):
        texts[i :: len(lists)] = some
    return b"".join(texts)
