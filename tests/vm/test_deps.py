# SPDX-License-Identifier: GPL-2.0-or-later
"""tests/deps: which packages each group installs; the demo needs no other than its own."""

from __future__ import annotations

import ast
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

import build
import kernel
import vm

PROJECT = build.PROJECT
MAKEFILE = (PROJECT / "Makefile").read_text()
DEPS = PROJECT / "tests/deps"
# What was installed for the demo although only the checks and the tests need it.
NOT_FOR_THE_DEMO = {"mypy", "black", "sparse", "dkms", "chromium", "python3-selenium"}
NOT_FOR_THE_DEMO |= {"stress-ng", "clang", "valgrind", "linux-source", "e2fsprogs"}
QEMU = {"amd64": "qemu-system-x86", "arm64": "qemu-system-arm"}.get(
    kernel.host_arch(), ""
)

pytestmark = pytest.mark.skipif(
    kernel.os_release().get("ID") != "debian" or not QEMU, reason="not Debian"
)

Deps = Callable[..., tuple[int, str, list[str]]]

FAKES = {
    # Everything in $INSTALLED is installed, or all if that is "all".
    "dpkg-query": """
        for package in "$@"; do :; done
        case " $INSTALLED " in
        *" $package "* | *" all "*) echo installed ;;
        esac""",
    "apt-get": """
        case " $* " in
        *--print-uris*) echo "'http://x/a.deb' a.deb 3000000 SHA256:0" ;;
        *) echo "apt-get $*" >&2; echo "apt-get $*" >>calls ;;
        esac
        [ ! -e broken ] || { echo "E: broken"; exit 100; }""",
    "sudo": 'exec "$@"',
}


