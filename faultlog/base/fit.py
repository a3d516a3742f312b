# SPDX-License-Identifier: GPL-2.0-or-later
"""Shortens names for columns of a terminal; different names stay different."""

from __future__ import annotations

import os
import unicodedata
from collections import defaultdict

DOTS = "…"
MARK = 6  # columns that a number behind a name takes at the most: ~65536


def columns_of(text: str) -> int:
    """The columns that text takes in a terminal: two for CJK, none for combining marks.

    All of text is printable.
    """
    if text.isascii():
        return len(text)
    return sum(
        0
        if unicodedata.category(c) in ("Mn", "Me")
        else 1 + (unicodedata.east_asian_width(c) in "WF")
        for c in text
    )


def _start(text: str, room: int) -> str:
    """As much of its beginning as fits into room columns."""
    kept = text[: max(room, 0)]
    while columns_of(kept) > room:
        kept = kept[:-1]
    return kept


def _end(text: str, room: int) -> str:
    """As much of its end as fits into room columns."""
    kept = text[max(len(text) - room, 0) :] if room > 0 else ""
    while columns_of(kept) > room:
        kept = kept[1:]
    return kept


def shortened(text: str, room: int) -> str:
    """Text in at most room columns; its middle is left out, but not the last part of a path."""
    if columns_of(text) <= room:
        return text
    name = text[text.rfind("/", 0, -1) :]
    tail = max((room - 1) // 2, min(columns_of(name), room - 1))
    end = _end(text, tail)
    return _start(text, room - 1 - columns_of(end)) + DOTS + end


def fitted(texts: list[str], room: int) -> list[str]:
    """Texts in at most room columns each; different texts stay different.

    Texts that would be equal without their middles begin where they start to differ, or
    before; if they are still equal, they are numbered.
    """
    short = {text: shortened(text, room) for text in texts}
    alike = defaultdict(list)
    for text, given in short.items():
        alike[given].append(text)
    for group in alike.values():
        if len(group) > 1:
            at = len(os.path.commonprefix(group))
            for text in group:
                rest = text[at:]
                fits = columns_of(rest) < room
                short[text] = DOTS + (
                    _end(text, room - 1) if fits else _start(rest, room - 1)
                )
    seen: set[str] = set()
    # The last number used, by the text before it: names that differ only behind that
    # share a count, so that no number is tried again for each of them.
    numbers: dict[str, int] = defaultdict(lambda: 1)
    for text, given in short.items():
        while short[text] in seen:
            start = _start(given, room - MARK)
            numbers[start] += 1
            mark = f"~{numbers[start]}"
            short[text] = _start(given, room - len(mark)) + mark
        seen.add(short[text])
    return [short[text] for text in texts]


def padded(text: str, room: int) -> str:
    """Text with trailing blanks, room columns in all."""
    return text + " " * (room - columns_of(text))
