# SPDX-License-Identifier: GPL-2.0-or-later
"""Tables on a terminal: their width, colours and bars; messages. Elsewhere tables are whole."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Mapping, Sequence

from ..base import progress
from ..base.fit import columns_of, fitted, padded
from ..base.words import printable, wrapped

PROG = Path(sys.argv[0]).name  # differs once it is installed
UNLIMITED = 1 << 30  # columns, where no terminal limits them
PLAIN_WIDTH = 80  # of a terminal that does not have a width
# In a narrower terminal the table is not readable anyway, so it exceeds the width.
LEAST_WIDTH, LEAST_NAME = 20, 8
ALIGNED = 120  # columns; behind longer names nothing is aligned
BOLD, DIM, RED, YELLOW, CYAN = "1", "2", "31", "33", "36"  # ECMA-48, SGR
EIGHTHS = "▏▎▍▌▋▊▉█"
BAR = "bar"  # the name of a column of bars
BAR_COLUMNS = 10


@dataclass(frozen=True)
class Terminal:
    """Where a table goes."""

    columns: int = UNLIMITED  # to fill
    has_bars: bool = False
    has_colours: bool = False

    def styled(self, text: str, style: str) -> str:
        """The text in this style, if there are colours."""
        if not (self.has_colours and style and text):
            return text
        return f"\033[{style}m{text}\033[0m"

    def sentences(self, text: str) -> list[str]:
        """The lines of a text, which is wrapped even where tables are not cut."""
        return wrapped(text, min(self.columns, PLAIN_WIDTH - 1))


def terminal() -> Terminal:
    """Standard output.

    Its width is COLUMNS or the terminal's; without either, nothing is cut. NO_COLOR or TERM=dumb
    leave out the colours, TERM=dumb also the bars.
    """
    is_terminal = sys.stdout.isatty()
    width = PLAIN_WIDTH if is_terminal else UNLIMITED
    columns = max(shutil.get_terminal_size((width, 0)).columns, LEAST_WIDTH)
    is_able = is_terminal and os.environ.get("TERM", "dumb") != "dumb"
    return Terminal(
        columns - 1,  # some terminals wrap in the last column
        has_bars=is_able,
        has_colours=is_able and not os.environ.get("NO_COLOR"),
    )


def put(text: str) -> None:
    """Print; characters that the terminal's encoding lacks are replaced."""
    encoding = sys.stdout.encoding or "utf-8"
    progress.before_message()
    sys.stdout.flush()
    sys.stdout.buffer.write(text.encode(encoding, "replace"))
    sys.stdout.flush()


def warn(*texts: str) -> None:
    """Print lines on stderr, each with the program's name; they may contain any characters."""
    for text in texts:
        print(f"{PROG}: {printable(text)}", file=sys.stderr)


def bar(part: float, whole: float) -> str:
    """A bar of at most BAR_COLUMNS, which stand for whole."""
    eighths = round(8 * BAR_COLUMNS * min(part / whole, 1)) if whole > 0 else 0
    text = EIGHTHS[-1] * (eighths // 8) + (EIGHTHS[eighths % 8 - 1] * (eighths % 8 > 0))
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        return "#" * round(eighths / 8)
    return text


def right(texts: list[str], width: int) -> list[str]:
    """The texts, right-aligned in width columns."""
    return [" " * (width - columns_of(text)) + text for text in texts]


def in_room(names: list[list[str]], room: int) -> list[list[str]]:
    """Columns of names, the widest shortened until all fit into room or have LEAST_NAME.

    If there is room, names over ALIGNED stay whole, and what follows them is not aligned:
    padding all rows to the longest name of a hostile log would fill the memory.
    """
    widths = [max(map(columns_of, texts)) for texts in names]
    if sum(widths) + 2 * (len(widths) - 1) <= room:
        return [
            [padded(text, min(width, ALIGNED)) for text in texts]
            for texts, width in zip(names, widths)
        ]
    while sum(widths) + 2 * (len(widths) - 1) > room and max(widths) > LEAST_NAME:
        widths[widths.index(max(widths))] -= 1
    return [
        [padded(text, width) for text in fitted(texts, width)]
        for texts, width in zip(names, widths)
    ]


@dataclass(frozen=True)
class Grid:
    """A table's cells, a list for each column, of which the first is its heading."""

    figures: dict[str, list[str]]  # aligned to the right, except bars
    names: list[list[str]]  # behind the figures, shortened if there is no room
    wanted: Sequence[int]  # columns of the terminal that each list of names should get
    give_way: Sequence[str]  # figures that are left out for that, in this order
    styles: Mapping[tuple[str, int], str] = field(default_factory=dict)  # of figures
    row_styles: Mapping[int, str] = field(default_factory=dict)

    def lines(self, to: Terminal) -> list[str]:
        """The table as lines."""
        cells, give_way = dict(self.figures), list(self.give_way)
        widths = {name: max(map(columns_of, texts)) for name, texts in cells.items()}

        def left_for_names() -> int:
            return to.columns - sum(widths[name] + 2 for name in cells)

        least = sum(self.wanted) + 2 * len(self.names) - 2
        while give_way and left_for_names() < least:
            cells.pop(give_way.pop(0), None)
        aligned = [
            [
                to.styled(text, self.styles.get((name, row), ""))
                for row, text in enumerate(
                    [padded(text, widths[name]) for text in texts]
                    if name == BAR
                    else right(texts, widths[name])
                )
            ]
            for name, texts in cells.items()
        ]
        rows = zip(*aligned, *in_room(self.names, left_for_names()))
        return [
            to.styled("  ".join(row).rstrip(), self.row_styles.get(i, ""))
            for i, row in enumerate(rows)
        ]
