#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A storm of faults, forks, readers, loads and unloads in a guest of four CPUs.

This runs the guest test `stress` for the given time; stress.c describes it.  The exit
status is that of run.py.

    stress.py [--kernel NAME] [--minutes 10] [--seed N]
"""

from __future__ import annotations

import argparse
import random
import sys
import time

import bar
import build
import kernel
import run
import vm

CASE = vm.HERE / "guest" / "stress.sh"
CPUS = 4
MEMORY_MB = 2048
# Time to boot, and to end the last round.
SPARE_S = 900


def main() -> int:
    kernels = kernel.known_kernels()
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kernel", default="default", metavar="NAME", choices=kernels)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument(
        "--seed", type=int, default=random.randrange(1 << 30), help="of an earlier run"
    )
    args = parser.parse_args()
    vm.exit_on_signals()
    seconds = round(60 * args.minutes)
    print(f"# kernel {args.kernel}, {seconds} s, seed {args.seed}", flush=True)
    settings = f"STRESS_SECONDS={seconds}\nSTRESS_SEED={args.seed}\n"
    try:
        tree = kernel.get(kernels[args.kernel])
        files = build.files_of(build.build(tree, [], sys.stderr))
        guest = vm.Guest(
            tree=tree,
            cases={"stress": settings + CASE.read_text()},
            files={path.name: path for path in files},
            smp=CPUS,
            memory_mb=MEMORY_MB,
            accel=vm.accelerator(tree.kernel.arch, serial=True),
            timeout_s=seconds + SPARE_S,
        )
        run.be_patient(guest)
        begun_s = time.monotonic()
        with bar.stage(
            "storm",
            seconds,
            poll=lambda: time.monotonic() - begun_s,
            left_s=lambda: max(begun_s + seconds - time.monotonic(), 0),
        ):
            done = vm.boot(guest, f"stress-{args.kernel}", run.show)
    except (kernel.KernelError, OSError) as error:
        print(f"VM LOST: {error}")
        return vm.Outcome.LOST
    done.report()
    print(done.totals.closing)
    return done.outcome


if __name__ == "__main__":
    sys.exit(main())
