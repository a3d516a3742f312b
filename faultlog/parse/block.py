# SPDX-License-Identifier: GPL-2.0-or-later
"""A block of text, split into words; numbers and hashes of many words at a time.

numpy finds where words begin and end. The first 8 bytes of each become one integer, so that
whole columns of words are compared and converted at once.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np

from ..base.arrays import NDArray
from .log import DECIMAL, HEXADECIMAL

PAD = b" " * 16  # loads of 8 bytes go past the end of the last word
END = (
    b"\n" + PAD + b"." + PAD
)  # a word after all lines, so that the next word always exists
KEEP_BYTES = np.array([(1 << 8 * n) - 1 for n in range(9)], dtype=np.uint64)

# Numbers are read 8 digits at a time, as the bytes of a word. Each byte of these has one value.
EACH_1, EACH_6, EACH_9, EACH_F = (
    np.uint64(n * 0x0101010101010101) for n in (1, 6, 9, 15)
)
EACH_80, EACH_ZERO = EACH_1 << np.uint64(7), EACH_1 * np.uint64(ord("0"))
MASKS = [np.uint64(m) for m in (0x00FF00FF00FF00FF, 0x0000FFFF0000FFFF, 0xFFFFFFFF)]
# A word times TO_END[n] has its first n bytes at its end, and zeros before them.
TO_END = np.array([0, *(1 << 8 * (8 - n) for n in range(1, 9))], dtype=np.uint64)
MAX_DIGITS = {DECIMAL: 20, HEXADECIMAL: 16}  # of 64 bits
TOP_DIGITS, TOP_REST = divmod(1 << 64, 10**16)


def word_of(text: bytes) -> int:
    """The first 8 bytes of text, as the little-endian integer that a load gives."""
    return int.from_bytes(text[:8].ljust(8, b"\0"), "little")


def _joined(digits: NDArray[np.uint64], base: int) -> NDArray[np.uint64]:
    """Numbers of 8 digits, a byte each, the first digit lowest; changes digits, (n,)."""
    for i, mask in enumerate(
        MASKS
    ):  # joins pairs of numbers into one of twice the bits
        bits = 8 << i
        digits *= np.uint64(base ** (1 << i) << bits | 1)
        digits >>= np.uint64(bits)
        digits &= mask
    return digits


def _decimal(text: NDArray[np.uint64]) -> tuple[NDArray[np.uint64], NDArray[np.bool_]]:
    """The numbers of 8 characters, each ^ b"0", and which are valid; changes text, (n,)."""
    bad = text + (EACH_80 - EACH_9 - EACH_1)
    bad |= text
    bad &= EACH_80
    return _joined(text, 10), bad == 0


def _hexadecimal(
    text: NDArray[np.uint64],
) -> tuple[NDArray[np.uint64], NDArray[np.bool_]]:
    """Like _decimal(), for hexadecimal; letters are 0x51 to 0x56 or 0x71 to 0x76 here."""
    is_letter = text >> np.uint64(6) & EACH_1
    digits = text & EACH_F
    digits += is_letter * np.uint64(9)
    is_ten = digits + EACH_6 >> np.uint64(4)  # or more
    bad: NDArray[np.uint64] = text >> np.uint64(4) ^ is_letter
    bad |= is_ten ^ is_letter
    bad |= text >> np.uint64(5) & ~is_letter
    bad |= text >> np.uint64(7)
    bad |= digits >> np.uint64(4)
    bad &= EACH_1
    return _joined(digits, 16), bad == 0


class Block:
    """Whole lines of text, split into words. Arrays of positions are int64."""

    def __init__(self, *parts: bytes | memoryview) -> None:
        """parts: consecutive pieces of text; the last line has no newline."""
        self.framed = b"".join((b"\n", *parts, END))
        self.text = text = np.frombuffer(self.framed, dtype=np.uint8, offset=1)
        self.loads: NDArray[np.uint64] = np.ndarray(
            len(text) - 7, dtype="<u8", buffer=text, strides=1
        )
        # Control characters separate words; Reader.feed() rejects lines with NUL.
        blank = np.frombuffer(self.framed, dtype=np.uint8) <= 32
        edges = np.flatnonzero(blank[1:] != blank[:-1])
        # Begin and end of each word. The last one is from END.
        self.start, self.end = edges[0::2], edges[1::2]
        self.line_end = np.flatnonzero(text == 10)
        # How many words begin before the end of each line; fast if each line ends with a word.
        last = np.flatnonzero(text[self.end] == 10) + 1
        if len(last) != len(self.line_end):
            last = np.searchsorted(self.start, self.line_end)
        self.nr_words = np.diff(last, prepend=0)
        self.first_word = last - self.nr_words

    @cached_property
    def word(self) -> NDArray[np.uint64]:
        """The first 8 bytes of each word, as an integer."""
        word = KEEP_BYTES[np.minimum(self.end - self.start, 8)]
        word &= self.loads[self.start]
        return word

    def have(self, words: list[bytes], at: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Where these words, of up to 7 bytes, are the next from word at on; bool (n,)."""
        phrase = b" ".join(words) + b" "
        start = self.start[at]
        fits = np.ones(len(at), dtype=bool)
        for i in range(0, len(phrase), 8):
            part = phrase[i : i + 8]
            fits &= self.loads[start + i] & KEEP_BYTES[len(part)] == word_of(part)
        if not fits.all():  # other or more blanks may separate them
            left = np.flatnonzero(~fits)
            fits[left] = True
            for i, word in enumerate(words):
                fits[left] &= self.word[at[left] + i] == word_of(word)
        return fits

    def line(self, i: int) -> bytes:
        """The text of line i, without its newline."""
        begin = int(self.line_end[i - 1]) + 1 if i else 0
        return self.piece(begin, int(self.line_end[i]))

    def piece(self, start: int, end: int) -> bytes:
        """The bytes of text[start:end]."""
        return self.framed[1 + start : 1 + end]

    def with_byte(self, value: int) -> NDArray[np.int64]:
        """Indices of the lines that contain this byte."""
        places = np.flatnonzero(self.text == value)
        return np.unique(np.searchsorted(self.line_end, places))

    def line_of_word(self) -> NDArray[np.int64]:
        """The line of each word."""
        return np.repeat(np.arange(len(self.line_end)), self.nr_words)

    def in_order(
        self, lines: NDArray[np.int64], at: NDArray[np.int64], prefixes: list[bytes]
    ) -> list[tuple[NDArray[np.int64], NDArray[np.int64] | slice]] | None:
        """The words with each prefix, if all lines have the prefixes in this order.

        lines: indices; at: the first word of each that has a prefix; (n,) both. A line may
        lack some prefixes. Returns for each prefix its words, and the rows in lines of
        these, as indices or a slice; None if a line has another order.
        """
        found: list[tuple[NDArray[np.int64], NDArray[np.int64] | slice]] = []
        start = self.start[at]
        for prefix in prefixes:
            has_it = self.begin_with(prefix, start)
            if has_it.all():
                found.append((at, slice(None)))
                at = at + 1
            else:
                rows = np.flatnonzero(has_it)
                found.append((at[rows], rows))
                if not len(rows):
                    continue
                at = at + has_it
            start = self.start[at]
        ends = self.first_word[lines] + self.nr_words[lines]
        return found if (at == ends).all() else None

    def starting(self, prefixes: Prefixes) -> list[NDArray[np.int64]]:
        """For each prefix the indices of the words that start with it."""
        kind = prefixes.kind_of_hash[prefixes.hashes(self.word)]
        order = np.argsort(kind, kind="stable")
        ends = np.cumsum(np.bincount(kind, minlength=len(prefixes.texts) + 1))
        return [
            self._those_with(text, order[ends[i] : ends[i + 1]])
            for i, text in enumerate(prefixes.texts)
        ]

    def _those_with(self, prefix: bytes, found: NDArray[np.int64]) -> NDArray[np.int64]:
        """Those of these words that start with prefix, of 3 to 16 bytes; indices."""
        return found[self.begin_with(prefix, self.start[found])]

    def begin_with(self, prefix: bytes, start: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which words at start have this prefix, of up to 16 bytes; bool (n,)."""
        fits = self.loads[start] & KEEP_BYTES[min(len(prefix), 8)] == word_of(prefix)
        if len(prefix) > 8:  # a prefix has no blank, so the bytes are of one word
            rest = start[fits] + (len(prefix) - 8)
            fits[fits] = self.loads[rest] == word_of(prefix[-8:])
        return fits

    def numbers(
        self, start: NDArray[np.int64], end: NDArray[np.int64], form: str
    ) -> tuple[NDArray[np.uint64], NDArray[np.bool_]]:
        """The numbers text[start:end], and which are valid numbers of 64 bits.

        start, end: shape (n,). Returns uint64 (n,) and bool (n,).
        """
        value = np.zeros(len(start), dtype=np.uint64)
        fits = np.ones(len(start), dtype=bool)
        if form == HEXADECIMAL:
            fits = self.loads[start] & KEEP_BYTES[2] == word_of(b"0x")
            start = start + 2
        width = end - start
        fits &= (width > 0) & (width <= MAX_DIGITS[form])
        if not fits.any():
            return value, fits
        read, step = (_decimal, 10**8) if form == DECIMAL else (_hexadecimal, 1 << 32)
        above_16 = None
        longest = int(width.max())
        if width.min() == longest:  # as in most blocks
            width = width[:1]
        longest = min(longest, MAX_DIGITS[form])  # longer ones are invalid
        for left in range((longest - 1) // 8 * 8, -1, -8):
            # Up to 8 digits, which have left more digits to their right.
            nr_digits = np.minimum(np.maximum(width - left, 0), 8)
            text = self.loads[np.maximum(end - (left + 8), start)] ^ EACH_ZERO
            text *= TO_END[nr_digits]
            digits, are_digits = read(text)
            fits &= are_digits
            if left == 16:
                above_16 = digits
            else:
                value *= np.uint64(step)
                value += digits
        if above_16 is not None:
            at_top = (above_16 == TOP_DIGITS) & (value < np.uint64(TOP_REST))
            fits &= (above_16 < TOP_DIGITS) | at_top
            value += above_16 * np.uint64(10**16)
        return value, fits

    def hashes(
        self,
        start: NDArray[np.int64],
        end: NDArray[np.int64],
        secrets: NDArray[np.uint64],
    ) -> NDArray[np.uint64]:
        """Hashes of the byte strings text[start:end]; secrets: see _mixed(); uint64 (n,).

        Different strings of up to 8 bytes have different hashes.
        """
        width = end - start
        value = width.astype(np.uint64)
        part = self.loads[start] & KEEP_BYTES[np.minimum(width, 8)]
        value = _mixed(value ^ part, secrets)
        at = 8
        left = np.flatnonzero(width > at)
        while len(left):
            part = self.loads[start[left] + at]
            part &= KEEP_BYTES[np.minimum(width[left] - at, 8)]
            value[left] = _mixed(value[left] ^ part, secrets)
            at += 8
            left = left[width[left] > at]
        return value


def _mixed(
    value: NDArray[np.uint64], secrets: NDArray[np.uint64]
) -> NDArray[np.uint64]:
    """Spread each bit over most others, by two odd numbers; changes value.

    Nobody must be able to predict the result of a difference: after only one multiplication,
    a difference in the highest bit stays there, whatever the number.
    """
    value *= secrets[0]
    value ^= value >> np.uint64(32)
    value *= secrets[1]
    value ^= value >> np.uint64(29)
    return value


class Prefixes:
    """Prefixes of words, found by a hash of their first 3 bytes."""

    HEAD, BITS = 3, 8

    def __init__(self, texts: list[bytes]) -> None:
        """texts: of 3 to 16 bytes; their first 3 bytes differ."""
        self.texts = texts
        heads = np.array(
            [word_of(text[: self.HEAD]) for text in texts], dtype=np.uint64
        )
        for factor in range(
            0x9E3779B97F4A7C15, 0, -2
        ):  # one of the first has no collisions
            self.factor = np.uint64(factor)
            places = self.hashes(heads)
            if len(set(places.tolist())) == len(texts):
                break
        self.kind_of_hash = np.zeros(1 << self.BITS, dtype=np.uint8)
        self.kind_of_hash[places] = np.arange(1, len(texts) + 1)

    def hashes(self, word: NDArray[np.uint64]) -> NDArray[np.int64]:
        """A hash of the first bytes of each word; uint64 (n,) to int64 (n,)."""
        value = word & KEEP_BYTES[self.HEAD]
        value *= self.factor
        value >>= np.uint64(64 - self.BITS)
        return value.view(np.int64)
