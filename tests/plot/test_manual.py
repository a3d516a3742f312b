# SPDX-License-Identifier: GPL-2.0-or-later
"""The manual page agrees with --help."""

from __future__ import annotations

import re
import subprocess

import pytest
from faultlog.analyse import groups
from faultlog.report import outputs, table
from logs import SCRIPT, run

PAGE = SCRIPT.parent / "doc/page_fault_plot.1"


@pytest.fixture(scope="module")
def usage() -> str:
    return run("--help").stdout


def section(title: str) -> str:
    """A section of the page."""
    found = re.search(
        rf"^\.Sh {title}\n(.*?)(?=^\.Sh |\Z)", PAGE.read_text(), re.M | re.S
    )
    return found[1]


def options_of_page() -> dict[str, bool]:
    """The options that the page explains, and whether they take an argument."""
    found = {}
    for item in re.findall(r"^\.It Fl (.*)$", section("OPTIONS"), re.M):
        names, _, argument = item.partition(" Ar ")
        for name in re.split(" , | Op", names)[: 2 if " , " in names else 1]:
            found[f"-{name.strip()}"] = bool(argument)
    return found


def test_the_page_is_sound():
    done = subprocess.run(
        ["mandoc", "-T", "lint", PAGE], capture_output=True, text=True
    )
    complaints = [
        line
        for line in (done.stdout + done.stderr).splitlines()
        if "referenced manual not found" not in line
        and "outdated mandoc.db" not in line
    ]
    assert complaints == []
    text = subprocess.run(["mandoc", "-T", "ascii", PAGE], capture_output=True).stdout
    plain = re.sub(rb".\x08", b"", text).decode("ascii", "replace")
    assert len(plain) > 5000 and max(map(len, plain.splitlines())) <= 80


def test_help_and_page_have_the_same_options(usage):
    in_help = {}
    for line in re.findall(r"^  (-.*)$", usage, re.M):
        for option in re.split(", (?=-)", re.split("  ", line)[0]):
            name, _, argument = option.partition(" ")
            in_help[name] = bool(argument)
    assert len(in_help) > 15
    assert options_of_page() == in_help


def test_the_synopsis_has_the_options_that_are_not_filters():
    filters = section("OPTIONS").partition(".Ss Filters")[2]
    synopsis = section("SYNOPSIS")
    for option in options_of_page():
        if f".It Fl {option[1:]}" not in filters and option != "--help":
            assert re.search(rf"(Fl|\|) {option[1:]}\b", synopsis), option


def test_all_words_that_options_accept_are_in_the_page():
    options = section("OPTIONS")
    for words in (outputs.VIEWS, groups.KEYS, table.SORTS):
        for word in words:
            assert re.search(rf"^\.(It )?Cm .*\b{word}\b", options, re.M), word
    for suffix in outputs.MODULE_OF_SUFFIX:
        assert re.search(rf"^\.It Pa .*{re.escape(suffix)}", section("OUTPUTS"), re.M)


def test_exit_statuses_are_in_the_page():
    statuses = set(re.findall(r"\b\d\b", section("EXIT STATUS")))
    assert statuses == {"0", "1", "2"}
    assert run("--none").returncode == 2
    assert run("/none.log").returncode == 1
