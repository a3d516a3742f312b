# SPDX-License-Identifier: GPL-2.0-or-later
"""doc/comparison.md: its tests and pictures exist, and each cell has one, or a source."""

from __future__ import annotations

import re

import pytest
from logs import SCRIPT

PROJECT = SCRIPT.parent
TEXT = (PROJECT / "doc/comparison.md").read_text()
TESTS = re.findall(r"^\* \[(t\d+)\] (\S+?)(?:: (\S+))?$", TEXT, re.M)
SOURCES = re.findall(r"^  \[(s\d+)\] \[[^\]]+\]\((\S+)\)", TEXT, re.M)
UNKNOWN = ("–", "?")


def tables() -> list[list[list[str]]]:
    """The cells of each row of each table; the first row is the head."""
    found = re.findall(r"(?:^\|.*\n)+", TEXT, re.M)
    cells = [
        [[cell.strip() for cell in row[1:-1].split("|")] for row in table.splitlines()]
        for table in found
    ]
    return [[rows[0], *rows[2:]] for rows in cells]


def referred(text: str) -> set[str]:
    return set(re.findall(r"\[([ts]\d+)\](?!\()", text))


def test_rows_have_as_many_cells_as_the_head():
    assert [len(table[0]) for table in tables()] == [6, 8]
    for head, *rows in tables():
        assert head[1] == "pf_probe" and len(rows) > 9
        for row in rows:
            assert len(row) == len(head), row[0]


def test_each_cell_has_a_test_or_a_source():
    for _, *rows in tables():
        for name, ours, *theirs in rows:
            assert re.search(r"\[t\d+\]", ours), name
            for cell in theirs:
                assert re.search(r"\[s\d+\]", cell) or cell.endswith(UNKNOWN), cell


def test_references_are_defined_once_and_used():
    defined = [key for key, *_ in TESTS] + [key for key, _ in SOURCES]
    assert len(defined) == len(set(defined)) > 50
    assert referred(TEXT.partition("\n## Tests and pictures")[0]) == set(defined)


@pytest.mark.parametrize("key, path, name", TESTS)
def test_a_test_or_picture_exists(key, path, name):
    file = PROJECT / path
    assert file.is_file()
    if file.suffix == ".png":
        assert not name
    elif file.suffix == ".py":
        assert re.search(rf"^def {name}\(", file.read_text(), re.M)
    elif file.suffix == ".md":
        assert re.search(rf"^#+ {name}$", file.read_text(), re.M)
    elif name:
        assert re.search(rf"^{name}\(\)", file.read_text(), re.M)


def test_sources_are_of_the_versions_named():
    head = " ".join(TEXT.partition("\n## ")[0].split())
    groups = re.findall(r"^\* (\w+) ([\d.]+\d)[^\n]*:\n((?:  .*\n)+)", TEXT, re.M)
    assert len(groups) == 6
    for name, version, sources in groups:
        assert f"{name} {version}" in head
        urls = re.findall(r"\((https://github\.com/\S+)\)", sources)
        assert urls and all(re.search(r"/blob/v\d[\d.]*/", url) for url in urls)
        assert f"/blob/v{version}/" in urls[0]
