# SPDX-License-Identifier: GPL-2.0-or-later
"""The page in a headless browser: its numbers equal those that numpy finds in the log."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import numpy as np
import pytest
from faultlog.base.words import time_text
from logs import *
from pages import (
    browser,
    by,
    choose,
    counts,
    drag,
    expected_counts,
    in_view,
    nothing_wrong,
    opened,
    table,
    times_in_view,
    until,
)
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select

HOSTILE = (
    "/tmp/<img src=x onerror=alert(1)></script><script>window.hacked=1</script>"
    '"&amp;<a href="https://example.com">@DATA@<img src=y>'
)


def test_a_script_of_the_page_sees_only_what_another_exports(browser, tmp_path):
    page = opened(browser, tmp_path, FAMILY)
    hidden = ("Page", "KEYS", "duration", "Faults", "spread", "MAX_MARKS", "byId")
    kinds = ", ".join(f"typeof {name}" for name in hidden)
    assert browser.execute_script(f"return [{kinds}]") == ["undefined"] * len(hidden)
    exported = browser.execute_script("return Object.keys(viewModule)")
    assert {"Faults", "View", "WIDTH_CELLS"} <= {*exported}
    report = SCRIPT.parent / "faultlog/report"
    for name in exported:  # nothing is exported in vain
        assert len(re.findall(rf"\b{name}\b", (report / "page.js").read_text())) > 1
    nothing_wrong(browser, page)


def test_a_page_zooms_and_filters_with_the_log_s_numbers(browser, tmp_path):
    text = compiler_log(20000, outcomes=True)
    page, log = opened(browser, tmp_path, text), read(text)
    everything = np.ones(len(log), dtype=bool)
    assert counts(browser) == expected_counts(log, everything)
    assert browser.execute_script("return page.counted.marks") is None  # binned

    drag(browser, 0.2, 0.1, 0.6, 0.9)
    zoomed = in_view(browser, log)
    assert 0 < np.count_nonzero(zoomed) < 15000
    assert counts(browser) == expected_counts(log, zoomed)
    cells, bars = browser.execute_script(
        "const sum = (list) => list.reduce((a, b) => a + b, 0);"
        "return [sum(page.counted.cells), sum(page.counted.bars.map(sum))]"
    )
    inside, begun = times_in_view(browser, log)
    assert cells == bars == np.count_nonzero(zoomed & begun)

    expected = expected_counts(log, zoomed & begun)
    expected["spent"] = pytest.approx(inside[zoomed].sum())
    colour = Select(browser.find_element(By.ID, "filter-metric"))
    for metric, key in (("latency", "spent"), ("major", "major"), ("faults", "faults")):
        colour.select_by_value(metric)
        got = browser.execute_script(
            "return page.counted.cells.reduce((a, b) => a + b)"
        )
        assert got == expected[key]

    library = "/usr/lib/libstdc++.so.6.0.30"
    choose(browser, "map", library)
    chosen = zoomed & (log.map == log.names["map"].index(library))
    assert np.count_nonzero(chosen) > 10
    assert counts(browser) == expected_counts(log, chosen)
    choose(browser, "result", "major")
    chosen &= log.result == 2
    assert counts(browser) == expected_counts(log, chosen)
    choose(browser, "tid", "4496")
    chosen &= log.tid == 4496
    assert counts(browser) == expected_counts(log, chosen)

    browser.find_element(By.ID, "reset").click()
    assert counts(browser) == expected_counts(log, everything)
    nothing_wrong(browser, page)


def test_the_axis_of_faults_has_its_interval(browser, tmp_path):
    """It was "faults", without the time that a bar stands for."""
    times = [0, 10**9]
    text = HEAD_AT_0 + b"".join(fault(time, 1 << 12, tid=1) for time in times)
    page = opened(browser, tmp_path, text)
    title = browser.execute_script(
        "return document.getElementById('plot').layout.yaxis2.title.text"
    )
    before, between, interval = title.partition("<br>")
    assert (before, between) == ("faults per", "<br>")
    length, unit = interval.split(" ")
    assert 0 < float(length) < 1000 and unit == "ms"
    nothing_wrong(browser, page)


def test_a_long_fault_s_time_is_where_it_passed(browser, tmp_path):
    """All of 771 ms were in the cell where they began; a view of the time after was empty."""
    ms = 10**6
    keys = dict(tid=4494, access="read", result="major")
    text = HEAD_AT_0 + fault(0, 4096, latency_ns=10 * ms, **keys)
    for i in range(4000):  # too many to be drawn one by one
        text += fault(ms + i, 8192, latency_ns=1, **keys)
    text += fault(7630 * ms, 4096, latency_ns=771 * ms, **keys)
    text += fault(8390 * ms, 8192, latency_ns=0, **keys)
    page = opened(browser, tmp_path, text)
    assert browser.execute_script("return page.view.all.x[1]") > 8.401
    Select(browser.find_element(By.ID, "filter-metric")).select_by_value("latency")
    row, x = browser.execute_script(
        "const {WIDTH_CELLS, HEIGHT_CELLS} = viewModule;"
        "const {y, x} = page.view, perY = HEIGHT_CELLS / (y[1] - y[0]);"
        "const first = Math.floor((page.faults.y[0] - y[0]) * perY) * WIDTH_CELLS;"
        "return [Array.from(page.counted.cells.slice(first, first + WIDTH_CELLS)), x]"
    )
    edges = np.linspace(*x, len(row) + 1) * 1000
    expected = np.clip(edges[1:], 7630, 8401) - np.clip(edges[:-1], 7630, 8401)
    expected += np.clip(edges[1:], 0, 10) - np.clip(edges[:-1], 0, 10)
    assert np.array(row) / ms == pytest.approx(expected)
    zoom = "Plotly.relayout('plot', {'xaxis.range': arguments[0]})"
    browser.execute_script(zoom, [7.9, 8.3])
    until(lambda: counts(browser)["faults"] == 1, "the zoom")
    assert counts(browser)["spent"] == 771 * ms
    assert browser.execute_script("return page.counted.inside / 1e6") == pytest.approx(
        400
    )
    nothing_wrong(browser, page)


def test_the_cells_are_those_of_numpy(browser, tmp_path):
    text = compiler_log(9000, outcomes=True)
    opened(browser, tmp_path, text)
    log = read(text)
    cells, (x0, x1), rows = browser.execute_script(
        "return [Array.from(page.counted.cells), page.view.x, viewModule.HEIGHT_CELLS]"
    )
    seconds = (log.time_ns - log.time_ns.min()) / 1e9
    expected = np.histogram(seconds, bins=len(cells) // rows, range=(x0, x1))[0]
    found = np.array(cells).reshape(rows, -1).sum(axis=0)
    assert np.abs(found.cumsum() - expected.cumsum()).max() <= 1  # at a bin's very edge
    assert found.sum() == len(log)


def test_pointing_shows_the_fault_s_line(browser, tmp_path):
    page = opened(browser, tmp_path, FAMILY)
    lines = [
        re.sub(r"^ *\d+:: PID = +", "PID = ", line)
        for line in FAMILY.decode().splitlines()
        if "Page Fault" in line
    ]
    got = [
        browser.execute_async_script(f"page.line({i}).then(arguments[0])")
        for i in range(3)
    ]
    keys = lambda line: (line.split(" tid=")[0], sorted(line.split()[10:]))
    assert [keys(line) for line in got] == [keys(line) for line in lines]
    point = browser.find_elements(By.CSS_SELECTOR, "#plot .scatterlayer .point")[0]
    ActionChains(browser).move_to_element(point).perform()
    fault = browser.find_element(By.ID, "fault")
    until(lambda: fault.text.startswith("PID = "), "the line of a fault")
    assert keys(fault.text) in [keys(line) for line in lines]
    nothing_wrong(browser, page)


def test_pointing_at_a_cell_shows_its_faults(browser, tmp_path):
    page = opened(browser, tmp_path, compiler_log(9000, outcomes=True))
    most, text = browser.execute_script(
        "const {WIDTH_CELLS} = viewModule;"
        "const cells = page.counted.cells, most = Math.max(...cells), at = cells.indexOf(most);"
        "const {x, y} = document.getElementById('plot').data[0];"
        "return [most, page.cell({x: x[at % WIDTH_CELLS], y: y[Math.floor(at / WIDTH_CELLS)]})]"
    )
    assert text.startswith(f"{most} faults at ")
    nothing_wrong(browser, page)


def test_hostile_names_are_inert(browser, tmp_path):
    name = HOSTILE.replace(" ", "\\040")
    keys = dict(tid=4494, access=name, map=name, region=name, result=name, kind=name)
    text = HEAD_AT_0.replace(b"comm=cc1plus", f"comm={name}".encode())
    text += b"".join(fault(i, 0x1000 * i, counter=i, **keys) for i in range(5))
    text += fault(9, 0x9000, counter=5, tid=1, access="read", map="a", region="heap")
    text += f"# exec time=8 pid=4494 comm={name}\n".encode() + summary(6)
    page = opened(browser, tmp_path, text)
    assert HOSTILE in browser.find_element(By.ID, "title").text
    assert HOSTILE in [row[0] for row in table(browser)]
    labels = browser.execute_script(
        "return Array.from(document.querySelectorAll('#plot .annotation-text'), e => e.textContent)"
    )
    assert any("@DATA@<img src=y>" in label for label in labels)
    assert browser.execute_script("return window.hacked") is None
    assert browser.execute_script("return document.images.length") == 0
    assert (
        browser.execute_script("return document.querySelectorAll('a[href]').length")
        == 0
    )
    nothing_wrong(browser, page)


def test_processes_share_files_by_offset_not_addresses(browser, tmp_path):
    """Two processes map the same file at different addresses; one also has a heap."""
    text = HEAD_AT_0 + b"# child time=1 pid=9 ppid=4494 comm=sh\n"
    base = {4494: 0x55F391C00000, 9: 0x7FAA28000000}
    for i in range(40):
        pid = (4494, 9)[i % 2]
        offset = 4096 * (i // 2) + 8192
        keys = dict(tid=pid, access="read", region="file", result="minor", latency_ns=9)
        keys |= dict(map="/lib/a.so", offset=hex(offset))
        text += fault(10 * i, base[pid] + offset, pid, counter=i, **keys)
    keys = dict(tid=9, access="write", region="heap", result="minor", latency_ns=1)
    for i in range(40, 50):
        text += fault(10 * i, 0x1000 * i, 9, counter=i, **keys, map="[heap]")
    page = opened(browser, tmp_path, text + summary(50))
    panels = browser.execute_script("return page.faults.meta.panels")
    assert [(p["label"], p["pages"]) for p in panels] == [("[heap]", 10), ("a.so", 22)]
    file = panels[1]
    browser.execute_script(
        "Plotly.relayout('plot', {'yaxis.range': arguments[0]})",
        [
            file["bottom"] + file["height"] * 4 / file["pages"],
            file["bottom"] + file["height"] * 9 / file["pages"],
        ],
    )
    # pages 4 to 8 of the file, in both processes
    until(lambda: counts(browser)["faults"] == 10, "the zoom")
    assert counts(browser) == dict(faults=10, minor=10, major=0, failed=0, spent=90)
    by(browser, "pid")
    assert sorted(row[:2] for row in table(browser)) == [["4494", "5"], ["9", "5"]]
    choose(browser, "pid", "9")
    assert counts(browser)["faults"] == 5
    nothing_wrong(browser, page)
    page = opened(browser, tmp_path, text + summary(50), "--view", "address")
    assert counts(browser)["faults"] == 50
    assert len(browser.execute_script("return page.faults.meta.panels")) == 3
    done = run(tmp_path / "a.log", "-o", page, "--view", "threads")
    assert done.returncode == 1 and "a page has address and mapping" in done.stderr


def test_a_fault_without_an_offset_has_a_line(browser, tmp_path):
    keys = dict(map="/lib/a.so", access="read", result="minor", latency_ns=1)
    top = hex((1 << 64) - 4096)
    text = b"".join(fault(i, 0x1000, i, offset=top, **keys) for i in range(5))
    page = opened(browser, tmp_path, HEAD_AT_0 + text + fault(5, 0x9000, 7, **keys))
    assert counts(browser)["faults"] == 6
    labels = browser.execute_script("return page.faults.meta.panels.map(p => p.label)")
    assert labels == ["no offset", "a.so"]
    nothing_wrong(browser, page)


def test_losses_and_the_head_are_shown(browser, tmp_path):
    page = opened(browser, tmp_path, HEAD + NEW + summary(5, dropped=4))
    notes = browser.find_element(By.ID, "notes").text
    assert "4 dropped" in notes
    assert "nothing lost" not in browser.find_element(By.ID, "about").text
    head = browser.execute_script("return document.getElementById('head').textContent")
    assert "6.1.0-56-amd64" in head and "dropped4" in head
    nothing_wrong(browser, page)


def test_a_log_of_2020_and_a_filter(browser, tmp_path):
    page = opened(browser, tmp_path, OLD)
    assert counts(browser)["faults"] == 1
    nothing_wrong(browser, page)
    page = opened(browser, tmp_path, FAMILY, "--major")
    assert counts(browser) == dict(faults=1, minor=0, major=1, failed=0, spent=181210)
    assert "only major faults" in browser.find_element(By.ID, "about").text
    nothing_wrong(browser, page)


def test_hours_have_round_steps(browser, tmp_path):
    """The steps were tens of thousands of seconds."""
    hour = 3600 * 10**9
    lines = [
        fault(i * hour, i << 12, result="minor", latency_ns=hour // 60)
        for i in range(60)
    ]
    page = opened(browser, tmp_path, HEAD_AT_0 + b"".join(lines))
    axis = browser.execute_script(
        "const axis = document.getElementById('plot').layout.xaxis;"
        "return [axis.title.text, axis.ticktext.slice(0, 3)]"
    )
    assert axis == ["time since the first fault (h)", ["0", "6", "12"]]
    assert "60.0 min in faults" in browser.find_element(By.ID, "counts").text
    nothing_wrong(browser, page)


def test_times_are_those_of_pictures_and_tables_to_the_last_digit(browser, tmp_path):
    """36,150 µs were "36.1 ms" in one of them and "36.2 ms" in another."""
    opened(browser, tmp_path, OLD)
    times = [0, 1, 999, 1500, 9996, 36_150_000, 999_999, 999_999_999, 45 * 10**8]
    times += [s * 10**9 for s in (119, 120, 7199, 7200, 90061, 172_800, 10**9)]
    times += (10 ** np.random.default_rng(1).uniform(0, 16, 500)).astype(int).tolist()
    got = browser.execute_script("return arguments[0].map(pageModule.duration)", times)
    assert got == [time_text(ns) for ns in times]


def test_the_top_of_64_bits(browser, tmp_path):
    top = (1 << 64) - 4096
    keys = dict(tid=1, ip=hex((1 << 64) - 2), map="a", offset=hex(top))
    opened(browser, tmp_path, OLD + fault((1 << 64) - 1, top, 1, **keys))
    line = browser.execute_async_script("page.line(1).then(arguments[0])")
    assert f"Address {top:#x} at Time" in line
    assert f" ip={(1 << 64) - 2:#x} " in line and line.endswith(f"offset={top:#x}")


OTHERS = Path(__file__).resolve().parent / "others"


@pytest.mark.parametrize("name", ["perf_script", "perf_trace", "trace_pipe"])
def test_what_another_recorder_lacks_is_missing(browser, tmp_path, name):
    text = gzip.decompress((OTHERS / f"{name}.txt.gz").read_bytes())
    page, log = opened(browser, tmp_path, text), read(text)
    assert counts(browser)["faults"] == len(log)
    about = browser.find_element(By.ID, "about").text
    assert log.recorder in about and "nothing lost" not in about
    by(browser, "region")
    until(lambda: table(browser), "the table")
    [row] = table(browser)
    pages = {*zip(log.process.tolist(), log.page.tolist())}
    assert row[:2] == ["unknown", str(len(log))] and row[5] == str(len(pages))
    by(browser, "page")
    until(lambda: len(table(browser)) > 1, "the table")
    labels = [row[0] for row in table(browser)]
    has_offsets = bool(log.known("offset").any())
    assert any("libc.so.6+0x" in label for label in labels) == has_offsets
    last = len(log) - 1
    line = browser.execute_async_script(f"page.line({last}).then(arguments[0])")
    known = [log.known("pid")[last], log.known("address")[last]]
    assert ("PID = ? " not in line, "Address ? " not in line) == tuple(known)
    nothing_wrong(browser, page)
