#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Fill in the tables and figures of README.md and doc/, from the demo's logs and the bench.

    readme.py                               fill in tables, figures and picture
    readme.py --record pf_probe_B.ko user   run the demo first, cold and warm

Comments in a document mark the parts that are written anew:

    <!-- table: cold.log --by -->           a command of the plotter and its output
    <!-- text: compiler -->                 a paragraph of TEXTS, with its figures
    <!-- costs -->                          COSTS, a row each, from bench/results.md
    <!-- calls -->                          system calls, a row each, likewise
    <!-- end -->

Table rows whose first cell is a key of ROWS get new cells, too.
"""

from __future__ import annotations

import argparse
import hashlib
import lzma
import os
import re
import shlex
import shutil
import sqlite3
import subprocess
import sys
import tarfile
import tempfile
import textwrap
from contextlib import closing
from pathlib import Path

import numpy as np
from PIL import Image

import document
import outputs
import recording
from faultlog.base.words import time_text

PROJECT = outputs.PROJECT
DOCS = tuple(
    PROJECT / name
    for name in ("README.md", "doc/answers.md", "doc/cold-start.md", "doc/overhead.md")
)
DEMO = PROJECT / "doc/demo"
LOGS = ("cold.log", "warm.log")  # of `make demo`; in DEMO, compressed
# Logs of a program that is started cold, and after the script of -o warm.sh; in RUNS.
NR_RUNS = 8
BEFORE = tuple(f"before{i}.log" for i in range(1, NR_RUNS + 1))
AFTER = tuple(f"after{i}.log" for i in range(1, NR_RUNS + 1))
RUNS = DEMO / "runs.tar.xz"
PROGRAM = "/usr/bin/python3 -c 'import json'"
DROP = "sync; echo 3 >/proc/sys/vm/drop_caches"
RUNS_TIMEOUT_S = 900
SUMS = DEMO / "sha256sums"  # of the files from which function names come
PICTURE = PROJECT / "doc/cc1.png"
RESULTS = PROJECT / "bench/results.md"
# Headings in it.
X86, TO_TEXT = "## A page fault", "## From the record to text"
CALLS = "## Changes of the address space"
ARM64_OLD, ARM64 = "### Linux 6.1.", "### Linux 6.12."

COLUMNS = 76  # of a table; Markdown indents it by four more
WIDTH = 100
COLOURS = 128
FORMS = {
    "count": lambda value: f"{value:,.0f}",
    "time": time_text,
    "percent": lambda value: f"{100 * value:.0f} %",
}
# Numbers for the texts, as SQL on the .sqlite of cold.log.
FACTS = """\
faults: SELECT count(*) FROM faults
spent: SELECT sum(latency_ns) FROM faults
major: SELECT count(*) FROM faults WHERE result = 'major'
disk: SELECT sum(latency_ns) FROM faults WHERE result = 'major'
share: SELECT 1.0 * :disk / :spent
run: SELECT max(time_ns + latency_ns) - min(time_ns) FROM faults
own: SELECT count(*) FROM faults WHERE result = 'major' AND map LIKE '%/cc1'
own_share: SELECT 1.0 * sum(latency_ns) / :disk FROM faults
    WHERE result = 'major' AND map LIKE '%/cc1'
early: SELECT 1.0 * sum(latency_ns) / :spent FROM faults
    WHERE time_ns - (SELECT min(time_ns) FROM faults) < 600000000
