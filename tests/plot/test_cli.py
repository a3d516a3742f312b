# SPDX-License-Identifier: GPL-2.0-or-later
"""The command line."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree
from pathlib import Path

import numpy as np
import pytest
from faultlog import VERSION, cli
from faultlog.draw.layout import WIDTH
from faultlog.report import page
from faultlog.report.picture import DPI
from logs import *
from matplotlib.figure import Figure
from matplotlib.image import imread


@pytest.fixture
def log_path(tmp_path: Path) -> Path:
    path = tmp_path / "pf_probe_B.log"
    path.write_bytes(compiler_log(2000))
    return path


def test_without_o_a_png_beside_the_log(log_path):
    done = run(log_path)
    picture = log_path.with_suffix(".png")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{picture}\n", "")
    pixels = imread(picture)
    assert pixels.shape[1] == WIDTH * DPI
    assert len(np.unique(pixels.reshape(-1, pixels.shape[2]), axis=0)) > 50
    assert sorted(p.name for p in log_path.parent.iterdir()) == [
        "pf_probe_B.log",
        "pf_probe_B.png",
    ]


@pytest.mark.parametrize("name", ["a.png", "a.svg", "a.pdf", "b.PDF"])
def test_every_kind_of_picture(log_path, name):
    picture = log_path.with_name(name)
    done = run(log_path, "-o", picture)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{picture}\n", "")
    data = picture.read_bytes()
    assert len(data) > 10000
    if name.endswith("svg"):
        assert xml.etree.ElementTree.fromstring(data).tag.endswith("svg")
    else:
        assert data.startswith(b"\x89PNG" if name.endswith("png") else b"%PDF")


@pytest.mark.parametrize("name", ["a.png", "a.svg", "a.pdf"])
def test_the_same_log_gives_the_same_picture(log_path, name):
    picture = log_path.with_name(name)
    run(log_path, "-o", picture)
    first = picture.read_bytes()
    run(log_path, "-o", picture)
    assert picture.read_bytes() == first


def test_bad_lines_are_reported_and_the_plot_is_made(log_path):
    log_path.write_bytes(OLD + b"junk\n" + OLD + b"more\n")
    done = run(log_path)
    assert done.returncode == 0
    assert "2 bad lines left out, the first is line 2" in done.stderr
    assert log_path.with_suffix(".png").exists()


def shell(log_path: Path, command: str) -> subprocess.CompletedProcess:
    """Run the program, PLOT in a shell's command."""
    return subprocess.run(
        ["sh", "-c", command.replace("PLOT", f"{sys.executable} -B {SCRIPT}")],
        cwd=log_path.parent,
        env=ENV,
        capture_output=True,
        text=True,
        timeout=60,
    )


NO_OUTPUT = "page_fault_plot.py: standard output is closed\n"


@pytest.mark.parametrize(
    "command, status, message",
    [
        ("PLOT pf_probe_B.log -o x.csv >&-", 1, NO_OUTPUT),
        ("PLOT pf_probe_B.log --by >&-", 1, NO_OUTPUT),
        ("PLOT --help >&-", 1, NO_OUTPUT),
        ("PLOT --by >&- 2>&-", 1, ""),
        ("PLOT none.log 2>&-", 1, ""),
        ("PLOT pf_probe_B.log --by nosuch 2>&-", 2, ""),
        ("PLOT bad.log -o x.csv 2>&-", 1, ""),
        ("PLOT bad.log --by --csv 2>&-", 1, ""),
        ("PLOT bad.log -o x.csv 2>/dev/full", 1, ""),
        ("PLOT none.log 2>/dev/full", 1, ""),
        ("PLOT pf_probe_B.log -o x.csv 2>&-", 0, ""),
        ("PLOT - -o x.csv <&-", 1, "page_fault_plot.py: -: standard input is closed\n"),
        ("PLOT pf_probe_B.log -o x.csv <&-", 0, ""),
    ],
)
def test_a_closed_stream(log_path, command, status, message):
    """It was a traceback, or messages went to standard output."""
    log_path.with_name("bad.log").write_bytes(OLD + b"junk\n")
    done = shell(log_path, command)
    assert (done.returncode, done.stderr) == (status, message)
    assert "page_fault_plot.py: " not in done.stdout


def test_no_file_gets_the_number_of_a_closed_stream(log_path):
    """What is printed then would be in the output."""
    shell(log_path, "PLOT pf_probe_B.log -o x.csv <&- >&- 2>&-")
    assert not log_path.with_name("x.csv").exists()
    shell(log_path, "PLOT pf_probe_B.log -o x.csv <&- 2>&-")
    shell(log_path, "PLOT pf_probe_B.log -o y.csv")
    first, second = (
        log_path.with_name(name).read_bytes() for name in ("x.csv", "y.csv")
    )
    assert first == second


