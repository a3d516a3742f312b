# SPDX-License-Identifier: GPL-2.0-or-later
"""Long times without faults are left out of the time axis, and marked."""

from __future__ import annotations

import random
import re

import numpy as np
import pytest
from faultlog.base.words import ROUND_TIMES
from faultlog.draw import breaks, drawing, timeline
from faultlog.parse import checks
from figures import check_labels
from logs import *
from matplotlib.figure import Figure

SECOND, HOUR = 10**9, 3600 * 10**9


def bursts(gaps: list[int], busy_ns: int = 50_000_000, nr_faults: int = 300) -> bytes:
    """The same burst of faults before, between and after gaps, which are in ns."""
    lines = compiler_log(nr_faults, outcomes=True).splitlines(True)
    first, text, begin = 1389595218602, [HEAD], 0
    for gap in [*gaps, 0]:
        for line in lines[1:-1]:
            before, time, after = re.split(rb"(?<= at Time )(\d+)", line)
            since = (int(time) - first) * busy_ns // 1_260_000_000
            before = before.partition(b":: ")[2]
            text.append(before + b"%d" % (first + begin + since) + after)
        begin += busy_ns + gap
    return b"".join(text) + summary(len(text) - 1)


def viewed(text: bytes, view: str | None = None, fold: bool = True) -> Figure:
    figure, log = drawing.new_figure(), read(text)
    drawing.draw(figure, log, checks.examine(log), view=view, fold=fold)
    return figure


def found(text: bytes) -> timeline.Timeline:
    return timeline.find(read(text), breaks.SHARE)


def ticks(figure: Figure) -> list[tuple[float, str]]:
    """Positions and labels of the ticks of the time axis."""
    strip = figure.axes[0]
    low, high = strip.get_xlim()
    axis = strip.xaxis
    places = [x for x in axis.get_major_locator()() if low <= x <= high]
    return list(zip(places, axis.get_major_formatter().format_ticks(places)))


