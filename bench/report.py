# SPDX-License-Identifier: GPL-2.0-or-later
"""The results as Markdown: tables, and how to read them."""

from __future__ import annotations

import dataclasses
import os
import re
import statistics
import subprocess
import textwrap

import kernel
import parts
import sharing
from results import ROUND_FAULTS, Results
from tracers import (
    APART,
    CALL_PEER,
    CALL_REPEATS,
    CALL_ROUNDS,
    CALLS,
    CLOCK_OWN,
    EMPTY,
    FEW,
    FILE_KIND,
    KINDS,
    MANY,
    MANY_PEERS,
    MODULES,
    PEER_CALLS,
    PEER_TEXT,
    PEERS,
    ROUNDS,
    SCALING_PROBES,
    SCALING_TRIES,
    TEXT,
)

WIDTH = 95  # of a line of text in results.md
WHO = ("traced", "other")


def first_line(*command: str) -> str:
    """The first line that a command prints, such as its version."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return f"{command[0]}: not installed"
    return (done.stdout + done.stderr).strip().partition("\n")[0].strip()


def paragraph(text: str) -> str:
    """Fill text anew, as figures differ in length."""
    return textwrap.fill(" ".join(text.split()), WIDTH, break_on_hyphens=False) + "\n"


def row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |\n"


def cost_table(results: Results) -> str:
    """Instructions that each tracer adds to a fault of the traced and any other process."""
    text = row("tracer", "fault", "traced", "quartiles", "mean", "other", "recorded")
    text += row("---", "---", *["---:"] * 5)
    for name in (*(f"empty-{place}" for place in EMPTY), *MODULES, *PEERS):
        if name in results.absent:
            text += row(TEXT[name], results.absent[name], *[""] * 5)
            continue
        for kind in (*KINDS, FILE_KIND):
            if (name, "traced", kind) not in results.costs:
                continue
            traced = results.costs[name, "traced", kind]
            base = results.costs["nothing", "traced", kind]
            low, high = (x - base.median for x in traced.quartiles)
            other = results.costs.get((name, "other", kind))
            recorded = results.recorded.get((name, kind))
            share = min(recorded / traced.nr_faults, 1) if recorded is not None else 0
            unmeasured = "the same" if name.startswith("empty-") else ""
            text += row(
                TEXT[name],
                kind,
                f"{traced.median - base.median:,.0f}",
                f"{low:,.0f} to {high:,.0f}",
                f"{traced.mean - base.mean:,.0f}",
                f"{other.median - base.median:,.0f}" if other else unmeasured,
                "" if recorded is None else f"{share:.1%}",
            )
    return text


def parts_table(results: Results) -> str:
    """Where the instructions of a record go, by placement."""
    text = row("", *APART) + row("---", *["---:"] * len(APART))
    measured = [results.added(name, "traced", "read") for name in APART.values()]
    counts = [results.parts[placement] for placement in APART]
    leads = [x - count.total() for x, count in zip(measured, counts)]
    text += row("path to the module and back", *(f"{x:,.0f}" for x in leads))
    for part in (*parts.PARTS, parts.REST):
        text += row(part, *(f"{count[part]}" for count in counts))
    return text + row("total, as measured", *(f"{x:,.0f}" for x in measured))


def calls_table(results: Results) -> str:
    """What maps= adds to each system call."""
    text = row("call", "without", "tracer", "traced", "other", "areas recorded")
    text += row("---", "---:", "---", *["---:"] * 3)
    sums: dict[str, dict[str, dict[str, float]]] = {kind: {} for kind in CALLS}
    for name, who, kind, value in results.of_calls():
        sums[kind].setdefault(name, {})[who] = value
    for kind in PEER_CALLS:
        if (CALL_PEER, "traced", kind) in results.costs:
            figures = {who: results.added(CALL_PEER, who, kind) for who in WHO}
            sums[kind][CALL_PEER] = figures
    for kind, tracers_of_kind in sums.items():
        base = results.costs["nothing", "traced", kind].median
        for name, added in tracers_of_kind.items():
            recorded = results.recorded.get((name, kind))
            nr_calls = results.costs[name, "traced", kind].nr_faults
            text += row(
                CALLS[kind],
                f"{base:,.0f}",
                TEXT[name],
                *(f"{added[who]:,.0f}" for who in WHO),
                "" if recorded is None else f"{recorded / nr_calls:.0f}",
            )
    return text


def drain_table(results: Results) -> str:
    text = row("", "instructions per record", "once, in millions", "bytes per record")
    text += row("---", *["---:"] * 3)
    for name in ("drain", "drain-128", *PEER_TEXT, "plot-B", "plot-C"):
        if name in results.absent:
            text += row(TEXT[name], results.absent[name], "", "")
            continue
        instructions, size, once = results.each(name)
        if name.startswith("drain"):
            size = results.figures["record/bytes"]
        text += row(
            TEXT[name],
            f"{instructions:,.0f}",
            f"{once / 1e6:,.0f}",
            f"{size:.1f}" if size else "",
        )
    return text


def scaling_table(results: Results) -> str:
    text = row("threads and CPUs", "probe", "best tries", "median", "quartiles")
    text += row("---:", "---", *["---:"] * 3)
    for threads, tries in results.throughput.items():
        without, *with_each = zip(*tries)
        for words, probed in zip(SCALING_PROBES, with_each):
            shares = [b / a for a, b in zip(without, probed)]
            low, middle, high = statistics.quantiles(shares, n=4)
            text += row(
                str(threads),
                words,
                f"{max(probed) / max(without):.2f}",
                f"{middle:.2f}",
                f"{low:.2f} to {high:.2f}",
            )
    return text


def sharing_table(results: Results) -> str:
    """The lines that more than one CPU writes to, per thousand faults.

    A row each, except that lines which move less than once are summed up in one row.
    """
    text = row("workload", "contents of the line", "loads", "stores", "moves")
    text += row("---", "---", *["---:"] * 3)
    for name, sums in results.shared.items():
        words = sharing.CASES[name][-1]
        faults = results.shared_faults[name]
        rare = [x for x, use in sums.items() if 1000 * use.moves < faults]
        rows = [(x, use) for x, use in sums.items() if x not in rare]
        rows.sort(key=lambda x: -x[1].stores)
        if rare:
            columns = zip(*(dataclasses.astuple(sums[x]) for x in rare))
            rest = sharing.Shared(*map(sum, columns))
            rows.append((f"({len(rare)} more, less than one move each)", rest))
        for variable, use in rows:
            counts = (use.loads, use.stores, use.moves)
            cells = (f"{1000 * x / faults:,.1f}" for x in counts)
            text += row(words, variable, *cells)
            words = ""
        if not sums:
            text += row(words, "none", "", "", "")
    return text


def plotter_table(results: Results) -> str:
    text = row("faults", "seconds", "peak memory, MB") + row(*["---:"] * 3)
    for size, (seconds, megabytes) in results.plotter.items():
        text += row(f"{size:,}", f"{seconds:.1f}", f"{megabytes:,.0f}")
    return text


def whole(results: Results, tree: kernel.Tree) -> str:
    """The results as Markdown."""
    base = {
        kind: results.costs["nothing", "traced", kind].median
        for kind in (*KINDS, FILE_KIND)
    }
    package = re.sub(r"^linux-image-", "", tree.root.name)
    versions = [f"kernel {package} ({tree.kernel.suite})"]
    versions.append(first_line("qemu-system-x86_64", "--version"))
    versions += [
        f"{name}: {first_line(*command)}"
        for name, command in {
            "perf": ("perf", "--version"),
            "trace-cmd": ("trace-cmd", "--version"),
            "bpftrace": ("bpftrace", "--version"),
        }.items()
    ]
    listed = "".join(f"- {version}\n" for version in versions)
    fault = paragraph(
        f"""
        Instructions that a tracer adds to a page fault on anonymous memory, of the traced
        process and of another one. Without tracing, a read fault takes {base['read']:,.0f}
        instructions and a write fault {base['write']:,.0f}; a write to a page of a mapped
        file that is in memory takes {base['file']:,.0f}. The median and the quartiles of
        {ROUNDS} rounds of {ROUND_FAULTS} faults show the cost within the fault. The mean
        also contains everything else that the system did meanwhile, for example the
        tracer's own program, which stores or prints events; if that happens in half of the
        rounds, the median contains it, too. "Recorded" is the share of the traced process's
        faults that are in the tracer's output, or, for the modules, in their summary.
        """
    )
    clock = results.added("empty-clock", "traced", "read")
    clock -= results.added("empty-jump", "traced", "read") + CLOCK_OWN
    apart = paragraph(
        f"""
        The instructions that record a read fault on anonymous memory, by placement. The
        module's own instructions are attributed to parts by disassembly and debug
        information, see parts.py. The path to the module is code of the kernel: a
        kprobe's jump and back, ftrace's trampoline, or a call in place of a nop. The
        kernel's own function that reads the clock would take {clock:,.0f}.
        """
    )
    text = paragraph(
        f"""
        Instructions of program and kernel together. Some are needed once, for example for
        start-up; the others are added by each record. They were measured with
        {MANY - FEW:,} records, or {MANY_PEERS - FEW:,} for the other tools. Bytes are those
        of kernel memory, of perf.data and of trace.dat. trace.dat is compressed, and these
        faults are very similar.
        """
    )
    scaling = paragraph(
        f"""
        The threads of one process do nothing but fault, each on a virtual CPU of its own
        (multi-threaded TCG). The figures are faults per second with a probe, as a share of
        those without; there were {SCALING_TRIES} tries of each, alternating. A probe that
        only reads the clock is there for comparison: what it loses is the cost of the
        kprobe, of the clock, and of QEMU, where the virtual CPUs read the time under one
        lock. These are wall-clock times on a machine with {os.cpu_count()} CPUs. Other
        programs running there can only slow a try down, so the best tries are the most
        reliable. If there are more virtual CPUs than CPUs, they also slow each other down.
        """
    )
    lines = paragraph(
        """
        The cache lines that more than one CPU writes to, on 4 and 8 virtual CPUs. Each CPU
        has a thread or process that does nothing but fault. A QEMU plugin (plugin/lines.c)
        counts the loads and stores of the module's instructions; the figures are per
        thousand faults. A move is a load of a line that only another CPU's cache holds, or
        a store that has to take the line from others. All other lines that are written have
        one writer.
        """
    )
    return f"""\