def test_version_is_the_modules():
    header = SCRIPT.with_name("pf_common.h").read_text()
    assert f'#define PF_VERSION "{VERSION}"\n' in header


def test_version_and_help():
    assert run("--version").stdout == f"page_fault_plot.py {VERSION}\n"
    assert "-o FILE" in run("--help").stdout
    done = run()
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert "which LOG?" in done.stderr


NOT_DRAWN = [
    (b"", "no page fault can be read; the file is empty: "),
    (b"\n\n", "no page fault in it"),
    (b"hello\nworld\n", "no page fault in it"),
    (os.urandom(100000), "no page fault in it"),
    (bytes(100000), "no page fault in it"),
    (HEAD, "no fault follows the head"),
    (HEAD + summary(0) + b"EXIT_CODE\n", "nothing was recorded (recorded=0)"),
    (HEAD + summary(0, missed=3), "nothing was recorded (recorded=0, 3 missed)"),
    (HEAD + b"junk\n" + summary(5), "no fault follows the head"),
]


@pytest.mark.parametrize("text, message", NOT_DRAWN, ids=range(len(NOT_DRAWN)))
def test_a_log_without_faults_is_an_error(tmp_path, text, message):
    path = tmp_path / "x.log"
    path.write_bytes(text)
    done = run(path)
    assert done.returncode == 1
    assert done.stderr.startswith(f"page_fault_plot.py: {path}: {message}")
    assert done.stderr.count("\n") == 1
    assert [p.name for p in tmp_path.iterdir()] == ["x.log"]


@pytest.mark.parametrize(
    "args, message",
    [
        (["none.log"], "none.log: No such file or directory"),
        (["."], ": Is a directory"),
        (
            ["pf_probe_B.log", "-o", "x.jpg"],
            "x.jpg: the name of the output must end in .png, ",
        ),
        (["pf_probe_B.log", "-o", "x"], "x: the name of the output must end in .png, "),
        (["pf_probe_B.log", "-o", "no/x.png"], ": no/x.png: No such file or directory"),
        (["pf_probe_B.log", "-o", "dir.png"], ": dir.png: Is a directory"),
        (["pf_probe_B.log", "-o", "/proc/x.png"], ": /proc/x.png: "),
        (["log.png"], "log.png: the output would replace the log"),
        ([""], "No such file or directory"),
        (["/"], "Is a directory"),
    ],
)
def test_errors_are_one_line_and_status_1(log_path, args, message):
    folder = log_path.parent
    (folder / "dir.png").mkdir()
    (folder / "log.png").write_bytes(OLD)
    before = sorted(folder.iterdir())
    done = run(*args, cwd=folder)
    assert done.returncode == 1
    assert message in done.stderr
    assert done.stderr.startswith("page_fault_plot.py: ")
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""
    assert sorted(folder.iterdir()) == before


