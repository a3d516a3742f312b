# SPDX-License-Identifier: GPL-2.0-or-later
"""Make every output of the plotter from a log, and compare it with the lines of the log."""

from __future__ import annotations

import base64
import csv
import gzip
import json
import os
import re
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent.parent
PLOTTER = PROJECT / "page_fault_plot.py"
sys.path.insert(0, str(PROJECT))
sys.path.insert(0, str(PROJECT / "tests/vm"))

import bar

from faultlog.analyse.groups import KEYS
from faultlog.report.outputs import MODULE_OF_SUFFIX, VIEWS

TIMEOUT_S = 120
NO_DISK = re.compile(
    r" map=/(dev|proc|sys)/| map=/memfd:|\\040\(deleted\)| kind=\S*(huge|swap)"
)
# How notes on stderr about names of functions begin, after the program's name.
NOTES = ("Names", "No symbols found for ")
# No requests to the network, and tables as wide as without a terminal.
ENV = {k: v for k, v in os.environ.items() if k not in ("DEBUGINFOD_URLS", "COLUMNS")}


class OutputError(Exception):
    """An output was not made, or contradicts the log; the text says which and how."""


@dataclass(frozen=True)
class LogFacts:
    """Figures of a log, counted without any code of the plotter."""

    nr_faults: int
    nr_major_in_files: int
    spent_ns: int


def log_facts(log: Path) -> LogFacts:
    """Count them."""
    lines = [x for x in log.read_text().splitlines() if " Page Fault at Address " in x]
    in_files = [x for x in lines if " result=major " in x and " map=/" in x]
    in_files = [x for x in in_files if not NO_DISK.search(x)]
    latencies = [re.search(r" latency_ns=(\d+)", line) for line in lines]
    return LogFacts(len(lines), len(in_files), sum(int(x[1]) for x in latencies if x))


