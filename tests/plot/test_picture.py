# SPDX-License-Identifier: GPL-2.0-or-later
"""The contents of pictures."""

from __future__ import annotations

import io
import re
import xml.etree.ElementTree

import matplotlib
import numpy as np
import pytest
from faultlog.base.words import time_text
from faultlog.draw import drawing, lanes, layout, marks, panels, strips
from faultlog.draw.layout import WIDTH
from faultlog.draw.marks import ALARM, MAJOR_MARK, SHAPES
from faultlog.parse import checks
from faultlog.parse.log import MAJOR
from faultlog.report import page
from logs import *
from matplotlib.backends.backend_agg import FigureCanvasAgg
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


@pytest.mark.parametrize("nr_faults", [1, 30, 5000])
def test_labels_do_not_touch_each_other(nr_faults):
    figure = drawn(compiler_log(nr_faults))
    renderer = FigureCanvasAgg(figure).get_renderer()
    boxes = []
    for axis in figure.axes:
        low, high = axis.get_ylim()
        for label in axis.get_yticklabels():
            if low <= label.get_position()[1] <= high:
                boxes.append(label.get_window_extent(renderer))
        boxes += [note.get_window_extent(renderer) for note in axis.texts]
    boxes += [note.get_window_extent(renderer) for note in figure.texts]
    width, height = figure.canvas.get_width_height()
    for i, box in enumerate(boxes):
        assert box.x0 >= 0 and box.y0 >= 0
        assert box.x1 <= width and box.y1 <= height
        assert not any(box.overlaps(other) for other in boxes[:i])


def rings(figure: Figure, style: dict) -> list[tuple[float, float]]:
    """The positions of marks of this style in the areas."""
    return [
        (float(x), float(y))
        for axis in figure.axes
        for line in axis.lines
        if line.get_marker() == style["marker"]
        for x, y in zip(*line.get_data())
    ]


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


def test_files_are_named_where_they_are_mapped():
    figure = drawn(compiler_log(3000, outcomes=True))
    named = {
        axis: [
            n for n in axis.texts if n.get_text() in ("cc1plus", "libstdc++.so.6.0.30")
        ]
        for axis in figure.axes
    }
    assert sum(map(len, named.values())) == 2
    log = read(compiler_log(3000, outcomes=True))
    for axis, notes in named.items():
        for note in notes:
            (code,) = [
                i for i, n in enumerate(log.names["map"]) if n.endswith(note.get_text())
            ]
            of_it = log.address[log.map == code]
            label = axis.yaxis.get_major_formatter()
            base = int(label(0, 0), 16)
            low, high = axis.get_ylim()
            middle = base + low + note.xy[1] * (high - low)
            assert middle == pytest.approx((int(of_it.min()) + int(of_it.max())) / 2)


@pytest.mark.parametrize(
    "text",
    [
        FAMILY,
        compiler_log(1, outcomes=True),
        compiler_log(5000, outcomes=True),
        family_log(["abcdefghijklmno"] * 3 + ["sh"] * 9),
        family_log([f"abcdefghijkl{i:03d}" for i in range(40)]),
    ],
    ids=["family", "one", "many", "processes", "programs"],
)
def test_new_labels_do_not_touch_each_other(text):
    figure = drawn(text)
    renderer = FigureCanvasAgg(figure).get_renderer()
    labels = [*figure.texts, *figure.legends]
    for axis in figure.axes:
        low, high = axis.get_ylim()
        ticks = axis.get_yticklabels()
        labels += [t for t in ticks if low <= t.get_position()[1] <= high]
        labels += axis.texts
    boxes = [label.get_window_extent(renderer) for label in labels]
    width, height = figure.canvas.get_width_height()
    for i, box in enumerate(boxes):
        assert box.x0 >= 0 and box.y0 >= 0, labels[i]
        assert box.x1 <= width and box.y1 <= height, labels[i]
        for other, label in zip(boxes[:i], labels):
            assert not box.overlaps(other), (labels[i], label)


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


# --- pictures that were wrong, or hard to read -----------------------------------


def legend_words(figure: Figure) -> list[str]:
    return [t.get_text() for legend in figure.legends for t in legend.get_texts()]


