#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Test doc/fleet.md with logs of three machines, in PostgreSQL and in ClickHouse.

A guest records cold starts of a program under three host names, before and after a change.
The test takes the tables, the commands that load logs and the queries from the document,
and compares the servers' answers with the plotter's own tables of the same logs.

    fleet.py pf_probe_B.ko user
    fleet.py --logs FOLDER          with the logs of an earlier run
"""

from __future__ import annotations

import csv
import math
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "gallery"))

import outputs
import recording
from servers import ClickHouse, Database, Postgres, ServerError

import kernel
import vm

DOC = outputs.PROJECT / "doc/fleet.md"
HOSTS = ("alder", "birch", "cedar")
COMMAND = "/usr/bin/python3 -c 'import json'"
# The change: machines read the program into memory when they boot.
CHANGE = "sync; echo 3 >/proc/sys/vm/drop_caches; cat /usr/bin/python3 >/dev/null"
TIMEOUT_S = 480


@dataclass(frozen=True)
class Part:
    """The document's section about a server."""

    schema: str
    loading: str  # shell
    questions: dict[str, str]  # in words -> SQL


def parts() -> dict[str, Part]:
    """The document's sections, by server."""
    found = {}
    for section in DOC.read_text().split("\n## ")[1:]:
        name = section.partition("\n")[0]
        blocks = re.findall(
            r"(?:^(\S[^\n]*)\n\n)?^```(\w+)\n(.*?)^```", section, re.M | re.S
        )
        schema, loading = blocks[0][2], blocks[1][2]
        assert (blocks[0][1], blocks[1][1]) == ("sql", "sh"), name
        found[name] = Part(
            schema, loading, {words: sql for words, _, sql in blocks[2:]}
        )
    return found


def guest_lines() -> str:
    """Two runs per host: first each cold, then each after the change."""
    lines = []
    for side, preparation, how in (("before", "", "cold"), ("after", CHANGE, "ready")):
        for host in HOSTS:
            lines += [f"hostname {host}"]
            lines += [f'run {host}-{side} "{preparation}" {how} "" "{COMMAND}"']
    return "\n".join(lines) + "\n"


def log_names() -> list[str]:
    return [f"{host}-{side}.log" for side in ("before", "after") for host in HOSTS]


def began_s(log: Path) -> float:
    """The time of day when a recording began, from its first line."""
    return float(re.search(r" epoch=(\S+)", log.read_text())[1])


def change_csv(folder: Path) -> str:
    """change.csv: each host gets the change between its two recordings."""
    lines = []
    for host in HOSTS:
        before, after = (
            began_s(folder / f"{host}-{x}.log") for x in ("before", "after")
        )
        at = subprocess.run(
            ["date", "-u", "-d", f"@{(before + after) / 2:.0f}", "+%F %TZ"],
            capture_output=True,
            text=True,
            check=True,
        )
        lines.append(f"{host},{at.stdout}")
    return "".join(lines)


def own_table(log: Path, *options: str) -> list[dict[str, str]]:
    """A table of the plotter."""
    done = outputs.plot(log, *options, "--csv", cwd=log.parent)
    if done.returncode:
        raise outputs.OutputError(done.stderr)
    return list(csv.DictReader(done.stdout.splitlines()))


def own_answers(folder: Path) -> list[list[tuple]]:
    """The right answers to the document's questions, in its order."""
    faults, majors, worst = defaultdict(int), defaultdict(int), {}
    by_file: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0])
    starts: dict[tuple[str, str], list[int]] = {}
    for name in log_names():
        host, _, side = name.removesuffix(".log").partition("-")
        for row in own_table(folder / name, "--by", "result"):
            faults[host] += int(row["faults"])
            majors[host] += int(row["major"])
        start = starts[host, side] = [0, 0]
        for row in own_table(folder / name, "--by", "map", "--major"):
            for sums in (by_file[host, row["map"]], start):
                sums[0] += int(row["major"])
                sums[1] += int(row["total_ns"])
            known = worst.setdefault(row["map"], {})
            known[host] = max(known.get(host, 0), int(row["max_ns"]))
    files = []
    for host in HOSTS:
        rows = [(x[1], *sums) for x, sums in by_file.items() if x[0] == host]
        rows.sort(key=lambda row: (-row[2], row[0]))
        files += [(host, name, nr, ns / 1e6) for name, nr, ns in rows[:3]]
    everywhere = [
        (x, len(hosts), max(hosts.values()) / 1e6) for x, hosts in worst.items()
    ]
    everywhere.sort(key=lambda row: (-row[1], -row[2], row[0]))
    return [
        [(host, 2, faults[host], majors[host]) for host in HOSTS],
        files,
        [
            (host, side, 1, starts[host, side][0], starts[host, side][1] / 1e6)
            for host in HOSTS
            for side in ("before", "after")
        ],
        everywhere[:10],
    ]