@pytest.mark.parametrize("view", ["address", "mapping", "threads", "memory"])
def test_a_long_time_without_faults_is_left_out_and_its_length_shown(view):
    text = bursts([32 * SECOND // 10, 75 * SECOND // 10])
    figure = viewed(text, view)
    words = texts(figure)
    assert ") in 10.8 s on " in words
    for length in ("3.20 s", "7.50 s"):
        assert length in words
    assert "2 breaks of the time axis: 10.7 s without faults left out" in words
    low, high = figure.axes[0].get_xlim()
    assert 0.15 < high - low < 0.2
    assert all(axis.get_xlim() == (low, high) for axis in figure.axes)
    check_labels(figure)
    # All three bursts are there, and each bar is beside the breaks.
    axis = found(text)
    for strip in figure.axes[:2]:
        edges = [(bar.left, bar.right) for bar in bars(strip)]
        for gap in axis.breaks:
            begin, end = gap.begin / SECOND, gap.end / SECOND
            assert all(r <= begin + 1e-9 or l >= end - 1e-9 for l, r in edges)
    assert sum(bar.height for bar in bars(figure.axes[0])) == pytest.approx(900)


@pytest.mark.parametrize("view", ["address", "memory"])
def test_ticks_show_real_times_and_none_is_in_a_break(view):
    text = bursts([32 * SECOND // 10, 75 * SECOND // 10])
    shown, axis = ticks(viewed(text, view)), found(text)
    labels = [label for _, label in shown]
    assert labels[0] == "0" and "3.26" in labels and "10.8" in labels
    for x, label in shown:
        (part,) = [
            p for p in axis.parts if p.place <= x * SECOND <= p.place + p.width + 1
        ]
        real = round(float(label) * SECOND)
        assert part.first_ns <= real <= part.last_ns
        assert part.position(real) == pytest.approx(x * SECOND, abs=1)


def test_a_selection_has_the_times_of_the_whole_log(tmp_path):
    (tmp_path / "a.log").write_bytes(bursts([3 * SECOND, 7 * SECOND]))
    out = tmp_path / "a.svg"
    done = run(tmp_path / "a.log", "--from", "3.05", "--to", "10.11", "-o", out)
    assert done.returncode == 0
    words = svg_words(out)
    assert "7.00 s" in words and "3.00 s" not in words
    assert {"3.06", "3.08", "10.1"} <= {*words}


@pytest.mark.parametrize(
    "text",
    [
        compiler_log(2000),
        compiler_log(2000, outcomes=True),
        bursts([4_000_000] * 3),
        FAMILY,
        OLD,
        b"".join(fault(i * SECOND, 0x1000 * i) for i in range(9)),
        fault(0, 0) + fault(SECOND, 1) + fault(SECOND + 1, 2),
        b"".join(fault(i // 3 * SECOND, 0x1000 * i) for i in range(6)),
    ],
    ids="even outcomes short family one sparse three moments".split(),
)
def test_a_log_without_long_gaps_is_drawn_as_before(text):
    pictures = []
    for fold in (True, False):
        file = io.BytesIO()
        viewed(text, fold=fold).savefig(file, format="png")
        pictures.append(file.getvalue())
    assert pictures[0] == pictures[1]
    assert not found(text).breaks


def test_a_long_fault_is_not_a_time_without_faults():
    """It is in progress all the time; nothing else begins."""
    words = {"result": "major", "tries": 1, "region": "file", "access": "read"}
    lines = [fault(i * 1000, i << 12, latency_ns=500, **words) for i in range(100)]
    late = [
        fault(10**10 + i * 1000, i << 12, latency_ns=5, **words) for i in range(100)
    ]
    slow = fault(200_000, 1 << 20, latency_ns=10**10 - 300_000, **words)
    (gap,) = found(HEAD_AT_0 + b"".join(lines + late)).breaks
    assert gap.idle_ns == 10**10 - 99_500
    assert not found(HEAD_AT_0 + b"".join([*lines, slow, *late])).breaks


def test_breaks_are_few_and_gaps_alike_are_treated_alike():
    eight = found(bursts([3 * SECOND] * 8, nr_faults=20))
    assert len(eight.breaks) == timeline.MAX_BREAKS == 8
    assert not found(bursts([3 * SECOND] * 9, nr_faults=20)).breaks
    some = found(bursts([3 * SECOND] * 9 + [HOUR, 2 * HOUR], nr_faults=20))
    assert [gap.idle_ns // HOUR for gap in some.breaks] == [1, 2]


@pytest.mark.parametrize("seed", range(6))
def test_labels_of_any_breaks_do_not_touch(seed):
    chance = random.Random(seed)
    nr = chance.randrange(1, 9)
    gaps = [
        chance.choice([1, 20, 300]) * 10 ** chance.randrange(8, 13) for _ in range(nr)
    ]
    text = bursts(gaps, busy_ns=10 ** chance.randrange(5, 9), nr_faults=60)
    assert found(text).breaks
    for view in ("address", "threads"):
        check_labels(viewed(text, view))


def test_positions_keep_order_and_every_length_within_a_part():
    rng = np.random.default_rng(1)
    for _ in range(100):
        starts = np.cumsum(rng.integers(1, 10 ** rng.integers(3, 13), 6))
        times = np.unique(
            np.concatenate([s + rng.integers(0, 10**6, 40) for s in starts])
        )
        log = read(b"".join(fault(int(t), 4096) for t in times))
        axis = timeline.find(log, breaks.SHARE)
        since = log.time_ns - log.time_ns.min()
        places = axis.positions(since).astype(np.int64)
        steps, real = np.diff(places), np.diff(since.astype(np.int64))
        assert (steps > 0).all() and (steps <= real).all()
        assert np.count_nonzero(steps != real) == len(axis.breaks)
        assert places[-1] == axis.duration_ns
        width = timeline.bin_width(axis.duration_ns)
        for gap in axis.breaks:
            assert gap.begin % width == gap.end % width == 0 < gap.end - gap.begin


@pytest.mark.parametrize("start", [0, (1 << 63) - 5, (1 << 64) - 1 - 10**6])
def test_times_of_any_size_are_placed(start):
    lines = [fault(i, 4096, latency_ns=(1 << 64) - 2) for i in range(10)]
    lines += [fault(start + i * 10_000, 4096) for i in range(100)]
    viewed(b"".join(lines))
    lines[:10] = [fault(i, 4096) for i in range(10)]
    gaps = found(b"".join(lines)).breaks
    assert len(gaps) == (start > 0)


def test_lines_in_any_order_are_drawn():
    """Their order then hides the gap, but no fault is lost."""
    lines = bursts([5 * SECOND]).splitlines(True)
    random.Random(1).shuffle(lines)
    figure = viewed(HEAD + b"".join(line for line in lines if line[:1] != b"#"))
    assert sum(bar.height for bar in bars(figure.axes[0])) == pytest.approx(600)


def test_the_axis_is_unfolded_by_an_option(tmp_path):
    (tmp_path / "a.log").write_bytes(bursts([5 * SECOND]))
    for name, options in (("a.svg", []), ("b.svg", ["--no-fold"])):
        done = run(tmp_path / "a.log", *options, "-o", tmp_path / name)
        assert done.returncode == 0
    assert "without faults" in (tmp_path / "a.svg").read_text()
    assert "without faults" not in (tmp_path / "b.svg").read_text()
    for options, message in (
        (["--by"], "--no-fold is for a picture; leave it or the table out"),
        (["-o", "x.html"], "--no-fold is for a picture of one log"),
        (
            ["-o", "x.png", "--compare", "a.log"],
            "--no-fold is for a picture of one log",
        ),
    ):
        done = run("a.log", "--no-fold", *options, cwd=tmp_path)
        assert done.returncode == 1 and message in done.stderr


def test_a_comparison_leaves_no_time_out(tmp_path):
    (tmp_path / "a.log").write_bytes(bursts([5 * SECOND]))
    (tmp_path / "b.log").write_bytes(bursts([]))
    done = run("a.log", "--compare", "b.log", "-o", "x.svg", cwd=tmp_path)
    assert done.returncode == 0
    assert "without faults" not in (tmp_path / "x.svg").read_text()


def test_the_roundest_time():
    assert timeline.roundest(3_141_592, 3_299_999) == 3_200_000
    assert timeline.roundest(0, 5) == 0
    assert timeline.roundest(7, 7) == 7
    assert timeline.roundest(59 * SECOND, 61 * SECOND) == 60 * SECOND
    assert 1 in ROUND_TIMES  # so there always is one
