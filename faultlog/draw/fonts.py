# SPDX-License-Identifier: GPL-2.0-or-later
"""Finds installed fonts for names in any script."""

from __future__ import annotations

import re
from typing import Iterable

import matplotlib
from matplotlib import font_manager
from matplotlib.ft2font import FT2Font

# matplotlib's own font has these: Latin, Greek, Cyrillic, and the symbols in our own texts.
PLAIN = re.compile("[\0-\u052f\u2010-\u2027\ufffd\u00d7]*")
MAX_FONTS = 400  # that are examined, at a millisecond each


def use_fonts(texts: Iterable[str]) -> str:
    """Make matplotlib fall back on fonts that have the texts' characters.

    Returns the characters for which no font is installed, at most four: U+65E5 and 3 more.
    """
    wanted = {c for text in texts if not PLAIN.fullmatch(text) for c in text}
    wanted = {c for c in wanted if not PLAIN.fullmatch(c)}
    if not wanted:
        return ""
    families = [*matplotlib.rcParams["font.family"]]
    own = font_manager.get_font(font_manager.findfont("DejaVu Sans"))
    wanted -= {c for c in wanted if own.get_char_index(ord(c))}
    entries = font_manager.fontManager.ttflist
    for entry in sorted(entries, key=lambda e: (e.name, e.fname))[:MAX_FONTS]:
        if not wanted:
            break
        if entry.style != "normal" or entry.name in families:
            continue
        try:
            font = FT2Font(entry.fname)
        except (OSError, RuntimeError):  # bitmap fonts, such as coloured emoji
            continue
        found = {c for c in wanted if font.get_char_index(ord(c))}
        if found and font.scalable:
            families.append(entry.name)
            wanted -= found
    matplotlib.rcParams["font.family"] = families
    codes = [f"U+{ord(c):04X}" for c in sorted(wanted)]
    more = f" and {len(codes) - 4} more" if len(codes) > 4 else ""
    return " ".join(codes[:4]) + more
