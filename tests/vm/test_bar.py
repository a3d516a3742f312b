# SPDX-License-Identifier: GPL-2.0-or-later
"""The bar of the runners: on a terminal only, for slow work only, and nothing stays of it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

import durations
import kernel
import run
import vm
from terminals import run_on_terminal, screen

pytest.importorskip("tqdm")

# Bars that come at once, so that the tests are quick; pause() waits until one has been drawn,
# or without $DRAWN, when there should be none, for a moment.
SOON = f"""
import os, sys, time
sys.path.insert(0, {str(vm.HERE)!r})
import bar
bar.DELAY_S, bar.EVERY_S = 0.05, 0.05
drawn, draw = [], bar._Terminal.draw
def drawing(terminal, stage):
    draw(terminal, stage)
    drawn.extend([1] * (terminal.bar is not None))
bar._Terminal.draw = drawing
def pause():
    enough, end_s = len(drawn) + 2, time.monotonic() + 30
    time.sleep(0.2)
    while "DRAWN" in os.environ and len(drawn) < enough and time.monotonic() < end_s:
        time.sleep(0.02)
"""
LINES = """
with bar.stage("working", 4, " files") as stage:
    for number in range(4):
        pause()
        bar.say(f"line {number} is printed while the bar is there, and it is longer")
        stage.add()
print("end")
"""
PRINTED = [
    f"line {i} is printed while the bar is there, and it is longer" for i in range(4)
]
# What is done cannot be told any more once a bar is there.
FAILING = """
failed = []
def poll():
    failed.extend([1] * len(drawn))
    return {"done": 1}["lost" if drawn else "done"]
with bar.stage("working", poll=poll):
    end_s = time.monotonic() + 30
    while not failed and time.monotonic() < end_s:
        time.sleep(0.02)
    with bar._terminal.lock:
        print("the bar is gone")
    pause()
print("end")
"""
# A kernel whose packages come slowly, and a guest whose tests take a while.
FETCHING = """
import pathlib, kernel
kernel.run = lambda line, cwd=None: pause() or ""
def download(debs):
    for number in range(3):
        (debs / f"{number}.deb").write_bytes(bytes(1000))
        pause()
final = pathlib.Path("kernel")
pathlib.Path("kernel.tmp").mkdir()
def finish(unpacked):
    unpacked.mkdir()
kernel.unpack(download, final, finish, lambda: 3000)
"""
GUEST = """
import pathlib, kernel, run, tap, vm
kernel.get = lambda asked: kernel.Tree(asked, pathlib.Path("."))
kernel.Tree.release = "9.9"
def boot(guest, name, on_line):
    lines = []
    for case in guest.cases:
        for line in (f"VM: begin {case}", "1..1", "ok 1 - fine", f"VM: end {case} 0"):
            lines.append(line)
            on_line(line)
        pause()
    totals = tap.judge(lines, guest.cases)
    return vm.Run(vm.Outcome.PASSED, "", lines, totals, pathlib.Path("."), 7)
