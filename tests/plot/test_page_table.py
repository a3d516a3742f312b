# SPDX-License-Identifier: GPL-2.0-or-later
"""The tables of the page: they equal those that numpy finds in the log."""

from __future__ import annotations

import time

import numpy as np
import pytest
import spaces
from faultlog.analyse.placer import INFERRED
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
    until,
)
from selenium.webdriver.common.by import By
from test_symbols import LOAD, address_of, library, line, parts
from test_symbols import head as symbols_head


def test_tables_are_sums_of_the_log_and_sort(browser, tmp_path):
    text = compiler_log(5000, outcomes=True)
    page, log = opened(browser, tmp_path, text), read(text)
    rows = table(browser)
    names = log.names["map"]
    spent = {n: int(log.spent_ns()[log.map == i].sum()) for i, n in enumerate(names)}
    by_time = sorted((n for n in names if spent[n]), key=lambda n: -spent[n])
    assert [row[0] for row in rows] == by_time
    for row in rows:
        chosen = log.map == names.index(row[0])
        results = np.bincount(log.result[chosen], minlength=3)
        got = [int(cell.replace(",", "")) for cell in row[1:5]]
        assert got == [np.count_nonzero(chosen), results[1], results[2], 0]
        share = 100 * spent[row[0]] / sum(spent.values())
        assert float(row[10].removesuffix(" %")) == pytest.approx(share, abs=0.051)
        latency = np.sort(log.latency_ns[chosen])
        expected = [latency[-(-len(latency) * q // 100) - 1] for q in (50, 99)]
        shown = [time_text(int(ns)) for ns in (*expected, latency.max())]
        assert row[7:10] == shown
        assert row[5] == f"{len(np.unique(log.address[chosen] >> np.uint64(12))):,}"
    exact = browser.execute_script(
        "const {first, columns} = page.counted.tables.get('map');"
        "return first.map((i, r) => [page.faults.text(page.faults.group[i], 'map'),"
        " columns.median[r], columns.p99[r]])"
    )
    for name, *found in exact:
        latency = np.sort(log.latency_ns[log.map == names.index(name)])
        assert found == [latency[-(-len(latency) * q // 100) - 1] for q in (50, 99)]
    head = browser.find_elements(By.CSS_SELECTOR, "#table th")
    head[1].click()
    numbers = [int(row[1].replace(",", "")) for row in table(browser)]
    assert numbers == sorted(numbers, reverse=True)
    browser.find_elements(By.CSS_SELECTOR, "#table th")[1].click()
    assert [int(row[1].replace(",", "")) for row in table(browser)] == numbers[::-1]
    by(browser, "tid")
    assert sorted(row[0] for row in table(browser)) == [
        str(t) for t in range(4494, 4499)
    ]
    browser.find_element(By.CSS_SELECTOR, "#table tbody tr").click()  # is a filter, too
    chosen = log.tid == int(table(browser)[0][0])
    assert counts(browser) == expected_counts(log, chosen)
    nothing_wrong(browser, page)


def test_tables_by_function_offset_and_page_are_those_of_the_terminal(
    browser, tmp_path
):
    """Also in a zoomed and filtered view: an independent count of its faults."""
    text = compiler_log(6000, outcomes=True)
    page, log = opened(browser, tmp_path, text), read(text)
    names = np.array(log.names["map"], dtype=object)
    offset = [f"+{o:#x}" if t else "" for o, t in zip(log.offset, log.known("offset"))]
    texts = {
        "page": [f"{a & ~0xFFF:#x}" for a in log.address.tolist()],
        "offset": [n + o for n, o in zip(names[log.map], offset)],
        "map": names[log.map].tolist(),
    }
    which = np.ones(len(log), dtype=bool)
    for _ in range(2):
        spent = log.spent_ns()[which].astype(int).tolist()
        for key, of_fault in texts.items():
            by(browser, key)
            expected: dict[str, list[int]] = {}
            for name, ns in zip(np.array(of_fault, dtype=object)[which], spent):
                row = expected.setdefault(name, [0, 0])
                row[0] += 1
                row[1] += ns
            costs = sorted((row[1] for row in expected.values()), reverse=True)
            rows = table(browser)
            assert len(rows) == min(len(expected), 200)
            found = [expected[row[0]] for row in rows]
            assert [row[1] for row in found] == costs[: len(rows)]
            assert [row[1] for row in rows] == [f"{row[0]:,}" for row in found]
            if key == "page":
                assert {row[5] for row in rows} == {"1"}
        drag(browser, 0.2, 0.1, 0.6, 0.9)
        which = in_view(browser, log)
    by(browser, "function")
    [row] = table(browser)  # all are at one instruction
    assert row[0] == "cc1plus+0x4ce1b5"
    assert row[1] == f"{np.count_nonzero(which):,}"
    assert "cc1plus" in browser.find_element(By.ID, "more").text  # has no symbols here
    nothing_wrong(browser, page)


def test_functions_have_their_names(browser, tmp_path, library):
    code, _ = parts(library)
    text = symbols_head(time.time() + 9)
    for i, name in enumerate(("writes_data", "reads_text", "reads_text")):
        ip = LOAD + address_of(library, name)
        text += line(i, LOAD, code, ip, access="exec", map="/guest/libx.so")
    (tmp_path / "libx.so").write_bytes(library.read_bytes())
    root = ("--root", f"/guest={tmp_path}")
    page = opened(browser, tmp_path, text + summary(3), *root)
    by(browser, "function")
    assert [row[:2] for row in table(browser)] == [
        ["reads_text [libx.so]", "2"],
        ["writes_data [libx.so]", "1"],
    ]
    assert browser.find_element(By.ID, "more").text == INFERRED
    nothing_wrong(browser, page)


def test_missing_figures_are_dashes_with_one_hint(browser, tmp_path):
    """They were 0 minor and 0 major, and times were empty."""
    keys = dict(tid=1, access="read", map="/a")
    text = HEAD_AT_0 + b"".join(fault(i, i << 12, **keys) for i in range(5))
    page = opened(browser, tmp_path, text + summary(5))
    by(browser, "region")
    until(lambda: table(browser), "the table")
    assert table(browser) == [["unknown", "5", *"---", "5", *"-----"]]
    more = browser.find_element(By.ID, "more").text
    assert more == "The log has no results and latencies (-): record with outcome=1."
    nothing_wrong(browser, page)
    more = fault(9, 9 << 12, result="major", latency_ns=0, **{**keys, "map": "/b"})
    page = opened(browser, tmp_path, text + more + summary(6))
    until(lambda: table(browser), "the table")
    rows = {row[0]: row[1:] for row in table(browser)}
    assert rows["/a"][1:4] == rows["/a"][5:9][:3] == ["-"] * 3
    assert rows["/b"][:9] == ["1", "0", "1", "0", "1", *["0 ns"] * 4]
    assert browser.find_element(By.ID, "more").text == ""
    nothing_wrong(browser, page)


def test_threads_have_names_and_an_exec_is_marked(browser, tmp_path):
    text = spaces.HEAD + spaces.comm(1, 4494, 4494, "main")
    text += spaces.comm(1, 4494, 4495, "<b>work") + spaces.space(6, 4494)
    for i, tid in enumerate((4494, 4495, 4494, 4494)):
        keys = {"tid": tid, "access": "read", "result": "minor", "latency_ns": 1}
        text += fault(5 + i, 0x5000, **keys, map="anon")
    page = opened(browser, tmp_path, text + summary(4))
    by(browser, "tid")
    assert [row[0] for row in table(browser)] == ["4494 main", "4495 <b>work"]
    choose(browser, "tid", "4495 <b>work")
    assert counts(browser)["faults"] == 1
    assert " tid=4495 " in browser.execute_script("return page.line(1)")
    shapes = browser.execute_script(
        "return document.getElementById('plot').layout.shapes"
        ".filter(shape => shape.type === 'line').map(shape => shape.x0)"
    )
    assert shapes == [1e-9]
    about = browser.execute_script(
        "return document.getElementById('about').textContent"
    )
    assert "dashed lines: exec, the memory is new from there on" in about
    nothing_wrong(browser, page)
