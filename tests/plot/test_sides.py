# SPDX-License-Identifier: GPL-2.0-or-later
"""Pictures of logs that are compared."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from faultlog import cli
from faultlog.draw import layout
from faultlog.report import picture
from logs import HEAD_AT_0, OLD, bars, fault, read, run, scattered, summary, texts
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from printing import CC1, CC1_TEXT

MS = 10**6


def log_of(folder: Path, name: str, lines: list[bytes]) -> Path:
    path = folder / name
    path.write_bytes(HEAD_AT_0 + b"".join(lines) + summary(len(lines)))
    return path


def faults(maps: list[str], start_ms: int, pages: int, **keys) -> list[bytes]:
    """A fault per millisecond, in each of the maps in turn, each at its next page."""
    lines = []
    for i in range(pages * len(maps)):
        page, name = i // len(maps), maps[i % len(maps)]
        words = {"tid": 4494, "access": "read", "region": "file", **keys, "map": name}
        if name.startswith("/"):
            words["offset"] = hex(page << 12)
        base = 0x7F0000000000 + (sum(name.encode()) % 999 + start_ms << 24)
        lines.append(fault((start_ms + i) * MS, base + (page << 12), **words))
    return lines


def drawn(monkeypatch, *arguments: object) -> Figure:
    """The figure that the command draws."""
    figures = []
    monkeypatch.setattr(picture, "save", lambda figure, job: figures.append(figure))
    assert cli.main([*map(str, arguments), "-o", "x.png"]) == 0
    FigureCanvasAgg(figures[0]).draw()
    return figures[0]


def points(axis) -> np.ndarray:
    """The positions of its marks; of shape (n, 2)."""
    return np.concatenate([np.array(c.get_offsets()) for c in scattered(axis)])


def time_ticks(figure: Figure) -> list[str]:
    """The labels of the lowest axis."""
    (lowest,) = [axis for axis in figure.axes if axis.get_xlabel()]
    return [label.get_text() for label in lowest.get_xticklabels()]


@pytest.fixture
def two(tmp_path) -> tuple[Path, Path]:
    """Logs of the same files, in another order, at other times and addresses."""
    outcome = {"result": "minor", "latency_ns": 1000}
    a = log_of(tmp_path, "a.log", faults(["/x", "/y"], 500, 40, **outcome))
    b = log_of(tmp_path, "b.log", faults(["/z", "/y", "/x"], 9000, 10, **outcome))
    return a, b


def test_each_log_has_its_part_of_each_panel(two, monkeypatch):
    a, b = two
    figure = drawn(monkeypatch, a, "--compare", b)
    shown = texts(figure)
    by_title = {}
    for axis in figure.axes:
        words = [t.get_text() for t in axis.texts]
        if len(words) == 3 and words[0] in ("x", "y", "z"):
            by_title[words[0]] = axis
            counts = [int(re.match(r"[AB] (\d+) fault", w)[1]) for w in words[1:]]
            x = points(axis)[:, 0]
            # A's faults last for 79 ms, B's for 29; B's are drawn to the right of A's.
            assert [np.count_nonzero(x < 80), np.count_nonzero(x > 80)] == counts
    assert set(by_title) == {"x", "y", "z"}
    at = points(by_title["x"])
    (first_b,) = [x for x, y in at if x > 80 and y == 0]  # 2 ms after B's first
    first_b -= 2
    # The same page is at the same height, and a millisecond is as long.
    pages_a = {round(x / 2): y for x, y in at if x < 80}
    pages_b = {round((x - first_b - 2) / 3): y for x, y in at if x > 80}
    assert len(pages_b) == 10 and pages_b.items() <= pages_a.items()
    assert "A, before: a.log" in shown and "B, after: b.log" in shown
    assert "A, cc1plus, PID 4494: 80 faults (80 minor, 0 major) in 79.0 ms" in shown
    assert "since each log's first fault (ms)" in shown
    ticks = time_ticks(figure)
    assert len(ticks) >= 6
    assert ticks[: len(ticks) // 2] == ticks[len(ticks) // 2 :]


def test_two_processes_with_one_pid_are_two(tmp_path, monkeypatch):
    a = log_of(tmp_path, "a.log", faults(["anon"], 1, 20))
    b = log_of(tmp_path, "b.log", faults(["anon"], 5, 20))
    figure = drawn(monkeypatch, a, "--compare", b)
    (panel,) = [x for x in figure.axes if x.texts and x.texts[0].get_text() == "anon"]
    heights = points(panel)[:, 1]
    assert len(np.unique(heights)) == 20  # not 40 pages above each other


def test_a_forked_process_has_its_pages_at_its_parent_s_height(tmp_path, monkeypatch):
    """In each log, even if a process of the other log has the same PID."""
    keys = {"access": "write", "region": "anon", "map": "anon"}
    low, high = 0x7F0000000000, 0x7F0000005000
    parent = [fault(MS, low, 4494, **keys), fault(2 * MS, high, 4494, **keys)]
    born = [b"# child time=2500000 pid=9 ppid=4494 comm=sh\n"]
    child = [fault(3 * MS, high, 9, **keys)]
    execs = [b"# exec time=3500000 pid=9 comm=true\n", fault(4 * MS, high, 9, **keys)]
    logs = [
        log_of(tmp_path, "a.log", parent + born + child + execs),
        log_of(tmp_path, "b.log", parent + child),
    ]
    figure = drawn(monkeypatch, logs[0], "--compare", logs[1], "--view", "mapping")
    (panel,) = [x for x in figure.axes if x.texts and x.texts[0].get_text() == "anon"]
    by_time = points(panel)[np.argsort(points(panel)[:, 0])]
    low_page, high_page = 2048, 3 * 2048
    of_parent = [low_page, high_page]
    assert by_time[:, 1].tolist() == [
        *(*of_parent, high_page, low_page),  # its own address space from exec on
        *(*of_parent, low_page),
    ]
    assert "(a forked process like its parent)" in texts(figure)


def test_runs_are_named_and_everything_is_within_the_picture(
    tmp_path, two, monkeypatch
):
    a, b = two
    long = log_of(tmp_path, "a-name-" * 20 + ".log", faults(["/x" * 100], 3, 9))
    figure = drawn(monkeypatch, a, CC1, "--compare", b, long)
    shown = texts(figure)
    assert re.findall(r"^([AB]\d), (?:before|after): ", shown, re.M) == [
        "A1",
        "A2",
        "B1",
        "B2",
    ]
    width, height = figure.canvas.get_width_height()
    renderer = figure.canvas.get_renderer()
    for text in figure.findobj(lambda artist: hasattr(artist, "get_text")):
        if text.get_text() and text.get_visible():
            box = text.get_window_extent(renderer)
            assert 0 <= box.x0 and box.x1 <= width, text.get_text()
            assert 0 <= box.y0 and box.y1 <= height, text.get_text()


def test_counts_of_a_real_log_beside_itself(monkeypatch):
    figure = drawn(monkeypatch, CC1, "--compare", CC1, "--map", "cc1")
    shown, log = texts(figure), read(CC1_TEXT)
    nr_faults = int(np.count_nonzero(log.map == log.names["map"].index(CC1_MAP)))
    assert f"A {nr_faults} faults, " in shown and f"B {nr_faults} faults, " in shown
    assert "only map=cc1" in shown


CC1_MAP = "/host/usr/lib/gcc/x86_64-linux-gnu/12/cc1"


def test_missing_figures_are_dashes(tmp_path, monkeypatch):
    """They were 0 major faults, and 0 ns."""
    result = {"result": "major", "latency_ns": 1000}
    a = log_of(tmp_path, "a.log", faults(["/x"], 1, 9, **result))
    b = log_of(tmp_path, "b.log", faults(["/x"], 1, 9))
    figure = drawn(monkeypatch, a, "--compare", b)
    shown = texts(figure).splitlines()
    assert "major 9 | -" in shown and "read 9 | 9" in shown
    assert shown.count("B -") == 2  # time spent; latencies
    assert texts(figure).replace("\n", " ").count("record with outcome=1") == 1
    assert "use the table (no -o) with 5 or more runs" in texts(figure).replace(
        "\n", " "
    )
    figure = drawn(monkeypatch, b, "--compare", b)
    assert "outcome=1" not in texts(figure)  # no hint, as the other log has them


def test_losses_filters_logs_of_2020_and_empty_sides(tmp_path, two, monkeypatch):
    a, _ = two
    b = tmp_path / "old.log"
    b.write_bytes(OLD * 3)
    a.write_bytes(a.read_bytes().replace(b"dropped=0", b"dropped=7"))
    shown = texts(drawn(monkeypatch, a, "--compare", b))
    assert "A: Not complete: 7 dropped" in shown
    shown = texts(drawn(monkeypatch, a, "--compare", b, "--map", "y"))
    assert "B: no faults" in shown
    done = run(a, "--compare", b, "-o", tmp_path / "x.png", "--map", "none")
    assert (
        done.returncode == 1 and "no faults match the filters (map=none)" in done.stderr
    )


def test_a_late_moment_keeps_its_time(two, monkeypatch):
    """A filter does not change where a log begins."""
    a, b = two
    figure = drawn(monkeypatch, a, "--compare", b, "--from", "20ms", "--map", "x")
    low, _ = figure.axes[0].get_xlim()
    assert float(time_ticks(figure)[0]) >= 20
    xs = np.concatenate([points(x)[:, 0] for x in figure.axes if scattered(x)])
    assert xs.min() - low < layout.WIDTH


def test_a_long_fault_ends_within_its_log_s_part(tmp_path, monkeypatch):
    keys = {"access": "read", "result": "major", "latency_ns": 500 * MS}
    a = log_of(
        tmp_path, "a.log", [fault(0, 4096, **keys), fault(100 * MS, 8192, **keys)]
    )
    b = log_of(
        tmp_path, "b.log", [fault(0, 4096, access="read", result="minor", latency_ns=0)]
    )
    figure = drawn(monkeypatch, a, "--compare", b)
    assert "A, cc1plus, PID 4494: 2 faults (0 minor, 2 major) in 600 ms" in texts(
        figure
    )
    spent = [bar for bar in bars(figure.axes[1]) if bar.height]
    assert sum(bar.height for bar in spent) == 1000 * MS
    start_of_b = figure.axes[0].texts[-1].xy[0]
    assert 599 <= max(bar.right for bar in spent) <= start_of_b


def test_hours_have_round_steps(tmp_path, monkeypatch):
    lines = [fault(i * 60 * 10**9, i << 12) for i in range(400)]
    log = log_of(tmp_path, "a.log", lines)
    figure = drawn(monkeypatch, log, "--compare", log)
    (lowest,) = [axis for axis in figure.axes if axis.get_xlabel()]
    assert lowest.get_xlabel() == "time since each log's first fault (h)"
    assert time_ticks(figure) == list("0123456") * 2


@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf"])
def test_every_format_is_written(two, tmp_path, suffix):
    a, b = two
    output = tmp_path / f"both{suffix}"
    done = run(a, "--compare", b, "-o", output, "--view", "address")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{output}\n", "")
    assert output.stat().st_size > 10000


@pytest.mark.parametrize(
    "options, message",
    [
        (["-o", "x.csv"], "--compare makes a table, or with -o a picture"),
        (["-o", "x.png", "--view", "threads"], "a comparison has mapping and address"),
        (["-o", "x.png", "--sort", "time"], "--sort is for a table"),
        (["-o", "x.png", "--by", "map"], "a table goes to standard output"),
        (["-o", "b.png"], "b.png: the output would replace the log"),
        (["a.log", "a.log", "a.log", "-o", "x.png"], "has room for 4 logs, not 5"),
    ],
)
def test_comparisons_without_a_picture_are_refused(two, tmp_path, options, message):
    (tmp_path / "b.png").write_bytes(OLD)
    done = run("a.log", "--compare", "b.png", *options, cwd=tmp_path)
    assert done.returncode == 1 and message in done.stderr
    assert done.stderr.count("\n") == 1


def test_logs_with_times_too_large_for_an_axis_are_reported(tmp_path):
    path = tmp_path / "huge.log"
    path.write_bytes(b"".join(fault(t, 4096) for t in (0, 1, 1 << 63, (1 << 64) - 1)))
    done = run(path, "--compare", path, "-o", tmp_path / "x.svg")
    assert done.returncode == 1 and "too far apart in time" in done.stderr