@pytest.fixture
def deps(tmp_path: Path) -> Deps:
    """Runs tests/deps with no package installed; returns status, messages, and apt's calls."""
    for name, script in FAKES.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / name).chmod(0o755)

    def result(*groups: str, installed: str = "") -> tuple[int, str, list[str]]:
        path = f"{tmp_path}:{os.environ['PATH']}"
        (tmp_path / "calls").write_text("")
        done = subprocess.run(
            [DEPS, *groups],
            cwd=tmp_path,
            env={"PATH": path, "INSTALLED": installed, "PYTHON": "/no/python"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        calls = (tmp_path / "calls").read_text().splitlines()
        return done.returncode, done.stdout, calls

    return result


def packages_of(deps: Deps, group: str) -> list[str]:
    """The packages that a group installs if none is there."""
    status, _, calls = deps(group)
    assert status == 0
    update, install = calls
    assert update == "apt-get -q update"
    assert "--no-install-recommends" in install
    return install.partition(" install ")[2].split()


def groups() -> list[str]:
    """The groups that tests/deps knows."""
    found = re.findall(r"^\t([a-z0-9]+)\)", DEPS.read_text(), re.MULTILINE)
    assert len(found) > 10
    return found


def test_the_demo_needs_these(deps: Deps) -> None:
    assert sorted(packages_of(deps, "demo")) == sorted(
        ["gcc", "libc6-dev", "make", "elfutils", QEMU, "python3"]
        + ["python3-numpy", "python3-matplotlib", "python3-tqdm"]
    )


@pytest.mark.parametrize(
    "group, some, none",
    [
        ("demo", {"gcc"}, NOT_FOR_THE_DEMO),
        ("stress", {"gcc", QEMU}, {*NOT_FOR_THE_DEMO, "python3-matplotlib"}),
        ("test", {"python3-pytest", "dkms", "chromium", "tmux"}, {"mypy", "valgrind"}),
        ("check", {"mypy", "black", "sparse", "valgrind"}, {QEMU, "dkms", "chromium"}),
        ("fuzz", {"clang"}, {"gcc", QEMU}),
        ("matrix", {"qemu-system-x86", "qemu-system-arm", "perl"}, {"bison", "dkms"}),
        ("debug", {"bison", "xz-utils"}, {"black", "dkms"}),
        ("bench", {QEMU, "python3-numpy"}, {"bpftrace", "dkms"}),
        ("tracers", {"bpftrace"}, {"gcc"}),
        ("gallery", {"sqlite3", "python3-pil", "e2fsprogs"}, {"mypy", "dkms"}),
        ("readme", {"python3-pil"}, {QEMU, "gcc"}),
        ("fleet", {"postgresql", QEMU}, {"mypy", "dkms"}),
    ],
)
def test_a_group_has_what_it_needs_and_no_more(
    deps: Deps, group: str, some: set[str], none: set[str]
) -> None:
    packages = packages_of(deps, group)
    assert len(packages) == len(set(packages))
    assert some <= set(packages) and not none & set(packages)


def test_several_groups_are_installed_at_once(deps: Deps) -> None:
    both = packages_of(deps, "demo") + packages_of(deps, "gallery")
    _, _, calls = deps("demo", "gallery")
    assert set(calls[1].partition(" install ")[2].split()) == set(both)


def test_commands_of_make_name_groups_that_exist() -> None:
    recipes = re.sub(r"\$\(filter (\w+),\S+\)", r"\1", MAKEFILE)
    recipes = re.sub(r"\$\(if \S+,([\w ]+)\)", r"\1", recipes)
    calls = re.findall(r"tests/deps(.*)$", recipes, re.MULTILINE)
    assert calls and all(calls)
    used = {group for call in calls for group in call.split()}
    assert used == set(groups())


def test_it_reports_first_and_then_installs(deps: Deps) -> None:
    status, output, _ = deps("demo", installed="gcc make python3")
    assert status == 0
    plan, *others = output.splitlines()
    assert plan.startswith("To install with apt (3 MB to download): libc6-dev elfutils")
    assert " gcc" not in plan
    assert others[0].startswith("To fetch into the cache, not to install: ")
    assert len(others) == 1


def test_only_the_demo_reports_the_kernel(deps: Deps) -> None:
    assert "To fetch" not in deps("stress")[1]


def test_nothing_is_said_if_nothing_is_missing(deps: Deps) -> None:
    assert deps("test", installed="all") == (0, "", [])


@pytest.mark.usefixtures("deps")
def test_the_kernel_is_reported_by_its_name_and_size(tmp_path: Path) -> None:
    """Whatever kernel.py says; nothing if the kernel is in the cache."""
    python = tmp_path / "python"
    python.write_text('#!/bin/sh\nshift\necho "To fetch: a kernel, $*"\n')
    python.chmod(0o755)
    done = subprocess.run(
        [DEPS, "demo"],
        env={
            "PATH": f"{tmp_path}:{os.environ['PATH']}",
            "INSTALLED": "all",
            "PYTHON": str(python),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == "To fetch: a kernel, --plan\n"


def test_failure_shows_what_apt_said(deps: Deps, tmp_path: Path) -> None:
    (tmp_path / "broken").touch()
    status, output, _ = deps("fuzz")
    assert status == 1
    assert "E: broken\napt could not install them: clang" in output


@pytest.mark.parametrize("words", [[], ["nothing"], ["demo", "nothing"]])
def test_wrong_groups_are_an_error(deps: Deps, words: list[str]) -> None:
    status, output, calls = deps(*words)
    assert status == 2 and output.startswith("tests/deps: ") and calls == []


# The demo's group is enough: what its programs import and run.

# Programs that the demo's files name, but that the demo does not run, and why.
NOT_RUN = {
    "mke2fs": "only for guests with a disk",
    "zstd": "for compressed logs, and for Ubuntu's modules",
}
# Libraries that are imported for other outputs.
NOT_IMPORTED = {"pandas", "plotly"}
# The scripts of the demo; their local imports follow.
SCRIPTS = ("tests/vm/build.py", "tests/vm/demo.py", "page_fault_plot.py")


def demo_files() -> list[Path]:
    """The Python files of the demo: scripts, the modules of tests/vm that they use, faultlog."""
    queue = [PROJECT / name for name in SCRIPTS]
    files = sorted((PROJECT / "faultlog").rglob("*.py"))
    while queue:
        path = queue.pop()
        files.append(path)
        for name in imported(path):
            module = vm.HERE / f"{name}.py"
            if path.parent == vm.HERE and module.exists():
                queue += [] if module in (*files, *queue) else [module]
    return files


def imported(path: Path) -> Iterator[str]:
    """The top-level names of the modules that a file imports."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            yield node.module.partition(".")[0]


def named(path: Path) -> Iterator[str]:
    """The first word of each list in a file, if it is a constant: of command lines, the program."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.List) and node.elts:
            first = node.elts[0]
            if isinstance(first, ast.Constant) and isinstance(
                first.value, (str, bytes)
            ):
                value = first.value
                yield value if isinstance(value, str) else value.decode()


def owner(path: str) -> str:
    """The package that a file of this machine belongs to."""
    for name in (path, path.removeprefix("/usr"), os.path.realpath(path)):
        words = ["dpkg", "-S", name]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return done.stdout.splitlines()[-1].partition(":")[0]
    raise AssertionError(f"{path} belongs to no package")


def with_dependencies(packages: Iterable[str]) -> set[str]:
    """These packages, those that every Debian has, and their dependencies on this machine."""
    form = "${Package}\t${Essential}\t${Provides}\t${Pre-Depends}, ${Depends}\n"
    rows = [
        line.split("\t") for line in kernel.run(["dpkg-query", "-Wf", form]).split("\n")
    ]
    needs: dict[str, str] = {}
    providers: dict[str, list[str]] = {}
    queue = [*packages, "apt", "dpkg"]
    for name, essential, provides, depends in filter(lambda row: len(row) == 4, rows):
        needs[name] = depends
        queue += [name] if essential == "yes" else []
        for word in re.findall(r"(?:^|, )([^ ,]+)", provides):
            providers.setdefault(word, []).append(name)
    found: set[str] = set()
    while queue:
        name = queue.pop()
        if name not in found and name in needs:
            found.add(name)
            queue += re.findall(r"(?:^|[,|] *)([a-z0-9][a-z0-9.+-]*)", needs[name])
        elif name not in needs:
            queue += [x for x in providers.get(name, ()) if x not in found]
    return found


@pytest.fixture(scope="module")
def installed_for_the_demo() -> set[str]:
    text = DEPS.read_text()
    words = re.findall(r"^(?:build|plot)='([^']*)'", text, re.MULTILINE)
    return with_dependencies([*" ".join(words).split(), QEMU])


def test_the_demo_runs_only_programs_of_its_packages(
    installed_for_the_demo: set[str],
) -> None:
    found = {
        name for path in demo_files() for name in named(path) if shutil.which(name)
    }
    assert {"gcc", "make", "apt-get", "dpkg", "tar", "setpriv"} <= found
    found |= {vm.MACHINES[kernel.host_arch()].qemu, "ld", "sh", "eu-addr2line"}
    strangers = {
        name: owner(shutil.which(name) or name)
        for name in sorted(found - set(NOT_RUN))
        if owner(shutil.which(name) or name) not in installed_for_the_demo
    }
    assert strangers == {}


def test_the_demo_imports_only_libraries_of_its_packages(
    installed_for_the_demo: set[str],
) -> None:
    names = {name for path in demo_files() for name in imported(path)}
    local = {path.stem for path in vm.HERE.glob("*.py")} | {"faultlog"}
    libraries = names - set(sys.stdlib_module_names) - local
    assert {"numpy", "matplotlib", "tqdm"} <= libraries
    for name in sorted(libraries - NOT_IMPORTED):
        spec = importlib.util.find_spec(name)
        assert spec and spec.origin, name
        assert owner(spec.origin) in installed_for_the_demo, name


def test_packages_of_the_checks_are_not_among_them(
    installed_for_the_demo: set[str],
) -> None:
    """So the tests above would find a program of such a package."""
    assert not NOT_FOR_THE_DEMO & installed_for_the_demo


def test_make_demo_leaves_a_user_for_this_machine(tmp_path: Path) -> None:
    """Not the static one, which is for the guest."""
    for name in ("Makefile", "user.c", "pf_common.h"):
        shutil.copy(PROJECT / name, tmp_path)
    shutil.copytree(PROJECT / "pf_user", tmp_path / "pf_user")
    (tmp_path / "tests").mkdir()
    for name in ("tests/deps", "python"):
        (tmp_path / name).write_text('#!/bin/sh\necho "# ${0##*/} $*"\n')
        (tmp_path / name).chmod(0o755)
    done = subprocess.run(
        ["make", "--no-print-directory", "demo", "CFLAGS=-O0", "WARM=1"]
        + [f"PYTHON={tmp_path}/python"],
        cwd=tmp_path,
        env={k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MFLAGS")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "# deps demo"
    assert lines[1].startswith("# python tests/vm/demo.py --warm ")
    assert "./user for this machine" in "".join(lines[2:])
    assert "INTERP" in kernel.run(["readelf", "-lW", str(tmp_path / "user")])
