# SPDX-License-Identifier: GPL-2.0-or-later
"""A picture as an output: what it takes, how it's made and saved.

To import what draws takes a third of the time that reading a million faults does, so that's
done while helpers read.
"""

from __future__ import annotations

import argparse
import io
from typing import TYPE_CHECKING

from .outputs import Job, replacing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DPI = 150
# What each format takes besides: no dates, and of a PNG, quickly written, a tenth larger.
HOW: dict[str, dict[str, object]] = {
    "png": {"pil_kwargs": {"compress_level": 3}},
    "svg": {"metadata": {"Date": None}},
    "pdf": {"metadata": {"CreationDate": None}},
}


def columns(_options: argparse.Namespace) -> set[str]:
    """What the picture takes of a log."""
    return {
        *("tid", "access", "mode", "region"),
        *("result", "latency_ns", "map", "offset"),
    }


def prepare() -> None:
    """Import what draws, and by drawing nothing what is only imported then."""
    from .drawing import new_figure

    new_figure().savefig(io.BytesIO(), format="png")


def write(job: Job) -> None:
    """Draw a picture into a file."""
    from .drawing import draw, new_figure

    figure = new_figure()
    draw(figure, job.log, job.verdict, job.options.view, job.filters.text(), job.whole)
    save(figure, job)


def save(figure: Figure, job: Job) -> None:
    """Write a figure to the job's output."""
    kind = job.suffix[1:]
    with replacing(job) as file:
        figure.savefig(file, format=kind, dpi=DPI, **HOW[kind])
