# SPDX-License-Identifier: GPL-2.0-or-later
"""What is drawn."""

from __future__ import annotations

import io

import numpy as np
import pytest
from faultlog import areas, lanes, picture
from faultlog.log import MAJOR
from logs import *
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure


def test_region_labels_fit():
    assert picture.region_label([]) == ""
    assert picture.region_label(["heap"]) == "heap"
    assert picture.region_label(["code", "data"]) == "code, data"
    assert (
        picture.region_label(["special", "stack", "file", "anon"])
        == "special, stack +2"
    )
    assert picture.region_label(["x" * 99]) == "x" * 19 + "…"


def test_a_picture_tells_who_what_and_where():
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
    assert note.get_color() == picture.ALARM
    assert "nothing lost" not in texts(figure)


def test_a_log_of_2020_has_no_legend():
    figure = drawn(OLD + OLD.replace(b"602", b"702"))
    assert figure.legends == []
    words = texts(figure)
    assert "Page faults of PID 4494" in words
    assert "2 faults in 100 ns on 1 page" in words.splitlines()


def test_other_processes_are_counted():
    one = HEAD + NEW + fault(1, 0x1000, pid=4500)
    assert "PID 4494 and 1 other process\n" in texts(drawn(one)) + "\n"
    two = one + fault(2, 0x1000, pid=4501)
    assert "PID 4494 and 2 other processes\n" in texts(drawn(two)) + "\n"


def test_a_comm_is_no_mathematics():
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
    heights = sum(bar.get_height() for bar in strip.patches)
    assert heights == pytest.approx(len(log))
    for axis in areas:
        assert axis.get_xlim() == (left, right)
        low, high = axis.get_ylim()
        assert low < 0 < high


@pytest.mark.parametrize("nr_faults", [100, 3000, 60000])
def test_every_fault_is_drawn(nr_faults):
    text = compiler_log(nr_faults)
    figure = drawn(text)
    marks = sum(len(c.get_offsets()) for axis in figure.axes for c in axis.collections)
    binned = [axis for axis in figure.axes if axis.images]
    assert bool(binned) == (nr_faults == 60000)
    assert ("darker: more faults" in texts(figure)) == bool(binned)
    log = read(text)
    pages = log.address >> np.uint64(12)
    where = areas.panel_of(pages, areas.find_panels(pages))
    for i, axis in enumerate(figure.axes[1:]):
        if axis in binned:
            marks += np.count_nonzero(where == i)
    assert marks == nr_faults


