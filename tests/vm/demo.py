#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Trace this machine's C compiler in a virtual machine, and draw a picture.

The guest sees the host's files read-only.  It compiles a source file of the project with
cc1, traced by `user` and pf_probe_B from the first instruction on, and shows the plot.
The log is copied to out/ and drawn there.

    demo.py [--warm] pf_probe_B.ko user

An existing log in out/ is kept as out/pf_probe_B.before.log, for a comparison.
"""

from __future__ import annotations

import argparse
import os
import shlex
import subprocess
import sys
import time
from pathlib import Path

import bar
import durations
import kernel
import modules
import vm

PROJECT = vm.HERE.parent.parent
SOURCE = "tests/vm/workload.c"


def ask_gcc(question: str) -> str:
    done = subprocess.run(["gcc", question], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def compile_command(cflags: str) -> str:
    """The command of cc1 itself; gcc would start it as a child, which is not traced here."""
    multiarch = ask_gcc("-print-multiarch")
    words = [ask_gcc("-print-prog-name=cc1"), "-quiet"]
    words += ["-imultiarch", multiarch] if multiarch else []
    return shlex.join(words + [*shlex.split(cflags), SOURCE, "-o", "/dev/null"])


def show(line: str) -> None:
    if not line.startswith("VM: "):
        bar.say(line)


def record(guest: vm.Guest, name: str) -> vm.Run:
    """Boot the guest; a bar shows how long that has taken, and by the last time the rest."""
    expected_s = durations.known(name).get("guest", 0)
    begun_s = time.monotonic()

    def spent_s() -> float:
        return time.monotonic() - begun_s

    def left_s() -> float | None:
        return max(expected_s - spent_s(), 0) if expected_s else None

    with bar.stage("recording", expected_s, poll=spent_s, left_s=left_s):
        run = vm.boot(guest, "demo", show)
    if not run.outcome:
        durations.keep(name, {"guest": run.seconds})
    return run


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("module", type=Path, help="pf_probe_B.ko")
    parser.add_argument("user", type=Path, help="the reader, statically linked")
    parser.add_argument(
        "--cflags", default="-O2 -D_GNU_SOURCE", help=f"to compile {SOURCE} with"
    )
    parser.add_argument(
        "--warm", action="store_true", help="run it once before, to read its files"
    )
    args = parser.parse_args()
    vm.exit_on_signals()
    try:
        tree = kernel.get(kernel.known_kernels()["default"])
        modules.check_release(args.module, tree.release)
        conf = {
            "FOLDER": str(PROJECT),
            "COMPILE": compile_command(args.cflags),
            "WARM": "yes" if args.warm else "",
        }
        lines = "".join(f"{key}={shlex.quote(text)}\n" for key, text in conf.items())
        guest = vm.Guest(
            tree=tree,
            cases={"demo": (vm.HERE / "demo.sh").read_text()},
            files={
                "demo.conf": lines.encode(),
                "pf_probe_B.ko": args.module,
                "user": args.user,
            },
            host_root=True,
            tap=False,
            timeout_s=400,
        )
        print(f"Booting Linux {tree.release} in a virtual machine ...", flush=True)
        run = record(guest, "demo-warm" if args.warm else "demo")
        if run.outcome:
            run.report()
            return run.outcome
        log, picture = "out/pf_probe_B.log", "out/pf_probe_B.png"
        before = "out/pf_probe_B.before.log"
        (PROJECT / "out").mkdir(exist_ok=True)
        has_before = (PROJECT / log).exists()
        if has_before:
            os.replace(PROJECT / log, PROJECT / before)
        # The guest has this machine's files under /host.
        recorded = (run.out / "pf_probe_B.log").read_bytes()
        (PROJECT / log).write_bytes(recorded.replace(b" map=/host/", b" map=/"))
        print(f"\nBack on this machine, with {log}:\n")
        plotter = [sys.executable, "page_fault_plot.py", log, "-o", picture]
        print(f"$ {shlex.join(plotter)}", flush=True)
        subprocess.run(plotter, cwd=PROJECT, check=True)
        print(f"\nThe picture is {picture}; the guest ran for {run.seconds:.0f} s.")
        print("Which file, which function, which moment, what to do? doc/answers.md:")
        for words in (
            "--by",
            "--by function",
            "--by time --sort key",
            "-o out/warm.sh",
        ):
            print(f"$ {sys.executable} page_fault_plot.py {log} {words}", flush=True)
        if has_before:
            print(f"The previous log is now {before}:")
            print(f"$ {sys.executable} page_fault_plot.py {before} --compare {log}")
        elif not args.warm:
            print("And with its files in the page cache? make demo WARM=1")
    except (kernel.KernelError, OSError, subprocess.CalledProcessError) as error:
        print(f"demo.py: {error}", file=sys.stderr)
        return vm.Outcome.LOST
    return 0


if __name__ == "__main__":
    sys.exit(main())
