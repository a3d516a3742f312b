# SPDX-License-Identifier: GPL-2.0-or-later
"""The bar on a terminal: for slow work only, and nothing stays of it."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys

import pytest
from faultlog.base import progress
from faultlog.base.helper import Helpers
from logs import ENV, SCRIPT, compiler_log

pytest.importorskip("tqdm")

TEXT = compiler_log(300)
NO_TQDM = (
    "import runpy, sys; sys.modules['tqdm'] = None; sys.argv = sys.argv[1:]; "
    "runpy.run_path(sys.argv[0], run_name='__main__')"
)


def on_terminal(
    folder,
    *options: str,
    wait_s: float,
    has_tqdm: bool = True,
    is_terminal: bool = True,
) -> tuple[int, str, str]:
    """Status, standard output, and what appears on the terminal that is standard error.

    wait_s: if not 0, the log comes from a pipe, and its second part so late, or after a bar.
    """
    (folder / "x.log").write_bytes(TEXT)
    python = [sys.executable, "-B", *([] if has_tqdm else ["-c", NO_TQDM])]
    ours, theirs = pty.openpty() if is_terminal else os.pipe()
    with subprocess.Popen(
        [*python, SCRIPT, "-" if wait_s else "x.log", *options],
        cwd=folder,
        env={**ENV, "TERM": "xterm"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=theirs,
    ) as process:
        os.close(theirs)
        shown = b""
        if wait_s:
            process.stdin.write(TEXT[:9000])
            process.stdin.flush()
            if select.select([ours], [], [], wait_s)[0]:
                shown = os.read(ours, 4096)
            process.stdin.write(TEXT[9000:])
        process.stdin.close()
        try:
            while data := os.read(ours, 4096):
                shown += data
        except OSError:  # the terminal has no other end any more
            pass
        finally:
            os.close(ours)
        out = process.stdout.read().decode()
        status = process.wait(60)
    return status, out, shown.decode()


def last_line(shown: str) -> str:
    """What remains on the terminal's line, with each \\r."""
    line = ""
    for text in shown.split("\r"):
        line = text + line[len(text) :]
    return line.strip()


def test_slow_work_has_a_bar_that_is_erased(tmp_path):
    status, out, shown = on_terminal(tmp_path, "--by", wait_s=60)
    assert status == 0 and out.startswith("cc1plus, pid 4494: 300 faults")
    assert "reading: " in shown and "B/s" in shown
    assert last_line(shown) == ""


def test_a_terminal_without_a_name_has_no_bar(monkeypatch):
    """On a slow machine it had one, and the escape sequences that erase it."""
    monkeypatch.setattr(os, "isatty", lambda fd: True)
    monkeypatch.setenv("TERM", "xterm")
    assert progress._is_terminal()
    monkeypatch.setenv("TERM", "dumb")
    assert not progress._is_terminal()
    monkeypatch.delenv("TERM")
    assert not progress._is_terminal()


def test_quick_work_has_none(tmp_path):
    status, out, shown = on_terminal(tmp_path, "--by", "region", wait_s=0)
    assert (status, shown) == (0, "") and "300 faults" in out


def test_without_a_terminal_there_is_none(tmp_path):
    status, out, shown = on_terminal(tmp_path, "--by", wait_s=4, is_terminal=False)
    assert (status, shown) == (0, "") and "300 faults" in out


def test_without_tqdm_there_is_none(tmp_path):
    status, out, shown = on_terminal(tmp_path, "--by", wait_s=4, has_tqdm=False)
    assert (status, shown) == (0, "") and "300 faults" in out


@pytest.fixture
def terminal(monkeypatch):
    terminal = progress._Terminal()
    terminal.is_on = True
    monkeypatch.setattr(progress, "_terminal", terminal)
    return terminal


def test_helpers_count_in_the_same_stage(terminal):
    def work(item: int) -> int:
        progress.add(item)
        return item

    with progress.stage("reading", 1000, "B"):
        with Helpers(work, range(20)) as found:
            assert list(found) == list(range(20))
        assert terminal.stages[0].done == sum(range(20))
        progress.add(5000)
        assert terminal.stages[0].done == 1000  # never more than all
    assert terminal.stages == []


def test_work_in_turn_counts_what_was_left_out(terminal):
    done = []
    for _ in progress.in_turn("names", {"a": 10, "b": 5, "c": 1}, " addresses", each=3):
        done.append(terminal.stages[-1].done)
        progress.add(7)  # not all of it
    assert done == [0, 10, 15] and terminal.stages == []


def test_a_message_removes_the_bar_first(terminal, monkeypatch):
    closed = []

    class Bar:
        n = 0

        def refresh(self) -> None:
            progress.before_message()  # as it writes on standard error itself

        def close(self) -> None:
            closed.append(True)

    monkeypatch.setattr(progress, "_bar", lambda stage: Bar())
    monkeypatch.setattr(progress, "DELAY_S", 0)
    with progress.stage("reading", 10, "B"):
        terminal.tick()
        assert terminal.bar and not closed
        progress.before_message()
        assert closed == [True] and not terminal.bar
        terminal.tick()
        assert terminal.bar
    assert closed == [True, True]


def test_a_bar_that_cannot_be_drawn_stops_nothing(terminal, monkeypatch):
    def fail(_stage: object) -> None:
        raise OSError

    monkeypatch.setattr(progress, "_bar", fail)
    monkeypatch.setattr(progress, "DELAY_S", 0)
    with progress.stage("reading"):
        terminal.tick()
        progress.add(1)


def test_no_global_of_a_library_is_replaced():
    """That also changed them for a program that imports faultlog."""
    from faultlog.draw import drawing
    from matplotlib import artist
    from tqdm import tqdm

    assert drawing and artist.kwdoc.__module__ == "matplotlib.artist"
    progress._bar(progress.Stage("reading", 10, "B", 1)).close()
    assert tqdm.monitor_interval == 10


def test_it_is_off_without_a_terminal(tmp_path):
    with progress.on_terminal(), progress.stage("reading", 5, "B"):
        assert progress._terminal.stages == []
