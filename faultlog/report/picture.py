# SPDX-License-Identifier: GPL-2.0-or-later
"""The picture as an output: the columns it needs, how it is drawn and saved.

Importing matplotlib takes a third of the time to read a million faults, so it is imported while
helpers read the log.
"""

from __future__ import annotations

import argparse
import io
from typing import TYPE_CHECKING

from ..base import progress
from .outputs import Job, replacing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DPI = 150
# Further arguments for each format: no dates; fast compression for PNG, which is 10 % larger.
HOW: dict[str, dict[str, object]] = {
    "png": {"pil_kwargs": {"compress_level": 3}},
    "svg": {"metadata": {"Date": None}},
    "pdf": {"metadata": {"CreationDate": None}},
}


def columns(_options: argparse.Namespace) -> set[str]:
    """The columns of a log that the picture needs."""
    return {
        *("tid", "access", "mode", "region"),
        *("result", "latency_ns", "map", "offset"),
    }


def prepare() -> None:
    """Import matplotlib; an empty figure makes it import the rest, which it does lazily."""
    from ..draw.drawing import new_figure

    new_figure().savefig(io.BytesIO(), format="png")


def write(job: Job) -> None:
    """Draw a picture into a file."""
    from ..draw.drawing import draw, new_figure

    figure, only = new_figure(), job.filters.text()
    view, fold = job.options.view, not job.options.no_fold
    with progress.stage("drawing"):
        draw(figure, job.log, job.verdict, view, only, job.whole, fold)
    save(figure, job)


def _count_panels(figure: Figure) -> None:
    """Make each panel count for the progress when it has been drawn."""
    from matplotlib.artist import Artist

    class Counter(Artist):
        """An artist that draws nothing."""

        def draw(self, renderer: object) -> None:
            progress.add(1)

    for axes in figure.axes:
        counter = Counter()
        counter.set_zorder(1000)  # the last of the panel
        axes.add_artist(counter)


def save(figure: Figure, job: Job) -> None:
    """Write a figure to the job's output."""
    kind = job.suffix[1:]
    drawn = io.BytesIO()  # a pipe has no positions, which .pdf needs
    with progress.stage("drawing", len(figure.axes), " panels"):
        _count_panels(figure)
        figure.savefig(drawn, format=kind, dpi=DPI, **HOW[kind])
    with replacing(job) as file:
        file.write(drawn.getbuffer())
