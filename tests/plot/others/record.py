#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Record a small command with perf, trace-cmd and ftrace in a guest, for test_others.py.

The recorders are this machine's (tests/deps tracers). Writes the files beside this script anew.
"""

from __future__ import annotations

import gzip
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "vm"))

import kernel  # noqa: E402
import vm  # noqa: E402


def main() -> int:
    vm.exit_on_signals()
    tree = kernel.get(kernel.known_kernels()["default"])
    guest = vm.Guest(
        tree=tree,
        cases={"record": (HERE / "record.sh").read_text()},
        host_root=True,
        tap=False,
        timeout_s=500,
    )
    run = vm.boot(guest, "others", print)
    if run.outcome:
        run.report()
        return run.outcome
    for path in sorted(run.out.glob("*.txt")):
        if path.name != "dmesg.txt":
            packed = gzip.compress(path.read_bytes(), mtime=0)
            (HERE / f"{path.name}.gz").write_bytes(packed)
    return 0


if __name__ == "__main__":
    sys.exit(main())
