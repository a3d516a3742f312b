# SPDX-License-Identifier: GPL-2.0-or-later
"""For the tests of pictures: functions that examine them, and a log."""

from __future__ import annotations

import io

import numpy as np
from faultlog.draw import drawing
from faultlog.parse import checks
from logs import *
from matplotlib.artist import Artist
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure


def rings(figure: Figure, style: dict) -> list[tuple[float, float]]:
    """The positions of marks of this style in the areas."""
    return [
        (float(x), float(y))
        for axis in figure.axes
        for line in axis.lines
        if line.get_marker() == style["marker"]
        for x, y in zip(*line.get_data())
    ]


def legend_words(figure: Figure) -> list[str]:
    return [t.get_text() for legend in figure.legends for t in legend.get_texts()]


def labels_of(figure: Figure) -> list[Artist]:
    """All words that are shown: titles, notes, ticks within their axes, legends."""
    found = [*figure.texts, *figure.legends]
    for axis in figure.axes:
        low, high = axis.get_ylim()
        ticks = axis.get_yticklabels()
        found += [t for t in ticks if low <= t.get_position()[1] <= high]
        found += axis.texts
        left, right = axis.get_xlim()
        if axis.get_xlabel():
            found.append(axis.xaxis.label)
            ticks = axis.get_xticklabels()
            found += [t for t in ticks if left <= t.get_position()[0] <= right]
    return [label for label in found if getattr(label, "get_text", str)() != ""]


def check_labels(figure: Figure) -> None:
    """All words are inside the picture, and none touch."""
    FigureCanvasAgg(figure).draw()  # this places the labels of axes
    check_apart(figure, labels_of(figure))


def check_apart(figure: Figure, labels: list[Artist]) -> None:
    """All labels are inside the picture, and none touch."""
    renderer = FigureCanvasAgg(figure).get_renderer()
    boxes = [label.get_window_extent(renderer) for label in labels]
    width, height = figure.canvas.get_width_height()
    for i, box in enumerate(boxes):
        assert box.x0 >= 0 and box.y0 >= 0, labels[i]
        assert box.x1 <= width and box.y1 <= height, labels[i]
        for other, label in zip(boxes[:i], labels):
            assert not box.overlaps(other), (labels[i], label)


def mixed_log(nr_faults: int, **keys) -> bytes:
    """Reads and writes in turns, over one area."""
    rng = np.random.default_rng(5)
    pages = rng.integers(0, 4000, nr_faults)
    return HEAD_AT_0 + b"".join(
        fault(
            i * 1000,
            0x10000000 + int(page) * 4096,
            tid=4494,
            access="read" if i % 2 else "write",
            region="heap",
            **{k: v(i) for k, v in keys.items()},
        )
        for i, page in enumerate(pages)
    )


def viewed(text: bytes, view: str | None) -> Figure:
    figure, log = drawing.new_figure(), read(text)
    drawing.draw(figure, log, checks.examine(log), view=view)
    figure.savefig(io.BytesIO(), format="png")
    return figure
