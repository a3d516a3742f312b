# SPDX-License-Identifier: GPL-2.0-or-later
"""Every output of odd logs: of 0 and 1 faults, of 2020, with many processes, threads, files.

All in this process, or importing matplotlib would be most of it.
"""

from __future__ import annotations

import base64
import csv
import gzip
import io
import json
import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from faultlog import cli
from logs import HEAD_AT_0, NEW, OLD, HEAD, family_log, fault, summary


def many_threads() -> bytes:
    lines = [HEAD_AT_0]
    for i in range(800):
        keys = {"tid": 5000 + i % 400, "cpu": i % 300, "access": "write"}
        lines.append(fault(i, 0x1000 * i, **keys, region="anon", map="anon"))
    return b"".join(lines) + summary(800)


def many_files() -> bytes:
    lines = [HEAD_AT_0]
    for i in range(2000):
        keys = {"tid": 4494, "access": "exec", "region": "file"}
        keys |= {"ip": hex(0x7F0000000000 + (i << 13)), "mode": "user"}
        keys |= {"result": "major" if i < 1000 else "minor", "latency_ns": 100 + i}
        keys |= {"map": f"/no/file{i % 1000}", "offset": hex(i // 1000 << 12)}
        lines.append(fault(i, 0x7F0000000000 + (i << 13), **keys))
    return b"".join(lines) + summary(2000)


LOGS = {  # their number of faults, and their text
    "none": (0, HEAD + summary(0)),
    "one": (1, HEAD + NEW + summary(1)),
    "2020": (3, b"".join(OLD.replace(b"8602", b"860%d" % i) for i in range(3))),
    "processes": (603, family_log(["sh", "cc1"] * 100)),
    "threads": (800, many_threads()),
    "files": (2000, many_files()),
}
ROWS = (".csv", ".jsonl", ".sqlite", ".trace.json")
# Slow outputs are made only of the logs with the greatest risk.
ODD_ONES = [(name, ".svg") for name in ("one", "files")]
ODD_ONES += [(name, ".html") for name in ("2020", "processes", "files")]


@pytest.fixture(scope="module")
def log_of(tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("logs")
    for name, (_, text) in LOGS.items():
        (folder / f"{name}.log").write_bytes(text)
    return {name: folder / f"{name}.log" for name in LOGS}


def nr_rows(path: Path) -> int:
    """The number of faults in an output, by other readers than ours."""
    if path.suffix == ".csv":
        return len(list(csv.DictReader(path.open(newline=""))))
    if path.suffix == ".jsonl":
        return len([json.loads(line) for line in path.open()])
    if path.suffix == ".sqlite":
        with closing(sqlite3.connect(path)) as database:
            return database.execute("SELECT count(*) FROM faults").fetchone()[0]
    if path.suffix == ".html":
        packed = re.search(rb'id="meta.0">([^<]*)<', path.read_bytes())[1]
        return json.loads(gzip.decompress(base64.b64decode(packed)))["nr_faults"]
    events = json.loads(path.read_text())["traceEvents"]
    return sum(event.get("cat") == "fault" for event in events)


def made(log: Path, output: Path, *options: str) -> None:
    assert cli.main([str(log), "-o", str(output), *options]) == 0


@pytest.mark.parametrize("suffix", ROWS)
@pytest.mark.parametrize("name", [name for name in LOGS if name != "none"])
def test_rows_of_each_log(name, suffix, log_of, tmp_path):
    made(log_of[name], tmp_path / f"x{suffix}")
    assert nr_rows(tmp_path / f"x{suffix}") == LOGS[name][0]


@pytest.mark.parametrize("name", [name for name in LOGS if name != "none"])
def test_a_picture_of_each_log(name, log_of, tmp_path):
    made(log_of[name], tmp_path / "x.png")
    assert (tmp_path / "x.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("name, suffix", ODD_ONES)
def test_other_pictures(name, suffix, log_of, tmp_path):
    made(log_of[name], tmp_path / f"x{suffix}")
    if suffix == ".html":
        assert nr_rows(tmp_path / "x.html") == LOGS[name][0]
    else:
        assert b"</svg>" in (tmp_path / "x.svg").read_bytes()[-20:]


@pytest.mark.parametrize("view", ["mapping", "threads", "memory"])
@pytest.mark.parametrize("name", ["one", "threads"])
def test_views(name, view, log_of, tmp_path):
    made(log_of[name], tmp_path / "x.png", "--view", view)


def sums(capsys, *arguments: object) -> dict[str, int]:
    """The sums of a table's columns."""
    assert cli.main([*map(str, arguments), "--csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    return {
        column: sum(int(row[column]) for row in rows)
        for column in rows[0]
        if column in ("faults", "faults_before", "faults_after")
    }


@pytest.mark.parametrize("key", ["map", "thread", "process,program", "function"])
@pytest.mark.parametrize("name", [name for name in LOGS if name != "none"])
def test_tables_of_each_log(name, key, log_of, capsys):
    assert sums(capsys, log_of[name], "--by", key) == {"faults": LOGS[name][0]}


@pytest.mark.parametrize("name", [name for name in LOGS if name != "none"])
def test_each_log_compared_with_the_next(name, log_of, capsys, tmp_path):
    names = [name for name in LOGS if name != "none"]
    other = names[(names.index(name) + 1) % len(names)]
    found = sums(capsys, log_of[name], "--compare", log_of[other])
    both = {"faults_before": LOGS[name][0], "faults_after": LOGS[other][0]}
    assert found == both
    if name in ("one", "threads"):  # beside the log of 2020 and that of many files
        made(log_of[name], tmp_path / "x.png", "--compare", str(log_of[other]))


def test_a_log_with_major_faults_has_a_script(log_of, tmp_path):
    output = str(tmp_path / "x.sh")
    assert cli.main([str(log_of["files"]), "-o", output]) == 1  # they are not here
    assert (tmp_path / "x.sh").read_text().count("\nwarm ") == 1000


OUTPUTS = [["-o", f"x{suffix}"] for suffix in (".png", ".html", ".sh", *ROWS)]
OUTPUTS += [["--by"], ["--compare", "none.log"]]
OUTPUTS += [["--compare", "none.log", "-o", "x.svg"]]


@pytest.mark.parametrize("options", OUTPUTS, ids=" ".join)
def test_a_log_without_faults_is_reported(options, log_of, capsys, monkeypatch):
    folder = log_of["none"].parent
    monkeypatch.chdir(folder)
    before = sorted(folder.iterdir())
    assert cli.main(["none.log", *options]) == 1
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1
    assert "none.log: nothing was recorded (recorded=0)" in err
    assert sorted(folder.iterdir()) == before
