# SPDX-License-Identifier: GPL-2.0-or-later
"""The contents of pictures."""

from __future__ import annotations

import io

import numpy as np
import pytest
from faultlog.draw import drawing, lanes, marks, panels
from faultlog.draw.layout import WIDTH
from faultlog.draw.marks import ALARM, MAJOR_MARK, SHAPES
from faultlog.parse.log import MAJOR
from figures import mixed_log, rings
from logs import *
from matplotlib.figure import Figure


def test_a_picture_names_process_access_and_places():
    words = texts(drawn(compiler_log(3000)))
    assert "Page faults of cc1plus, PID 4494" in words
    assert "3,000 faults in 1.26 s on " in words
    assert "by 5 threads; nothing lost" in words
    assert "time since the first fault (s)" in words
    assert "faults per\n10 ms" in words
    assert "41.7 TiB not touched" in words
    assert "pf_probe_B on Linux 6.1.0-56-amd64 x86_64" in words
    for region in ("code, data", "heap", "anon", "file", "stack"):
        assert region in words.splitlines()
    for access in ("read ", "write ", "exec "):
        assert access in words
    assert "Not complete" not in words


def test_losses_are_shown_in_red():
    figure = drawn(HEAD + NEW + summary(1, dropped=4000, missed=3))
    (note,) = [t for t in figure.texts if "Not complete" in t.get_text()]
    assert note.get_text() == "Not complete: 4,000 dropped, 3 missed"
    assert note.get_color() == ALARM
    assert "nothing lost" not in texts(figure)


def test_other_processes_are_counted():
    one = HEAD + NEW + fault(1, 0x1000, pid=4500)
    assert "PID 4494 and 1 other process\n" in texts(drawn(one)) + "\n"
    two = one + fault(2, 0x1000, pid=4501)
    assert "PID 4494 and 2 other processes\n" in texts(drawn(two)) + "\n"


def test_a_comm_is_not_rendered_as_mathematics():
    text = HEAD.replace(b"cc1plus", rb"$\frac{$_^") + NEW
    assert r"Page faults of \$\frac{\$_^, PID 4494" in texts(drawn(text))


@pytest.mark.parametrize(
    "text",
    [
        OLD,
        OLD * 1000,
        fault(5, (1 << 64) - 1),
        fault(0, 0) + fault((1 << 63) + 5, (1 << 64) - 1),
        b"".join(fault(7, 0xFFFFFFFFFF600000 + i) for i in range(50)),
        b"".join(fault(7, i << 12) for i in range(20000)),
        b"".join(fault(i, 0x1000 << i % 50, access="read") for i in range(500)),
    ],
    ids=["one", "same", "top", "all", "vsyscall", "instant", "powers"],
)
def test_odd_shapes_are_drawn(text):
    figure = drawn(text)
    strip, *areas = figure.axes
    left, right = strip.get_xlim()
    assert left < 0 < right
    log = read(text)
    heights = sum(bar.height for bar in bars(strip))
    assert heights == pytest.approx(len(log))
    for axis in areas:
        assert axis.get_xlim() == (left, right)
        low, high = axis.get_ylim()
        assert low < 0 < high


def test_major_faults_stand_out():
    text = HEAD_AT_0 + b"".join(
        fault(
            i * 10**6,
            0x10000 + 0x1000 * i,
            access="read",
            region="file",
            result="major" if i % 10 == 3 else "minor",
            latency_ns=2_000_000 if i % 10 == 3 else 1000,
        )
        for i in range(40)
    )
    figure = drawn(text + summary(40))
    expected = [(i - 0.0, 0x1000 * i) for i in (3, 13, 23, 33)]
    found = rings(figure, MAJOR_MARK)
    assert found[:4] == expected
    assert found[4:] == [(x, pytest.approx(np.log10(2e6))) for x, _ in expected]
    (legend,) = figure.legends
    assert [t.get_text() for t in legend.get_texts()] == ["read 40", "major 4"]
    words = texts(figure)
    assert "40 faults (36 minor, 4 major) in 39.0 ms on 40 pages" in words
    assert "taking 8.04 ms in all; nothing lost" in words
    assert "160 KiB, 40 faults, 8.04 ms" in words.splitlines()
    assert "4 major" in words.splitlines()
    assert "p50 1.00 µs, longest 2.00 ms" in words
    assert "one fault or more" not in words


