# SPDX-License-Identifier: GPL-2.0-or-later
"""Files that are not where the log says: --root, with programs built by gcc."""

from __future__ import annotations

import csv
import json
import os
import re
import sqlite3
import subprocess
import time
from contextlib import closing
from pathlib import Path

import pytest
from faultlog.analyse.placer import INFERRED
from faultlog.parse.roots import Roots, root
from logs import run, summary
from printing import CC1, table_of
from test_symbols import LOAD, address_of, head, library, line, parts

GUEST = Path("/guest/usr/lib/libx.so")  # the path in the log; it does not exist here


def log_of(tmp_path: Path, library: Path, epoch: float, guest: Path = GUEST) -> Path:
    """A log of two functions of a library, which another machine has at that path."""
    code, _ = parts(library)
    text = head(epoch)
    for i, name in enumerate(("writes_data", "reads_text")):
        ip = LOAD + address_of(library, name)
        text += line(i, LOAD, code, ip, access="exec", map=guest)
    path = tmp_path / "x.log"
    path.write_bytes(text + summary(2))
    return path


def placed(folder: Path, library: Path, inside: str = "usr/lib/libx.so") -> Path:
    copy = folder / inside
    copy.parent.mkdir(parents=True, exist_ok=True)
    copy.write_bytes(library.read_bytes())
    return copy


def functions(*options: object) -> set[str]:
    return {row["function"] for row in table_of(*options, "--by", "function")}


NAMES = {"writes_data [libx.so]", "reads_text [libx.so]"}


def test_functions_of_files_below_a_root_or_without_a_prefix(library, tmp_path):
    log = log_of(tmp_path, library, time.time() + 9)
    placed(tmp_path / "whole", library, "guest/usr/lib/libx.so")
    placed(tmp_path / "inner", library)
    assert all("libx.so+0x" in name for name in functions(log))
    assert functions(log, "--root", tmp_path / "whole") == NAMES
    assert functions(log, "--root", f"/guest={tmp_path}/inner") == NAMES
    assert functions(log, "--root", f"/guest/={tmp_path}/inner/") == NAMES
    assert functions(log, "--root", f"/={tmp_path}/whole") == NAMES
    # Relative to the current folder; of several roots the one that has the file.
    (tmp_path / "empty").mkdir()
    done = run(
        log, "--by", "function", "--root", "empty", "--root", "whole", cwd=tmp_path
    )
    assert "writes_data [libx.so]" in done.stdout
    # /gues is not a folder of that path.
    assert functions(log, "--root", f"/gues={tmp_path}/inner").isdisjoint(NAMES)


def test_a_root_applies_to_comparisons(library, tmp_path):
    log = log_of(tmp_path, library, time.time() + 9)
    placed(tmp_path / "inner", library)
    where = f"/guest={tmp_path}/inner"
    done = run(log, "--compare", log, "--by", "function", "--root", where)
    assert "writes_data [libx.so]" in done.stdout


def test_debug_information_below_a_root(library, tmp_path):
    """As in distributions: by build ID, from a package of its own."""
    copy = placed(tmp_path / "r", library)
    notes = subprocess.run(["readelf", "-n", copy], capture_output=True, text=True)
    build_id = re.search(r"Build ID: ([0-9a-f]+)", notes.stdout)[1]
    debug = tmp_path / f"r/usr/lib/debug/.build-id/{build_id[:2]}/{build_id[2:]}.debug"
    debug.parent.mkdir(parents=True)
    subprocess.run(["objcopy", "--only-keep-debug", copy, debug], check=True)
    subprocess.run(["strip", copy], check=True)
    log = log_of(tmp_path, library, time.time() + 9)
    options = (log, "--by", "line", "--root", f"/guest={tmp_path}/r")
    rows = [row["line"] for row in table_of(*options)]
    assert len(rows) == 2
    assert all(re.fullmatch(r"source\.c:\d+ \[libx\.so\]", row) for row in rows)
    debug.unlink()
    assert not any("source.c" in row["line"] for row in table_of(*options))


def test_a_newer_copy_is_used_with_a_warning(library, tmp_path):
    log = log_of(tmp_path, library, 1)
    copy = placed(tmp_path / "r", library)
    done = run(log, "--by", "function", "--root", f"/guest={tmp_path}/r")
    assert "Names: copied or written after the recording: libx.so" in done.stdout
    assert "writes_data [libx.so]" in done.stdout
    os.utime(copy, (0, 0))
    done = run(log, "--by", "function", "--root", f"/guest={tmp_path}/r")
    assert "maybe copied or replaced after the recording: libx.so" in done.stdout
    assert "writes_data [libx.so]" in done.stdout


