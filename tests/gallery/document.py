# SPDX-License-Identifier: GPL-2.0-or-later
"""Fill in the gallery's template, which is written by hand, with figures of the runs.

Paragraphs are Markdown.  A `run` names a program to trace:

    ```run NAME [cold] [children=1]
    COMMANDS that prepare it, a line each
    COMMAND
    ```

The blocks up to the next `run` are about its log.  `facts` gives names to numbers, each of
an SQL query on the .sqlite that page_fault_plot.py makes of the log; an indented line
continues the one before:

    ```facts
    spent: SELECT sum(latency_ns) FROM faults
    ```

{spent|time} in a paragraph becomes that number in a readable form ({spent} a count,
{spent|percent} a share).  `claims` are SQL conditions that may use :spent and the other
facts: if one does not hold, the sentences around it would be false, so no document is
made.  `table` has the options of a table to insert.
"""

from __future__ import annotations

import re
import shlex
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field

# The faults in memory that patterns.c touches, with the page's number from BASE on.
TOUCHED = """
CREATE TEMP VIEW touched AS
    SELECT *, (address - 0x200000000000) / 4096 AS page FROM faults
    WHERE address BETWEEN 0x200000000000 AND 0x20ffffffffff
"""
FORMS = ("count", "time", "percent")
HOLE = re.compile(r"\{(\w+)(?:\|(\w+))?\}")


class DocumentError(Exception):
    """The template can't be turned into a document; the text says why."""


@dataclass
class Run:
    """A program to trace, and the text about it."""

    name: str
    is_cold: bool
    parameters: str
    preparation: list[str]
    command: str
    blocks: list[tuple[str, str, str]] = field(default_factory=list)
    """Kind ("text", "facts", "claims", "table"), options and text of each block."""

    @property
    def log(self) -> str:
        return f"{self.name}.log"

    def shown(self) -> str:
        """The commands, as a reader would type them."""
        lines = list(self.preparation)
        if self.is_cold:
            lines += ["sync; echo 3 | sudo tee /proc/sys/vm/drop_caches"]
        words = ["sudo ./user -B", f"-o {self.log}", "outcome=1", self.parameters]
        lines += [" ".join([*filter(None, words), "--", self.command])]
        lines += [f"python3 page_fault_plot.py {self.log}"]
        return "".join(f"    $ {line}\n" for line in lines)

    def guest_line(self) -> str:
        """The line for guest.sh."""
        how = "cold" if self.is_cold else "warm"
        before = " && ".join(self.preparation)
        return shlex.join(
            ["run", self.name, before, how, self.parameters, self.command]
        )


@dataclass
class Document:
    """A parsed template."""

    head: str  # before the first run
    runs: list[Run]


def parse(template: str) -> Document:
    """Parse a template; raises DocumentError."""
    pieces = re.split(r"^```(.*)\n((?:.*\n)*?)```\n", template, flags=re.M)
    head, rest = pieces[0], pieces[1:]
    document = Document("", [])
    # A heading right before a run belongs to that run.
    text = head
    for info, body, after in zip(rest[::3], rest[1::3], rest[2::3]):
        kind, _, options = info.partition(" ")
        if kind == "run":
            before, heading = _last_heading(text)
            _add_text(document, before)
            document.runs.append(_run(options, body))
            document.runs[-1].blocks.append(("text", "", heading))
            document.runs[-1].blocks.append(("commands", "", ""))
        elif kind in ("facts", "claims", "table") and document.runs:
            _add_text(document, text)
            document.runs[-1].blocks.append((kind, options, body))
        else:
            raise DocumentError(f"unknown block, or one before the first run: {info}")
        text = after
    _add_text(document, text)
    names = [run.name for run in document.runs]
    if len(set(names)) < len(names) or not names:
        raise DocumentError("there must be a run, and each must have a name of its own")
    return document


