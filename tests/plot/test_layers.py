# SPDX-License-Identifier: GPL-2.0-or-later
"""The plotter's packages are layers: each imports only from itself and from those below it."""

import ast
from pathlib import Path

import pytest

from logs import SCRIPT

LAYERS = ("base", "parse", "analyse", "draw", "report", "cli")  # the lowest first
PACKAGE = SCRIPT.parent / "faultlog"
FILES = sorted(PACKAGE.glob("*/*.py"))


def layers_of(path: Path, text: str) -> set[str]:
    """The layers that a module in faultlog/LAYER/ imports from, also inside its functions."""
    found = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            parents = ("faultlog", path.parent.name)[: 3 - node.level]
            start = [*parents, node.module] if node.level else [node.module]
            module = ".".join(filter(None, start))
            names = [f"{module}.{alias.name}" for alias in node.names]
        else:
            continue
        parts = [name.split(".") for name in names]
        found |= {part[1] for part in parts if part[0] == "faultlog"}
    return found & set(LAYERS)


def test_every_module_is_in_a_layer():
    assert {path.parent.name for path in FILES} == set(LAYERS[:-1])
    assert {path.name for path in PACKAGE.glob("*.py")} == {"__init__.py", "cli.py"}


@pytest.mark.parametrize("path", FILES, ids=lambda p: f"{p.parent.name}/{p.name}")
def test_a_module_imports_no_higher_layer(path):
    above = set(LAYERS[LAYERS.index(path.parent.name) + 1 :])
    assert not layers_of(path, path.read_text()) & above


@pytest.mark.parametrize(
    "text, layers",
    [
        ("from ..draw.marks import INK", {"draw"}),
        ("from .. import draw, cli", {"draw", "cli"}),
        ("from .log import Log", {"parse"}),
        ("from . import log", {"parse"}),
        ("def f():\n    from ..report.outputs import Job", {"report"}),
        ("import faultlog.analyse.groups", {"analyse"}),
        ("from faultlog.base.words import plural", {"base"}),
        ("from faultlog import report", {"report"}),
        ("import draw\nfrom os import path", set()),
    ],
)
def test_imports_are_recognized(text, layers):
    """So the test above can fail."""
    assert layers_of(PACKAGE / "parse/lines.py", text) == layers


def test_no_layer_needs_numpy_to_be_found():
    """Packages import nothing by themselves, so an import costs what its module needs."""
    for layer in LAYERS[:-1]:
        body = ast.parse((PACKAGE / layer / "__init__.py").read_text()).body
        assert [type(node) for node in body] == [ast.Expr]
