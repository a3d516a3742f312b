# SPDX-License-Identifier: GPL-2.0-or-later
"""The picture as an output: the columns it needs, how it is drawn and saved.

Importing matplotlib takes a third of the time to read a million faults, so it is imported while
helpers read the log.
"""

from __future__ import annotations

import argparse
import io
from typing import TYPE_CHECKING

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
    from .drawing import new_figure

    new_figure().savefig(io.BytesIO(), format="png")


def write(job: Job) -> None:
    """Draw a picture into a file."""
    from .drawing import draw, new_figure

    figure = new_figure()
    view, fold = job.options.view, not job.options.no_fold
    draw(figure, job.log, job.verdict, view, job.filters.text(), job.whole, fold)
    save(figure, job)


def save(figure: Figure, job: Job) -> None:
    """Write a figure to the job's output."""
    kind = job.suffix[1:]
    drawn = io.BytesIO()  # a pipe has no positions, which .pdf needs
    figure.savefig(drawn, format=kind, dpi=DPI, **HOW[kind])
    with replacing(job) as file:
        file.write(drawn.getbuffer())
