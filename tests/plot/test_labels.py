# SPDX-License-Identifier: GPL-2.0-or-later
"""The words in pictures: they are inside, do not touch, and name the right things."""

from __future__ import annotations

import re
import xml.etree.ElementTree

import numpy as np
import pytest
from faultlog.draw import drawing, layout, marks, panels
from faultlog.parse import checks
from figures import check_apart, check_labels, legend_words, mixed_log
from logs import *
from matplotlib.artist import Artist
from matplotlib.figure import Figure


def words_beside_axes(figure: Figure) -> list[Artist]:
    """Titles, notes, and the ticks that are shown on Y."""
    labels = [*figure.texts]
    for axis in figure.axes:
        low, high = axis.get_ylim()
        ticks = axis.get_yticklabels()
        labels += [t for t in ticks if low <= t.get_position()[1] <= high]
        labels += axis.texts
    return labels


@pytest.mark.parametrize("nr_faults", [1, 30, 5000])
def test_labels_do_not_touch_each_other(nr_faults):
    figure = drawn(compiler_log(nr_faults))
    check_apart(figure, words_beside_axes(figure))


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
    check_apart(figure, [*words_beside_axes(figure), *figure.legends])


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
