# SPDX-License-Identifier: GPL-2.0-or-later
"""Logs for the tests, and functions to examine the outputs."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import xml.etree.ElementTree
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.collections import PathCollection, PolyCollection
from matplotlib.figure import Figure

SCRIPT = Path(__file__).resolve().parents[2] / "page_fault_plot.py"
sys.path.insert(0, str(SCRIPT.parent))

from faultlog.draw import drawing
from faultlog.parse import checks
from faultlog.parse.read import read_log
from faultlog.parse.log import Log

HEAD = (
    b"# pf_probe_B version=1.0 pid=4494 comm=cc1plus clock=CLOCK_MONOTONIC "
    b"loaded=1389595000000 epoch=1588556857.123456789 page=4096 "
    b"kernel=6.1.0-56-amd64 arch=x86_64\n"
)
HEAD_AT_0 = HEAD.replace(b"loaded=1389595000000", b"loaded=0")
OLD = b"   0:: PID =     4494 Page Fault at Address 0x7faa3b0fccf8 at Time 1389595218602\n"
NEW = (
    b"PID =     4494 Page Fault at Address 0x7faa3b0fccf8 at Time 1389595218602 tid=4497 "
    b"cpu=1 ip=0x55f3920ce1b5 access=write mode=user region=heap\n"
)


# outcome=1 and children=1: the order is that in which faults completed.
FAMILY = b"""\
# pf_probe_B version=1.0 pid=124 comm=make clock=CLOCK_MONOTONIC page=4096
   0:: PID =      124 Page Fault at Address 0xfc4b008 at Time 4928859895 tid=124 cpu=1 \
ip=0x7f9c0e6d8106 access=write mode=user region=heap result=minor latency_ns=1210 tries=1 \
map=[heap]
# child time=4928860895 pid=125 ppid=124 comm=make
# exec time=4928860995 pid=125 comm=a\\040sh
   1:: PID =      125 Page Fault at Address 0x7f9c0e6d8000 at Time 4928869895 tid=125 cpu=0 \
ip=0x7f9c0e6d8106 access=read mode=user region=file kind=shared result=major \
latency_ns=181210 tries=2 map=/usr/lib/x86_64-linux-gnu/libc.so.6 offset=0x1d2000
   2:: PID =      124 Page Fault at Address 0x7ffc0e6d8010 at Time 4928869000 tid=126 cpu=0 \
ip=0x7f9c0e6d8106 access=write mode=user region=stack result=sigbus latency_ns=999 tries=1 \
map=[stack]
# recorded=3 retries=1 dropped=0 overwritten=0 missed=0 target=exited minor=1 major=1 failed=1 \
abandoned=2 unfinished=0 children=1
"""


def summary(recorded: int, dropped: int = 0, overwritten: int = 0, missed: int = 0):
    return (
        b"# recorded=%d retries=41 dropped=%d overwritten=%d missed=%d target=exited\n"
        % (recorded, dropped, overwritten, missed)
    )


def fault(
    time_ns: int, address: int, pid: int = 4494, counter: int = -1, **keys
) -> bytes:
    words = "".join(f" {key}={value}" for key, value in keys.items())
    before = f"{counter:4d}:: " if counter >= 0 else ""
    return (
        f"{before}PID = {pid:8d} Page Fault at Address {address:#x} at Time {time_ns}"
        f"{words}\n"
    ).encode()


def compiler_log(nr_faults: int, seed: int = 1, outcomes: bool = False) -> bytes:
    """A log like a compiler's: code, data, heap, libraries, arenas, stack."""
    rng = np.random.default_rng(seed)
    areas = [  # first page, pages, share of the faults, region, access
        (0x55F391C00, 6200, 0.15, "code", "exec", "/usr/lib/gcc/cc1plus"),
        (0x55F393438, 420, 0.05, "data", "write", "anon"),
        (0x55F3D0A3C, 5200, 0.50, "heap", "write", "[heap]"),
        (0x7FAA28000, 900, 0.12, "anon", "write", "anon"),
        (0x7FAA3A000, 1756, 0.15, "file", "read", "/usr/lib/libstdc++.so.6.0.30"),
        (0x7FFD5F6B3, 46, 0.03, "stack", "write", "[stack]"),
    ]
    kind = rng.choice(len(areas), nr_faults, p=[a[2] for a in areas])
    part = np.sort(rng.random(nr_faults))
    times = 1389595218602 + (part * 1.26e9).astype(int)
    spread = np.clip(part + rng.normal(0, 0.05, nr_faults), 0, 0.9999)
    lines = [HEAD]
    for i, k in enumerate(kind):
        first, pages, _, region, access, name = areas[k]
        page = int(spread[i] * pages)
        address = (first + page) * 4096 + 8 * int(rng.integers(512))
        tid, cpu = 4494 + i % 5, i % 2
        keys = {"tid": tid, "cpu": cpu, "ip": "0x55f3920ce1b5"}
        keys.update(access=access, mode="user", region=region)
        if outcomes:
            major = name.startswith("/") and i % 9 == 0
            keys.update(kind="shared" if region == "file" else "cow")
            keys.update(result="major" if major else "minor")
            keys.update(latency_ns=(300_000 if major else 900) + i % 97)
            keys.update(tries=1 + major, map=name)
            if name.startswith("/"):
                keys.update(offset=hex(page * 4096))
        lines.append(fault(times[i], address, counter=i, **keys))
    lines.append(summary(nr_faults))
    return b"".join(lines)