def rows_of(answer: str) -> list[tuple]:
    """The rows of an answer, with numbers converted."""

    def value(text: str) -> str | float:
        return float(text) if re.fullmatch(r"-?[\d.]+(e[+-]?\d+)?", text) else text

    return [tuple(map(value, row)) for row in list(csv.reader(answer.splitlines()))[1:]]


def same(got: list[tuple], wanted: list[tuple]) -> bool:
    """Whether rows are equal, numbers up to rounding."""

    def equal(x: object, y: object) -> bool:
        if isinstance(x, str) or isinstance(y, str):
            return x == y
        return math.isclose(x, y, rel_tol=1e-6, abs_tol=1e-6)

    return len(got) == len(wanted) and all(
        len(a) == len(b) and all(map(equal, a, b)) for a, b in zip(got, wanted)
    )


class Count:
    """Counts checks that passed and failed."""

    def __init__(self) -> None:
        self.passed = self.failed = 0

    def check(self, what: str, holds: bool, why: str = "") -> None:
        print(f"{'ok' if holds else 'FAILED'}: {what}", flush=True)
        if holds:
            self.passed += 1
            return
        self.failed += 1
        print(why, flush=True)


def use(database: Database, part: Part, folder: Path, count: Count) -> None:
    """Follow the document on a server; compare its answers with own_answers()."""
    database.execute(part.schema)
    # The plotter under the name that it has once it is installed.
    bin_folder = folder / "bin"
    env = {**database.env, "PATH": f"{bin_folder}:{os.environ['PATH']}"}
    run_shell(part.loading, folder, env)
    lines = [outputs.log_facts(folder / name) for name in log_names()]
    nr_rows = rows_of(database.ask("SELECT count(*) FROM fault"))
    count.check(
        f"{database.name}: each fault of {len(lines)} logs is there",
        nr_rows == [(sum(x.nr_faults for x in lines),)],
        str(nr_rows),
    )
    for (words, sql), wanted in zip(part.questions.items(), own_answers(folder)):
        got = rows_of(database.ask(sql))
        why = f"got:    {got}\nwanted: {wanted}"
        count.check(f"{database.name}: {words}", same(got, wanted), why)


def run_shell(script: str, folder: Path, env: dict[str, str]) -> None:
    """Run a script of the document; the first command that fails ends it."""
    done = subprocess.run(
        ["sh", "-eu", "-c", script],
        cwd=folder,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
    )
    if done.returncode:
        raise ServerError(f"loading: {done.stderr.strip()}")


def test(logs: Path, count: Count) -> None:
    """Run all checks on existing logs."""
    found = parts()
    questions = [list(part.questions) for part in found.values()]
    count.check(
        "the document asks both servers the same questions",
        questions[0] == questions[1] and len(questions[0]) == 4,
        str(questions),
    )
    majors = [outputs.log_facts(logs / name).nr_major_in_files for name in log_names()]
    pairs = list(zip(majors[:3], majors[3:]))
    count.check("the change helped each host", all(x > y for x, y in pairs), str(pairs))
    for server in (Postgres, ClickHouse):
        with tempfile.TemporaryDirectory(prefix="fleet-") as name:
            os.chmod(name, 0o711)  # the user nobody must reach its folder, no other
            folder = Path(name) / "logs"
            folder.mkdir(mode=0o700)
            for log in log_names():
                shutil.copyfile(logs / log, folder / log)
            (folder / "change.csv").write_text(change_csv(folder))
            (folder / "bin").mkdir()
            command = folder / "bin/page_fault_plot"
            line = f'exec "{sys.executable}" -B "{outputs.PLOTTER}" "$@"'
            command.write_text(f"#!/bin/sh\n{line}\n")
            command.chmod(0o755)
            database = server(Path(name) / "server")
            with database.serving():
                use(database, found[database.name], folder, count)


def main() -> int:
    args = recording.options(__doc__)
    vm.exit_on_signals()
    folder = args.logs or kernel.cache_dir() / "fleet"
    count = Count()
    try:
        if not args.logs:
            recording.record(
                guest_lines(), log_names(), args.module, args.user, folder, TIMEOUT_S
            )
        test(folder, count)
    except (
        *(kernel.KernelError, ServerError, outputs.OutputError, OSError),
        *(subprocess.CalledProcessError, subprocess.TimeoutExpired),
    ) as error:
        count.check("all could be done", False, f"fleet.py: {error}")
    print(f"{count.passed} passed, {count.failed} failed")
    return 1 if count.failed else 0


if __name__ == "__main__":
    sys.exit(main())