def test_faults_are_drawn_in_the_order_of_time():
    times = [5, 3, 9, 1, 7, 2]
    text = b"".join(
        fault(t, 0x1000 * t, access="read", result="minor", latency_ns=t * 10)
        for t in times
    )
    log = read(text)
    assert log.time_ns.tolist() == times
    strip, spent, *others = drawn(text).axes
    assert sum(bar.height for bar in bars(spent)) == 10 * sum(times)
    for axis in others:
        x = np.concatenate([c.get_offsets()[:, 0] for c in scattered(axis)])
        assert x.tolist() == sorted(x.tolist())
    heights = sum(bar.height for bar in bars(strip))
    assert heights == len(times)
    ordered = b"".join(
        sorted(text.splitlines(keepends=True), key=lambda w: w.split()[10])
    )
    pictures = []
    for log_text in (text, ordered):
        figure, file = drawing.new_figure(), io.BytesIO()
        draw(figure, read(log_text))
        figure.savefig(file, format="png", metadata={"Software": None})
        pictures.append(file.getvalue())
    assert pictures[0] == pictures[1]


@pytest.mark.parametrize("counted", [True, False])
def test_children_are_counted_and_have_rows(counted):
    text = family_log(["sh", r"a\040b"], counted=counted)
    log = read(text)
    found = lanes.find_lanes(log)
    assert found.names == ["cc1plus 4494", "sh 5000", "a b 5001"]
    assert found.lane.tolist() == [0] * 3 + [1] * 3 + [2] * 3
    figure = drawn(text)
    words = texts(figure)
    assert "Page faults of cc1plus, PID 4494 and 2 children" in words.splitlines()
    # Three pages in each of three address spaces.
    assert "9 faults in 2.00 µs on 9 pages by 3 threads; nothing lost" in words
    (axis,) = [a for a in figure.axes if "sh 5000" in texts(a)]
    assert texts(axis).count("3 faults") == 3
    picture = axis.images[0].get_array()
    drawn_in = [np.flatnonzero(row[:, 3]).tolist() for row in picture]
    assert all(drawn_in) and len(drawn_in) == 3
    assert (
        max(drawn_in[2]) < min(drawn_in[1]) < min(drawn_in[0])
    )  # the first one on top


def test_a_log_of_2020_is_shown_without_access():
    figure = drawn(OLD + OLD.replace(b"602", b"702"))
    (legend,) = figure.legends
    assert [t.get_text() for t in legend.get_texts()] == ["access unknown 2"]
    words = texts(figure)
    assert "Page faults of PID 4494" in words
    assert "2 faults in 100 ns on 1 page" in words.splitlines()


def test_an_old_log_gets_nothing_new():
    for text in (OLD * 3, compiler_log(3000)):
        log = read(text)
        figure = drawn(text)
        assert len(figure.axes) == 1 + len(panels.by_address(log).panels)
        assert figure.get_size_inches()[0] == WIDTH
        assert rings(figure, MAJOR_MARK) == []
        words = texts(figure).replace("of cc1plus", "")
        for word in ("minor", "major", "taking", "child", "fault latency", "cc1plus\n"):
            assert word not in words


@pytest.mark.parametrize("nr_faults", [100, 3000, 60000])
def test_every_fault_is_drawn(nr_faults):
    text = compiler_log(nr_faults)
    figure = drawn(text)
    nr_marks = sum(len(c.get_offsets()) for a in figure.axes for c in scattered(a))
    binned = [axis for axis in figure.axes if axis.images]
    assert bool(binned) == (nr_faults == 60000)
    assert ("darker: more faults" in texts(figure)) == bool(binned)
    where = panels.by_address(read(text)).where
    for i, axis in enumerate(figure.axes[1:]):
        if axis in binned:
            nr_marks += np.count_nonzero(where == i)
    assert nr_marks == nr_faults


def test_each_kind_of_failure_has_a_mark_of_its_own():
    text = HEAD_AT_0 + b"".join(
        fault(i, 0x1000 * i, access="read", result=result, latency_ns=7)
        for i, result in enumerate(SHAPES)
    )
    figure = drawn(text)
    for shape in SHAPES.values():
        # In its area, and by its latency.
        assert len(rings(figure, {"marker": shape})) == 2, shape
    assert len({*SHAPES.values()}) == 5
    words = texts(figure).splitlines()
    assert all(f"{result} 1" in words for result in SHAPES)
    assert "5 faults (0 minor, 0 major, 5 failed) in 11 ns" in texts(figure)
    assert "not shown: 2 abandoned" in texts(drawn(FAMILY))


