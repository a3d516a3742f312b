#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Make doc/gallery.md and its pictures: trace programs in a guest, and describe the results.

The text is gallery.md.in, see document.py.  Fails if a run fails, if a run contradicts a
sentence, or if one of the plotter's outputs can't be made from one of the logs.

    gallery.py pf_probe_B.ko user
    gallery.py --logs FOLDER        make the document again, from existing logs
"""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

from PIL import Image

import document
import outputs
import recording

PROJECT = outputs.PROJECT
HERE = Path(__file__).resolve().parent

import bar
import kernel
import vm

from faultlog.base.words import time_text

DOC = PROJECT / "doc"
COLOURS = 128  # few enough for small files, and enough to keep the colours of the marks
TIMEOUT_S = 480
FORMS = {
    "count": lambda value: f"{value:,.0f}",
    "time": time_text,
    "percent": lambda value: f"{100 * value:.0f} %",
}


def check_facts(text: document.Document, folder: Path) -> dict[str, dict[str, float]]:
    """The facts by run; DocumentError names all claims that do not hold."""
    known, wrong = {}, []
    for run in text.runs:
        name = f"{run.name}.sqlite"
        (folder / name).unlink(missing_ok=True)
        outputs.made(run.log, "-o", name, cwd=folder)
        with closing(sqlite3.connect(folder / name)) as database:
            known[run.name] = document.facts(run, database)
            wrong += document.failed_claims(run, known[run.name], database)
    if wrong:
        raise document.DocumentError("\n".join(wrong))
    return known


def draw(run: document.Run, folder: Path, pictures: Path) -> None:
    """Draw a picture in few colours, which reduces it to a third of its size."""
    name = f"{run.name}.png"
    outputs.made(run.log, "-o", name, cwd=folder)
    with Image.open(folder / name) as picture:
        few = picture.convert("RGB").quantize(
            COLOURS, Image.Quantize.LIBIMAGEQUANT, dither=Image.Dither.NONE
        )
        few.save(pictures / name, optimize=True)


def write(text: document.Document, folder: Path) -> None:
    """Write the document and all its pictures from the logs in a folder, or nothing."""

    def table(run: document.Run, options: list[str]) -> str:
        return outputs.made(run.log, *options, cwd=folder)

    known = check_facts(text, folder)
    with tempfile.TemporaryDirectory(dir=DOC) as scratch:
        pictures = Path(scratch) / "gallery"
        pictures.mkdir()
        with bar.stage("drawing", len(text.runs), " pictures") as stage:
            for run in text.runs:
                draw(run, folder, pictures)
                stage.add()
        whole = document.rendered(text, known, FORMS, table)
        shutil.rmtree(DOC / "gallery", ignore_errors=True)
        pictures.rename(DOC / "gallery")
        (DOC / "gallery.md").write_text(whole)


def main() -> int:
    args = recording.options(__doc__)
    vm.exit_on_signals()
    begun_s = time.monotonic()
    folder = args.logs or kernel.cache_dir() / "gallery"
    try:
        text = document.parse((HERE / "gallery.md.in").read_text())
        if not args.logs:
            lines = "".join(f"{run.guest_line()}\n" for run in text.runs)
            logs = [run.log for run in text.runs]
            recording.record(lines, logs, args.module, args.user, folder, TIMEOUT_S)
        write(text, folder)
        print(f"doc/gallery.md; the logs are in {folder}", flush=True)
        nr_outputs, failed = outputs.failures([folder / x.log for x in text.runs])
    except (
        *(kernel.KernelError, document.DocumentError, outputs.OutputError, OSError),
        *(subprocess.CalledProcessError, subprocess.TimeoutExpired),
    ) as error:
        print(f"gallery.py: {error}", file=sys.stderr)
        return 1
    for line in failed:
        print(f"FAILED: {line}")
    spent_s = time.monotonic() - begun_s
    print(f"outputs in {spent_s:.0f} s:", end=" ")
    print(f"{nr_outputs - len(failed)} passed, {len(failed)} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