vm.boot = boot
sys.argv = ["run.py", "--cases", "cases"]
sys.exit(run.main())
"""


def python(code: str) -> list[str]:
    return [sys.executable, "-B", "-c", SOON + code]


def piped(code: str, folder: Path, **env: str) -> tuple[str, str]:
    """What it writes on standard output and error, if both are pipes."""
    done = subprocess.run(
        python(code),
        cwd=folder,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout, done.stderr


def on_terminal(code: str, folder: Path, **env: str) -> str:
    status, written = run_on_terminal(python(code), {"DRAWN": "yes", **env}, folder)
    assert status == 0, written
    return written


def test_lines_are_whole_and_nothing_stays_of_the_bar(tmp_path: Path) -> None:
    written = on_terminal(LINES, tmp_path)
    assert re.search(r"working: +\d+%.* [1-3]/4 \[\d\d:\d\d<\d\d:\d\d, ", written)
    assert screen(written) == [*PRINTED, "end", ""]


def test_without_a_terminal_there_is_no_bar(tmp_path: Path) -> None:
    text = "".join(f"{line}\n" for line in [*PRINTED, "end"])
    assert piped(LINES, tmp_path) == (text, "")


@pytest.mark.parametrize(
    "change, env",
    [
        ("bar.DELAY_S = 60", {}),  # quick work
        ("sys.modules['tqdm'] = None", {}),
        ("", {"TERM": "dumb"}),
        ("del os.environ['TERM']", {}),
    ],
)
def test_there_is_no_bar(tmp_path: Path, change: str, env: dict[str, str]) -> None:
    status, written = run_on_terminal(python(f"{change}\n{LINES}"), env, tmp_path)
    assert status == 0
    assert written == "".join(f"{line}\n" for line in [*PRINTED, "end"])


def test_a_failure_erases_it(tmp_path: Path) -> None:
    code = 'with bar.stage("working"):\n    pause()\n    sys.exit("failed")\n'
    status, written = run_on_terminal(python(code), {"DRAWN": "yes"}, tmp_path)
    assert status == 1 and "working: 00:" in written
    assert screen(written) == ["failed", ""]


def test_an_error_of_the_bar_only_ends_it(tmp_path: Path) -> None:
    status, written = run_on_terminal(python(FAILING), {}, tmp_path)
    assert status == 0 and "working: 00:" in written
    assert screen(written) == ["the bar is gone", "end", ""]


def test_fetching_shows_bytes_and_unpacking_shows_packages(tmp_path: Path) -> None:
    written = on_terminal(FETCHING, tmp_path)
    assert re.search(r"fetching: +\d+%.* 2\.00k/3\.00k \[.*<.*B/s\]", written)
    assert re.search(r"unpacking: +\d+%.* 1/3 \[", written)
    assert screen(written) == [""]
    assert piped(FETCHING.replace('"kernel', '"other'), tmp_path) == ("", "")


@pytest.fixture
def cases(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "cases").mkdir()
    for name in ("one", "two", "three"):
        (tmp_path / "cases" / f"{name}.sh").write_text(":\n")
    return {"XDG_CACHE_HOME": str(tmp_path / "cache")}


def test_guest_tests_are_counted(tmp_path: Path, cases: dict[str, str]) -> None:
    written = on_terminal(GUEST, tmp_path, **cases)
    assert re.search(r"guest tests: +\d+%.* 2/3 tests \[\d\d:\d\d\]", written)
    output, errors = piped(GUEST, tmp_path, **cases)
    left, right = (
        [x for x in lines if "slowest" not in x]
        for lines in (screen(written), output.split("\n"))
    )
    assert errors == "" and left == right and len(left) == 13


def test_time_left_is_estimated_from_the_last_durations(
    tmp_path: Path, cases: dict[str, str]
) -> None:
    kept = tmp_path / "cache/pf_probe/durations"
    kept.mkdir(parents=True)
    (kept / "default.json").write_text('{"one": 20, "two": 30, "three": 900}')
    written = on_terminal(GUEST, tmp_path, **cases)
    assert re.search(r" 1/3 tests \[\d\d:\d\d, about (15|16) min left\]", written)
    assert re.search(r" 2/3 tests \[\d\d:\d\d, about [123]?\d s left\]", written)


def test_durations_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert durations.known("default") == {}
    durations.keep("default", {"one": 1.23, "two": 2})
    durations.keep("default", {"two": 3, "three": 4})
    assert durations.known("default") == {"one": 1.2, "two": 3, "three": 4}
    (path,) = (tmp_path / "pf_probe/durations").iterdir()
    for text in ("{", "[1]", '{"one": null}', ""):
        path.write_text(text)
        assert durations.known("default") == {}


def test_no_place_for_durations_is_no_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pf_probe").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    durations.keep("default", {"one": 1})
    assert durations.known("default") == {}


def test_rest_of_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    expected = {"a": 10.0, "b": 20.0, "c": 5.0, "d": 1.0}
    rest = durations.Rest([["a", "b"], ["c", "d"]], expected)
    assert (rest.left_s(), rest.nr_ended) == (30, 0)
    rest.begin()
    now[0] += 4
    assert rest.left_s() == 26
    now[0] += 9
    assert rest.left_s() == 20  # it takes longer than expected
    rest.end("a")
    rest.end("b")
    assert (rest.left_s(), rest.nr_ended) == (1, 2)
    rest.end("a")  # the guest was booted again
    assert rest.nr_ended == 2
    assert durations.left_s([rest, durations.Rest([["b"]], expected)], 1) == 21
    assert durations.left_s([rest, durations.Rest([["b"]], expected)], 2) == 20
    assert durations.left_s([rest, durations.Rest([["new"]], expected)], 2) is None
    rest.end_all()
    assert (rest.left_s(), rest.nr_ended) == (0, 4)


def test_each_boot_has_its_tests() -> None:
    texts = {"a": "", "b": run.SERIAL, "c": run.ALONE, "d": ""}
    assert [[*part] for part in run.boots_of(texts)] == [["a", "d"], ["b"], ["c"]]
    assert run.boots_of({}) == [{}]


def test_the_plan_names_what_is_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    asked = kernel.Kernel("some", "bookworm", "amd64", "linux-image-amd64")

    class FakeApt:
        @classmethod
        def of(cls, _: kernel.Kernel) -> object:
            return cls()

        def update(self) -> None:
            pass

        def show(self, name: str) -> tuple[str, dict[str, str]]:
            depends = "linux-image-6.1.0-1-amd64" if name == asked.package else ""
            return name, {"Version": "1", "Depends": depends}

        def size(self, names: list[str]) -> int:
            return len(names) * 10**7

    monkeypatch.setattr(kernel, "Apt", FakeApt)
    names = "busybox-static linux-headers-6.1.0-1-amd64 linux-image-6.1.0-1-amd64"
    assert kernel.plan(asked) == f"{names} (30 MB)"
    (tmp_path / "pf_probe/kernels/some").mkdir(parents=True)
    assert kernel.plan(asked) == ""


WAITING = """
. "$0"
doing() {
	echo >>asked
	echo "installing: 40 %"
}
: >asked
begin_showing doing
tries=0
while [ -n "$shower" ] && [ "$(wc -l <asked)" -lt 2 ] && [ $tries -lt 300 ]; do
	sleep 0.1
	tries=$((tries + 1))
done
end_showing
echo end
"""


def test_scripts_show_what_they_wait_for(tmp_path: Path) -> None:
    line = ["sh", "-euc", WAITING, str(vm.HERE.parent / "waiting.sh")]
    status, written = run_on_terminal(line, {}, tmp_path)
    assert status == 0 and re.search(r"\rinstalling: 40 %, 0:\d\d\x1b\[K", written)
    assert screen(written) == ["end", ""]
    done = subprocess.run(
        line, cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert (done.stdout, done.stderr) == ("end\n", "")