def test_a_path_of_the_log_does_not_leave_the_root(tmp_path):
    roots = Roots(((b"/", b"/r"), (b"/guest/usr", b"/u")))
    for path, expected in [
        (b"/lib/x.so", b"/r/lib/x.so"),
        (b"/guest/usr/x.so", b"/u/x.so"),
        (b"/guest/usrx/x.so", b"/r/guest/usrx/x.so"),
        (b"/../../etc/passwd", b"/r/etc/passwd"),
        (b"/guest/usr/../../etc/passwd", b"/r/etc/passwd"),
        (b"//guest//usr/./x.so", b"/u/x.so"),
        (b"/\xff\n", b"/r/\xff\n"),
    ]:
        assert roots.find(path)[0] == expected
    for path in (b"[heap]", b"anon", b"", b"?"):
        assert roots.find(path) == (path, b"")
    assert Roots().find(b"/../x") == (b"/../x", b"")
    assert Roots(((b"/host", b"/"),)).find(b"/usr/x") == (b"/usr/x", b"")


def exported(log: Path, suffix: str, *options: object) -> list[tuple]:
    """The function and line of each fault in an exported file; None: unknown."""
    output = log.with_suffix(suffix)
    done = run(log, "-o", output, *options)
    assert done.returncode == 0, done.stderr
    if suffix == ".sqlite":
        with closing(sqlite3.connect(output)) as database:
            return list(database.execute("SELECT function, line FROM faults"))
    if suffix == ".csv":
        rows = list(csv.DictReader(output.open(newline="")))
    elif suffix == ".jsonl":
        rows = [json.loads(row) for row in output.read_text().splitlines()]
    else:
        events = json.loads(output.read_text())["traceEvents"]
        rows = [e["args"] for e in events if e.get("cat") == "fault"]
    return [(row.get("function") or None, row.get("line") or None) for row in rows]


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".sqlite", ".trace.json"])
def test_exported_files_have_functions_and_lines(suffix, library, tmp_path):
    """They had only the address of the instruction."""
    log = log_of(tmp_path, library, time.time() + 9)
    placed(tmp_path / "whole", library, "guest/usr/lib/libx.so")
    found = exported(log, suffix, "--root", tmp_path / "whole")
    assert {function for function, _ in found} == NAMES
    lines = {
        row["line"]
        for row in table_of(log, "--by", "line", "--root", tmp_path / "whole")
    }
    have_lines = all(".c:" in line for line in lines)
    assert {line and f"{line} [libx.so]" for _, line in found} == (
        lines if have_lines else {None}
    )
    # The file is not here: its name and the offset are known, but no line.
    for function, line in exported(log, suffix):
        assert function.startswith("libx.so+0x") and line is None


def test_exported_files_say_why_names_are_missing(library, tmp_path):
    log = log_of(tmp_path, library, time.time() + 9)
    note = "Names: no program here: libx.so; use --root for a copy of them"
    assert run(log, "-o", "-.csv").stderr == (
        f"page_fault_plot.py: {note}\npage_fault_plot.py: {INFERRED}\n"
    )
    trace = json.loads(run(log, "-o", "-.trace.json").stdout)
    assert trace["otherData"]["names"] == [note, INFERRED]
    output = tmp_path / "x.sqlite"
    assert run(log, "-o", output).stderr == ""
    with closing(sqlite3.connect(output)) as database:
        names = list(database.execute("SELECT names FROM recording"))
        assert names == [(f"{note}\n{INFERRED}",)]
        assert list(database.execute("SELECT DISTINCT file FROM code")) == [
            (str(GUEST),)
        ]


def test_a_folder_with_an_equals_sign(tmp_path, monkeypatch):
    (tmp_path / "a=b").mkdir()
    monkeypatch.chdir(tmp_path)
    here = os.fsencode(tmp_path / "a=b")
    assert root("a=b") == root(f"/={tmp_path}/a=b") == (b"/", here)
    assert root("/x=a=b") == (b"/x", here)


@pytest.mark.parametrize("text", ["none", "/host=none", "/host=", ""])
def test_a_root_that_is_not_a_folder_is_wrong_usage(text, tmp_path):
    done = run(CC1, "--by", "function", "--root", text, cwd=tmp_path)
    assert done.returncode == 2 and "not a directory" in done.stderr


@pytest.mark.parametrize("options", [[], ["--by", "map"], ["--compare", CC1]])
def test_a_root_without_effect_is_reported(options, tmp_path):
    done = run(CC1, *options, "--root", tmp_path)
    assert done.returncode == 1 and "--root: it is for names of files" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_script_reads_the_files_below_the_root(tmp_path):
    def ranges(*options: str) -> list[str]:
        script = tmp_path / "warm.sh"
        run(CC1, "-o", script, *options)
        return re.findall(r"^warm \S+ (\S+)", script.read_text(), re.M)

    as_logged = ranges()
    assert as_logged and all(path.startswith("/host/usr/") for path in as_logged)
    assert ranges("--root", "/host=/") == [p.removeprefix("/host") for p in as_logged]