def test_cells_add_up():
    figure = Figure(figsize=(10, 5))
    axis = figure.add_axes((0.1, 0.1, 0.8, 0.8), xlim=(-1, 101), ylim=(-5, 4101))
    rng = np.random.default_rng(0)
    x, y = rng.uniform(0, 100, 10**5), rng.uniform(0, 4096, 10**5)
    access = rng.integers(0, 4, 10**5).astype(np.uint8)
    counts = marks.count_cells(axis, x, y, access)
    assert counts.sum() == 10**5
    assert counts.sum(axis=(0, 1)).tolist() == [*np.bincount(access), 0]
    lower_left = counts[: len(counts) // 2, : counts.shape[1] // 2].sum()
    assert lower_left == pytest.approx(25000, rel=0.05)


def test_cells_with_as_many_reads_as_writes_are_not_all_drawn_as_read():
    """And rare accesses are not hidden: colours are in proportion to the accesses."""
    counts = np.zeros((100, 200, marks.NR_KINDS), dtype=int)
    counts[..., 1] = counts[..., 2] = 3
    kinds = np.bincount(marks.cell_kinds(counts).ravel(), minlength=5) / 20000
    assert kinds == pytest.approx([0, 0.5, 0.5, 0, 0], abs=0.01)
    counts[..., 2] = 57
    kinds = np.bincount(marks.cell_kinds(counts).ravel(), minlength=5) / 20000
    assert kinds == pytest.approx([0, 0.05, 0.95, 0, 0], abs=0.01)
    for kind in range(marks.NR_KINDS):
        alone = np.zeros((30, 40, marks.NR_KINDS), dtype=int)
        alone[..., kind] = 1
        assert (marks.cell_kinds(alone) == kind).all()


def test_many_major_faults_are_drawn_as_density_not_as_rings():
    """The darkness of a cell shows their number; few are drawn as rings."""
    text = mixed_log(
        6000,
        result=lambda i: "major" if i > 3000 or i % 50 == 0 else "minor",
        latency_ns=lambda i: 1000,
    )
    figure = drawn(text)
    assert rings(figure, MAJOR_MARK) == []
    (axis, *_) = figure.axes[2:]
    (picture,) = [image.get_array() for image in axis.images]
    dark = picture[..., 3] > 0
    half = dark.shape[1] // 2
    assert dark[:, half + 5 :].sum() > 10 * dark[:, : half - 5].sum() > 0
    few = drawn(mixed_log(100, result=lambda i: "major", latency_ns=lambda i: 1000))
    assert 0 < len(rings(few, MAJOR_MARK)) <= 200


def test_a_single_binned_major_is_as_dark_as_its_count():
    figure = Figure(figsize=(10, 5))
    axis = figure.add_axes((0.1, 0.1, 0.8, 0.8), xlim=(0, 100), ylim=(0, 100))
    x = np.array([10.0] + [50.0] * 20 + [90.0] * 400)
    result = np.full(len(x), MAJOR)
    drawn_as = set()
    marks.draw_standouts(axis, x, x, result, drawn_as)
    assert drawn_as == {(MAJOR, True)}
    picture = axis.images[0].get_array()
    assert set(picture[..., 3].ravel()) == {0, 255}
    shades = sorted(set(picture[..., 0][picture[..., 3] > 0].tolist()), reverse=True)
    lightest, darkest = marks._shades(MAJOR, np.array([marks.LIGHTEST, 1]))[:, 0]
    expected = [lightest, (lightest + darkest) / 2, darkest]
    assert shades == [round(255 * shade) for shade in expected]


def test_the_legend_has_the_colours_of_binned_majors():
    """The marks below shone through: they were dark blue on reads, but black in the legend."""
    text = mixed_log(
        600,
        result=lambda i: "major",
        latency_ns=lambda i: 1000,
    )
    figure = drawn(text)
    (mark,) = [
        line for line in figure.legends[0].get_lines() if line.get_fillstyle() == "left"
    ]
    ends = mark.get_markerfacecolor(), mark.get_markerfacecoloralt()
    most, least = (np.round(255 * np.array(c[:3])) for c in ends[::-1])
    cells = np.concatenate(
        [
            image.get_array()[image.get_array()[..., 3] > 0]
            for axis in figure.axes
            for image in axis.images
            if image.get_zorder() == 2.5
        ]
    )
    assert len(cells) and (cells[:, 3] == 255).all()
    assert (cells[:, :3] >= most).all() and (cells[:, :3] <= least).all()


def test_sums_of_the_subtitle_add_up():
    text = HEAD_AT_0 + (
        fault(1, 0x1000, result="minor", latency_ns=7)
        + fault(2, 0x1000, result="major", latency_ns=7)
        + fault(3, 0x1000, result="oom", latency_ns=7)
        + fault(4, 0x1000, result="postponed", latency_ns=7)
    )
    assert "4 faults (1 minor, 1 major, 1 failed, 1 with an unknown result)" in texts(
        drawn(text)
    )
    text = text.replace(HEAD_AT_0, b"") + fault(5, 0x1000)
    assert "with an unknown result, 1 without a result) in" in texts(drawn(text))


def test_the_size_of_marks_does_not_jump():
    sizes = []
    for n in (990, 1010):
        figure = Figure(figsize=(10, 5))
        axis = figure.add_axes((0, 0, 1, 1))
        marks.draw_marks(axis, np.arange(n), np.arange(n), np.zeros(n, dtype=np.uint8))
        sizes.append(scattered(axis)[0].get_sizes()[0])
    assert sizes[0] == pytest.approx(sizes[1], rel=0.02)
