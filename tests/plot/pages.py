# SPDX-License-Identifier: GPL-2.0-or-later
"""A page in a headless browser, for the tests of the page."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Callable, Iterator

import numpy as np
import pytest
from logs import *
from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select

# Not requests of the page: its own data, and the browser's first page, which may still be loading.
OWN_SCHEMES = ("data:", "blob:", "chrome:")
# No window, no user's profile, and no requests except the page's.
BROWSER_OPTIONS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--window-size=1500,1300"),
    *("--disable-background-networking", "--disable-component-update"),
    *("--disable-sync", "--no-first-run", "--disable-dev-shm-usage"),
)


@pytest.fixture(scope="module")
def browser(tmp_path_factory) -> Iterator[webdriver.Chrome]:
    options = Options()
    options.binary_location = "/usr/bin/chromium"
    for option in BROWSER_OPTIONS:
        options.add_argument(option)
    options.add_argument(f"--user-data-dir={tmp_path_factory.mktemp('profile')}")
    options.set_capability(
        "goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"}
    )
    driver = webdriver.Chrome(service=Service("/usr/bin/chromedriver"), options=options)
    driver.set_script_timeout(60)
    yield driver
    driver.quit()


def until(condition: Callable[[], object], what: str) -> object:
    """Wait for a condition, at most a minute."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        result = condition()
        if result:
            return result
        time.sleep(0.05)
    raise AssertionError(f"waited in vain: {what}")


def opened(browser: webdriver.Chrome, tmp_path: Path, text: bytes, *options: str):
    log, page = tmp_path / "a.log", tmp_path / "a.html"
    log.write_bytes(text)
    done = run(log, "-o", page, *options)
    assert (done.returncode, done.stdout) == (0, f"{page}\n"), done.stderr
    for kind in ("browser", "performance"):
        browser.get_log(kind)  # what was before
    browser.get(page.as_uri())
    about = "return document.getElementById('about').textContent"
    ready = "return document.body.dataset.ready"
    until(
        lambda: browser.execute_script(ready)
        or "can't" in browser.execute_script(about),
        "the page",
    )
    assert browser.execute_script(ready), browser.execute_script(about)
    return page


def nothing_wrong(browser: webdriver.Chrome, page: Path) -> None:
    """Check: no message on the console, no request except for the page, no dialog."""
    assert browser.get_log("browser") == []
    requests = set()
    for entry in browser.get_log("performance"):
        message = json.loads(entry["message"])["message"]
        assert message["method"] != "Page.javascriptDialogOpening"
        if message["method"] == "Network.requestWillBeSent":
            requests.add(message["params"]["request"]["url"])
    requests = {url for url in requests if not url.startswith(OWN_SCHEMES)}
    assert requests == {page.as_uri()}


def counts(browser: webdriver.Chrome) -> dict[str, int]:
    data = browser.execute_script(
        "return {...document.getElementById('counts').dataset}"
    )
    return {name: int(value) for name, value in data.items()}


def in_view(browser: webdriver.Chrome, log: Log) -> np.ndarray:
    """The faults within the picture's axes, by the log and not by the page's data."""
    (x0, x1), (y0, y1), panels = browser.execute_script(
        "const axes = document.getElementById('plot').layout;"
        "return [axes.xaxis.range, axes.yaxis.range, page.faults.meta.panels]"
    )
    seconds = (log.time_ns - log.time_ns.min()).astype(float)
    pages = log.address >> np.uint64(12)
    y = np.full(len(log), np.nan)
    for panel in panels:
        first = np.uint64(panel["first"])
        inside = (pages >= first) & (pages < first + np.uint64(panel["pages"]))
        above = (pages[inside] - first).astype(float) + 0.5
        y[inside] = panel["bottom"] + above / panel["pages"] * panel["height"]
    assert not np.isnan(y).any()
    ends = seconds + log.spent_ns().astype(float)
    passes = (seconds <= x1 * 1e9) & ((seconds >= x0 * 1e9) | (ends > x0 * 1e9))
    return passes & (y >= y0) & (y <= y1)


def times_in_view(browser: webdriver.Chrome, log: Log) -> np.ndarray:
    """How much of each fault is between the picture's ends, and whether it began there."""
    x = browser.execute_script(
        "return document.getElementById('plot').layout.xaxis.range"
    )
    low, high = (1e9 * end for end in x)
    begin = (log.time_ns - log.time_ns.min()).astype(float)
    end = begin + log.spent_ns().astype(float)
    inside = np.minimum(end, high) - np.maximum(begin, low)
    return np.maximum(inside, 0), (begin >= low) & (begin <= high)


def expected_counts(log: Log, which: np.ndarray) -> dict[str, int]:
    results = np.bincount(log.result[which], minlength=8)
    return {
        "faults": int(np.count_nonzero(which)),
        "minor": int(results[1]),
        "major": int(results[2]),
        "failed": int(results[3:8].sum()),
        "spent": int(log.spent_ns()[which].sum()),
    }


def choose(browser: webdriver.Chrome, key: str, text: str) -> None:
    select = Select(browser.find_element(By.ID, f"filter-{key}"))
    options = [option.text for option in select.options]
    select.select_by_index([o.rpartition(" (")[0] for o in options].index(text))


def table(browser: webdriver.Chrome) -> list[list[str]]:
    return browser.execute_script(
        "return Array.from(document.getElementById('table').tBodies[0].rows, "
        "r => Array.from(r.cells, c => c.textContent))"
    )


def by(browser: webdriver.Chrome, key: str) -> None:
    """Choose the table's key."""
    browser.find_element(By.ID, f"by-{key}").click()
    done = "return document.getElementById('table').dataset.by"
    until(lambda: browser.execute_script(done) == key, "the table")


def drag(browser: webdriver.Chrome, *corners: float) -> None:
    """Zoom with the mouse, from corner to corner, as fractions of the picture's size."""
    surface = browser.find_element(By.CSS_SELECTOR, "#plot .nsewdrag[data-subplot=xy]")
    width, height = surface.size["width"], surface.size["height"]
    x0, y0, x1, y1 = corners
    before = browser.execute_script("return page.view.x[0]")
    chain = ActionChains(browser)
    chain.move_to_element_with_offset(
        surface, int((x0 - 0.5) * width), int((y0 - 0.5) * height)
    )
    chain.click_and_hold()
    for part in (0.3, 1):  # a press alone is a click
        chain.move_to_element_with_offset(
            surface,
            int((x0 + (x1 - x0) * part - 0.5) * width),
            int((y0 + (y1 - y0) * part - 0.5) * height),
        )
    chain.release().perform()
    until(lambda: browser.execute_script("return page.view.x[0]") != before, "the zoom")
