# SPDX-License-Identifier: GPL-2.0-or-later
"""README.md and doc/: their figures are of the demo and the bench; links and commands work."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from PIL import Image

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import outputs
import readme

PROJECT = readme.PROJECT
README = PROJECT / "README.md"
PAGES = sorted([*PROJECT.glob("*.md"), *(PROJECT / "doc").glob("*.md")])


@pytest.fixture(scope="module")
def logs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("logs")
    readme.unpack(folder)
    return folder


@pytest.mark.parametrize("path", readme.DOCS, ids=lambda path: path.name)
def test_tables_and_figures_are_of_the_demo_and_the_bench(path, logs):
    """If it fails, run `make readme`."""
    text = path.read_text()
    assert len(readme.BLOCK.findall(text)) == text.count("<!-- end -->") > 0
    assert readme.updated(text, logs, readme.are_files_here(logs)) == text


def test_names_of_functions_are_compared(logs):
    """On a machine that has the demo's files; elsewhere the test above skips these tables."""
    if not readme.are_files_here(logs):
        pytest.skip("the compiler here is not the one of the demo's logs: names differ")
    text = (PROJECT / "doc/answers.md").read_text()
    changed = text.replace("_int_malloc", "_int_free")
    assert changed != text
    assert readme.updated(changed, logs) == text
    assert readme.updated(changed, logs, with_names=False) == changed


@pytest.mark.parametrize(
    "pattern",
    [
        r"(?<=3,839 faults in )\d+",  # a table's title
        r"\d+(?= were in one file)",  # a sentence
        r"(?<=traced process \| )\d+",  # a cell of the comparison
        r"(?<=adds\s)\d+(?= instructions)",
    ],
)
def test_a_figure_changed_by_hand_is_found(pattern, logs):
    text = README.read_text()
    changed, nr_changed = re.subn(pattern, "1", text)
    assert nr_changed >= 1
    assert readme.updated(changed, logs, with_names=False) == text


def test_figures_follow_the_bench(monkeypatch, tmp_path):
    results = tmp_path / "results.md"
    text = readme.RESULTS.read_text()
    for name in (readme.COMPARED[0], "pf_probe_B"):
        text = text.replace(f"| {name} | read | ", f"| {name} | read | 9,")
    results.write_text(text)
    before = readme.costs()
    monkeypatch.setattr(readme, "RESULTS", results)
    assert before != readme.costs()
    row = re.search(
        r"^\| Instructions added.*$", readme.compared(README.read_text()), re.M
    )
    assert " 9," in row[0]
    results.write_text("# nothing\n")
    with pytest.raises(readme.ReadmeError, match="no table below"):
        readme.costs()


def test_the_picture_is_of_the_demo(logs):
    drawn = readme.picture(logs)
    with Image.open(readme.PICTURE) as shown:
        nr_different = readme.nr_different(drawn, shown)
    # Another processor may round a pixel differently.
    assert nr_different <= 20, "run make readme"


def test_pictures_are_compared_pixel_by_pixel():
    a, b = Image.new("RGB", (30, 20)), Image.new("RGB", (30, 20))
    b.paste((9, 9, 9), (0, 0, 5, 5))
    assert readme.nr_different(a, a) == 0
    assert readme.nr_different(a, b) == 25
    assert readme.nr_different(a, Image.new("RGB", (20, 30))) == 600


def test_readme_is_read_in_two_minutes():
    assert len(README.read_text().splitlines()) <= 150


def anchor(heading: str) -> str:
    """The anchor that GitHub and GitLab give to a heading."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_links_lead_somewhere(path):
    for link in re.findall(r"\]\(([^)\s]+)\)", path.read_text()):
        if re.match(r"https?:", link):
            continue
        name, _, fragment = link.partition("#")
        target = (path.parent / name).resolve() if name else path
        assert target.exists(), link
        if fragment:
            headings = re.findall(r"^#+ (.*)$", target.read_text(), re.M)
            assert fragment in map(anchor, headings), link


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_commands_are_there(path):
    """The commands in a page: targets of make, options of user and of the plotter."""
    text = path.read_text()
    makefile = (PROJECT / "Makefile").read_text()
    for target in re.findall(r"(?:^ {4}|`|sudo )make ([a-z][a-z-]*)", text, re.M):
        assert re.search(rf"^{target}:", makefile, re.M), f"make {target}"
    shown = [
        outputs.plot("--help", cwd=PROJECT).stdout,
        (PROJECT / "user.c").read_text(),
    ]
    known = set(re.findall(r"(?<!\S)(--[a-z]+)", shown[0]))
    known |= {f"--{name}" for name in re.findall(r'\{ "([a-z]+)", ', shown[1])}
    used = re.findall(r"(?:page_fault_plot\S*|\buser|pf_user) [^`\n]*", text)
    used += re.findall(r"`(--[^`\n]*)`", text)
    for option in re.findall(r"(?<!\S)(--[a-z]+)", " ".join(used)):
        assert option in known, option


VERSIONED = {
    "faultlog/__init__.py": r'^VERSION = "([^"]*)"$',
    "dkms.conf": r'^PACKAGE_VERSION="([^"]*)"$|pf_probe[-/]([\d.]+)\b',
    "debian/changelog": r"\A\S+ \((.*)\)",  # the latest
    "doc/troubleshooting.md": r"pf_probe[-/]([\d.]+)\b",
    "doc/log-format.md": r" version=(\S+)",
    "doc/pf_probe.8": r" version=(\S+)",
    "CHANGELOG.md": r"\A(?:.*\n)*?## \[(\d[^\]]*)\]",  # the latest
}


@pytest.mark.parametrize("name, pattern", VERSIONED.items(), ids=VERSIONED)
def test_there_is_one_version(name, pattern):
    """PF_VERSION defines it; all other places agree."""
    header = (PROJECT / "pf_common.h").read_text()
    version = re.search(r'^#define PF_VERSION "(.*)"$', header, re.M)[1]
    found = re.findall(pattern, (PROJECT / name).read_text(), re.M)
    found = {"".join(x) for x in found}
    assert found == {version}


def test_notes_about_this_machine_are_left_out():
    title, head, row = "cc1, pid 1: 2 faults", "  share  map", " 10.0 %  x"
    note = ["No symbols found for libisl.so and", "2 other files"]
    assert readme.without_notes([title, *note, head, row]) == [title, head, row]
    assert readme.without_notes([title, head, row]) == [title, head, row]


@pytest.mark.parametrize(
    "message, source",
    [
        ("No kernel build tree at ", "Makefile"),
        (" is already loaded", "pf_user/module.c"),
        ("cannot place a kprobe in ", "pf/hook.h"),
        ("kprobes are switched off", "pf/hook.h"),
        (" is needed", "faultlog/base/libraries.py"),
    ],
)
def test_messages_that_are_explained_are_printed(message, source):
    assert message in (PROJECT / "doc/troubleshooting.md").read_text()
    assert message in (PROJECT / source).read_text()