def _last_heading(text: str) -> tuple[str, str]:
    """Split a text before its last heading."""
    at = text.rfind("\n## ")
    if at < 0:
        raise DocumentError("a run without a heading before it")
    return text[: at + 1], text[at + 1 :]


def _add_text(document: Document, text: str) -> None:
    if not document.runs:
        document.head += text
    elif text:
        document.runs[-1].blocks.append(("text", "", text))


def _run(options: str, body: str) -> Run:
    name, *words = options.split()
    lines = body.splitlines()
    unknown = set(words) - {"cold", "children=1"}
    if unknown or not lines or not re.fullmatch(r"[a-z0-9]+", name):
        raise DocumentError(f"a run with wrong options or no command: {options}")
    parameters = " ".join(word for word in words if word != "cold")
    return Run(name, "cold" in words, parameters, lines[:-1], lines[-1])


def facts(run: Run, database: sqlite3.Connection) -> dict[str, float]:
    """Compute the facts of a run; raises DocumentError if one is not a number."""
    database.execute("DROP VIEW IF EXISTS temp.touched")
    database.execute(TOUCHED)
    known: dict[str, float] = {}
    for kind, _, body in run.blocks:
        if kind != "facts":
            continue
        for line in re.sub(r"\n[ \t]+", " ", body).splitlines():
            name, _, query = line.partition(":")
            try:
                rows = database.execute(query, known).fetchall()
            except sqlite3.Error as err:
                raise DocumentError(f"{run.name}: {name}: {err}") from err
            value = rows[0][0] if len(rows) == 1 and len(rows[0]) == 1 else None
            if not isinstance(value, (int, float)):
                raise DocumentError(f"{run.name}: {name} is not a number")
            known[name] = value
    return known


def failed_claims(
    run: Run, known: dict[str, float], database: sqlite3.Connection
) -> list[str]:
    """The claims that do not hold; raises DocumentError if one can't be checked."""
    wrong = []
    nr_claims = 0
    for kind, _, body in run.blocks:
        if kind != "claims":
            continue
        for claim in re.sub(r"\n[ \t]+", " ", body).splitlines():
            nr_claims += 1
            try:
                holds = database.execute(f"SELECT {claim}", known).fetchone()[0]
            except sqlite3.Error as err:
                raise DocumentError(f"{run.name}: {claim}: {err}") from err
            if holds != 1:
                used = [name for name in known if re.search(rf":{name}\b", claim)]
                values = ", ".join(f"{name} is {known[name]}" for name in used)
                wrong.append(f"{run.name}: claim does not hold: {claim} ({values})")
    if not nr_claims:
        raise DocumentError(f"{run.name}: it has no claims")
    return wrong


def filled(
    text: str, known: dict[str, float], forms: dict[str, Callable[[float], str]]
) -> str:
    """A paragraph with its numbers filled in; raises DocumentError if one is unknown."""

    def number(match: re.Match[str]) -> str:
        name, form = match[1], match[2] or "count"
        if name not in known or form not in FORMS:
            raise DocumentError(f"no fact {match[0]}")
        return forms[form](known[name])

    return HOLE.sub(number, text)


def rendered(
    document: Document,
    known: dict[str, dict[str, float]],
    forms: dict[str, Callable[[float], str]],
    table: Callable[[Run, list[str]], str],
) -> str:
    """The document. known: the facts by run; table: makes a table, by its options."""
    parts = [document.head]
    for run in document.runs:
        for kind, options, body in run.blocks:
            if kind == "text":
                parts.append(filled(body, known[run.name], forms))
            elif kind == "commands":
                parts.append(f"{run.shown()}\n![Page faults of {run.command}]")
                parts.append(f"(gallery/{run.name}.png)\n")
            elif kind == "table":
                lines = table(run, shlex.split(options)).splitlines()
                parts.append(f"    $ python3 page_fault_plot.py {run.log} {options}\n")
                parts += [f"    {line}".rstrip() + "\n" for line in lines]
    return re.sub(r"\n{3,}", "\n\n", "".join(parts)).rstrip() + "\n"
