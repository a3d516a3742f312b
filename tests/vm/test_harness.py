# SPDX-License-Identifier: GPL-2.0-or-later
"""Tests of the harness: runs that should fail do, each in its own way."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import kernel
import tap
import vm

RUN = [sys.executable, str(vm.HERE / "run.py")]


def run_case(
    folder: Path, *files: Path, timeout_s: int = 300, **scripts: str
) -> tuple[int, str]:
    """run.py's exit status and output for these guest tests."""
    cases = folder / "cases"
    cases.mkdir()
    for name, script in scripts.items():
        (cases / f"{name}.sh").write_text(f". /tap.sh\n{script}\n")
    line = [*RUN, "--cases", str(cases), "--timeout", str(timeout_s)]
    done = subprocess.run(
        [*line, *map(str, files)],
        stdout=subprocess.PIPE,
        text=True,
        timeout=timeout_s + 300,
        check=False,
    )
    return done.returncode, done.stdout


def closing(output: str) -> str:
    return output.splitlines()[-1]


def fake_tree(folder: Path, suite: str, arch: str) -> kernel.Tree:
    root = folder / "pf_probe/kernels/linux-image-9.9"
    (root / "lib/modules/9.9").mkdir(parents=True)
    (root / "usr/src/linux-headers-9.9").mkdir(parents=True)
    (root / "usr/src/linux-headers-9.9/.kernelvariables").write_text(
        "CC = $(if $(X),$(CCACHE)) $(CROSS_COMPILE)gcc-99\n"
    )
    return kernel.Tree(kernel.Kernel("nine", suite, arch, "linux-image"), root)


# Guests that pass and fail. Each boot takes at least 10 s, so there are few.


