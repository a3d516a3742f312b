# SPDX-License-Identifier: GPL-2.0-or-later
"""The distinct words of a column, and their codes."""

from __future__ import annotations

import os

import numpy as np

from ..base.arrays import NDArray
from ..base.words import plain, unescaped
from .block import Block
from .log import OTHER, Column

MAX_NAME = 4096  # bytes of a name in the text; a longer one is dropped
MAX_NAMES_BYTES = 32 << 20  # of all names of a column; the module keeps half of that


class Names:
    """The distinct words of a column so far, and their codes."""

    SLOT_BITS = 13

    def __init__(self, column: Column) -> None:
        # The traced process chooses names; it must not be able to find two with one hash.
        self.secrets = np.frombuffer(os.urandom(16), dtype=np.uint64) | np.uint64(1)
        self.max_names = column.max_names
        self.codes: dict[bytes, int] = {}
        self.nr_bytes = 0
        self.code_of_hash: dict[int, int] = {}
        # A cache by the first bits of the hash: the whole hash, and the code.
        self.hash_at = np.ones(1 << self.SLOT_BITS, dtype=np.uint64)
        self.hash_at[0] = (
            1 << 63
        )  # no hash of slot 0; the others have 1, which is of slot 0
        self.code_at = np.zeros(1 << self.SLOT_BITS, dtype=np.uint16)
        for name in column.words:
            self.codes[name.encode()] = len(self.codes)

    def __getstate__(self) -> dict[str, object]:
        """What another process needs: the codes, and nothing for finding more."""
        return {"codes": self.codes}

    @property
    def are_too_many(self) -> bool:
        """Did some words become OTHER?"""
        return OTHER.encode() in self.codes

    def codes_of(self, other: Names) -> NDArray[np.uint16]:
        """Our codes by the codes of other, whose new names are added; uint16 (n,)."""
        return np.array([self._code(name) for name in other.codes], dtype=np.uint16)

    def find(
        self, block: Block, start: NDArray[np.int64], end: NDArray[np.int64]
    ) -> NDArray[np.uint16]:
        """The codes of the words block.text[start:end]; new words are added; (n,)."""
        too_long = end - start > MAX_NAME
        value = block.hashes(start, np.where(too_long, start, end), self.secrets)
        slot = (value >> np.uint64(64 - self.SLOT_BITS)).view(np.int64)
        codes = self.code_at[slot]
        is_known = self.hash_at[slot] == value
        if is_known.all():
            return codes
        left = np.flatnonzero(~is_known)
        found, first, which = np.unique(
            value[left], return_index=True, return_inverse=True
        )
        code_of = np.zeros(len(found), dtype=np.uint16)
        for i in np.argsort(first):
            new, at = int(found[i]), left[first[i]]
            if new not in self.code_of_hash:
                name = b"" if too_long[at] else block.piece(start[at], end[at])
                self.code_of_hash[new] = self._code(name)
                self.hash_at[slot[at]] = new
                self.code_at[slot[at]] = self.code_of_hash[new]
            code_of[i] = self.code_of_hash[new]
        codes[left] = code_of[which]
        return codes

    def _code(self, name: bytes) -> int:
        if name not in self.codes:
            self.nr_bytes += len(name)
            are_many = len(self.codes) >= self.max_names - 1
            if are_many or self.nr_bytes > MAX_NAMES_BYTES:
                name = OTHER.encode()
            self.codes.setdefault(name, len(self.codes))
        return self.codes[name]

    def texts(self) -> list[str]:
        """The names by code, printable."""
        return [plain(name) if name != OTHER.encode() else OTHER for name in self.codes]

    def raw(self) -> list[bytes]:
        """The names by code, as raw bytes."""
        return [unescaped(name) for name in self.codes]
