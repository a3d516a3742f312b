# SPDX-License-Identifier: GPL-2.0-or-later
"""Trace programs of this machine in a guest, cold or warm, and fetch the logs."""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "vm"))

import bar
import durations
import kernel
import modules
import vm

PROGRAMS = ("patterns.c", "clients.sh")


def options(doc: str | None) -> argparse.Namespace:
    """Parse the command line of a script that records: module and user, or --logs."""
    parser = argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("module", nargs="?", type=Path, help="pf_probe_B.ko")
    parser.add_argument("user", nargs="?", type=Path, help="the reader, static")
    parser.add_argument("--logs", type=Path, help="of an earlier run")
    args = parser.parse_args()
    if bool(args.logs) == bool(args.user):
        parser.error("either pf_probe_B.ko and user, or --logs")
    return args


def record(
    lines: str,
    logs: list[str],
    module: Path,
    user: Path,
    folder: Path,
    timeout_s: float,
) -> None:
    """Run lines of shell that use the functions of guest.sh; put the logs into a new folder.

    Raises KernelError, also if the guest fails.
    """
    tree = kernel.get(kernel.known_kernels()["default"])
    modules.check_release(module, tree.release)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    patterns = folder / "patterns"
    flags = "-O1 -Wall -Wextra -Werror -std=gnu11 -D_GNU_SOURCE".split()
    subprocess.run(["gcc", *flags, "-o", patterns, HERE / "patterns.c"], check=True)
    files = [module, user, patterns, *(HERE / name for name in PROGRAMS)]
    guest = vm.Guest(
        tree=tree,
        cases={"runs": (HERE / "guest.sh").read_text() + lines},
        files={path.name: path for path in files},
        disk=True,
        host_root=True,
        tap=False,
        timeout_s=timeout_s,
    )
    print(f"Booting Linux {tree.release} in a virtual machine ...", flush=True)
    names = [Path(name).stem for name in logs]
    rest = durations.Rest([names], durations.known("runs"))
    clock = _Clock(rest)
    with bar.stage(
        "recording", len(names), " runs", lambda: rest.nr_ended, rest.left_s
    ):
        run = vm.boot(guest, "runs", clock)
    durations.keep("runs", clock.spent_s)
    patterns.unlink()
    if run.outcome:
        run.report()
        raise kernel.KernelError("the guest did not record all runs")
    for name in logs:
        # The guest has this machine's files under /host.
        log = (run.out / name).read_bytes().replace(b" map=/host/", b" map=/")
        (folder / name).write_bytes(log)


class _Clock:
    """Shows the guest's lines, and measures each run until the next one begins."""

    def __init__(self, rest: durations.Rest) -> None:
        self.rest = rest
        self.name = ""
        self.begun_s = time.monotonic()
        self.spent_s: dict[str, float] = {}

    def __call__(self, line: str) -> None:
        if line.startswith(("VM: run ", "VM: end ")):
            now_s = time.monotonic()
            if self.name:
                self.spent_s[self.name] = now_s - self.begun_s
                self.rest.end(self.name)
            else:
                self.rest.begin()
            self.name, self.begun_s = line.split()[2], now_s
        if line.startswith("VM: run ") or not line.startswith("VM: "):
            bar.say(line.replace("VM: run ", "# "))