disk_of_run: SELECT 1.0 * :disk / :run
files: SELECT count(DISTINCT map) FROM faults WHERE result = 'major'
"""
TEXTS = {
    "compiler": """
        Of the major faults, {own} were in one file, the compiler itself. The log is in the
        tree, so you can run this command now; a table needs only python3-numpy.
        `make demo` makes log and picture.
    """,
    "compared": """
        The last three rows come from [bench/results.md](bench/results.md). The test is a
        loop of read faults. Without tracing, one such fault takes {base} instructions. The
        bpftrace script calls printf() for every fault. `user --fast` leaves out latencies and
        other processes, and adds {traced} instructions; with `placement=ftrace` it adds {ftrace},
        and {ftrace_other} to any other process. More in [doc/overhead.md](doc/overhead.md).
    """,
    "test": """
        The test is a loop of read faults on anonymous memory, with Debian's kernels
        6.1 on x86-64 and 6.12 on arm64. On x86-64 a fault takes {base} instructions
        without tracing. *Recorded* is the share of the faults that the tracer's
        output contains.
    """,
    "printing": """
        Write faults take longer, so the tracers that print while they record lose
        fewer faults, but cost more: they record {printed_least|percent} to
        {printed_most|percent} and add {printing_least} to {printing_most}
        instructions. For a fault in a mapped file the modules add {file} instructions
        more, because the record names the file.
    """,
    "reading": """
        To turn a record into a line of text, perf script takes {perf_script}
        instructions, trace-cmd report {trace_cmd_report}, and `user` {drain},
        including its statistics for the closing report. The plot of pf_probe_B, drawn
        when it is unloaded, takes {plot} instructions per record. The plotter draws a
        million faults in {drawn|time}, with {drawn_mb} MB of memory, on two CPUs.
    """,
    "placement": """
        Use `placement=ftrace` if other processes on the machine matter: on x86-64 it
        costs them {ftrace_other} instructions per fault instead of {other}. On arm64 a
        kprobe is always a breakpoint, which raises an exception: with Linux 6.1 it costs
        other processes {arm64_other} instructions per fault. From Linux 6.2 on, use
        `placement=ftrace` there, too.
    """,
    "share": """
        So {disk|time}, {share|percent} of the fault time and {disk_of_run|percent} of
        the run, was spent in {major} major faults, in {files} files.
    """,
    "own": """
        {own} of these major faults, with {own_share|percent} of their time, are in the compiler's
        own file. And {early|percent} of all fault time falls in the first 0.6 s (see
        `--by time`).
    """,
}
# Name in the document, name in results.md, name in its part on arm64.
COSTS = (
    ("pf_probe_A, B, C", "pf_probe_B", "pf_probe_B"),
    (
        "placement=ftrace",
        "pf_probe_B placement=ftrace",
        "pf_probe_B placement=callback",
    ),
    (
        "placement=callback",
        "pf_probe_B placement=callback",
        "pf_probe_B placement=callback",
    ),
    ("placement=entry", "pf_probe_B placement=entry", "pf_probe_B"),
    ("outcome=1", "pf_probe_B outcome=1", "pf_probe_B outcome=1"),
    (
        "outcome=1 placement=ftrace",
        "pf_probe_B placement=ftrace outcome=1",
        "pf_probe_B placement=callback outcome=1",
    ),
    ("outcome=1 children=1 (`user`)", "pf_probe_B outcome=1 children=1", ""),
    ("children=1", "pf_probe_B children=1", "pf_probe_B children=1"),
    (
        "children=1 placement=ftrace",
        "pf_probe_B placement=ftrace children=1",
        "pf_probe_B placement=callback children=1",
    ),
    ("trace-cmd record", "trace-cmd record", "trace-cmd record, kprobe event"),
    (
        "ftrace event, set_event_pid",
        "ftrace event, set_event_pid",
        "ftrace kprobe event, set_event_pid",
    ),
    *(
        (name, name, name)
        for name in (
            "perf record -e page-faults -c 1 -d",
            "bpftrace, kprobe + printf",
            "perf trace -F all",
        )
    ),
    ("bpftrace, tracepoint + printf", "bpftrace, tracepoint + printf", ""),
)
# Tracers of the table that compares them; ROWS: first cell -> figures in the other cells.
COMPARED = (
    "pf_probe_B outcome=1 children=1",  # as `user` loads it
    "perf record -e page-faults -c 1 -d",
    "bpftrace, tracepoint + printf",
)
PRINTING = (
    "perf trace -F all",
    "bpftrace, tracepoint + printf",
    "bpftrace, kprobe + printf",
)
# Columns of the table of system calls: name in results.md.
CALL_COLUMNS = (
    "pf_probe_B",
    "pf_probe_B placement=ftrace",
    "perf record -e page-faults -c 1 -d",
)
ROWS = {
    "Instructions added per fault, traced process": "{traced}",
    "Instructions added per fault, any other process": "{other}",
    "Share of the test's faults recorded": "{recorded}",
}


class ReadmeError(Exception):
    """A document can't be filled in; the text says why."""