# What tracing costs

<!-- Written by `make bench`. -->

{listed}
## A page fault

{fault}
{cost_table(results)}
## Where the instructions go

{apart}
{parts_table(results)}
{calls(results)}
{TO_TEXT}
{text}
{drain_table(results)}
## More CPUs

{scaling}
{scaling_table(results)}
## Cache lines

{lines}
{sharing_table(results)}
## page_fault_plot.py

From a log to a PNG on this machine.

{plotter_table(results)}"""


CALLS_HEAD = "## Changes of the address space\n"
TO_TEXT = "## From the record to text\n"
ARM64 = "## On arm64\n"


def arm64(measured: list[tuple[Results, kernel.Tree]]) -> str:
    """The part about arm64: each kernel's table."""
    text = paragraph(
        """
        As above, on QEMU's virtual machine for arm64. Here a kprobe is always a breakpoint,
        which raises an exception; the figures contain the kernel's instructions for that,
        but not the processor's own time. There is no trace event for page faults, so
        tracers that need one use a kprobe event.
        """
    )
    for results, tree in measured:
        base = [results.costs["nothing", "traced", kind].median for kind in KINDS]
        text += f"\n### Linux {tree.release}\n\n"
        text += paragraph(
            f"""
            Without tracing, a read fault takes {base[0]:,.0f} instructions and a write
            fault {base[1]:,.0f}.
            """
        )
        text += f"\n{cost_table(results)}"
    return f"{ARM64}\n{text}"