def labels_of(figure: Figure) -> list:
    """All words that are shown: titles, notes, ticks within their axes, legends."""
    found = [*figure.texts, *figure.legends]
    for axis in figure.axes:
        low, high = axis.get_ylim()
        ticks = axis.get_yticklabels()
        found += [t for t in ticks if low <= t.get_position()[1] <= high]
        found += axis.texts
        left, right = axis.get_xlim()
        if axis.get_xlabel():
            found.append(axis.xaxis.label)
            ticks = axis.get_xticklabels()
            found += [t for t in ticks if left <= t.get_position()[0] <= right]
    return [label for label in found if getattr(label, "get_text", str)() != ""]


def check_labels(figure: Figure) -> None:
    """All words are inside the picture, and none touch."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()  # this places the labels of axes
    renderer = canvas.get_renderer()
    labels = labels_of(figure)
    boxes = [label.get_window_extent(renderer) for label in labels]
    width, height = figure.canvas.get_width_height()
    for i, box in enumerate(boxes):
        assert box.x0 >= 0 and box.y0 >= 0, labels[i]
        assert box.x1 <= width and box.y1 <= height, labels[i]
        for other, label in zip(boxes[:i], labels):
            assert not box.overlaps(other), (labels[i], label)


def mixed_log(nr_faults: int, **keys) -> bytes:
    """Reads and writes in turns, over one area."""
    rng = np.random.default_rng(5)
    pages = rng.integers(0, 4000, nr_faults)
    return HEAD_AT_0 + b"".join(
        fault(
            i * 1000,
            0x10000000 + int(page) * 4096,
            tid=4494,
            access="read" if i % 2 else "write",
            region="heap",
            **{k: v(i) for k, v in keys.items()},
        )
        for i, page in enumerate(pages)
    )


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


def test_files_with_names_cut_to_the_same_text_are_named():
    """The end that distinguishes them stays."""
    names = [f"/opt/lib/libanalysis-of-something-{i:02d}.so.1" for i in range(15)]
    labels = [panels.file_label(name) for name in names]
    assert len({*labels}) == 15 and max(map(len, labels)) <= 21
    text = HEAD_AT_0 + b"".join(
        fault(
            i,
            0x7F0000000000 + (i % 15) * 0x40000,
            region="file",
            access="read",
            map=names[i % 15],
            offset="0x0",
        )
        for i in range(60)
    )
    words = texts(drawn(text))
    assert sum(label in words for label in labels) >= 10


def test_files_are_named_by_cost_and_those_without_a_name_are_counted():
    """All are in one place, where there is room for one name."""
    text = (
        HEAD_AT_0
        + fault(0, 0x7F0000000000, map="anon")
        + b"".join(
            fault(
                i,
                0x7F0000800000 + i % 60 * 4096,
                access="read",
                region="file",
                map=f"/f{i % 60}.so",
                offset="0x0",
                result="minor",
                latency_ns=10**6 if i == 17 else 1000,
            )
            for i in range(600)
        )
        + fault(700, 0x7F0001000000, map="anon")
    )
    figure = drawn(text)
    words = texts(figure).splitlines()
    named = [word for word in words if word.endswith(".so")]
    assert "f17.so" in named
    assert f"{60 - len(named)} mapped files not labelled (no room)" in texts(figure)


def test_a_file_that_is_everywhere_is_not_named():
    def log(nr_places: int) -> bytes:
        return b"".join(
            fault(i, (0x7F0000 + 8 * i) << 12, map="/libc.so.6", offset="0x0")
            for i in range(nr_places)
        )

    assert texts(drawn(log(3))).count("libc.so.6") == 3
    figure = drawn(log(4))
    assert "libc.so.6" not in texts(figure)
    assert "1 mapped file not labelled" in texts(figure)


@pytest.mark.parametrize("view", ["address", "mapping", "threads", "memory"])
def test_labels_stay_in_the_picture_with_10000_majors_and_failures(view):
    text = mixed_log(
        30000,
        result=lambda i: ("minor", "major", "sigbus", "oom")[i % 4],
        latency_ns=lambda i: 10**9 + i,
        map=lambda i: "/usr/lib/" + "x" * 90,
        offset=lambda i: hex(i % 4000 * 4096),
    )
    text += summary(40000, dropped=3 * 10**9, missed=10**9).replace(
        b" target", b" abandoned=123456 unfinished=234567 unseen=123456789 target"
    )
    figure = drawing.new_figure()
    log = read(text)
    drawing.draw(figure, log, checks.examine(log), view, "only " + "a filter, " * 9)
    check_labels(figure)
    assert "Not complete" in texts(figure)


@pytest.mark.parametrize("text", [OLD, OLD * 50, NEW, NEW * 50])
def test_one_moment_has_an_axis_without_made_up_times(text):
    figure = drawn(text)
    ticks = [t.get_text() for t in figure.axes[-1].get_xticklabels()]
    assert ticks == ["0"]
    assert "all faults have the same time" in figure.axes[1].get_xlabel()
    assert len(legend_words(figure)) == 1


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


def test_the_stack_of_exec_takes_no_panel():
    top = 0xFFFFFFFFFFEFD3
    text = compiler_log(500).replace(
        HEAD,
        HEAD
        + fault(
            1389595100000,
            top,
            mode="remote",
            tid=4494,
            cpu=0,
            ip="0x1",
            access="write",
            region="stack",
        ),
    )
    figure = drawn(text)
    words = texts(figure)
    assert "PiB not touched" not in words
    assert f"1 fault of exec, from {top:#x}, in the new program's stack" in words
    assert "501 faults in" in words
    alone = HEAD_AT_0 + fault(1, top, mode="remote", access="write", region="stack")
    assert "of exec" not in texts(drawn(alone))


def test_200_areas_have_their_gaps_folded():
    text = HEAD_AT_0 + b"".join(
        fault(i, (0x7F0000000 + 2049 * (i % 200) + i // 200) << 12, access="write")
        for i in range(400)
    )
    figure = drawn(text)
    assert "199 untouched gaps left out" in texts(figure)
    axis = figure.axes[1]
    y = np.unique(np.concatenate([c.get_offsets()[:, 1] for c in scattered(axis)]))
    assert len(y) == 400
    low, high = axis.get_ylim()
    assert np.diff(y).min() / (high - low) > 1 / 4000
    assert all(t.get_text().startswith("0x7f0") for t in axis.get_yticklabels())


def sanitized() -> tuple[list[int], bytes]:
    """Adjacent pages, and a log of these and of pages far away, as with AddressSanitizer."""
    far = [0xAC5A28AF, 0xC067FFF8, 0xFEE7CD98, 0x5629145B8, 0x603000000, 0x624000000]
    far += [0x640000000, 0x7F6FE4000, 0x7FFDD0900]
    near = [0x62E000000 + i for i in range(2400)]
    pages = [*far, *near, 0x62EE00000]
    lines = [fault(i, p << 12, access="write", region="a") for i, p in enumerate(pages)]
    return near, b"".join(lines)


def test_on_a_page_far_pages_have_a_panel_of_their_own():
    near, text = sanitized()
    found, _ = page._panels(read(HEAD_AT_0 + text), "address")
    assert len(found) == 11
    assert (str(near[0]), 2400) in [(p["first"], p["pages"]) for p in found]
    assert all(p["height"] >= page.MIN_HEIGHT for p in found)


def test_a_single_gap_is_folded_too():
    """2,400 pages and one 56 GiB above were drawn as a flat line, without a cut."""
    near, text = sanitized()
    log = read(HEAD_AT_0 + text)
    found = panels.by_address(log)
    ((i, panel),) = [x for x in enumerate(found.panels) if x[1].folds]
    assert panel.notes[-1] == "1 untouched gap left out"
    here = np.flatnonzero(found.where == i)
    heights = found.heights(log, panel, here)
    assert heights[len(near) - 1] / panel.size > 0.98
    assert "1 untouched gap left out" in texts(drawn(HEAD_AT_0 + text)).replace(
        "\n", " "
    )


def test_the_size_of_marks_does_not_jump():
    sizes = []
    for n in (990, 1010):
        figure = Figure(figsize=(10, 5))
        axis = figure.add_axes((0, 0, 1, 1))
        marks.draw_marks(axis, np.arange(n), np.arange(n), np.zeros(n, dtype=np.uint8))
        sizes.append(scattered(axis)[0].get_sizes()[0])
    assert sizes[0] == pytest.approx(sizes[1], rel=0.02)


def test_the_last_bar_of_the_strip_is_not_clipped():
    figure = drawn(HEAD_AT_0 + b"".join(fault(i, 0x1000) for i in range(0, 1001, 7)))
    strip = figure.axes[0]
    ends = [bar.right for bar in bars(strip)]
    assert max(ends) <= strip.get_xlim()[1]


def luminance(colour: str) -> float:
    """Relative luminance, as defined by WCAG."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [
        c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in parts
    ]
    return float(np.dot(linear, (0.2126, 0.7152, 0.0722)))