def rows_below(heading: str) -> list[list[str]]:
    """The cells of each row of the table below a heading of results.md."""
    below = RESULTS.read_text().partition(f"\n{heading}")[2]
    below = re.split(r"^#", below, maxsplit=1, flags=re.M)[0]
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in below.splitlines()
        if line.startswith("| ")
    ]
    if len(rows) < 3:
        raise ReadmeError(f"bench/results.md has no table below {heading}")
    return rows[2:]  # after the head


def measured(heading: str, fault: str = "read") -> dict[str, dict[str, str]]:
    """Each tracer's figures for this kind of fault."""
    return {
        name: {"traced": traced, "other": other, "recorded": whole_percent(recorded)}
        for name, kind, traced, _, _, other, recorded in rows_below(heading)
        if kind == fault
    }


def number(text: str) -> float:
    return float(text.replace(",", "").rstrip("%"))


def bench_facts() -> dict[str, float]:
    """Numbers for the texts, from results.md."""
    read, written = measured(X86), measured(X86, "write")
    printing = [written[name] for name in PRINTING]
    costs = [number(figures["traced"]) for figures in printing]
    shares = [number(figures["recorded"].rstrip(" %")) / 100 for figures in printing]
    base = re.search(r"a read fault\s+takes\s+([\d,]+)", RESULTS.read_text())
    text = {name: number(cells[0]) for name, *cells in rows_below(TO_TEXT)}
    drawn = {faults: cells for faults, *cells in rows_below("## page_fault_plot.py")}
    plain = read["pf_probe_B"]
    in_file = measured(X86, "file")["pf_probe_B"]
    ftrace = read["pf_probe_B placement=ftrace"]
    return {
        "base": number(base[1]) if base else 0,
        "traced": number(plain["traced"]),
        "other": number(plain["other"]),
        "ftrace": number(ftrace["traced"]),
        "ftrace_other": number(ftrace["other"]),
        "file": number(in_file["traced"]) - number(plain["traced"]),
        "printing_least": min(costs),
        "printing_most": max(costs),
        "printed_least": min(shares),
        "printed_most": max(shares),
        "drain": text["/proc/pf_probe_B to a log, by `user`"],
        "perf_script": text["perf script"],
        "trace_cmd_report": text["trace-cmd report"],
        "plot": text["pf_probe_B: plot at unload"],
        "drawn": 1e9 * number(drawn["1,000,000"][0]),
        "drawn_mb": number(drawn["1,000,000"][1]),
        "arm64_other": number(measured(ARM64_OLD)["pf_probe_B"]["other"]),
    }


def whole_percent(text: str) -> str:
    """ "31.4%" as "31 %"."""
    return f"{float(text.rstrip('%')):.0f} %" if text else ""


