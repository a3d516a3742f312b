# SPDX-License-Identifier: GPL-2.0-or-later
"""The strips of pictures over time: faults, time in faults, latencies."""

from __future__ import annotations

import matplotlib
import numpy as np
import pytest
from faultlog.base.words import time_text
from faultlog.draw import drawing, strips
from faultlog.draw.marks import ALARM
from faultlog.parse import checks
from logs import *


def test_a_latency_of_zero_is_drawn_and_a_missing_one_is_not():
    figure = drawn(
        fault(1, 0x1000, result="minor", latency_ns=0)
        + fault(2, 0x1000, result="minor", latency_ns=500)
        + fault(2, 0x1000, result="minor")
    )
    (axis,) = [a for a in figure.axes if "fault latency" in texts(a)]
    assert sum(len(c.get_offsets()) for c in scattered(axis)) == 2
    assert "p50 0 ns" in texts(axis)
    figure = drawn(fault(1, 0x1000, result="minor") + fault(2, 0x1000))
    assert "fault latency" not in texts(figure)


@pytest.mark.parametrize(
    "most, labels",
    [
        (95e6, ["0 ms", "40 ms", "80 ms"]),
        (1.1e6, ["0 µs", "400 µs", "800 µs"]),
        (4e6, ["0.0 ms", "1.5 ms", "3.0 ms"]),
        (5e12, ["0 s", "2,000 s", "4,000 s"]),
    ],
)
def test_ticks_of_the_time_in_faults_have_one_unit_and_equal_decimals(most, labels):
    """They were 0, 40.0 ms, 80.0 ms."""
    axis = drawing.new_figure().add_axes((0, 0, 1, 1))
    axis.set_ylim(0, most)
    strips.set_time_ticks(axis)
    format_of = axis.yaxis.get_major_formatter()
    ticks = [tick for tick in axis.get_yticks() if 0 <= tick <= most]
    assert [format_of(tick) for tick in ticks] == labels


def test_a_picture_explains_p50_and_p99():
    figure = drawn(fault(1, 0x1000, result="minor", latency_ns=5))
    said = texts(figure).replace("\n", " ")
    assert "p50: half of the faults took at most this long" in said
    figure = drawn(fault(1, 0x1000))
    assert "p50" not in texts(figure)


@pytest.mark.parametrize("nr_faults", [1, 300, 60000])
def test_latencies_have_a_panel(nr_faults):
    text = compiler_log(nr_faults, outcomes=True)
    figure = drawn(text)
    (axis,) = [a for a in figure.axes if "fault latency" in texts(a)]
    assert axis.get_xlim() == figure.axes[0].get_xlim()
    assert axis.get_xlabel().startswith(
        ("time since the first fault", "all faults have the same time")
    )
    assert sum(bool(a.get_xlabel()) for a in figure.axes) == 1
    low, high = axis.get_ylim()
    latency = np.log10(read(text).latency_ns)
    assert low < latency.min() and latency.max() < high
    nr_marks = sum(len(c.get_offsets()) for c in scattered(axis))
    assert nr_marks == nr_faults or (nr_faults == 60000 and axis.images)


def test_the_last_bar_of_the_strip_is_not_clipped():
    figure = drawn(HEAD_AT_0 + b"".join(fault(i, 0x1000) for i in range(0, 1001, 7)))
    strip = figure.axes[0]
    ends = [bar.right for bar in bars(strip)]
    assert max(ends) <= strip.get_xlim()[1]


def test_a_median_is_one_value_everywhere(tmp_path):
    """Title, row of its kind, curve and table had 15.5, 15 and 15.5 for the same faults."""
    latencies = [10, 15, 16, 1000] * strips.CURVE_BINS * 2
    keys = {"tid": 1, "result": "minor", "map": "/x"}
    lines = [
        fault(i * 1000, i << 12, **keys, latency_ns=ns)
        for i, ns in enumerate(latencies)
    ]
    path = tmp_path / "x.log"
    path.write_bytes(HEAD_AT_0 + b"".join(lines) + summary(len(lines)))
    figure = drawn(path.read_bytes())
    (axis,) = [a for a in figure.axes if "fault latency" in texts(a)]
    words = texts(axis).splitlines()
    assert "p50 15 ns, longest 1.00 µs" in words
    assert "minor p50 15 ns, p99 1.00 µs" in words
    curve, _ = [a for a in axis.lines if len(a.get_xdata()) > 20]
    assert set(curve.get_ydata().round(9)) == {np.log10(15).round(9)}
    assert (
        run(path, "--by", "map", "--csv").stdout.splitlines()[1].split(",")[7] == "15"
    )