def test_cells_add_up():
    figure = Figure(figsize=(10, 5))
    axis = figure.add_axes((0.1, 0.1, 0.8, 0.8), xlim=(-1, 101), ylim=(-5, 4101))
    rng = np.random.default_rng(0)
    x, y = rng.uniform(0, 100, 10**5), rng.uniform(0, 4096, 10**5)
    access = rng.integers(0, 4, 10**5).astype(np.uint8)
    counts = picture._count_cells(axis, x, y, access)
    assert counts.sum() == 10**5
    assert counts.sum(axis=(0, 1)).tolist() == [*np.bincount(access), 0]
    lower_left = counts[: len(counts) // 2, : counts.shape[1] // 2].sum()
    assert lower_left == pytest.approx(25000, rel=0.05)


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
    """Where the areas have such marks."""
    return [
        (float(x), float(y))
        for axis in figure.axes
        for line in axis.lines
        if line.get_marker() == style["marker"]
        for x, y in zip(*line.get_data())
    ]


def test_an_old_log_gets_nothing_new():
    for text in (OLD * 3, compiler_log(3000)):
        log = read(text)
        figure = drawn(text)
        panels = areas.find_panels(log.address >> np.uint64(12))
        assert len(figure.axes) == 1 + len(panels)
        assert figure.get_size_inches()[0] == picture.WIDTH
        assert rings(figure, picture.MAJOR_MARK) == []
        words = texts(figure)
        for word in (
            "minor",
            "major",
            "taking",
            "child",
            "time a fault took",
            "cc1plus\n",
        ):
            assert word not in words.replace("of cc1plus", "")


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
    found = rings(figure, picture.MAJOR_MARK)
    assert found[:4] == expected
    assert found[4:] == [(x, pytest.approx(np.log10(2e6))) for x, _ in expected]
    (legend,) = figure.legends
    assert [t.get_text() for t in legend.get_texts()] == ["read 40", "major 4"]
    words = texts(figure)
    assert "40 faults (36 minor, 4 major) in 39.0 ms on 40 pages" in words
    assert "taking 8.04 ms in all; nothing lost" in words
    assert "8.04 ms, 4 major" in words
    assert "median 1.00 µs, max 2.00 ms" in words
    assert "one fault or more" not in words


def test_failed_faults_stand_out():
    figure = drawn(FAMILY)
    assert (
        len(rings(figure, picture.FAILED_MARK)) == 2
    )  # in its area, and by its latency
    words = texts(figure)
    assert "3 faults (1 minor, 1 major, 1 failed) in 10.0 µs" in words
    assert "failed 1" in words.splitlines()
    assert "not shown: 2 abandoned" in words


def test_every_major_fault_has_a_ring_near():
    text = compiler_log(20000, outcomes=True)
    figure, log = drawn(text), read(text)
    major = np.flatnonzero(log.result == MAJOR)
    assert len(major) > 500
    where = areas.panel_of(
        log.address >> np.uint64(12),
        panels := areas.find_panels(log.address >> np.uint64(12)),
    )
    elapsed = (log.time_ns - log.time_ns.min()) / 1e9
    nr_rings = 0
    for i, axis in enumerate(figure.axes[1 : 1 + len(panels)]):
        here = major[where[major] == i]
        drawn_here = [a for a in axis.lines if a.get_marker() == "o"]
        assert len(drawn_here) == bool(len(here))
        if not drawn_here:
            continue
        above = (log.address[here] - np.uint64(panels[i].first << 12)).astype(float)
        to_pixels = axis.transData.transform
        marks = to_pixels(np.column_stack(drawn_here[0].get_data()))
        faults = to_pixels(np.column_stack((elapsed[here], above)))
        away = np.abs(faults[:, None] - marks[None]).max(axis=2).min(axis=1)
        assert away.max() <= picture.RING * figure.dpi + 0.01
        nr_rings += len(marks)
    assert nr_rings < len(major)  # one for all in the same spot, and that is said
    assert "   a ring may stand for several faults" in texts(figure)


@pytest.mark.parametrize("nr_faults", [1, 300, 60000])
def test_latencies_have_a_panel(nr_faults):
    text = compiler_log(nr_faults, outcomes=True)
    figure = drawn(text)
    (axis,) = [a for a in figure.axes if "time a fault took" in texts(a)]
    assert axis.get_xlim() == figure.axes[0].get_xlim()
    assert axis.get_xlabel().startswith("time since the first fault")
    assert sum(bool(a.get_xlabel()) for a in figure.axes) == 1
    low, high = axis.get_ylim()
    latency = np.log10(read(text).latency_ns)
    assert low < latency.min() and latency.max() < high
    marks = sum(len(c.get_offsets()) for c in axis.collections)
    assert marks == nr_faults or (nr_faults == 60000 and axis.images)


def test_a_latency_of_zero_is_drawn_and_none_is_not():
    figure = drawn(
        fault(1, 0x1000, result="minor", latency_ns=0)
        + fault(2, 0x1000, result="minor", latency_ns=500)
        + fault(2, 0x1000, result="minor")
    )
    (axis,) = [a for a in figure.axes if "time a fault took" in texts(a)]
    assert sum(len(c.get_offsets()) for c in axis.collections) == 2
    assert "median 250 ns" in texts(axis)
    figure = drawn(fault(1, 0x1000, result="minor") + fault(2, 0x1000))
    assert "time a fault took" not in texts(figure)


def test_faults_are_drawn_in_the_order_of_time():
    times = [5, 3, 9, 1, 7, 2]
    text = b"".join(
        fault(t, 0x1000 * t, access="read", result="minor", latency_ns=t * 10)
        for t in times
    )
    log = read(text)
    assert log.time_ns.tolist() == times
    strip, *others = drawn(text).axes
    for axis in others:
        x = np.concatenate([c.get_offsets()[:, 0] for c in axis.collections])
        assert x.tolist() == sorted(x.tolist())
    heights = sum(bar.get_height() for bar in strip.patches)
    assert heights == len(times)
    ordered = b"".join(
        sorted(text.splitlines(keepends=True), key=lambda w: w.split()[10])
    )
    pictures = []
    for log_text in (text, ordered):
        figure, file = Figure(), io.BytesIO()
        draw(figure, read(log_text))
        figure.savefig(file, format="png", metadata={"Software": None})
        pictures.append(file.getvalue())
    assert pictures[0] == pictures[1]


@pytest.mark.parametrize("told", [True, False])
def test_children_are_told_and_have_rows(told):
    text = family_log(["sh", r"a\040b"], told=told)
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


def test_one_child_and_none():
    assert "PID 4494 and 1 child\n" in texts(drawn(family_log(["sh"])))
    alone = HEAD + NEW + summary(1).replace(b"\n", b" children=0\n")
    assert "PID 4494\n" in texts(drawn(alone))
    # A child that had no fault: none to compare with.
    assert lanes.find_lanes(read(alone.replace(b"children=0", b"children=1"))) is None


def test_many_processes_share_rows_by_program():
    comms = ["sh", "cc1", "as"] * 20 + ["ld"]
    found = lanes.find_lanes(read(family_log(comms)))
    assert found.names == ["cc1plus", "sh ×20", "cc1 ×20", "as ×20", "ld"]
    assert np.bincount(found.lane).tolist() == [3, 60, 60, 60, 3]


def test_many_programs_leave_a_row_for_the_others():
    comms = [f"p{i}" for i in range(40)] + ["p7"] * 5
    found = lanes.find_lanes(read(family_log(comms)))
    assert len(found.names) == lanes.MAX_LANES
    assert found.names[-1] == "30 others"
    assert "p7 ×6" in found.names
    counts = np.bincount(found.lane)
    assert counts[found.names.index("p7 ×6")] == 18
    assert counts[-1] == 90 and counts.sum() == 3 * 46


def test_names_of_rows_and_files_fit():
    assert picture.lane_label("cc1 125") == "cc1 125"
    assert picture.lane_label("cc1plus") == "cc1plus"
    assert picture.lane_label("abcdefghijkl001 4000001") == "abcdefghijk… 4000001"
    assert picture.file_label("/usr/lib/libc.so.6") == "libc.so.6"
    assert picture.file_label("/memfd:a b (deleted)") == "memfd:a b"
    assert picture.file_label("/" + "x" * 30) == "x" * 20 + "…"


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


def test_a_file_that_is_everywhere_is_not_named():
    def log(nr_places: int) -> bytes:
        return b"".join(
            fault(i, (0x7F0000 + 8 * i) << 12, map="/libc.so.6", offset="0x0")
            for i in range(nr_places)
        )

    assert texts(drawn(log(picture.MAX_SAME))).count("libc.so.6") == picture.MAX_SAME
    assert "libc.so.6" not in texts(drawn(log(picture.MAX_SAME + 1)))


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
