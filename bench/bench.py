#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
from __future__ import annotations
import argparse, statistics, subprocess, sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests" / "vm"))
import build, kernel, toolchain, vm

def go():
    tree = kernel.get(kernel.known_kernels()["default"])
    build.SOURCES += ("bench/*.c", "bench/Kbuild")
    folder = build.build(tree, [], sys.stderr)
    tools = toolchain.get(tree)
    b = folder / "bench"
    for line in (
        ["make", "-s", "-C", str(tree.kdir), f"M={b}", "CONFIG_DEBUG_INFO_BTF_MODULES=", "modules"],
        [tools.cc, *"-O2 -Wall -Werror -D_GNU_SOURCE -static -pthread -o faults faults.c".split()],
    ):
        subprocess.run(tools.command(line, b), check=True)
    files = [*(folder / f"pf_probe_{x}.ko" for x in "ABC"), folder / "user", b / "empty_probe.ko", b / "faults"]
    calls = []
    for kind in ("read", "write"):
        calls += [f"nothing {kind}"] + [f"empty {p} {kind}" for p in ("entry", "jump", "return")]
        for who in ("traced", "other"):
            calls += [f"module {x} {x} '' {who} {kind}" for x in "ABC"]
            calls += [f"module B-cont_store B 'cont_store=1 max_faults=8192' {who} {kind}",
                      f"module B-full B max_faults=1 {who} {kind}",
                      f"module B-entry B placement=entry {who} {kind}"]
    case = "\n".join(["cd / ; . /guest.sh", *calls])
    g = vm.Guest(tree=tree, cases={"core": case}, files={**{p.name: p for p in files}, "guest.sh": HERE / "guest.sh"},
      smp=1, memory_mb=1024, tap=False, timeout_s=300,
      accel=("-accel", "tcg", "-cpu", "max", "-icount", "shift=0,sleep=off"))
    import time
    t0 = time.time()
    base = {}
    def on(line):
        if not line.startswith("=cost"):
            print(f"{time.time()-t0:5.1f}", line); return
        _, name, who, kind, faults, rounds = line.split()
        r = [int(x)/512 for x in rounds.split("=")[1].split(",")]
        q = statistics.quantiles(r, n=4)
        if name == "nothing": base[kind] = q[1]
        print(f"{time.time()-t0:5.1f} {name:14} {who:6} {kind:5} {q[1]:8.1f} {q[1]-base[kind]:+8.1f} quart {q[0]:.1f} {q[2]:.1f} min {min(r):.1f} max {max(r):.1f} mean {statistics.mean(r):.1f} {faults}", flush=True)
    run = vm.boot(g, "bench", on)
    run.report()
go()
