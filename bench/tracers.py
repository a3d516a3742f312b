# SPDX-License-Identifier: GPL-2.0-or-later
"""The tracers to measure, modules with their parameters and their peers, and the kernels.

Each tracer has a short name; TEXT has its name in the report.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

ROUNDS = 41
# A drain or a plot is measured with few records and with many: the difference does not
# contain the start-up.
FEW = 1_000
MANY = 1_001_000
MANY_CHECK = 101_000
MANY_PEERS = 51_000
POSSIBLE_CPUS = 128

SCALING_CPUS = (1, 2, 4)
SCALING_TRIES = 41
SCALING_MS = 100  # short, so that some tries fall into moments when the machine is idle
SCALING_PROBES = ("pf_probe_B", "a jump that only reads the clock")

KINDS = ("read", "write")
# A write to a page of a mapped file that is in memory: the record names the file, too.
FILE_KIND = "file"
# The first fault in a file that is 2,000 directories deep: the record needs its path.
DEEP_KIND = "deep"
DEEP_TRACER = "B"
FILE_TRACERS = ("B", "B-outcome", "B-ftrace", "B-callback")
# System calls that change an address space -> name in the report, see calls.c.
CALLS = {
    "mmap": "mmap and munmap, anonymous",
    "mmap-file": "mmap and munmap, a file",
    "mmap-exec": "mmap and munmap, an executable file",
    "mmap-first": "mmap and munmap, an executable file's first",
    "mprotect": "mprotect, to executable and back",
    "mremap": "mremap, moves",
    "mremap-grow": "mremap, extends and shrinks in place",
    "fork": "fork, exit and wait",
    "exec": "exec of a static program",
}
# The cost of a call depends on the state of the kernel's allocators, which differs from boot to
# boot and during a measurement: so each is measured for longer and several times, and the lowest
# median counts. By so many instructions equal measurements still differ.
CALL_ROUNDS = 82
CALL_REPEATS = 3
CALL_NOISE = {
    **{"mprotect": 2, "mremap-grow": 30, "mremap": 250, "mmap": 150, "mmap-file": 150},
    **{"mmap-exec": 150, "mmap-first": 6000, "fork": 2000, "exec": 2000},
}
EMPTY = {
    "entry": "empty kprobe at the entry",
    "jump": "empty kprobe behind the entry, a jump",
    "clock": "the same, but it reads the clock",
    "return": "empty kretprobe",
}
# Name -> (module, its parameters, name in the report)
MODULES = {
    "A": ("A", "", "pf_probe_A, printing"),
    "B": ("B", "", "pf_probe_B"),
    "C": ("C", "", "pf_probe_C"),
    "B-entry": ("B", "placement=entry", "pf_probe_B placement=entry"),
    "B-cont_store": ("B", "cont_store=1 max_faults=8192", "pf_probe_B cont_store=1"),
    "B-full": ("B", "max_faults=1", "pf_probe_B, its buffer full"),
    "B-children": ("B", "children=1", "pf_probe_B children=1"),
    "B-outcome": ("B", "outcome=1", "pf_probe_B outcome=1"),
    # The default of `user`.
    "B-outcome-children": (
        "B",
        "outcome=1 children=1",
        "pf_probe_B outcome=1 children=1",
    ),
    "B-outcome-entry": (
        "B",
        "outcome=1 placement=entry",
        "pf_probe_B outcome=1 placement=entry",
    ),
    "B-ftrace": ("B", "placement=ftrace", "pf_probe_B placement=ftrace"),
    "B-ftrace-children": (
        "B",
        "placement=ftrace children=1",
        "pf_probe_B placement=ftrace children=1",
    ),
    "B-ftrace-outcome": (
        "B",
        "placement=ftrace outcome=1",
        "pf_probe_B placement=ftrace outcome=1",
    ),
    "B-callback": ("B", "placement=callback", "pf_probe_B placement=callback"),
    "B-callback-outcome": (
        "B",
        "placement=callback outcome=1",
        "pf_probe_B placement=callback outcome=1",
    ),
    "B-callback-children": (
        "B",
        "placement=callback children=1",
        "pf_probe_B placement=callback children=1",
    ),
}
# The modules whose cost per call is measured, likewise. What maps= adds is the difference to
# WITHOUT_AREAS.
CALL_MODULES = {
    "B": MODULES["B"],
    "B-none": ("B", "maps=none", "pf_probe_B maps=none"),
    "B-all": ("B", "maps=all", "pf_probe_B maps=all"),
    "B-ftrace": MODULES["B-ftrace"],
    "B-ftrace-none": (
        "B",
        "placement=ftrace maps=none",
        "pf_probe_B placement=ftrace maps=none",
    ),
    "B-children": MODULES["B-children"],
    "B-children-none": (
        "B",
        "children=1 maps=none",
        "pf_probe_B children=1 maps=none",
    ),
}
WITHOUT_AREAS = {
    **{"B": "B-none", "B-all": "B-none"},
    **{"B-ftrace": "B-ftrace-none", "B-children": "B-children-none"},
}
# Tracer -> the calls that are measured with it.
MEASURED_CALLS = {
    "B": tuple(CALLS),
    "B-none": tuple(CALLS),
    "B-all": ("mmap", "mmap-file"),
    "B-ftrace": tuple(CALLS),
    "B-ftrace-none": tuple(CALLS),
    "B-children": ("fork", "exec"),
    "B-children-none": ("fork", "exec"),
}
# Those that have a limit, and what they are compared with.
CHECKED_CALLS = {"B": tuple(CALLS), "B-none": tuple(CALLS)}
# The only peer that records calls.
CALL_PEER = "perf_record"
PEER_CALLS = ("mmap", "mmap-file", "mmap-exec", "mprotect")
# Name -> (its program, name in the report)
PEERS = {
    "ftrace": ("-", "ftrace event, set_event_pid"),
    "ftrace_kprobe": ("-", "ftrace kprobe event, set_event_pid"),
    "trace_cmd": ("trace-cmd", "trace-cmd record"),
    "trace_cmd_kprobe": ("trace-cmd", "trace-cmd record, kprobe event"),
    "perf_record": ("perf", "perf record -e page-faults -c 1 -d"),
    "perf_trace": ("perf", "perf trace -F all"),
    "bpftrace_tracepoint": ("bpftrace", "bpftrace, tracepoint + printf"),
    "bpftrace_kprobe": ("bpftrace", "bpftrace, kprobe + printf"),
}
# For architectures without a trace event for page faults: these use a kprobe event.
WITHOUT_EVENT = ("ftrace_kprobe", "trace_cmd_kprobe")
# For a guest of another architecture than this machine's; coreutils and dash start the tools.
PEER_PACKAGES = ("coreutils", "dash", "linux-perf", "trace-cmd", "bpftrace")
# By placement, as in parts.py: the tracer whose instructions are attributed to parts.
APART = {"jump": "B", "callback": "B-callback", "direct": "B-ftrace"}
# Instructions of empty_probe.c around the function that reads the clock: the call and a store.
CLOCK_OWN = 2
NOT_INSTALLED = "not installed"  # as in peers.sh
PEER_TEXT = {
    "perf_record-text": ("perf", "perf script", "-i /tmp/perf.data"),
    "trace_cmd-text": ("trace-cmd", "trace-cmd report", "/tmp/trace.dat"),
}
TEXT = {
    **{f"empty-{place}": words for place, words in EMPTY.items()},
    **{name: words for name, (_, _, words) in (MODULES | CALL_MODULES).items()},
    **{name: words for name, (_, words) in PEERS.items()},
    "drain": "/proc/pf_probe_B to a log, by `user`",
    "drain-128": "the same with 128 possible CPUs",
    "plot-B": "pf_probe_B: plot at unload",
    "plot-C": "pf_probe_C: plots at unload",
    **{name: command for name, (_, command, _) in PEER_TEXT.items()},
}


@dataclass(frozen=True)
class Place:
    """A kernel to measure on, and the tracers that it can run.

    `accel` is QEMU's options for a clock that counts instructions; `empties`, `modules`,
    `of_file` and `peers` are names in EMPTY, MODULES, MODULES and PEERS.
    """

    kernel: str
    accel: tuple[str, ...]
    empties: tuple[str, ...]
    modules: tuple[str, ...]
    of_file: tuple[str, ...]
    peers: tuple[str, ...]


ICOUNT = ("-icount", "shift=0,sleep=off")
PC = Place(
    kernel="default",
    accel=("-accel", "tcg", "-cpu", "max", *ICOUNT),
    empties=tuple(EMPTY),
    modules=tuple(MODULES),
    of_file=FILE_TRACERS,
    peers=tuple(name for name in PEERS if name not in WITHOUT_EVENT),
)
# There a kprobe is always a breakpoint, there is no trace event for page faults, and by
# default the clock's rate is less than one per nanosecond.
ARM_CPU = "neoverse-n1,cntfrq=1000000000"
ARM_MODULES = ("A", "B", "C", "B-cont_store", "B-full", "B-children", "B-outcome")
ARM = Place(
    kernel="bookworm-arm64",
    accel=("-accel", "tcg", "-cpu", ARM_CPU, *ICOUNT),
    empties=("entry", "clock", "return"),
    modules=ARM_MODULES,
    of_file=("B", "B-outcome"),
    peers=(*WITHOUT_EVENT, "perf_record", "perf_trace", "bpftrace_kprobe"),
)
# The first kernel there that passes the function's arguments to ftrace's callbacks.
ARM_LATER = replace(
    ARM,
    kernel="bookworm-6.12-arm64",
    modules=(
        *ARM_MODULES,
        "B-callback",
        "B-callback-outcome",
        "B-callback-children",
    ),
    of_file=("B", "B-outcome", "B-callback"),
)
