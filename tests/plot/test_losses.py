# SPDX-License-Identifier: GPL-2.0-or-later
"""A loss of names, offsets or lines about mappings is seen in every output.

All in this process, or importing matplotlib would be most of it.
"""

from __future__ import annotations

import base64
import gzip
import json
import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
import spaces
from faultlog import cli
from logs import HEAD_AT_0, fault, summary

COUNTED = {
    "maps_lost=7": "7 lines about mappings, files or names of threads lost",
    "files_lost=8": "8 mappings without a file name",
    "offsets_lost=9": "9 faults in files without an offset",
    "names_lost=6": "6 names of files lost",
}
BY_LINES = "2 faults in files without an offset"
WHOLE = "nothing lost"


def log_of(head: bytes, *, without_offset: bool) -> bytes:
    keys = {"tid": 4494, "cpu": 0, "ip": "0x1008", "access": "read", "mode": "user"}
    keys |= {"region": "file", "result": "major", "latency_ns": 9, "map": "/no/a"}
    if not without_offset:
        keys |= {"offset": "0x0"}
    text = head + spaces.file(1, "/no/a") * (head != HEAD_AT_0)
    text += fault(5, 0x1000, **keys) + fault(6, 0x2000, **keys)
    return text + fault(7, 0x3000, **{**keys, "offset": "0x0"})


def lossy(tmp_path: Path, kind: str) -> tuple[Path, list[str]]:
    """A log, and what is lost: by its summary, or by its lines only, as in old logs."""
    path = tmp_path / "x.log"
    end = summary(3)
    if kind == "lines":  # mapping_table_full
        path.write_bytes(log_of(HEAD_AT_0, without_offset=True) + end)
        return path, [BY_LINES]
    more = " ".join(["", *COUNTED]).encode()
    text = log_of(spaces.HEAD, without_offset=False)
    path.write_bytes(text + end.replace(b"\n", more + b"\n"))
    return path, list(COUNTED.values())


def content(path: Path) -> str:
    """The text of an output."""
    if path.suffix == ".sqlite":
        with closing(sqlite3.connect(path)) as database:
            rows = database.execute("SELECT notes, complete FROM recording")
            ((notes, complete),) = rows.fetchall()
        assert not complete
        return notes
    if path.suffix == ".html":
        packed = re.search(rb'id="meta.0">([^<]*)<', path.read_bytes())[1]
        meta = json.loads(gzip.decompress(base64.b64decode(packed)))
        assert not meta["complete"]
        return "\n".join(meta["notes"])
    # Lines of a picture are wrapped, each in an element of its own.
    text = re.sub(r"<[^>]*>|\s+", " ", path.read_text())
    return re.sub(r"\s+", " ", text)


@pytest.mark.parametrize("kind", ["summary", "lines"])
@pytest.mark.parametrize(
    "suffix", [".svg", ".html", ".sqlite", ".trace.json", ".csv", ".jsonl", ".sh"]
)
def test_a_file_or_the_messages_beside_it_have_the_loss(suffix, kind, tmp_path, capsys):
    if suffix == ".html":
        pytest.importorskip("plotly")
    log, losses = lossy(tmp_path, kind)
    output = tmp_path / f"y{suffix}"
    status = cli.main([str(log), "-o", str(output)])
    assert status == (suffix == ".sh")  # there is no file to preload here
    messages = capsys.readouterr().err
    assert all(loss in messages for loss in losses)
    assert WHOLE not in messages
    if suffix not in (".csv", ".jsonl", ".sh"):  # these have rows or commands only
        text = content(output)
        assert all(loss in text for loss in losses), text
        assert WHOLE not in text


TABLES = [["--by", "function"], ["--by", "map,offset"], ["--slowest"]]


@pytest.mark.parametrize("kind", ["summary", "lines"])
@pytest.mark.parametrize("options", TABLES, ids=" ".join)
def test_tables_have_the_loss(options, kind, tmp_path, capsys):
    log, losses = lossy(tmp_path, kind)
    for more in ([], ["--csv"]):
        assert cli.main([str(log), *options, *more]) == 0
        done = capsys.readouterr()
        text = done.err if more else re.sub(r"\s+", " ", done.out)
        assert all(loss in text for loss in losses), text
        assert WHOLE not in done.out


@pytest.mark.parametrize("kind", ["summary", "lines"])
def test_comparisons_have_the_loss(kind, tmp_path, capsys):
    log, losses = lossy(tmp_path, kind)
    sound = tmp_path / "sound.log"
    sound.write_bytes(log_of(HEAD_AT_0, without_offset=False) + summary(3))
    for sides in ([sound, log], [log, sound]):
        first, second = map(str, sides)
        assert cli.main([first, "--compare", second, "--by", "map,offset"]) == 0
        done = capsys.readouterr()
        text = re.sub(r"\s+", " ", done.out)
        assert all(loss in text for loss in losses), text
    output = tmp_path / "y.svg"
    assert cli.main([str(sound), "--compare", str(log), "-o", str(output)]) == 0
    text = content(output)
    assert all(loss in text for loss in losses), text