def plot(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run the plotter as a user without a terminal would."""
    return subprocess.run(
        [sys.executable, "-B", PLOTTER, *map(str, arguments)],
        cwd=cwd,
        env=ENV,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
    )


def made(*arguments: object, cwd: Path) -> str:
    """The plotter's output; raises OutputError if it failed or printed a warning."""
    done = plot(*arguments, cwd=cwd)
    messages = [x.partition(": ")[2] for x in done.stderr.splitlines()]
    if done.returncode or not all(x.startswith(NOTES) for x in messages):
        what = " ".join(map(str, arguments))
        raise OutputError(f"{what}: status {done.returncode}: {done.stderr.strip()}")
    return done.stdout


def equal(what: str, got: object, wanted: object) -> None:
    """Raise OutputError unless they are equal."""
    if got != wanted:
        raise OutputError(f"{what}: {got}, but the log has {wanted}")


def faults_in(path: Path, suffix: str) -> int:
    """The number of faults in an output file."""
    if suffix.endswith(".gz"):
        unpacked = path.with_suffix("")
        unpacked.write_bytes(gzip.decompress(path.read_bytes()))
        nr_faults = faults_in(unpacked, suffix.removesuffix(".gz"))
        unpacked.unlink()
        return nr_faults
    if suffix == ".csv":
        with open(path, newline="") as file:
            return sum(1 for _ in csv.DictReader(file))
    if suffix == ".jsonl":
        return sum("address" in json.loads(x) for x in path.read_text().splitlines())
    if suffix == ".sqlite":
        with closing(sqlite3.connect(path)) as database:
            return database.execute("SELECT count(*) FROM faults").fetchone()[0]
    if suffix == ".trace.json":
        events = json.loads(path.read_text())["traceEvents"]
        return sum(event.get("cat") == "fault" for event in events)
    if suffix == ".html":
        return faults_in_page(path)
    raise ValueError(suffix)


def faults_in_page(path: Path) -> int:
    """The number of latencies in a page, from their bytes (see faultlog/report/page.py)."""
    pattern = rb'<script type="application/gzip" id="(meta|latency)\.\d+">([^<]*)<'
    data = {b"meta": b"", b"latency": b""}
    for name, text in re.findall(pattern, path.read_bytes()):
        data[name] += gzip.decompress(base64.b64decode(text))
    return len(data[b"latency"]) // json.loads(data[b"meta"])["widths"]["latency"]


# The first bytes of other formats, and bytes that must follow.
BEGINS = {
    ".png": (b"\x89PNG\r\n", b"IEND"),
    ".pdf": (b"%PDF-", b"%%EOF"),
    ".svg": (b"<?xml", b"</svg>"),
}


def check_file(log: Path, suffix: str, facts: LogFacts) -> None:
    """Check an output, by the suffix of -o."""
    # Checks run at the same time, so unpacking must not meet the output that is not packed.
    packed = "-packed" * suffix.endswith(".gz")
    output = f"{log.stem}-checked{packed}{suffix}"
    if suffix == ".sh":
        check_script(log, output, facts)
        return
    equal(f"-o {output}", made(log, "-o", output, cwd=log.parent), f"{output}\n")
    path = log.parent / output
    if suffix in BEGINS:
        begin, end = BEGINS[suffix]
        content = path.read_bytes()
        if not content[:99].lower().startswith(begin.lower()) or end not in content:
            raise OutputError(f"{output} is not a {suffix} file")
    else:
        equal(output, faults_in(path, suffix), facts.nr_faults)
    path.unlink()


def check_script(log: Path, output: str, facts: LogFacts) -> None:
    """Check the script that reads files into memory, or the message that there is none."""
    done = plot(log, "-o", output, cwd=log.parent)
    if not facts.nr_major_in_files:
        equal(f"-o {output}: status", done.returncode, 1)
        if "no major fault" not in done.stderr:
            raise OutputError(f"-o {output}: {done.stderr}")
        return
    # Files of the guest may be missing on this machine.
    if done.stderr and not re.fullmatch(
        r".* not on this machine \(.*; use --root .*\n", done.stderr
    ):
        raise OutputError(f"-o {output}: {done.stderr}")
    path = log.parent / output
    subprocess.run(["sh", "-n", path], check=True)
    counts = re.findall(r"  # (\d+) major, ", path.read_text())
    if not 0 < sum(map(int, counts)) <= facts.nr_major_in_files:
        raise OutputError(f"{output}: it has {counts} major faults")
    path.unlink()


def check_view(log: Path, view: str, _facts: LogFacts) -> None:
    """Draw another view."""
    output = f"{log.stem}-{view}.png"
    made(log, "--view", view, "-o", output, cwd=log.parent)
    (log.parent / output).unlink()


def check_table(log: Path, key: str, facts: LogFacts) -> None:
    """Check that a table is printed without a warning, and that its sums are the log's."""
    made(log, "--by", key, cwd=log.parent)
    done = plot(log, "--by", key, "--csv", cwd=log.parent)
    rows = list(csv.DictReader(done.stdout.splitlines()))
    equal(f"--by {key}: faults", sum(int(x["faults"]) for x in rows), facts.nr_faults)
    spent_ns = sum(int(row["total_ns"] or 0) for row in rows)
    equal(f"--by {key}: total", spent_ns, facts.spent_ns)


def check_slowest(log: Path, _: str, facts: LogFacts) -> None:
    """Check that the table of single faults has all of them, the slowest first."""
    made(log, "--slowest", cwd=log.parent)
    done = plot(log, "--slowest", "0", "--csv", cwd=log.parent)
    spent_ns = [int(x["latency_ns"]) for x in csv.DictReader(done.stdout.splitlines())]
    equal("--slowest: faults", len(spent_ns), facts.nr_faults)
    equal("--slowest: total", sum(spent_ns), facts.spent_ns)
    equal("--slowest: order", spent_ns, sorted(spent_ns, reverse=True))


def check_comparison(log: Path, _: str, facts: LogFacts) -> None:
    """Compare a log with itself: both sides must have all of it."""
    made(log, "--compare", log, cwd=log.parent)
    text = made(log, "--compare", log, "--csv", cwd=log.parent)
    rows = list(csv.DictReader(text.splitlines()))
    for side in ("before", "after"):
        got = [
            sum(int(row[f"{name}_{side}"]) for row in rows)
            for name in ("faults", "total_ns")
        ]
        equal(f"compared: {side}", got, [facts.nr_faults, facts.spent_ns])


def checks(log: Path) -> list[tuple[str, Callable[[], None]]]:
    """All checks of one log, each with its name."""
    facts = log_facts(log)
    groups = (
        (check_file, MODULE_OF_SUFFIX),
        (check_view, VIEWS),
        (check_table, KEYS),
        (check_slowest, ["--slowest"]),
        (check_comparison, ["--compare"]),
    )
    return [
        (f"{log.name}: {what}", lambda check=check, what=what: check(log, what, facts))
        for check, group in groups
        for what in group
    ]


def failures(logs: list[Path]) -> tuple[int, list[str]]:
    """Check every output of every log. Returns their number, and a line for each failure."""

    def outcome(item: tuple[str, Callable[[], None]]) -> str:
        name, check = item
        try:
            check()
        except Exception as error:  # of any kind: the other checks still run
            return f"{name}: {type(error).__name__}: {error}"
        return ""

    items = [item for log in logs for item in checks(log)]
    outcomes = []
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        with bar.stage("checking", len(items), " outputs") as stage:
            for line in pool.map(outcome, items):
                outcomes.append(line)
                stage.add()
    return len(items), [line for line in outcomes if line]