@pytest.mark.parametrize(
    "options, message",
    [
        (["-o", "/nosuch/x.png"], "/nosuch/x.png: No such file or directory"),
        (["-o", "a.log/x.csv"], "a.log/x.csv: Not a directory"),
        (["-o", "/proc/x.sqlite"], "/proc/x.sqlite: "),
        (["-o", "dir.html"], "dir.html: Is a directory"),
        (["-o", f"{'x' * 250}.png"], "File name too long"),
        (["-o", "x.html", "--view", "memory"], "a page has address and mapping"),
        (["-o", "x.html", "--view", "threads"], "a page has address and mapping"),
        (["-o", "x.svg", "--view", "memory", "--compare", "a.log"], "a comparison has"),
        (["-o", "x.svg", "--compare", *["a.log"] * 4], "has room for 4 logs, not 5"),
        (["--compare", "none.log"], "none.log: No such file or directory"),
        (["--compare", "dir.html"], "dir.html: Is a directory"),
    ],
    ids=str,
)
def test_an_output_that_cannot_be_written_is_refused_before_the_log_is_read(
    tmp_path, options, message
):
    """A log of millions of faults was read first. This one is a pipe without a writer."""
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "a.log").write_bytes(OLD)
    (tmp_path / "dir.html").mkdir()
    before = sorted(tmp_path.iterdir())
    done = subprocess.run(
        [sys.executable, "-B", SCRIPT, "fifo", *options],
        cwd=tmp_path,
        env=ENV,
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert message in done.stderr and done.stderr.count("\n") == 1
    assert sorted(tmp_path.iterdir()) == before


def not_read(*_args: object) -> None:
    raise AssertionError("the log is read")


def test_a_folder_that_may_not_be_written_to_is_refused_at_once(
    log_path, capsys, monkeypatch
):
    monkeypatch.setattr("faultlog.parse.read._read", not_read)
    folder = log_path.with_name("folder")
    folder.mkdir(mode=0o555)
    for path in log_path.parents:
        if path.stat().st_uid == os.geteuid() and path.stat().st_mode & 0o055 != 0o055:
            path.chmod(path.stat().st_mode | 0o055)
    log_path.chmod(0o644)
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        assert cli.main([str(log_path), "-o", str(folder / "x.csv")]) == 1
    finally:
        os.seteuid(user)
    assert f"{folder / 'x.csv'}: Permission denied\n" in capsys.readouterr().err


@pytest.mark.parametrize(
    "name, library", [("x.html", "plotly"), ("x.png", "matplotlib")]
)
def test_a_missing_library_is_reported_before_the_log_is_read(
    log_path, capsys, monkeypatch, name, library
):
    for module in [m for m in sys.modules if m.split(".")[0] == library]:
        monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.setitem(sys.modules, f"{library}.offline", None)
    monkeypatch.delitem(sys.modules, "faultlog.draw.drawing", raising=False)
    monkeypatch.setattr("faultlog.parse.read._read", not_read)
    monkeypatch.setattr("faultlog.report.page._library", page._library.__wrapped__)
    assert cli.main([str(log_path), "-o", str(log_path.with_name(name))]) == 1
    assert f"{library} is needed (Debian: " in capsys.readouterr().err


@pytest.mark.parametrize(
    "options, message",
    [
        (
            ["--slowst", "5"],
            "unrecognized arguments: --slowst 5; did you mean --slowest?",
        ),
        (
            ["--vew=memory"],
            "unrecognized arguments: --vew=memory; did you mean --view?",
        ),
        (["--qqq"], "unrecognized arguments: --qqq"),
        (["--view", "memry"], "'memory'); did you mean memory?"),
        (["--by", "--sort", "fault"], "; did you mean faults?"),
    ],
)
def test_a_misspelled_option_gets_the_most_similar_one(options, message, capsys):
    with pytest.raises(SystemExit, match="^2$"):
        cli.main(["x.log", *options])
    text = capsys.readouterr().err
    assert text.endswith(f"{message} (see --help)\n") and text.count("\n") == 1


def test_an_unreadable_log_is_an_error(log_path, capsys):
    log_path.chmod(0)
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        assert cli.main([str(log_path)]) == 1
    finally:
        os.seteuid(user)
    assert f"{log_path}: Permission denied\n" in capsys.readouterr().err


def test_main_leaves_its_callers_signals_alone(log_path):
    """It once restored SIGPIPE's default action, which ended pytest itself."""
    before = signal.getsignal(signal.SIGPIPE)
    assert cli.main([str(log_path), "--by", "region"]) == 0
    assert signal.getsignal(signal.SIGPIPE) == before == signal.SIG_IGN


def test_a_full_disk_leaves_the_old_picture(log_path):
    picture = log_path.with_suffix(".png")
    picture.write_bytes(b"old")

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))

    done = subprocess.run(
        [sys.executable, "-B", SCRIPT, log_path, "-o", picture],
        preexec_fn=limit,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "File too large" in done.stderr
    assert "Traceback" not in done.stderr
    assert picture.read_bytes() == b"old"
    assert sorted(p.name for p in log_path.parent.iterdir()) == [
        "pf_probe_B.log",
        "pf_probe_B.png",
    ]


@pytest.mark.parametrize("suffix", [".png", ".csv", ".sqlite"])
def test_outputs_of_a_private_log_are_private(log_path, suffix):
    output = log_path.with_name(f"out{suffix}")
    for mode in (0o600, 0o644):
        log_path.chmod(mode)
        run(log_path, "-o", output)
        assert output.stat().st_mode & 0o777 == mode
        output.unlink()
    output.touch(mode=0o640)
    output.chmod(0o640)
    run(log_path, "-o", output)
    assert output.stat().st_mode & 0o777 == 0o640


def test_a_pipe_is_a_log(log_path):
    """Like /proc/pf_probe_X it has no size, and can't be read twice."""
    picture = log_path.with_name("p.png")
    done = subprocess.run(
        [sys.executable, "-B", SCRIPT, "/dev/stdin", "-o", picture],
        input=log_path.read_bytes(),
        capture_output=True,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert picture.exists()


@pytest.mark.parametrize("with_outcomes", [False, True])
def test_100000_faults_take_seconds(tmp_path, with_outcomes):
    """A generous bound: a loop over lines in Python would still break it."""
    text = compiler_log(20000, outcomes=with_outcomes) * 5
    start = time.process_time()
    log = read(text)
    assert len(log) == 100000
    assert time.process_time() - start < 1.0
    start = time.process_time()
    figure = drawing.new_figure()
    draw(figure, log)
    figure.savefig(tmp_path / "x.png", dpi=DPI)
    assert time.process_time() - start < 8.0