def contrast(a: str, b: str) -> float:
    low, high = sorted((luminance(a), luminance(b)))
    return (high + 0.05) / (low + 0.05)


def test_grey_text_can_be_read_and_colours_differ_in_grey():
    assert contrast(marks.FAINT, "#ffffff") > 4.5
    assert contrast(marks.ALARM, "#ffffff") > 4.5
    not_known, read_, write, exec_, _ = marks.COLOURS
    assert contrast(not_known, exec_) > 2
    assert contrast(read_, write) > 1.3 and contrast(write, exec_) > 2


def test_ticks_of_thousands_are_separated():
    text = HEAD_AT_0 + fault(0, 0x1000) + fault(115 * 10**9, 0x1000)
    text = text + fault(2000, 0x1000)
    figure = drawn(HEAD_AT_0 + b"".join(fault(i * 30, 0x1000) for i in range(30)))
    assert "800" in [t.get_text() for t in figure.axes[1].get_xticklabels()]
    figure = drawn(b"".join(fault(t, 0x1000) for t in (0, 10**14, 9 * 10**16)))
    ticks = [t.get_text() for t in figure.axes[1].get_xticklabels()]
    assert "1,000" in ticks
    assert "(d)" in figure.axes[1].get_xlabel()


@pytest.mark.parametrize(
    "hours, per, unit, ticks",
    [
        (0.06, "2 s", "s", ["0", "20", "40"]),
        (2.5, "1 min", "min", ["0", "20", "40"]),
        (5, "2 min", "h", ["0", "0.5", "1"]),
        (50, "20 min", "h", ["0", "6", "12"]),
        (24 * 20, "3 h", "d", ["0", "2", "4"]),
    ],
)
def test_logs_of_hours_and_days_have_round_steps(hours, per, unit, ticks):
    """They had "faults per 3.33333 min" as a label."""
    ns = round(hours * 3600e9)
    lines = [fault(ns * i // 50, i << 12, result="minor") for i in range(51)]
    figure = drawn(HEAD_AT_0 + b"".join(lines))
    assert figure.axes[0].get_ylabel() == f"faults per\n{per}"
    assert figure.axes[-1].get_xlabel() == f"time since the first fault ({unit})"
    labels = [t.get_text() for t in figure.axes[-1].get_xticklabels()]
    assert len(labels) <= 14 and labels[labels.index("0") :][:3] == ticks


def test_names_in_a_script_without_a_font_are_reported():
    text = HEAD.replace(b"cc1plus", "\U00012000".encode()) + NEW
    assert "no font for U+12000 (Debian: " in texts(drawn(text))
    assert "no font" not in texts(drawn(HEAD.replace(b"cc1plus", "äжλ".encode()) + NEW))


def test_the_rule_for_the_panels_heights_is_shown():
    words = texts(drawn(compiler_log(50))).replace("\n", " ")
    assert "panel heights: logarithm of size" in words


# --- views ------------------------------------------------------------------


def viewed(text: bytes, view: str | None) -> Figure:
    figure, log = drawing.new_figure(), read(text)
    drawing.draw(figure, log, checks.examine(log), view=view)
    figure.savefig(io.BytesIO(), format="png")
    return figure


def test_processes_do_not_share_an_address_axis():
    """20 position-independent programs share a file's panel, by offset."""
    lines = [HEAD_AT_0]
    for pid in range(5000, 5020):
        base = 0x550000000000 + pid * 0x40000000
        lines.append(f"# child time={pid} pid={pid} ppid=4494 comm=sh\n".encode())
        lines.append(f"# exec time={pid} pid={pid} comm=sh\n".encode())
        for j in range(8):
            keys = {"map": "/bin/sh", "offset": hex(j * 4096), "region": "code"}
            lines.append(fault(pid + j, base + j * 4096, pid, tid=pid, **keys))
            keys = {"map": "[heap]", "region": "heap"}
            lines.append(
                fault(pid + j, base + (j * 3 + 99) * 4096, pid, tid=pid, **keys)
            )
    text = b"".join(lines)
    log = read(text)
    found = panels.by_mapping(log)
    assert {p.title: p.size for p in found.panels} == {"sh": 8 << 12, "[heap]": 8 << 12}
    for i, panel in enumerate(found.panels):
        here = np.flatnonzero(found.where == i)
        heights = found.heights(log, panel, here) // 4096
        assert np.bincount(heights.astype(int)).tolist() == [20] * 8
    figure = drawn(text)  # and that is the default
    words = texts(figure)
    assert "GiB" not in words and "panels by mapping" in words
    assert "GiB" in texts(viewed(text, "address"))


def test_a_forked_process_has_its_pages_at_its_parents_height():
    """Every second page of the parent must not become the lower half of a panel."""
    keys = {"map": "anon", "region": "anon", "access": "write"}

    def touch(time_ns: int, pages: range, pid: int, first: int = 0x7000) -> list[bytes]:
        return [fault(time_ns, (first + p) << 12, pid, tid=pid, **keys) for p in pages]

    lines = [HEAD_AT_0, *touch(10, range(100), 4494)]
    lines.append(b"# child time=20 pid=5000 ppid=4494 comm=a\n")
    lines += touch(30, range(0, 100, 2), 5000)
    lines.append(b"# child time=40 pid=5001 ppid=5000 comm=a\n")  # a child of the child
    lines += touch(50, range(1, 100, 3), 5001)
    lines.append(b"# exec time=60 pid=5000 comm=b\n")  # now has addresses of its own
    lines += touch(70, range(10), 5000, first=0x99000)
    lines.append(b"# child time=80 pid=5002 ppid=5000 comm=b\n")
    lines += touch(90, range(0, 10, 3), 5002, first=0x99000)
    lines += touch(95, range(1, 100, 5), 4494)
    text = b"".join(lines) + summary(100 + 50 + 33 + 10 + 4 + 20)
    log = read(text)
    found = panels.by_mapping(log)
    (panel,) = found.panels
    heights = found.heights(log, panel, np.arange(len(log))) / 4096 - 0.5
    pages = (log.address >> np.uint64(12)).astype(float)
    assert (
        heights == np.where(pages >= 0x99000, pages - 0x99000, pages - 0x7000)
    ).all()
    assert panel.size == 100 << 12
    assert panel.notes == ("197 pages",)  # each process has its own
    assert "(a forked process like its parent)" in texts(drawn(text)).replace("\n", " ")


def test_a_part_of_a_file_is_shown_over_time():
    figure = viewed(compiler_log(500, outcomes=True), "mapping")
    (axis,) = [a for a in figure.axes if "cc1plus" in texts(a)]
    log = read(compiler_log(500, outcomes=True))
    of_it = log.map == log.names["map"].index("/usr/lib/gcc/cc1plus")
    y = np.concatenate([c.get_offsets()[:, 1] for c in scattered(axis)])
    inside = log.address[of_it] & np.uint64(4095)
    assert sorted(y) == sorted((log.offset[of_it] + inside).astype(float))


def test_of_1000_files_the_costliest_have_panels_and_all_are_counted():
    text = HEAD_AT_0 + b"".join(
        fault(
            i,
            0x7F0000000000 + i % 1000 * 4096,
            access="read",
            region="file",
            map=f"/f{i % 1000}",
            offset="0x0",
            result="minor",
            latency_ns=10**6 if i % 1000 == 613 else 1000 + i % 1000,
        )
        for i in range(3000)
    )
    found = panels.by_mapping(read(text))
    assert found.panels[-1].title == "f613"  # on top
    assert [p.title for p in found.panels[-2:0:-1]] == [
        f"f{i}" for i in range(999, 991, -1)
    ]
    assert found.panels[0].title == "991 others"
    assert (found.where != panels.NONE).all()
    check_labels(viewed(text, "mapping"))


def test_threads_are_rows():
    text = compiler_log(400)
    figure = viewed(text, "threads")
    words = texts(figure)
    assert all(f"cc1plus {tid}" in words for tid in range(4494, 4499))
    assert words.count("80 faults") == 5
    assert len(figure.axes) == 2
    many = HEAD_AT_0 + b"".join(
        fault(i, 0x1000, tid=100 + i % 400) for i in range(2000)
    )
    words = texts(figure := viewed(many, "threads"))
    assert "353 others" in words
    check_labels(figure)


def test_pages_that_fault_again_are_shown():
    """Working set: distinct pages per window, with a separate line for pages seen before."""
    text = HEAD_AT_0 + b"".join(
        fault(t, page * 4096, pid)
        for t, page, pid in (
            (0, 1, 7),
            (1, 1, 7),
            (10, 2, 7),
            (20, 1, 7),
            (21, 1, 7),
            (30, 1, 8),
            (1000, 2, 7),
        )
    )
    figure = viewed(text, "memory")
    words = texts(figure)
    assert "4 faults on pages" in words and "3 pages in total" in words
    (axis,) = [a for a in figure.axes if "later fault on a page" in texts(a)]
    by_colour = {}
    for bar in bars(axis):
        key = matplotlib.colors.to_hex(bar.colour)
        by_colour[key] = by_colour.get(key, 0) + bar.height
    log = read(text)
    width = layout.bin_width(1000)
    windows, seen = {}, set()
    for t, a, p in zip(log.time_ns.tolist(), log.address.tolist(), log.pid.tolist()):
        windows.setdefault(t // width, {}).setdefault((a, p), (a, p) in seen)
        seen.add((a, p))
    flags = [flag for window in windows.values() for flag in window.values()]
    assert by_colour == {
        strips.FIRST: flags.count(False),
        strips.AGAIN: flags.count(True),
    }


def test_a_note_says_that_huge_pages_count_as_one():
    """32 MiB filled by 16 faults on huge pages count as 16 pages: the log has no sizes."""
    text = HEAD_AT_0 + b"".join(fault(i, i << 21, access="write") for i in range(16))
    figure = viewed(text, "memory")
    assert "16 pages in total" in texts(figure)
    assert "a huge page counts as one page" in texts(figure)
    assert "huge page" not in texts(viewed(text, "address"))


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


def test_notes_without_room_are_counted():
    notes = [
        f"a note of some length, the {i}th of many that there are" for i in range(30)
    ]
    lines = layout.run_in(notes, 165, 3)
    assert len(lines) == 3
    nr_kept = sum(note in " ".join(lines) for note in notes)
    assert lines[-1].endswith(f"no room for {30 - nr_kept} more notes")
    assert layout.run_in(notes[:2] * 2, 165, 3) == [" · ".join(notes[:2])]
    assert layout.run_in(["x" * 5000], 165, 3)[0].startswith("xxx")


def test_warnings_without_room_are_counted():
    texts = [f"warning {i}" for i in range(9)]
    assert drawing.warnings_of(texts) == [
        *texts[:5],
        "(4 more lines on standard error)",
    ]
    assert drawing.warnings_of(texts[:6]) == texts[:6]


def test_text_in_svg_is_text_and_the_same_each_time(tmp_path):
    """It can be searched, and copied; other fonts are used where DejaVu is missing."""
    (tmp_path / "a.log").write_bytes(compiler_log(3000, outcomes=True))
    for name in ("a.svg", "b.svg"):
        assert run(tmp_path / "a.log", "-o", tmp_path / name).returncode == 0
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    root = xml.etree.ElementTree.fromstring((tmp_path / "a.svg").read_bytes())
    found = [*root.iter("{http://www.w3.org/2000/svg}text")]
    words = [text.text for text in found]
    assert "Page faults of cc1plus, PID 4494" in words
    assert {"heap", "libstdc++.so.6.0.30"} <= {*words}
    assert {"0x55f3d1000000", "time since the first fault (s)"} <= {*words}
    for text in found:
        families = text.get("style").split("px ", 1)[1]
        assert families.startswith("'DejaVu Sans") and families.count("'") > 4
        assert re.search("(sans-serif|monospace)(;|$)", families)