def test_good_guest_passes(tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(b"\0hello\n")
    status, output = run_case(
        tmp_path,
        tmp_path / "in",
        a_first="""
            plan 7
            is "two vCPUs" "$(grep -c ^processor /proc/cpuinfo)" 2
            ok "the scratch disk takes files" sh -c 'echo x >/disk/x && sync'
            ok "a failing command is seen to fail" fails false
            like "text matches" "one two" "^one"
            unlike "text does not" "one two" "three"
            echo "from the case" >/dev/kmsg
            is "the kernel log from the mark on" "$(dmesg_since)" "from the case"
            start_stopped sleep 1000
            ok "it is stopped before it starts" grep -q '^sh$' /proc/$pid/comm
            kill -KILL $pid
            """,
        b_second="plan 2\nok there true\nskip 1 no swap here",
        c_third="skip_all not on this kernel",
        d_comes_last="# vm: last\nplan 2\n"
        "ok 'what came before has been here' test -e /tmp/fourth\n"
        "mkdir /out/deep && head -c 3000000 /dev/zero >/out/deep/file\n"
        "ok 'files are there, and come back' cp /in /out\n",
        e_fourth="plan 1\nok 'comes before the last' touch /tmp/fourth",
    )
    assert closing(output) == "11 passed, 0 failed, 2 skipped"
    assert "skipped: b_second: no swap here" in output
    assert "skipped: c_third: not on this kernel" in output
    assert "guest passed" in output
    assert status == vm.Outcome.PASSED
    console = re.search(r"\(console: (.*)\)", output)
    assert console
    out = Path(console[1]).parent / "out"
    assert (out / "in").read_bytes() == b"\0hello\n"
    assert (out / "deep/file").stat().st_size == 3000000


def test_failing_guest_tests_fail_the_run(tmp_path: Path) -> None:
    """Serial and parallel tests have boots of their own, but give one joint result."""
    status, output = run_case(
        tmp_path,
        fails="plan 2\nis sum 3 4\nok fine touch /tmp/parallel",
        missing="plan 3\nok 'only one' true",
        nothing=":",
        planless="# vm: none\n# vm: serial\nok fine true",
        dies="# vm: serial\nplan 1\nok apart test ! -e /tmp/parallel\nexit 7",
    )
    for failure in (
        "fails: sum",
        "missing: check 2 of 3 is missing",
        "missing: check 3 of 3 is missing",
        "nothing: no plan",
        "planless: no plan",
        "dies: exit status 7",
    ):
        assert f"FAILED: {failure}\n" in output
    assert "guest tests failed" in output
    assert closing(output) == "4 passed, 6 failed"
    assert status == vm.Outcome.FAILED


def test_panicking_guest_is_a_crash(tmp_path: Path) -> None:
    status, output = run_case(
        tmp_path, boom="plan 2\nok before true\necho c >/proc/sysrq-trigger"
    )
    assert "GUEST CRASHED" in output and "Kernel panic" in output
    assert "in boom (console: " in output
    assert closing(output) == "1 passed, 1 failed"
    assert status == vm.Outcome.CRASHED


def test_hanging_guest_is_hung(tmp_path: Path) -> None:
    """Wherever it is when its time is over, even while it is booting."""
    status, output = run_case(
        tmp_path, timeout_s=5, hang="plan 1\nwhile :; do sleep 1; done"
    )
    assert "GUEST HUNG" in output and "no end within 5 s" in output
    assert closing(output) == "0 passed, 1 failed"
    assert status == vm.Outcome.HUNG


@pytest.mark.parametrize(
    "lines, console, hung, outcome, reason, failures",
    [
        (["VM: end x 0", "VM: done"], "", False, vm.Outcome.PASSED, "", []),
        (
            ["VM: end x 0", "VM: done"],
            "BUG: sleeping function",
            False,
            vm.Outcome.CRASHED,
            "BUG: sleeping function",
            ["BUG: sleeping function"],
        ),
        ([], "", True, vm.Outcome.HUNG, "no end within 300 s in x", ["x: did not end"]),
        (
            ["VM: end x 0"],
            "",
            False,
            vm.Outcome.LOST,
            "QEMU ended without a verdict",
            ["QEMU ended without a verdict"],
        ),
        (
            ["not ok 2 - b", "VM: end x 0", "VM: done"],
            "",
            False,
            vm.Outcome.FAILED,
            "",
            ["x: b"],
        ),
    ],
)
def test_verdict(
    tmp_path: Path,
    lines: list[str],
    console: str,
    hung: bool,
    outcome: vm.Outcome,
    reason: str,
    failures: list[str],
) -> None:
    """The kernel's log and QEMU's end count, even if all tests pass."""
    (tmp_path / "console.log").write_text(f"[    0.0] fine\n{console}\n")
    guest = vm.Guest(fake_tree(tmp_path, "here", "amd64"), {"x": ""})
    plan = f"1..{1 + ('not ok 2 - b' in lines)}"
    output = ["VM: begin x", plan, "ok 1 - a", *lines]
    got = vm.judge(guest, tmp_path, output, hung)
    assert got[:2] == (outcome, reason)
    assert got[2].failures == failures


STRAY_INT3 = """\
[   83.2] Oops: int3: 0000 [#1] PREEMPT SMP NOPTI
[   83.2] RIP: 0010:handle_mm_fault+0xa/0x2d0
[   83.2] Code: 90 90 f3 0f 1e fa 0f 1f 44 00 00 {} <57> 41 56 41
"""


def stub_boots(
    monkeypatch: pytest.MonkeyPatch, folder: Path, *consoles: str
) -> list[str]:
    """Let each vm.boot_once() end with one of these; returns the names it was called with."""
    left = list(consoles)
    names: list[str] = []

    def once(_guest: vm.Guest, name: str, _: Callable[[str], None]) -> vm.Run:
        names.append(name)
        (folder / "console.log").write_text(console := left.pop(0))
        outcome = vm.Outcome.CRASHED if console else vm.Outcome.PASSED
        return vm.Run(outcome, "", [], tap.Totals(), folder, 1.0)

    monkeypatch.setattr(vm, "boot_once", once)
    return names


@pytest.mark.parametrize(
    "byte, accel, nr_boots",
    [
        ("41", "tcg,thread=multi", 2),
        ("cc", "tcg,thread=multi", 1),  # the breakpoint is in the code
        ("41", "tcg,thread=single", 1),
        ("41", "kvm", 1),
    ],
)
def test_stale_code_is_booted_again(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    byte: str,
    accel: str,
    nr_boots: int,
) -> None:
    boots = stub_boots(monkeypatch, tmp_path, STRAY_INT3.format(byte), "")
    guest = vm.Guest(
        fake_tree(tmp_path, "here", "amd64"), cases={}, accel=("-accel", accel)
    )
    lines: list[str] = []
    run = vm.boot(guest, "name", lines.append)
    assert len(boots) == nr_boots
    assert (
        (run.outcome == vm.Outcome.PASSED) == (nr_boots == 2) == ("again" in run.reason)
    )
    assert len(lines) == nr_boots - 1


def test_stale_code_twice_is_a_crash(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    console = STRAY_INT3.format("41")
    boots = stub_boots(monkeypatch, tmp_path, console, console)
    guest = vm.Guest(
        fake_tree(tmp_path, "here", "amd64"),
        cases={},
        accel=("-accel", "tcg,thread=multi"),
    )
    assert vm.boot(guest, "name", print).outcome == vm.Outcome.CRASHED
    assert len(boots) == 2


def test_no_tests_is_a_failure() -> None:
    assert tap.judge(["VM: done"], []).failures == ["no tests"]


def test_a_folder_in_use_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kernel, "cache_dir", lambda: tmp_path)
    in_use = vm.run_folder("long")
    os.utime(in_use, (0, 0))
    for i in range(vm.RUNS_KEPT + 5):
        (tmp_path / f"runs/old-{i}").mkdir()
        os.utime(tmp_path / f"runs/old-{i}", (i + 1, i + 1))
    newest = vm.run_folder("short")
    kept = {path.name for path in (tmp_path / "runs").iterdir()}
    assert {in_use.name, newest.name} <= kept
    assert len(kept) == vm.RUNS_KEPT + 1 and "old-5" not in kept


def test_qemu_that_cannot_start_is_lost() -> None:
    tree = kernel.get(kernel.known_kernels()["default"])
    run = vm.boot(vm.Guest(tree, {"x": "true"}, qemu=("-no-such-option",)), "harness")
    assert run.outcome == vm.Outcome.LOST
    assert "no-such-option" in run.reason
    assert run.totals.failures


def test_guest_dies_with_its_run(tmp_path: Path) -> None:
    (tmp_path / "hang.sh").write_text("while :; do sleep 1; done\n")
    run = subprocess.Popen([*RUN, "--cases", str(tmp_path)], stdout=subprocess.PIPE)
    assert run.stdout is not None
    while run.stdout.readline() != b"# hang\n":
        assert run.poll() is None
    children = Path(f"/proc/{run.pid}/task/{run.pid}/children").read_text().split()
    assert len(children) == 1
    os.kill(run.pid, signal.SIGKILL)
    run.wait()
    deadline = time.monotonic() + 10
    while Path(f"/proc/{children[0]}/exe").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not Path(f"/proc/{children[0]}/exe").exists()


# The pure parts.


@pytest.mark.parametrize(
    "lines, status, passed, failed, skipped",
    [
        (["1..2", "ok 1 - a", "ok 2 - b"], "0", 2, 0, 0),
        (["ok", "ok", "1..2"], "0", 2, 0, 0),
        (["1..1", "not ok 1 - a"], "0", 0, 1, 0),
        (["1..2", "ok 1 # SKIP why", "ok 2"], "0", 1, 0, 1),
        (["1..1", "not ok 1 # SKIP why"], "0", 0, 1, 0),
        (["1..0 # SKIP all"], "0", 0, 0, 1),
        (["1..0"], "0", 0, 1, 0),
        (["1..3", "ok 1"], "0", 1, 2, 0),
        (["1..1", "ok 1", "ok 2"], "0", 2, 1, 0),
        (["1..2", "ok 1", "ok 1"], "0", 1, 1, 0),
        (["1..1", "1..1", "ok 1"], "0", 1, 1, 0),
        (["ok 1"], "0", 1, 1, 0),
        ([], "0", 0, 1, 0),
        ([], None, 0, 1, 0),
        (["1..1", "ok 1"], None, 1, 1, 0),
        (["1..1", "ok 1"], "1", 1, 1, 0),
        (["1..1", "not ok 1"], "1", 0, 1, 0),
        (["# ok 1", "okay", "1..1", "ok 1 - ok"], "0", 1, 0, 0),
    ],
)
def test_tap_case(
    lines: list[str], status: str | None, passed: int, failed: int, skipped: int
) -> None:
    totals = tap.judge_case("case", lines, status)
    assert (totals.passed, len(totals.failures), len(totals.skips)) == (
        passed,
        failed,
        skipped,
    )


def test_tap_over_several_cases() -> None:
    lines = ["VM: begin a", "1..1", "ok 1", "VM: end a 0", "VM: begin b", "1..1"]
    totals = tap.judge(lines, ["a", "b", "c"])
    assert totals.passed == 1
    assert totals.failures == ["b: check 1 of 1 is missing", "c: did not run"]
    assert totals.closing == "1 passed, 2 failed"


@pytest.mark.parametrize(
    "line",
    [
        "[    9.1] BUG: kernel NULL pointer dereference, address: 0000000000000000",
        "[    9.1] kernel BUG at mm/memory.c:1234!",
        "[    9.1] WARNING: CPU: 0 PID: 77 at kernel/kprobes.c:1 f+0x1/0x2",
        "[    9.1] Oops: 0002 [#1] PREEMPT SMP",
        "[    9.1] Call Trace:",
        "[    9.1] Call trace:",
        "[    9.1] Kernel panic - not syncing: sysrq triggered crash",
        "[    9.1] general protection fault, probably for non-canonical address",
        "[    9.1] Unable to handle kernel paging request at virtual address 1",
        "[    9.1] rcu: INFO: rcu_preempt self-detected stall on CPU",
        "[    9.1] watchdog: BUG: soft lockup - CPU#0 stuck for 22s!",
        "[    9.1] INFO: task rmmod:88 blocked for more than 120 seconds.",
        "[    9.1] kmemleak: 3 new suspected memory leaks",
    ],
)
def test_console_scan_finds(line: str) -> None:
    assert tap.scan_console(f"[    0.0] fine\n{line}\n") == [line]


def test_console_scan_leaves_healthy_lines() -> None:
    healthy = """
        Kernel command line: panic=-1 oops=panic panic_on_warn=1
        Spectre V2 : WARNING: Unprivileged eBPF is enabled with eIBRS on
        rcu: RCU calculated value of scheduler-enlistment delay is 25 jiffies.
        pf_probe_B: loading out-of-tree module taints kernel.
        x86/mm: Checked W+X mappings: passed, no W+X pages found.
        debug: unmapping init memory
    """
    assert tap.scan_console(healthy) == []


@pytest.mark.parametrize(
    "flags, writable, kvm",
    [
        ("flags : fpu vmx sse", True, True),
        ("flags : fpu svm sse", True, True),
        ("flags : fpu vmx sse", False, False),
        ("flags : fpu sse", True, False),
        ("flags : fpu vmx_like", True, False),
        ("", True, False),
    ],
)
def test_kvm_rule(flags: str, writable: bool, kvm: bool) -> None:
    assert vm.use_kvm(flags, writable) is kvm