def calls(results: Results) -> str:
    """The part about system calls that change an address space."""
    text = paragraph(
        f"""
        Instructions that maps= adds to a system call, or to a pair of calls, see calls.c,
        of the traced process and of another one: the difference to maps=none. The default
        is maps=exec. Each new mapping is at a new address. "Without" is the call without
        tracing. The figures are the lowest of {CALL_REPEATS} medians of {CALL_ROUNDS}
        rounds. Equal measurements of mmap still differ by 100 instructions, those of fork and
        exec by 2,000, and those of the first mapping of a file by 6,000, as the state of the
        kernel's allocators does.
        "Areas recorded" is per call, or per pair of calls. mprotect and mremap repeat the
        same areas, so that these are recorded once.
        """
    )
    return f"{CALLS_HEAD}\n{text}\n{calls_table(results)}"


def with_calls(whole_text: str, part: str) -> str:
    """The results with their part about system calls replaced by this one."""
    before, found, rest = whole_text.partition(CALLS_HEAD)
    if not found:
        before, _, rest = whole_text.partition(TO_TEXT)
    else:
        rest = rest.partition(TO_TEXT)[2]
    return f"{before}{part}\n{TO_TEXT}{rest}"


def arm64_of(whole_text: str) -> str:
    """The part of the results about arm64, which is the last; empty if there is none."""
    _, found, rest = whole_text.partition(ARM64)
    return found + rest


def with_arm64(whole_text: str, part: str) -> str:
    """The results with their part about arm64 replaced by this one."""
    text = whole_text.partition(ARM64)[0].rstrip("\n") + "\n"
    return f"{text}\n{part}" if part else text
