# SPDX-License-Identifier: GPL-2.0-or-later
"""The gallery without a guest: its text, its claims, the checks of all outputs."""

from __future__ import annotations

import gzip
import re
import sqlite3
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import document
import outputs

TEMPLATE = (HERE / "gallery.md.in").read_text()
DOC = outputs.PROJECT / "doc"
SMALL = """\
# Top

## One

```run one cold children=1
make it
do it
```

{n} of {part|percent}.

```facts
n: SELECT count(*)
    FROM faults
part: SELECT :n / 4.0
```

```claims
:n = 2
```

```table --by map --top 5
```
"""
FORMS = {"count": str, "time": str, "percent": "{:.0%}".format}


@pytest.fixture
def database():
    with closing(sqlite3.connect(":memory:")) as database:
        database.execute("CREATE TABLE faults (address INTEGER)")
        database.executemany("INSERT INTO faults VALUES (?)", [(1,), (2,)])
        yield database


def test_a_document_of_a_template(database):
    text = document.parse(SMALL)
    (run,) = text.runs
    known = document.facts(run, database)
    assert known == {"n": 2, "part": 0.5}
    assert document.failed_claims(run, known, database) == []
    made = document.rendered(text, {"one": known}, FORMS, lambda *_: "a table\n")
    assert made == (
        "# Top\n\n## One\n\n"
        "    $ make it\n    $ sync; echo 3 | sudo tee /proc/sys/vm/drop_caches\n"
        "    $ sudo ./user -B -o one.log outcome=1 children=1 -- do it\n"
        "    $ python3 page_fault_plot.py one.log\n\n"
        "![Page faults of do it](gallery/one.png)\n\n2 of 50%.\n\n"
        "    $ python3 page_fault_plot.py one.log --by map --top 5\n    a table\n"
    )
    assert run.guest_line() == "run one 'make it' cold children=1 'do it'"


def test_a_claim_that_does_not_hold_is_reported(database):
    (run,) = document.parse(SMALL.replace(":n = 2", ":n = 3\n:n > 1\n:part < 0")).runs
    wrong = document.failed_claims(run, document.facts(run, database), database)
    assert wrong == [
        "one: claim does not hold: :n = 3 (n is 2)",
        "one: claim does not hold: :part < 0 (part is 0.5)",
    ]


@pytest.mark.parametrize(
    "old, new, message",
    [
        ("{n}", "{m}", "no fact {m}"),
        ("{n}", "{n|lines}", "no fact {n|lines}"),
        ("FROM faults", "FROM nowhere", "one: n: no such table"),
        ("SELECT count(*)", "SELECT NULL", "one: n is not a number"),
        (":n = 2\n", "", "it has no claims"),
        (":n = 2", "nonsense", "no such column"),
        ("```facts", "```fact", "unknown block, or one before the first run: fact"),
        (" cold", " colder", "a run with wrong options"),
    ],
)
def test_an_error_in_a_template_is_reported(database, old, new, message):
    with pytest.raises(document.DocumentError, match=re.escape(message)):
        text = document.parse(SMALL.replace(old, new))
        known = document.facts(text.runs[0], database)
        document.failed_claims(text.runs[0], known, database)
        document.rendered(text, {"one": known}, FORMS, lambda *_: "")


def test_the_gallery_agrees_with_its_template():
    """Except numbers and tables, which come from a run. If it fails: `make gallery`."""
    text = document.parse(TEMPLATE)
    number, table = "NUMBER", "TABLE\n"
    names = set(document.HOLE.findall(TEMPLATE))
    known = {run.name: {name: 0.0 for name, _ in names} for run in text.runs}
    forms = dict.fromkeys(document.FORMS, lambda _: number)
    pattern = re.escape(document.rendered(text, known, forms, lambda *_: table))
    pattern = pattern.replace(number, r"[\d,.]+(?: (?:%|d|h|min|s|ms|µs|ns))?")
    pattern = pattern.replace(re.escape(f"    {table}"), r"(?:    \S?.*\n)+?")
    assert re.fullmatch(pattern, (DOC / "gallery.md").read_text())


def test_pictures_are_there_and_small():
    pictures = {path.stem: path for path in (DOC / "gallery").iterdir()}
    assert set(pictures) == {run.name for run in document.parse(TEMPLATE).runs}
    assert all(path.suffix == ".png" for path in pictures.values())
    assert sum(path.stat().st_size for path in pictures.values()) < 1_500_000


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "cc1.log"
    packed = outputs.PROJECT / "tests/plot/cc1.log.gz"
    path.write_bytes(gzip.decompress(packed.read_bytes()))
    return path


def test_all_outputs_are_checked(log):
    names = [name.split(": ")[1] for name, _ in outputs.checks(log)]
    wanted = {
        *outputs.MODULE_OF_SUFFIX,
        *outputs.VIEWS,
        *outputs.KEYS,
        "--slowest",
        "--compare",
    }
    assert set(names) == wanted


@pytest.mark.parametrize(
    "check, what, field",
    [
        (outputs.check_file, ".csv", "nr_faults"),
        (outputs.check_file, ".sqlite", "nr_faults"),
        (outputs.check_file, ".html", "nr_faults"),
        (outputs.check_file, ".sh", "nr_major_in_files"),
        (outputs.check_table, "map", "spent_ns"),
        (outputs.check_comparison, "--compare", "spent_ns"),
    ],
)
def test_an_output_is_compared_with_the_log(log, check, what, field):
    facts = outputs.log_facts(log)
    check(log, what, facts)
    assert list(log.parent.iterdir()) == [log]
    with pytest.raises(outputs.OutputError):
        check(log, what, replace(facts, **{field: 0}))


def test_a_warning_is_a_failure(log):
    log.write_text(log.read_text().replace("# recorded=", "# recorded=9"))
    with pytest.raises(outputs.OutputError, match="status 0: .*recorded"):
        outputs.made(log, "--by", cwd=log.parent)


def test_one_output_that_fails_does_not_end_the_others(log, monkeypatch):
    every, kept = outputs.checks, ("a.log: .csv", "a.log: .jsonl", "cc1.log: cpu")
    monkeypatch.setattr(
        outputs, "checks", lambda path: [x for x in every(path) if x[0] in kept]
    )
    bad = log.with_name("a.log")
    bad.write_text("no faults\n")
    nr_outputs, failed = outputs.failures([bad, log])
    assert nr_outputs == 3
    assert [line.split(": ")[1] for line in failed] == [".csv", ".jsonl"]
    assert "status 1" in failed[0]