def test_latencies_are_shown_by_kind_and_over_time():
    figure = drawn(compiler_log(3000, outcomes=True))
    (axis,) = [a for a in figure.axes if "fault latency" in texts(a)]
    log = read(compiler_log(3000, outcomes=True))
    words = texts(axis)
    for name, code in (("minor", 1), ("major", 2)):
        part = log.latency_ns[log.result == code]
        middle, most = np.sort(part)[[-(-len(part) * q // 100) - 1 for q in (50, 99)]]
        assert f"{name} p50 {time_text(middle)}, p99 {time_text(most)}" in words
    curves = [
        a for a in axis.lines if len(a.get_xdata()) > 20 and a.get_marker() != "o"
    ]
    assert len(curves) == 2
    median, p99 = (line.get_ydata() for line in curves)
    assert (median <= p99).all()
    assert "lines: p50 (solid) and p99 (dashed)" in texts(figure)


def test_the_moment_that_costs_most_is_the_tallest_bar():
    """Not the moment with most faults: a new user took that peak for the costliest moment."""
    lines = [HEAD_AT_0]
    for i in range(1000):
        word, latency = ("major", 10**7) if 200 <= i < 210 else ("minor", 1000)
        # Ten times as many faults from the 900th on.
        time_ns = i * 10**6 if i < 900 else 900 * 10**6 + (i - 900) * 10**5
        word = "sigbus" if i == 5 else word
        keys = {"access": "read", "result": word, "latency_ns": latency}
        lines.append(fault(time_ns, 4096 * i, tid=1, **keys))
    figure = drawn(b"".join(lines))
    strip, spent = figure.axes[:2]

    def tallest(axis) -> float:
        tops = {bar.left: bar.high for bar in bars(axis)}
        return max(tops, key=tops.__getitem__)

    assert 190 <= tallest(spent) <= 210 and tallest(strip) >= 895
    by_colour: dict[tuple, float] = {}
    for bar in bars(spent):
        by_colour[bar.colour] = by_colour.get(bar.colour, 0) + bar.height
    wanted = {strips.SPENT_COLOURS[0]: 989e3, strips.INK: 1e8, ALARM: 1e3}
    assert by_colour == {matplotlib.colors.to_rgba(c): n for c, n in wanted.items()}
    assert "time in faults" in texts(spent)
    assert "101 ms, 100 ms major (dark)" in texts(spent)


def test_a_long_fault_s_time_is_in_all_bars_that_it_overlaps():
    """All 771 ms were in one bar of 50 ms, and the axis ended before the fault did."""
    ms = 10**6
    keys = {"access": "read", "tid": 1}
    lines = [
        fault(i * 10 * ms, 4096, **keys, result="minor", latency_ns=1000)
        for i in range(800)
    ]
    lines += [fault(7630 * ms, 8192, **keys, result="major", latency_ns=771 * ms)]
    figure = drawn(HEAD_AT_0 + b"".join(lines))
    assert "801 faults (800 minor, 1 major) in 8.40 s" in texts(figure)
    spent = figure.axes[1]
    dark = [b for b in bars(spent) if b.colour == matplotlib.colors.to_rgba(strips.INK)]
    found = {round(bar.left * 1000): round(bar.height / ms) for bar in dark}
    assert found == {7600: 20, **{at: 50 for at in range(7650, 8400, 50)}, 8400: 1}
    assert spent.get_xlim()[1] > 8.401


def test_faults_that_took_no_time_have_a_strip_of_it():
    figure = drawn(HEAD_AT_0 + fault(5, 4096, result="minor", latency_ns=0))
    assert "time in faults" in texts(figure.axes[1])


def test_no_curve_crosses_a_time_without_faults():
    lines = compiler_log(3000, outcomes=True).splitlines(True)
    early = [line for i, line in enumerate(lines[1:-1]) if i < 1000 or i >= 2000]
    figure, log = drawing.new_figure(), read(b"".join([lines[0], *early]))
    drawing.draw(figure, log, checks.examine(log), fold=False)
    (axis,) = [a for a in figure.axes if "fault latency" in texts(a)]
    curves = [
        a for a in axis.lines if len(a.get_xdata()) > 20 and a.get_marker() != "o"
    ]
    times = points_of(early)
    (gap,) = np.flatnonzero(np.diff(times) > 0.1)
    for curve in curves:
        x, y = curve.get_data()
        within = (x > times[gap] + 0.03) & (x < times[gap + 1] - 0.03)
        assert within.sum() > 5 and np.isnan(y[within]).all()
        assert not np.isnan(y[~within]).all()


def test_latencies_too_thin_for_any_curve():
    """Enough faults for curves, but only four in each bin: that was a traceback."""
    times = [i // 4 * 1000 + i % 4 for i in range(strips.CURVE_BINS * 4)]
    assert len(times) >= strips.MIN_FOR_CURVES and strips.MIN_IN_BIN > 4
    text = b"".join(fault(t, 4096 * t, result="minor", latency_ns=9) for t in times)
    figure = drawn(HEAD_AT_0 + text)
    (axis,) = [a for a in figure.axes if "fault latency" in texts(a)]
    assert [a for a in axis.lines if len(a.get_xdata()) > 1] == []


def points_of(lines: list[bytes]) -> np.ndarray:
    """The times of these faults, in s since the first."""
    times = np.array([int(line.split(b" at Time ")[1].split()[0]) for line in lines])
    return (times - times[0]) / 1e9
