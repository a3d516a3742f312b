# SPDX-License-Identifier: GPL-2.0-or-later
"""Files that somebody planted where the program runs are not read or run."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from logs import ENV, SCRIPT
from printing import CC1_TEXT
from test_symbols import CODE, LOAD, elf, head, line, summary

# matplotlib evaluates values of a matplotlibrc without builtins; a generator's frame has them.
RC = """axes.prop_cycle: (lambda a: (a.append(a[0].gi_frame.f_back.f_back.f_back.f_back\
.f_builtins["open"]("owned", "w") for _ in [1]), [*a[0]]))([])
"""
MODULES = ("numpy", "matplotlib", "plotly", "PIL", "signal", "lzma", "sqlite3")
PROGRAMS = ("zstd", "eu-addr2line", "fc-list")


def plant(folder: Path) -> None:
    """Fill a folder with files that create the file "owned" if they are read or run."""
    folder.mkdir(exist_ok=True)
    (folder / "matplotlibrc").write_text(RC)
    (folder / "matplotlib").mkdir(exist_ok=True)
    (folder / "matplotlib/matplotlibrc").write_text(RC)
    for name in MODULES:
        (folder / f"{name}.py").write_text("open('owned', 'w').write(__name__)\n")
    for name in PROGRAMS:
        (folder / name).write_text(f"#!/bin/sh\necho {name} >{folder}/owned\n")
        (folder / name).chmod(0o755)


def packed_log(folder: Path) -> Path:
    """A log packed by zstd; one of its instructions is in a file that exists here."""
    program = folder / "good.so"
    program.write_bytes(elf((1, 5, 0, 0, 0, 1 << 20, 1 << 20, 0)))
    text = line(1, LOAD, CODE, LOAD + 4, access="exec", map=program)
    packed = folder / "x.log.zst"
    command = ["zstd", "-cq"]
    text = head(time.time() + 9) + text + summary(1)
    done = subprocess.run(command, input=text, capture_output=True, check=True)
    packed.write_bytes(done.stdout)
    return packed


def run_in(folder: Path, script: Path, *args: object, **env: str):
    command = [sys.executable, "-B", script, *map(str, args)]
    return subprocess.run(
        command, cwd=folder, env=ENV | env, capture_output=True, text=True, timeout=60
    )


WHAT = [["-o", f"x{s}"] for s in (".png", ".svg", ".html", ".sqlite")]
WHAT += [["--by", "function"], ["--compare", "x.log.zst", "-o", "x.png"]]


@pytest.mark.parametrize("what", WHAT, ids=" ".join)
@pytest.mark.parametrize("careless", [False, True])
def test_nothing_is_taken_from_the_current_folder(tmp_path, what, careless):
    """Not even if a careless user's environment refers to it."""
    packed_log(tmp_path)
    plant(tmp_path)
    env = {}
    if careless:
        env = {"PATH": f":{os.environ['PATH']}", "PYTHONPATH": f":{tmp_path.parent}"}
        names = ("HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "MPLCONFIGDIR")
        env |= dict.fromkeys((*names, "MATPLOTLIBRC"), ".")
    done = run_in(tmp_path, SCRIPT, "x.log.zst", *what, **env)
    assert not (tmp_path / "owned").exists(), (tmp_path / "owned").read_text()
    assert (done.returncode, done.stderr) == (0, "")
    if "-o" in what:
        assert (tmp_path / what[-1]).stat().st_size > 0


def test_a_planted_rc_of_matplotlib_would_be_evaluated(tmp_path):
    """So the test above can fail."""
    plant(tmp_path)
    for name in MODULES:
        (tmp_path / f"{name}.py").unlink()
    program = "import matplotlib"
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True)
    assert (tmp_path / "owned").exists()


def test_nothing_is_taken_from_beside_the_installed_program(tmp_path):
    """PREFIX/bin contains other programs, and is not a folder of Python modules."""
    shutil.copytree(SCRIPT.parent / "faultlog", tmp_path / "share/pf_probe/faultlog")
    plant(tmp_path / "bin")
    shutil.copy(SCRIPT, tmp_path / "bin/page_fault_plot")
    (tmp_path / "x.log").write_bytes(CC1_TEXT)
    done = run_in(tmp_path, tmp_path / "bin/page_fault_plot", "x.log")
    assert (done.returncode, done.stdout, done.stderr) == (0, "x.png\n", "")
    assert not list(tmp_path.rglob("owned"))


def test_a_current_folder_that_is_gone(tmp_path):
    """The program can run in it, with absolute names."""
    (tmp_path / "x.log").write_bytes(CC1_TEXT)
    program = (
        "import os, sys; os.mkdir('gone'); os.chdir('gone'); os.rmdir('../gone');"
        "os.execv(sys.executable, [sys.executable, '-B', *sys.argv[1:]])"
    )
    files = [str(SCRIPT), f"{tmp_path}/x.log", "-o", f"{tmp_path}/x.png"]
    done = subprocess.run(
        [sys.executable, "-c", program, *files],
        cwd=tmp_path,
        env=ENV,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
