# SPDX-License-Identifier: GPL-2.0-or-later
"""Fonts for names in any script, as far as they are installed."""

from __future__ import annotations

import re
from typing import Iterable

import matplotlib
from matplotlib import font_manager
from matplotlib.ft2font import FT2Font

# matplotlib's own font knows these: Latin, Greek, Cyrillic, and what we write ourselves.
PLAIN = re.compile("[\0-\u052f\u2010-\u2027\ufffd\u00d7]*")
MAX_FONTS = 400  # looked at; each takes a millisecond


def use_fonts(texts: Iterable[str]) -> str:
    """Let matplotlib fall back on fonts that have the texts' characters.

    Returns those for which no font is installed, as U+65E5: four, and how many more.
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
        except (OSError, RuntimeError):  # bitmaps, as of coloured emoji, can't be drawn
            continue
        found = {c for c in wanted if font.get_char_index(ord(c))}
        if found and font.scalable:
            families.append(entry.name)
            wanted -= found
    matplotlib.rcParams["font.family"] = families
    told = [f"U+{ord(c):04X}" for c in sorted(wanted)]
    return " ".join(told[:4]) + (f" and {len(told) - 4} more" if len(told) > 4 else "")