def read(text: bytes, **kwargs) -> Log:
    return read_log(io.BytesIO(text), **kwargs)


def rows(log: Log) -> list[tuple]:
    """A log's faults as tuples of plain values; -1 and "" if missing."""
    return list(
        zip(
            log.time_ns.tolist(),
            log.address.tolist(),
            log.pid.tolist(),
            numbers(log, "tid"),
            words(log, "access"),
            words(log, "region"),
        )
    )


def outcomes(log: Log) -> list[tuple]:
    """The outcome and the mapping of each fault."""
    return list(
        zip(
            words(log, "result"),
            numbers(log, "latency_ns"),
            words(log, "map"),
            numbers(log, "offset"),
        )
    )


def numbers(log: Log, column: str) -> list[int]:
    """A column of numbers; -1 if missing."""
    known = log.known(column).tolist()
    return [x if k else -1 for x, k in zip(getattr(log, column).tolist(), known)]


def words(log: Log, column: str) -> list[str]:
    """A column of words; "" if missing."""
    return [log.names[column][code] for code in getattr(log, column).tolist()]


def texts(figure: Figure) -> str:
    """All the words in a picture."""
    found = figure.findobj(lambda artist: hasattr(artist, "get_text"))
    return "\n".join(artist.get_text() for artist in found)


def svg_words(path: Path) -> list[str]:
    """The texts of a picture in SVG."""
    root = xml.etree.ElementTree.fromstring(path.read_bytes())
    return [text.text for text in root.iter("{http://www.w3.org/2000/svg}text")]


def draw(figure: Figure, log: Log) -> None:
    drawing.draw(figure, log, checks.examine(log))


def drawn(text: bytes) -> Figure:
    figure = drawing.new_figure()
    draw(figure, read(text))
    figure.savefig(io.BytesIO(), format="png")
    return figure


def family_log(comms: list[str], nr_each: int = 3, counted: bool = True) -> bytes:
    """One process with children of these names, one after the other."""
    lines, pids = [HEAD_AT_0], range(5000, 5000 + len(comms))
    lines += [fault(i, 0x1000 * i, tid=4494, access="read") for i in range(nr_each)]
    for i, (pid, comm) in enumerate(zip(pids, comms)):
        start = 1000 * (i + 1)
        lines.append(f"# child time={start} pid={pid} ppid=4494 comm=fork\n".encode())
        lines.append(f"# exec time={start} pid={pid} comm={comm}\n".encode())
        for j in range(nr_each):
            lines.append(fault(start + j, 0x1000 * j, pid, tid=pid, access="write"))
    end = summary(nr_each * (len(comms) + 1))
    if counted:
        end = end.replace(b"\n", b" children=%d\n" % len(comms))
    return b"".join(lines) + end


def run(
    *args: object, cwd: Path | None = None, **env: str
) -> subprocess.CompletedProcess:
    """Run the program as a user without a display would; env: more variables."""
    done = subprocess.run(
        [sys.executable, "-B", SCRIPT, *map(str, args)],
        cwd=cwd,
        env={**ENV, **env},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert "Traceback" not in done.stderr
    return done


def table_lines(output: str) -> list[str]:
    """The lines of a printed table, without the sentences below it."""
    return output.partition("\n\n")[0].splitlines()


ENV = {k: os.environ[k] for k in ("HOME", "LANG", "PATH") if k in os.environ}


@dataclass(frozen=True)
class Bar:
    """A bar of a strip, in units of its axes."""

    left: float
    right: float
    low: float
    high: float
    colour: tuple

    @property
    def height(self) -> float:
        return self.high - self.low


def bars(axis) -> list[Bar]:
    """The bars of a strip over time."""
    found = []
    for some in axis.collections:
        if isinstance(some, PolyCollection):
            colour = tuple(some.get_facecolor()[0])
            for path in some.get_paths():
                (left, low), (right, high) = path.vertices[0], path.vertices[2]
                found.append(Bar(left, right, low, high, colour))
    return found


def scattered(axis) -> list[PathCollection]:
    """The scatter plots in a panel."""
    return [c for c in axis.collections if isinstance(c, PathCollection)]
