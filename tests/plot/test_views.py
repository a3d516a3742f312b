# SPDX-License-Identifier: GPL-2.0-or-later
"""The vertical axis of pictures: views, panels, and gaps between areas."""

from __future__ import annotations

import matplotlib
import numpy as np
from faultlog.draw import layout, panels, strips
from faultlog.report import page
from figures import check_labels, viewed
from logs import *


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