def costs() -> str:
    """The table of COSTS."""
    x86, arm64 = measured(X86), measured(ARM64)
    none = {"traced": "", "other": ""}
    lines = [
        "| tracer | traced process | any other process"
        " | traced, arm64 | other, arm64 | recorded |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for name, here, there in COSTS:
        on_arm64 = arm64[there] if there else none
        cells = [x86[here]["traced"], x86[here]["other"]]
        cells += [on_arm64["traced"], on_arm64["other"], x86[here]["recorded"]]
        lines.append(re.sub(r"\|  (?=\|)", "| ", f"| {' | '.join([name, *cells])} |"))
    return "\n".join(lines) + "\n"


def calls() -> str:
    """The table of system calls: the tracers' instructions, traced and other processes."""
    rows: dict[tuple[str, str], dict[str, list[str]]] = {}
    for call, base, tracer, traced, other, _ in rows_below(CALLS):
        rows.setdefault((call, base), {})[tracer] = [traced, other]
    lines = [
        "| calls | without tracing | pf_probe_B | other | placement=ftrace | other"
        " | perf record | other |",
        "|---|" + "---:|" * 7,
    ]
    for (call, base), figures in rows.items():
        each = (figures.get(tracer, ["", ""]) for tracer in CALL_COLUMNS)
        cells = [call, base, *(cell for pair in each for cell in pair)]
        lines.append(re.sub(r"\|  (?=\|)", "| ", f"| {' | '.join(cells)} |"))
    return "\n".join(lines) + "\n"


def compared(text: str) -> str:
    """Fill in the rows of ROWS."""
    figures = measured(X86)
    for name, form in ROWS.items():
        cells = [form.format(**figures[tracer]) for tracer in COMPARED]
        line = f"| {' | '.join([name, *cells])} |"
        text = re.sub(rf"^\| {re.escape(name)} \|.*$", line, text, flags=re.M)
    return text


def unpack(folder: Path) -> None:
    """Unpack the demo's logs into a folder."""
    for name in LOGS:
        packed = (DEMO / f"{name}.xz").read_bytes()
        (folder / name).write_bytes(lzma.decompress(packed))
    with tarfile.open(RUNS) as runs:
        for log in (*BEFORE, *AFTER):
            member = runs.extractfile(log)
            assert member, log
            (folder / log).write_bytes(member.read())
    # The path in the project's folder.
    (folder / "doc/demo").mkdir(parents=True)
    shutil.copy(DEMO / "cold.log.xz", folder / "doc/demo")


def known_facts(folder: Path) -> dict[str, float]:
    # No fact is about functions, whose names take seconds: none are found below doc.
    outputs.made("cold.log", "-o", "cold.sqlite", "--root", "doc", cwd=folder)
    run = document.Run("demo", True, "", [], "")
    run.blocks = [("facts", "", FACTS)]
    with closing(sqlite3.connect(folder / "cold.sqlite")) as database:
        return document.facts(run, database)


def without_notes(lines: list[str]) -> list[str]:
    """Remove notes about files of this machine, such as missing symbols, from a table."""
    kept, is_note = [], False
    for line in lines:
        is_note = line.startswith(outputs.NOTES) or (
            is_note and not line.startswith(" ")
        )
        if not is_note:
            kept.append(line)
    return kept


def table(arguments: str, folder: Path) -> str:
    """A command and its output, as Markdown. A shell expands patterns to names of logs."""
    done = subprocess.run(
        ["/bin/sh", "-c", f'"$0" -B "$1" {arguments}', sys.executable, outputs.PLOTTER],
        cwd=folder,
        env={**outputs.ENV, "COLUMNS": str(COLUMNS)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=outputs.TIMEOUT_S,
    )
    if done.returncode:
        raise ReadmeError(f"{arguments}: {done.stderr.strip()}")
    printed = without_notes(done.stdout.splitlines())
    lines = [f"$ python3 page_fault_plot.py {arguments}", *printed]
    return "".join(f"    {line}".rstrip() + "\n" for line in lines)


BLOCK = re.compile(
    r"^<!-- (table|text|costs|calls)(?:: (.*?))? -->\n((?:.*\n)*?)<!-- end -->\n", re.M
)


def updated(text: str, folder: Path, with_names: bool = True) -> str:
    """Fill in a document. folder: that of unpack().

    with_names=False leaves tables of functions unchanged: function names come from files
    of the machine that recorded the logs.
    """
    facts = {**known_facts(folder), **bench_facts()}

    def block(match: re.Match[str]) -> str:
        kind, words, old = match[1], match[2] or "", match[3]
        if kind == "costs":
            new = costs()
        elif kind == "calls":
            new = calls()
        elif kind == "text":
            if words not in TEXTS:
                raise ReadmeError(f"TEXTS has no text {words}")
            filled = document.filled(" ".join(TEXTS[words].split()), facts, FORMS)
            new = textwrap.fill(filled, WIDTH, break_on_hyphens=False) + "\n"
        elif re.search("function|slowest", words) and not with_names:
            new = old.strip("\n") + "\n"
        else:
            new = table(words, folder)
        head = match[0][: match.start(3) - match.start(0)]
        return f"{head}\n{new}\n<!-- end -->\n"

    return BLOCK.sub(block, compared(text))


def picture(folder: Path) -> Image.Image:
    """Draw cold.log in few colours, which reduces the file to a third of its size."""
    outputs.made("cold.log", "-o", "cold.png", cwd=folder)
    with Image.open(folder / "cold.png") as drawn:
        return drawn.convert("RGB").quantize(
            COLOURS, Image.Quantize.LIBIMAGEQUANT, dither=Image.Dither.NONE
        )


def nr_different(a: Image.Image, b: Image.Image) -> int:
    """The number of pixels in which two pictures differ; all of them if the sizes differ."""
    if a.size != b.size:
        return a.size[0] * a.size[1]
    pixels = [np.asarray(image.convert("RGB")) for image in (a, b)]
    return int(np.count_nonzero((pixels[0] != pixels[1]).any(axis=2)))


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def debug_file(path: Path) -> Path | None:
    """The debug information of a file, if the Debian package with it is installed."""
    done = subprocess.run(["eu-readelf", "-n", path], capture_output=True, text=True)
    found = re.search(r"Build ID: ([0-9a-f]{2})([0-9a-f]+)", done.stdout)
    path = Path(
        f"/usr/lib/debug/.build-id/{found[1]}/{found[2]}.debug" if found else ""
    )
    return path if found and path.exists() else None


def is_elf(path: Path) -> bool:
    return path.is_file() and path.read_bytes()[:4] == b"\x7fELF"


def sums(folder: Path) -> str:
    """Digests of the files mapped in cold.log, and of their debug information."""
    text = (folder / "cold.log").read_text()
    files = [Path(name) for name in sorted(set(re.findall(r" map=(/\S+)", text)))]
    files = [path for path in files if is_elf(path)]
    files += [path for path in map(debug_file, files) if path]
    return "".join(f"{digest(path)}  {path}\n" for path in files)


def are_files_here(folder: Path) -> bool:
    """Whether function names come out as on the machine that recorded the logs."""
    return SUMS.read_text() == sums(folder)


def record_runs(module: Path, user: Path) -> None:
    """Record PROGRAM cold, then after the script of -o warm.sh; keep the logs."""

    def in_guest(lines: str, preparation: str, how: str, logs: tuple[str, ...]) -> None:
        for log in logs:
            words = ["run", Path(log).stem, preparation, how, "", PROGRAM]
            lines += f"{shlex.join(words)}\n"
        recording.record(lines, [*logs], module, user, folder, RUNS_TIMEOUT_S)
        for log in logs:
            shutil.move(folder / log, Path(scratch) / log)

    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "guest"
        in_guest("", "", "cold", BEFORE)
        outputs.made(BEFORE[0], "-o", "warm.sh", cwd=Path(scratch))
        script = (Path(scratch) / "warm.sh").read_text()
        written = f"cat >\"$place/warm.sh\" <<'END OF SCRIPT'\n{script}END OF SCRIPT\n"
        in_guest(written, f"{DROP}; sh warm.sh", "ready", AFTER)
        with tarfile.open(RUNS, "w:xz", preset=9) as runs:
            for log in (*BEFORE, *AFTER):
                member = tarfile.TarInfo(log)
                member.size = (Path(scratch) / log).stat().st_size
                with open(Path(scratch) / log, "rb") as file:
                    runs.addfile(member, file)


def record(module: Path, user: Path) -> None:
    """Record all logs: the demo cold and warm, and the runs of PROGRAM."""
    DEMO.mkdir(exist_ok=True)
    record_runs(module, user)
    with tempfile.TemporaryDirectory() as scratch:
        for name, options in zip(LOGS, ([], ["--warm"])):
            demo = [sys.executable, "tests/vm/demo.py", *options, module, user]
            subprocess.run(demo, cwd=PROJECT, check=True)
            shutil.copy(PROJECT / "out/pf_probe_B.log", Path(scratch) / name)
        for name in LOGS:
            packed = lzma.compress((Path(scratch) / name).read_bytes(), preset=9)
            (DEMO / f"{name}.xz").write_bytes(packed)
        SUMS.write_text(sums(Path(scratch)))


def write() -> None:
    """Fill in all documents, and draw the picture."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        unpack(folder)
        if not are_files_here(folder):
            raise ReadmeError(
                "the compiler or the C library here is not that of the demo's logs, so "
                "function names would be wrong: make readme RECORD=1"
            )
        texts = [updated(path.read_text(), folder) for path in DOCS]
        picture(folder).save(PICTURE, optimize=True)
        for path, text in zip(DOCS, texts):
            path.write_text(text)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--record", nargs=2, type=Path, metavar=("pf_probe_B.ko", "user")
    )
    args = parser.parse_args()
    try:
        if args.record:
            record(*args.record)
        write()
    except (
        *(ReadmeError, document.DocumentError, outputs.OutputError, OSError),
        recording.kernel.KernelError,
        subprocess.CalledProcessError,
    ) as error:
        print(f"readme.py: {error}", file=sys.stderr)
        return 1
    for path in (*DOCS, PICTURE):
        print(os.path.relpath(path))
    return 0


if __name__ == "__main__":
    sys.exit(main())
