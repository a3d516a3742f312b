# SPDX-License-Identifier: GPL-2.0-or-later
"""What is measured: the modules and how they are loaded, their peers, and where.

A tracer is known by a short name; TEXT has it in words.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

ROUNDS = 41
# A drain or a plot is measured with few records and with many: what the difference
# costs has no start-up in it.
FEW = 1_000
MANY = 1_001_000
MANY_CHECK = 101_000
MANY_PEERS = 51_000
POSSIBLE_CPUS = 128

SCALING_CPUS = (1, 2, 4)
SCALING_TRIES = 41
SCALING_MS = 100  # short, to find the moments in which the machine is quiet
SCALING_PROBES = ("pf_probe_B", "a jump that only reads the clock")

KINDS = ("read", "write")
# A write to a page of a mapped file that is in memory: the record names the file, too.
FILE_KIND = "file"
# The first fault in a file that is 2,000 directories deep, of which the path is read.
DEEP_KIND = "deep"
DEEP_TRACER = "B"
FILE_TRACERS = ("B", "B-outcome", "B-ftrace", "B-callback")
EMPTY = {
    "entry": "empty kprobe at the entry",
    "jump": "empty kprobe behind the entry, a jump",
    "clock": "the same, only reading the clock",
    "return": "empty kretprobe",
}
# Name -> (module, its parameters, in words)
MODULES = {
    "A": ("A", "", "pf_probe_A, printing"),
    "B": ("B", "", "pf_probe_B"),
    "C": ("C", "", "pf_probe_C"),
    "B-entry": ("B", "placement=entry", "pf_probe_B placement=entry"),
    "B-cont_store": ("B", "cont_store=1 max_faults=8192", "pf_probe_B cont_store=1"),
    "B-full": ("B", "max_faults=1", "pf_probe_B, its buffer full"),
    "B-children": ("B", "children=1", "pf_probe_B children=1"),
    "B-outcome": ("B", "outcome=1", "pf_probe_B outcome=1"),
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
# Name -> (the tool to look for, in words)
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
# For where no event tells of page faults: they make a kprobe event.
WITHOUT_EVENT = ("ftrace_kprobe", "trace_cmd_kprobe")
# For a guest of another architecture than this machine's, with what they are started by.
PEER_PACKAGES = ("coreutils", "dash", "linux-perf", "trace-cmd", "bpftrace")
# By placement, as in parts.py: the tracer whose instructions are told apart.
APART = {"jump": "B", "callback": "B-callback", "direct": "B-ftrace"}
# Of what reads the clock in empty_probe.c: the call, and to store the value.
CLOCK_OWN = 2
NOT_INSTALLED = "not installed"  # as in peers.sh
PEER_TEXT = {
    "perf_record-text": ("perf", "perf script", "-i /tmp/perf.data"),
    "trace_cmd-text": ("trace-cmd", "trace-cmd report", "/tmp/trace.dat"),
}
TEXT = {
    **{f"empty-{place}": words for place, words in EMPTY.items()},
    **{name: words for name, (_, _, words) in MODULES.items()},
    **{name: words for name, (_, words) in PEERS.items()},
    "drain": "/proc/pf_probe_B to a log, by `user`",
    "drain-128": "the same where 128 CPUs are possible",
    "plot-B": "pf_probe_B: plot at unload",
    "plot-C": "pf_probe_C: plots at unload",
    **{name: command for name, (_, command, _) in PEER_TEXT.items()},
}


@dataclass(frozen=True)
class Place:
    """A kernel to measure on, and what can be measured there.

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
# There a kprobe is always a breakpoint, no event tells of page faults, and the clock's
# own rate is less than one a nanosecond.
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
# The first that tells ftrace's callbacks the arguments.
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
