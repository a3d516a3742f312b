# SPDX-License-Identifier: GPL-2.0-or-later
"""The plotter: what it reads, what it says, what it draws."""

from __future__ import annotations

import importlib.util
import io
import os
import random
import resource
import subprocess
import sys
import time
import xml.etree.ElementTree
from pathlib import Path

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.image import imread

SCRIPT = Path(__file__).resolve().parents[2] / "page_fault_plot.py"
_spec = importlib.util.spec_from_file_location("page_fault_plot", SCRIPT)
plot = importlib.util.module_from_spec(_spec)
sys.modules["page_fault_plot"] = plot
_spec.loader.exec_module(plot)

HEAD = (
    b"# pf_probe_B version=1.0 pid=4494 comm=cc1plus clock=CLOCK_MONOTONIC "
    b"loaded=1389595000000 epoch=1588556857.123456789 page=4096 "
    b"kernel=6.1.0-56-amd64 arch=x86_64\n"
)
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


def read(text: bytes, **kwargs) -> plot.Log:
    return plot.read_log(io.BytesIO(text), **kwargs)


def rows(log: plot.Log) -> list[tuple]:
    """A log's faults as tuples of plain values."""
    return [
        (int(t), int(a), int(p), int(d), plot.ACCESSES[c], log.regions[r])
        for t, a, p, d, c, r in zip(
            log.time_ns, log.address, log.pid, log.tid, log.access, log.region
        )
    ]


def outcomes(log: plot.Log) -> list[tuple]:
    """What the log says of each fault's end and of its mapping."""
    return [
        (plot.RESULTS[r], int(t), log.maps[m], -1 if o == plot.NO_OFFSET else int(o))
        for r, t, m, o in zip(log.result, log.latency_ns, log.map, log.offset)
    ]


def texts(figure: Figure) -> str:
    """All the words in a picture."""
    found = figure.findobj(lambda artist: hasattr(artist, "get_text"))
    return "\n".join(artist.get_text() for artist in found)


def drawn(text: bytes) -> Figure:
    figure = Figure()
    plot.draw(figure, read(text))
    figure.savefig(io.BytesIO(), format="png")
    return figure


def run(*args: object, cwd: Path | None = None) -> subprocess.CompletedProcess:
    """The program as a user without a display starts it."""
    done = subprocess.run(
        [sys.executable, "-B", SCRIPT, *map(str, args)],
        cwd=cwd,
        env=ENV,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert "Traceback" not in done.stderr
    return done


ENV = {k: os.environ[k] for k in ("HOME", "LANG", "PATH") if k in os.environ}


# --- reading ---------------------------------------------------------------


def test_reads_a_line_of_2020():
    log = read(OLD)
    assert rows(log) == [(1389595218602, 0x7FAA3B0FCCF8, 4494, 0, "", "")]
    assert (log.head, log.summary, log.nr_bad) == ({}, {}, 0)


@pytest.mark.parametrize("counter", [b"", b"   0:: ", b"9999:: ", b"12345678:: "])
def test_reads_a_line_of_proc_and_of_user(counter):
    log = read(HEAD + counter + NEW + summary(1))
    expected = (1389595218602, 0x7FAA3B0FCCF8, 4494, 4497, "write", "heap")
    assert rows(log) == [expected]
    assert log.nr_bad == 0
    assert log.head["comm"] == "cc1plus"
    assert log.head["probe"] == "pf_probe_B"
    assert log.summary["recorded"] == 1


def test_keys_may_come_in_any_order_and_unknown_ones_are_ignored():
    text = fault(
        9,
        0x1000,
        region="stack",
        result="major",
        latency_ns=51000,
        map=r"/tmp/a\040b,tid=7",
        kind="cow",
        xtid=3,
        access="exec",
        tid=12,
    )
    assert rows(read(text)) == [(9, 0x1000, 4494, 12, "exec", "stack")]


def test_values_unknown_today_are_tolerated():
    text = fault(1, 0x1000, access="atomic", region="gpu")
    text += fault(2, 0x1000, access="read", region="a-name-of-many-bytes")
    text += fault(3, 0x1000, access="read-or-write", tid="x", region="")
    log = read(text)
    assert rows(log) == [
        (1, 0x1000, 4494, 0, "", "gpu"),
        (2, 0x1000, 4494, 0, "read", "a-name-of-many-bytes"),
        (3, 0x1000, 4494, 0, "", ""),
    ]
    assert log.nr_bad == 0


def test_more_regions_than_can_be_told_apart():
    text = b"".join(fault(i, 0x1000, region=f"r{i}") for i in range(1000))
    names = [row[5] for row in rows(read(text, block_bytes=4096))]
    assert all(name in ("", f"r{i}") for i, name in enumerate(names))
    assert sum(map(bool, names)) == plot.MAX_REGIONS


def test_the_last_of_several_summaries_counts():
    text = HEAD + NEW + summary(1) + b"EXIT_CODE\n" + NEW + summary(2, dropped=3)
    log = read(text + b"   7:: EXIT_CODE\n\n# to come\n")
    assert len(log) == 2
    assert log.summary["recorded"] == 2
    assert log.summary["dropped"] == 3
    assert log.nr_bad == 0


def test_comm_is_unescaped():
    text = HEAD.replace(b"cc1plus", rb"a\040b\134\044x\012") + NEW
    assert read(text).head["comm"] == "a b\\$x\N{REPLACEMENT CHARACTER}"


def test_numbers_up_to_64_bits():
    top = (1 << 64) - 1
    text = fault(top, top) + fault(top - 1, 0xFFFFFFFFFF600000) + fault(0, 0)
    log = read(text)
    assert [row[:2] for row in rows(log)] == [
        (top, top),
        (top - 1, 0xFFFFFFFFFF600000),
        (0, 0),
    ]
    assert read(fault(1 << 64, 0)).nr_bad == 1
    assert read(fault(0, 1 << 64)).nr_bad == 1
    assert read(fault(0, 0, pid=1 << 32)).nr_bad == 1


@pytest.mark.parametrize("block_bytes", [1, 7, 64, 151, 4096])
def test_blocks_may_end_anywhere(block_bytes):
    text = OLD + compiler_log(60) + b"junk\n" + NEW + b"EXIT_CODE\n"
    log, whole = read(text, block_bytes=block_bytes), read(text)
    assert rows(log) == rows(whole)
    assert len(log) == 62
    assert (log.nr_bad, log.first_bad) == (1, 64)


@pytest.mark.parametrize("with_outcomes", [False, True])
def test_the_fast_path_reads_what_the_exact_rule_reads(monkeypatch, with_outcomes):
    """Damaged lines: whatever happens to one, both ways agree on it."""
    rng = random.Random(4)
    lines = compiler_log(300, outcomes=with_outcomes).splitlines(keepends=True)
    for _ in range(3000):
        line = bytearray(rng.choice(lines[:300]))
        for _ in range(rng.randint(1, 2)):
            at = rng.randrange(len(line) - 1)
            change = rng.randrange(3)
            if change == 0:
                line[at] = rng.choice(b" 0x9af:=#\tP\xff")
            elif change == 1:
                del line[at]
            else:
                line.insert(at, rng.choice(b" 0x9af:=#\tP\xff"))
        lines.append(bytes(line))
    text = b"".join(lines)
    fast = read(text)
    monkeypatch.setattr(plot, "NR_FIXED", 10**6)
    exact = read(text)
    assert rows(fast) == rows(exact)
    assert outcomes(fast) == outcomes(exact)
    assert (fast.nr_bad, fast.first_bad) == (exact.nr_bad, exact.first_bad)
    assert (400 if with_outcomes else 1000) < fast.nr_bad < 3000


BAD_LINES = [
    b"PID =     4494 Page Fault at Address 0x7faa3b0fccf8 at Time\n",
    b"PID =     4494 Page Fault at Address 0x7faa3b0fccf8 at\n",
    b"PID =     4494 Page Fault at Address 0x at Time 12\n",
    b"PID =     4494 Page Fault at Address 7faa3b0fccf8 at Time 12\n",
    b"PID =     4494 Page Fault at Address 0x7faag at Time 12\n",
    b"PID =     44x4 Page Fault at Address 0x7faa at Time 12\n",
    b"PID =     4494 Page Fault at Address 0x7faa at Time -12\n",
    b"abc:: PID =     4494 Page Fault at Address 0x7faa at Time 12\n",
    b"12: PID =     4494 Page Fault at Address 0x7faa at Time 12\n",
    b"PID =     4494 Page Fault at Address 0x7faa at Time 1%s\n" % (b"0" * 5000),
    b"\x00\xff\x01\n",
    b"EXIT_CODES\n",
    b"x" * 3000 + b"\n",
]


@pytest.mark.parametrize("line", BAD_LINES)
def test_a_bad_line_is_counted_and_located(line):
    log = read(HEAD + NEW + line + OLD + line)
    assert len(log) == 2
    assert (log.nr_bad, log.first_bad) == (2, 3)


def test_line_without_end_does_not_fill_the_memory():
    log = read(OLD + b"\0" * (6 << 20), block_bytes=1 << 16)
    assert (len(log), log.nr_bad, log.first_bad) == (1, 1, 2)


def test_carriage_returns_are_no_matter():
    assert rows(read(NEW.replace(b"\n", b"\r\n"))) == rows(read(NEW))


def test_a_last_line_without_newline_counts_unless_cut_off_in_its_time():
    text = OLD + OLD.rstrip(b"\n")
    assert len(read(text)) == 2
    log = read(text[:-3])
    assert (len(log), log.nr_bad, log.first_bad) == (1, 1, 2)


# --- outcomes, mappings, children: reading ---------------------------------


@pytest.mark.parametrize("block_bytes", [1, 100, 333, 1 << 20])
def test_reads_outcomes_mappings_and_children(block_bytes):
    log = read(FAMILY, block_bytes=block_bytes)
    assert rows(log) == [
        (4928859895, 0xFC4B008, 124, 124, "write", "heap"),
        (4928869895, 0x7F9C0E6D8000, 125, 125, "read", "file"),
        (4928869000, 0x7FFC0E6D8010, 124, 126, "write", "stack"),
    ]
    assert outcomes(log) == [
        ("minor", 1210, "[heap]", -1),
        ("major", 181210, "/usr/lib/x86_64-linux-gnu/libc.so.6", 0x1D2000),
        ("sigbus", 999, "[stack]", -1),
    ]
    assert (log.nr_bad, log.nr_births, log.nr_children) == (0, 1, 1)
    assert (log.comm_of(124), log.comm_of(125), log.comm_of(9)) == ("make", "a sh", "?")
    assert log.summary["abandoned"] == 2


def test_old_logs_say_nothing_of_outcomes_and_mappings():
    for text in (OLD, HEAD + NEW):
        log = read(text)
        assert outcomes(log) == [("", 0, "", -1)]
        assert not log.has_outcomes
        assert (log.nr_children, log.comms) == (0, {})


def test_each_new_key_may_be_missing():
    log = read(
        fault(1, 0x1000, result="minor")
        + fault(2, 0x1000, latency_ns=5)
        + fault(3, 0x1000, map="/a")
        + fault(4, 0x1000, offset="0x1000")
        + fault(5, 0x1000, result="postponed", latency_ns="x", map="", offset="12")
        + fault(6, 0x1000, result="a-word-of-many-bytes", latency_ns=10**19)
        + fault(7, 0x1000, latency_ns="", latency="3", offset="0x", maps="/b")
    )
    assert log.nr_bad == 0
    assert outcomes(log) == [
        ("minor", 0, "", -1),
        ("", 5, "", -1),
        ("", 0, "/a", -1),
        ("", 0, "", 0x1000),
        ("", 0, "", -1),
        ("", 0, "", -1),
        ("", 0, "", -1),
    ]


def test_every_result_is_known():
    for result in plot.RESULTS[1:]:
        text = fault(1, 0x1000, result=result, latency_ns=7, tries=1, map="?")
        assert outcomes(read(text)) == [(result, 7, "?", -1)]


def test_names_are_unescaped():
    names = rb"/tmp/a\040b", rb"/c\134d", rb"/\303\244=e", rb"/x\012y"
    text = b"".join(NEW.replace(b"\n", b" map=%s\n" % name) for name in names)
    found = [entry[2] for entry in outcomes(read(text))]
    assert found == ["/tmp/a b", "/c\\d", "/ä=e", "/x\N{REPLACEMENT CHARACTER}y"]


def test_names_of_any_length_are_told_apart():
    names = ["/" + "n" * i + last for i in range(60) for last in "ab"]
    names += ["/" + "m" * (plot.MAX_NAME - 2) + last for last in "ab"]
    text = b"".join(fault(i, 0x1000, map=name) for i, name in enumerate(names)) * 2
    assert [entry[2] for entry in outcomes(read(text))] == names * 2
    long = fault(1, 0x1000, map="/" * (plot.MAX_NAME + 1))
    assert outcomes(read(long)) == [("", 0, "", -1)]


def test_more_names_than_can_be_told_apart(monkeypatch):
    monkeypatch.setattr(plot, "MAX_MAPS", 100)
    text = b"".join(fault(i, 0x1000, map=f"/{i}") for i in range(300))
    found = [entry[2] for entry in outcomes(read(text, block_bytes=4096))]
    assert found == [f"/{i}" if i < 100 else "" for i in range(300)]


@pytest.mark.parametrize("block_bytes", [7, 4096, 1 << 22])
def test_comments_between_the_lines_lose_nothing(block_bytes):
    lines = compiler_log(400, outcomes=True).splitlines(keepends=True)
    comments = [
        b"# child time=%d pid=%d ppid=4494 comm=sh\n# a note map=/no tid=1 result=major\n"
        % (i, 5000 + i)
        for i in range(len(lines))
    ]
    mixed = b"".join(a + b for a, b in zip(lines, comments))
    log, plain = read(mixed, block_bytes=block_bytes), read(b"".join(lines))
    assert rows(log) == rows(plain)
    assert outcomes(log) == outcomes(plain)
    assert (log.nr_bad, log.nr_births) == (0, len(lines))
    assert log.comms == {5000 + i: "sh" for i in range(len(lines))}


def test_a_last_line_cut_off_is_seen_though_times_step_back():
    lines = FAMILY.splitlines(keepends=True)
    whole, last = b"".join(lines[:5]), lines[5].rstrip(b"\n")
    assert last.endswith(b"map=[stack]")
    assert len(read(whole + last)) == 3  # its time is before that of the one above
    for end in (b"Time 49288", b"tid=1", b"result=sig", b"latency_ns=9"):
        cut = last[: last.index(end) + len(end)]
        log = read(whole + cut)
        assert (len(log), log.nr_bad, log.first_bad) == (2, 1, 6)
    log = read(whole + last[:-4])
    assert outcomes(log)[2] == ("sigbus", 999, "", -1)


# --- panels ----------------------------------------------------------------


def check_panels(pages: np.ndarray, max_panels: int = plot.MAX_PANELS) -> list:
    """Every page is in exactly one panel, and it's the one that panel_of() tells."""
    panels = plot.find_panels(pages, max_panels)
    assert 1 <= len(panels) <= max_panels
    inside = [(pages >= p.first) & (pages <= p.last) for p in panels]
    assert (np.sum(inside, axis=0) == 1).all()
    assert (np.argmax(inside, axis=0) == plot.panel_of(pages, panels)).all()
    for low, high in zip(panels, panels[1:]):
        assert high.first - low.last - 1 >= plot.MIN_GAP_PAGES
    for panel in panels:
        assert panel.first in pages and panel.last in pages
    return panels


@pytest.mark.parametrize("seed", range(40))
def test_every_page_is_in_one_panel(seed):
    rng = np.random.default_rng(seed)
    parts = [
        rng.integers(0, 1 << int(rng.integers(1, 52)), dtype=np.uint64)
        + rng.integers(0, 1 << int(rng.integers(1, 20)), n, dtype=np.uint64)
        for n in rng.integers(1, 200, rng.integers(1, 30))
    ]
    check_panels(np.concatenate(parts), int(rng.integers(1, 12)))


def test_pages_at_both_ends_of_the_64_bit_range():
    pages = np.array([0, (1 << 52) - 1, 0xFFFFFFFFFF600], dtype=np.uint64)
    assert [(p.first, p.last) for p in check_panels(pages)] == [
        (0, 0),
        (0xFFFFFFFFFF600, 0xFFFFFFFFFF600),
        ((1 << 52) - 1, (1 << 52) - 1),
    ]


def test_one_page():
    panels = check_panels(np.array([7, 7, 7], dtype=np.uint64))
    assert [(p.first, p.last, p.nr_pages) for p in panels] == [(7, 7, 1)]


def test_a_process_is_cut_at_its_areas():
    log = read(compiler_log(5000))
    panels = check_panels(log.address >> np.uint64(12))
    where = plot.panel_of(log.address >> np.uint64(12), panels)
    names = [
        {log.regions[r] for r in np.unique(log.region[where == i])}
        for i in range(len(panels))
    ]
    assert names == [{"code", "data"}, {"heap"}, {"anon"}, {"file"}, {"stack"}]


def test_alike_gaps_are_cut_all_or_none():
    """64 thread stacks: no few of them may get panels of their own."""
    stacks = 0x7F0000000 + 2049 * np.arange(64, dtype=np.uint64)
    pages = np.concatenate((stacks, stacks + np.uint64(1), [np.uint64(0x400)]))
    assert len(check_panels(pages)) == 2


def test_scattered_pages_stay_together():
    rng = np.random.default_rng(3)
    assert len(check_panels(rng.integers(0, 1 << 20, 20000, dtype=np.uint64))) == 1


@pytest.mark.parametrize("base", [0, 0x7FAA3B000000, (1 << 64) - (1 << 30)])
@pytest.mark.parametrize("pages", [1, 2, 3, 46, 6200, 1 << 18])
@pytest.mark.parametrize("max_ticks", [1, 2, 8])
def test_ticks_are_round_addresses_and_few(base, pages, max_ticks):
    ticks = plot.PageLocator(base, 4096, max_ticks).tick_values(-10.0, pages * 4096.0)
    assert 1 <= len(ticks) <= max_ticks
    assert all((base + t) % 4096 == 0 and 0 <= base + t < 1 << 64 for t in ticks)
    assert all(-10 <= t <= pages * 4096 for t in ticks)


# --- words -----------------------------------------------------------------


def test_units():
    assert plot.time_text(0) == "0 ns"
    assert plot.time_text(999) == "999 ns"
    assert plot.time_text(1500) == "1.50 µs"
    assert plot.time_text(12_345_678) == "12.3 ms"
    assert plot.time_text(7_200_000_000_000) == "7,200 s"
    assert plot.size_text(4096) == "4 KiB"
    assert plot.size_text(45_300_000_000_000) == "41.2 TiB"
    assert plot.size_text((1 << 20) - 100) == "1 MiB"
    assert plot.size_text((1 << 64) - 4096) == "16 EiB"


def test_region_labels_fit():
    assert plot.region_label([]) == ""
    assert plot.region_label(["heap"]) == "heap"
    assert plot.region_label(["code", "data"]) == "code, data"
    assert (
        plot.region_label(["special", "stack", "file", "anon"]) == "special, stack +2"
    )
    assert plot.region_label(["x" * 99]) == "x" * 19 + "…"


def test_losses_are_told():
    text = HEAD + NEW + b"junk\n"
    assert plot.losses(read(HEAD + NEW + summary(1))) == []
    assert plot.losses(read(text + summary(9, 4000, 3, 2))) == [
        "4,000 dropped",
        "3 overwritten",
        "2 missed",
        "5 recorded but not in this log",
        "1 bad line left out",
    ]
    for part in (HEAD + NEW, NEW):
        assert plot.losses(read(part)) == [
            "the log has no summary, a part may be missing"
        ]
    assert plot.losses(read(OLD)) == []


# --- pictures --------------------------------------------------------------


def test_a_picture_tells_who_what_and_where():
    words = texts(drawn(compiler_log(3000)))
    assert "Page faults of cc1plus, PID 4494" in words
    assert "3,000 faults in 1.26 s on " in words
    assert "by 5 threads; nothing lost" in words
    assert "time since the first fault (s)" in words
    assert "faults per\n10 ms" in words
    assert "41.7 TiB not touched" in words
    assert "pf_probe_B on Linux 6.1.0-56-amd64 x86_64" in words
    for region in ("code, data", "heap", "anon", "file", "stack"):
        assert region in words.splitlines()
    for access in ("read ", "write ", "exec "):
        assert access in words
    assert "Not complete" not in words


def test_losses_are_shown_in_red():
    figure = drawn(HEAD + NEW + summary(1, dropped=4000, missed=3))
    (note,) = [t for t in figure.texts if "Not complete" in t.get_text()]
    assert note.get_text() == "Not complete: 4,000 dropped, 3 missed"
    assert note.get_color() == plot.ALARM
    assert "nothing lost" not in texts(figure)


def test_a_log_of_2020_has_no_legend():
    figure = drawn(OLD + OLD.replace(b"602", b"702"))
    assert figure.legends == []
    words = texts(figure)
    assert "Page faults of PID 4494" in words
    assert "2 faults in 100 ns on 1 page" in words.splitlines()


def test_other_processes_are_counted():
    one = HEAD + NEW + fault(1, 0x1000, pid=4500)
    assert "PID 4494 and 1 other process\n" in texts(drawn(one)) + "\n"
    two = one + fault(2, 0x1000, pid=4501)
    assert "PID 4494 and 2 other processes\n" in texts(drawn(two)) + "\n"


def test_a_comm_is_no_mathematics():
    text = HEAD.replace(b"cc1plus", rb"$\frac{$_^") + NEW
    assert r"Page faults of \$\frac{\$_^, PID 4494" in texts(drawn(text))


@pytest.mark.parametrize(
    "text",
    [
        OLD,
        OLD * 1000,
        fault(5, (1 << 64) - 1),
        fault(0, 0) + fault((1 << 63) + 5, (1 << 64) - 1),
        b"".join(fault(7, 0xFFFFFFFFFF600000 + i) for i in range(50)),
        b"".join(fault(7, i << 12) for i in range(20000)),
        b"".join(fault(i, 0x1000 << i % 50, access="read") for i in range(500)),
    ],
    ids=["one", "same", "top", "all", "vsyscall", "instant", "powers"],
)
def test_odd_shapes_are_drawn(text):
    figure = drawn(text)
    strip, *areas = figure.axes
    left, right = strip.get_xlim()
    assert left < 0 < right
    log = read(text)
    heights = sum(bar.get_height() for bar in strip.patches)
    assert heights == pytest.approx(len(log))
    for axis in areas:
        assert axis.get_xlim() == (left, right)
        low, high = axis.get_ylim()
        assert low < 0 < high


@pytest.mark.parametrize("nr_faults", [100, 3000, 60000])
def test_every_fault_is_drawn(nr_faults):
    text = compiler_log(nr_faults)
    figure = drawn(text)
    marks = sum(len(c.get_offsets()) for axis in figure.axes for c in axis.collections)
    binned = [axis for axis in figure.axes if axis.images]
    assert bool(binned) == (nr_faults == 60000)
    assert ("darker: more faults" in texts(figure)) == bool(binned)
    log = read(text)
    pages = log.address >> np.uint64(12)
    where = plot.panel_of(pages, plot.find_panels(pages))
    for i, axis in enumerate(figure.axes[1:]):
        if axis in binned:
            marks += np.count_nonzero(where == i)
    assert marks == nr_faults


def test_cells_add_up():
    figure = Figure(figsize=(10, 5))
    axis = figure.add_axes((0.1, 0.1, 0.8, 0.8), xlim=(-1, 101), ylim=(-5, 4101))
    rng = np.random.default_rng(0)
    x, y = rng.uniform(0, 100, 10**5), rng.uniform(0, 4096, 10**5)
    access = rng.integers(0, 4, 10**5).astype(np.uint8)
    counts = plot._count_cells(axis, x, y, access)
    assert counts.sum() == 10**5
    assert (counts.sum(axis=(0, 1)) == np.bincount(access)).all()
    lower_left = counts[: len(counts) // 2, : counts.shape[1] // 2].sum()
    assert lower_left == pytest.approx(25000, rel=0.05)


@pytest.mark.parametrize("nr_faults", [1, 30, 5000])
def test_labels_do_not_touch_each_other(nr_faults):
    figure = drawn(compiler_log(nr_faults))
    renderer = FigureCanvasAgg(figure).get_renderer()
    boxes = []
    for axis in figure.axes:
        low, high = axis.get_ylim()
        for label in axis.get_yticklabels():
            if low <= label.get_position()[1] <= high:
                boxes.append(label.get_window_extent(renderer))
        boxes += [note.get_window_extent(renderer) for note in axis.texts]
    boxes += [note.get_window_extent(renderer) for note in figure.texts]
    width, height = figure.canvas.get_width_height()
    for i, box in enumerate(boxes):
        assert box.x0 >= 0 and box.y0 >= 0
        assert box.x1 <= width and box.y1 <= height
        assert not any(box.overlaps(other) for other in boxes[:i])


# --- outcomes, mappings, children: pictures --------------------------------


def rings(figure: Figure, style: dict) -> list[tuple[float, float]]:
    """Where the areas have such marks."""
    return [
        (float(x), float(y))
        for axis in figure.axes
        for line in axis.lines
        if line.get_marker() == style["marker"]
        for x, y in zip(*line.get_data())
    ]


def test_an_old_log_gets_nothing_new():
    for text in (OLD * 3, compiler_log(3000)):
        log = read(text)
        figure = drawn(text)
        panels = plot.find_panels(log.address >> np.uint64(12))
        assert len(figure.axes) == 1 + len(panels)
        assert figure.get_size_inches()[0] == plot.WIDTH
        assert rings(figure, plot.MAJOR_MARK) == []
        words = texts(figure)
        for word in (
            "minor",
            "major",
            "taking",
            "child",
            "time a fault took",
            "cc1plus\n",
        ):
            assert word not in words.replace("of cc1plus", "")


def test_major_faults_stand_out():
    text = HEAD + b"".join(
        fault(
            i * 10**6,
            0x10000 + 0x1000 * i,
            access="read",
            region="file",
            result="major" if i % 10 == 3 else "minor",
            latency_ns=2_000_000 if i % 10 == 3 else 1000,
        )
        for i in range(40)
    )
    figure = drawn(text + summary(40))
    expected = [(i - 0.0, 0x1000 * i) for i in (3, 13, 23, 33)]
    found = rings(figure, plot.MAJOR_MARK)
    assert found[:4] == expected
    assert found[4:] == [(x, pytest.approx(np.log10(2e6))) for x, _ in expected]
    (legend,) = figure.legends
    assert [t.get_text() for t in legend.get_texts()] == ["read 40", "major 4"]
    words = texts(figure)
    assert "40 faults (36 minor, 4 major) in 39.0 ms on 40 pages" in words
    assert "taking 8.04 ms in all; nothing lost" in words
    assert "8.04 ms, 4 major" in words
    assert "median 1.00 µs, max 2.00 ms" in words
    assert "one fault or more" not in words


def test_failed_faults_stand_out():
    figure = drawn(FAMILY)
    assert len(rings(figure, plot.FAILED_MARK)) == 2  # in its area, and by its latency
    words = texts(figure)
    assert "3 faults (1 minor, 1 major, 1 failed) in 10.0 µs" in words
    assert "failed 1" in words.splitlines()
    assert "not shown: 2 abandoned" in words


def test_every_major_fault_has_a_ring_near():
    text = compiler_log(20000, outcomes=True)
    figure, log = drawn(text), read(text)
    major = np.flatnonzero(log.result == plot.MAJOR)
    assert len(major) > 500
    where = plot.panel_of(
        log.address >> np.uint64(12),
        panels := plot.find_panels(log.address >> np.uint64(12)),
    )
    elapsed = (log.time_ns - log.time_ns.min()) / 1e9
    nr_rings = 0
    for i, axis in enumerate(figure.axes[1 : 1 + len(panels)]):
        here = major[where[major] == i]
        drawn_here = [a for a in axis.lines if a.get_marker() == "o"]
        assert len(drawn_here) == bool(len(here))
        if not drawn_here:
            continue
        above = (log.address[here] - np.uint64(panels[i].first << 12)).astype(float)
        to_pixels = axis.transData.transform
        marks = to_pixels(np.column_stack(drawn_here[0].get_data()))
        faults = to_pixels(np.column_stack((elapsed[here], above)))
        away = np.abs(faults[:, None] - marks[None]).max(axis=2).min(axis=1)
        assert away.max() <= plot.RING * figure.dpi + 0.01
        nr_rings += len(marks)
    assert nr_rings < len(major)  # one for all in the same spot, and that is said
    assert "   a ring may stand for several faults" in texts(figure)


@pytest.mark.parametrize("nr_faults", [1, 300, 60000])
def test_latencies_have_a_panel(nr_faults):
    text = compiler_log(nr_faults, outcomes=True)
    figure = drawn(text)
    (axis,) = [a for a in figure.axes if "time a fault took" in texts(a)]
    assert axis.get_xlim() == figure.axes[0].get_xlim()
    assert axis.get_xlabel().startswith("time since the first fault")
    assert sum(bool(a.get_xlabel()) for a in figure.axes) == 1
    low, high = axis.get_ylim()
    latency = np.log10(read(text).latency_ns)
    assert low < latency.min() and latency.max() < high
    marks = sum(len(c.get_offsets()) for c in axis.collections)
    assert marks == nr_faults or (nr_faults == 60000 and axis.images)


def test_a_latency_of_zero_and_none_are_drawn():
    drawn(fault(1, 0x1000, result="minor", latency_ns=0))
    figure = drawn(fault(1, 0x1000, result="minor") + fault(2, 0x1000))
    (axis,) = [a for a in figure.axes if "time a fault took" in texts(a)]
    assert sum(len(c.get_offsets()) for c in axis.collections) == 1


def test_faults_are_drawn_in_the_order_of_time():
    times = [5, 3, 9, 1, 7, 2]
    text = b"".join(
        fault(t, 0x1000 * t, access="read", result="minor", latency_ns=t * 10)
        for t in times
    )
    log = read(text)
    assert log.time_ns.tolist() == times
    strip, *others = drawn(text).axes
    for axis in others:
        x = np.concatenate([c.get_offsets()[:, 0] for c in axis.collections])
        assert x.tolist() == sorted(x.tolist())
    heights = sum(bar.get_height() for bar in strip.patches)
    assert heights == len(times)
    ordered = b"".join(
        sorted(text.splitlines(keepends=True), key=lambda w: w.split()[10])
    )
    pictures = []
    for log_text in (text, ordered):
        figure, file = Figure(), io.BytesIO()
        plot.draw(figure, read(log_text))
        figure.savefig(file, format="png", metadata={"Software": None})
        pictures.append(file.getvalue())
    assert pictures[0] == pictures[1]


def family_log(comms: list[str], nr_each: int = 3, told: bool = True) -> bytes:
    """One process with children of these names, one after the other."""
    lines, pids = [HEAD], range(5000, 5000 + len(comms))
    lines += [fault(i, 0x1000 * i, tid=4494, access="read") for i in range(nr_each)]
    for i, (pid, comm) in enumerate(zip(pids, comms)):
        start = 1000 * (i + 1)
        lines.append(f"# child time={start} pid={pid} ppid=4494 comm=fork\n".encode())
        lines.append(f"# exec time={start} pid={pid} comm={comm}\n".encode())
        for j in range(nr_each):
            lines.append(fault(start + j, 0x1000 * j, pid, tid=pid, access="write"))
    end = summary(nr_each * (len(comms) + 1))
    if told:
        end = end.replace(b"\n", b" children=%d\n" % len(comms))
    return b"".join(lines) + end


@pytest.mark.parametrize("told", [True, False])
def test_children_are_told_and_have_rows(told):
    text = family_log(["sh", r"a\040b"], told=told)
    log = read(text)
    lanes = plot.find_lanes(log)
    assert lanes.names == ["cc1plus 4494", "sh 5000", "a b 5001"]
    assert lanes.lane.tolist() == [0] * 3 + [1] * 3 + [2] * 3
    figure = drawn(text)
    words = texts(figure)
    assert "Page faults of cc1plus, PID 4494 and 2 children" in words.splitlines()
    # Three pages in each of three address spaces.
    assert "9 faults in 2.00 µs on 9 pages by 3 threads; nothing lost" in words
    (axis,) = [a for a in figure.axes if "sh 5000" in texts(a)]
    assert texts(axis).count("3 faults") == 3
    picture = axis.images[0].get_array()
    drawn_in = [np.flatnonzero(row[:, 3]).tolist() for row in picture]
    assert all(drawn_in) and len(drawn_in) == 3
    assert (
        max(drawn_in[2]) < min(drawn_in[1]) < min(drawn_in[0])
    )  # the first one on top


def test_one_child_and_none():
    assert "PID 4494 and 1 child\n" in texts(drawn(family_log(["sh"])))
    alone = HEAD + NEW + summary(1).replace(b"\n", b" children=0\n")
    assert "PID 4494\n" in texts(drawn(alone))
    # A child that had no fault: none to compare with.
    assert plot.find_lanes(read(alone.replace(b"children=0", b"children=1"))) is None


def test_many_processes_share_rows_by_program():
    comms = ["sh", "cc1", "as"] * 20 + ["ld"]
    lanes = plot.find_lanes(read(family_log(comms)))
    assert lanes.names == ["cc1plus", "sh ×20", "cc1 ×20", "as ×20", "ld"]
    assert np.bincount(lanes.lane).tolist() == [3, 60, 60, 60, 3]


def test_many_programs_leave_a_row_for_the_others():
    comms = [f"p{i}" for i in range(40)] + ["p7"] * 5
    lanes = plot.find_lanes(read(family_log(comms)))
    assert len(lanes.names) == plot.MAX_LANES
    assert lanes.names[-1] == "30 others"
    assert "p7 ×6" in lanes.names
    counts = np.bincount(lanes.lane)
    assert counts[lanes.names.index("p7 ×6")] == 18
    assert counts[-1] == 90 and counts.sum() == 3 * 46


def test_names_of_rows_and_files_fit():
    assert plot.lane_label("cc1 125") == "cc1 125"
    assert plot.lane_label("cc1plus") == "cc1plus"
    assert plot.lane_label("abcdefghijkl001 4000001") == "abcdefghijk… 4000001"
    assert plot.file_label("/usr/lib/libc.so.6") == "libc.so.6"
    assert plot.file_label("/memfd:a b (deleted)") == "memfd:a b"
    assert plot.file_label("/" + "x" * 30) == "x" * 20 + "…"


def test_files_are_named_where_they_are_mapped():
    figure = drawn(compiler_log(3000, outcomes=True))
    named = {
        axis: [
            n for n in axis.texts if n.get_text() in ("cc1plus", "libstdc++.so.6.0.30")
        ]
        for axis in figure.axes
    }
    assert sum(map(len, named.values())) == 2
    log = read(compiler_log(3000, outcomes=True))
    for axis, notes in named.items():
        for note in notes:
            (code,) = [i for i, n in enumerate(log.maps) if n.endswith(note.get_text())]
            of_it = log.address[log.map == code]
            label = axis.yaxis.get_major_formatter()
            base = int(label(0, 0), 16)
            low, high = axis.get_ylim()
            middle = base + low + note.xy[1] * (high - low)
            assert middle == pytest.approx((int(of_it.min()) + int(of_it.max())) / 2)


def test_a_file_that_is_everywhere_is_not_named():
    def log(nr_places: int) -> bytes:
        return b"".join(
            fault(i, (0x7F0000 + 8 * i) << 12, map="/libc.so.6", offset="0x0")
            for i in range(nr_places)
        )

    assert texts(drawn(log(plot.MAX_SAME))).count("libc.so.6") == plot.MAX_SAME
    assert "libc.so.6" not in texts(drawn(log(plot.MAX_SAME + 1)))


@pytest.mark.parametrize(
    "text",
    [
        FAMILY,
        compiler_log(1, outcomes=True),
        compiler_log(5000, outcomes=True),
        family_log(["abcdefghijklmno"] * 3 + ["sh"] * 9),
        family_log([f"abcdefghijkl{i:03d}" for i in range(40)]),
    ],
    ids=["family", "one", "many", "processes", "programs"],
)
def test_new_labels_do_not_touch_each_other(text):
    figure = drawn(text)
    renderer = FigureCanvasAgg(figure).get_renderer()
    labels = [*figure.texts, *figure.legends]
    for axis in figure.axes:
        low, high = axis.get_ylim()
        ticks = axis.get_yticklabels()
        labels += [t for t in ticks if low <= t.get_position()[1] <= high]
        labels += axis.texts
    boxes = [label.get_window_extent(renderer) for label in labels]
    width, height = figure.canvas.get_width_height()
    for i, box in enumerate(boxes):
        assert box.x0 >= 0 and box.y0 >= 0, labels[i]
        assert box.x1 <= width and box.y1 <= height, labels[i]
        for other, label in zip(boxes[:i], labels):
            assert not box.overlaps(other), (labels[i], label)


# --- the program -----------------------------------------------------------


@pytest.fixture
def log_path(tmp_path: Path) -> Path:
    path = tmp_path / "pf_probe_B.log"
    path.write_bytes(compiler_log(2000))
    return path


def test_without_a_display_a_png_beside_the_log(log_path):
    done = run(log_path)
    picture = log_path.with_suffix(".png")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{picture}\n", "")
    pixels = imread(picture)
    assert pixels.shape[1] == plot.WIDTH * plot.DPI
    assert len(np.unique(pixels.reshape(-1, pixels.shape[2]), axis=0)) > 50
    assert sorted(p.name for p in log_path.parent.iterdir()) == [
        "pf_probe_B.log",
        "pf_probe_B.png",
    ]


@pytest.mark.parametrize("name", ["a.png", "a.svg", "a.pdf", "b.PDF"])
def test_every_kind_of_picture(log_path, name):
    picture = log_path.with_name(name)
    done = run(log_path, "-o", picture)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{picture}\n", "")
    data = picture.read_bytes()
    assert len(data) > 10000
    if name.endswith("svg"):
        assert xml.etree.ElementTree.fromstring(data).tag.endswith("svg")
    else:
        assert data.startswith(b"\x89PNG" if name.endswith("png") else b"%PDF")


@pytest.mark.parametrize("name", ["a.png", "a.svg", "a.pdf"])
def test_the_same_log_gives_the_same_picture(log_path, name):
    picture = log_path.with_name(name)
    run(log_path, "-o", picture)
    first = picture.read_bytes()
    run(log_path, "-o", picture)
    assert picture.read_bytes() == first


def test_bad_lines_are_said_and_the_plot_is_made(log_path):
    log_path.write_bytes(OLD + b"junk\n" + OLD + b"more\n")
    done = run(log_path)
    assert done.returncode == 0
    assert "2 bad lines left out, the first is line 2" in done.stderr
    assert log_path.with_suffix(".png").exists()


def test_with_a_display_a_window(log_path, monkeypatch, capsys):
    shown = []
    pyplot = pytest.importorskip("matplotlib.pyplot")
    pyplot.switch_backend("agg")
    monkeypatch.setattr(plot, "has_display", lambda: True)
    monkeypatch.setattr(pyplot, "show", lambda: shown.extend(pyplot.get_fignums()))
    assert plot.main([str(log_path)]) == 0
    assert len(shown) == 1
    assert "Page faults of cc1plus" in texts(pyplot.figure(shown[0]))
    pyplot.close("all")
    assert capsys.readouterr().out == ""
    assert not log_path.with_suffix(".png").exists()


def test_the_page_size_is_the_log_s():
    assert read(HEAD + NEW).page_shift == 12
    assert read(HEAD.replace(b"page=4096", b"page=65536") + NEW).page_shift == 16
    for page in (b"", b"0", b"5000", b"x", b"9" * 5000):
        head = HEAD.replace(b"page=4096", b"page=" + page)
        assert read(head + NEW).page_shift == 12


def test_version_is_the_modules():
    header = SCRIPT.with_name("pf_common.h").read_text()
    assert f'#define PF_VERSION "{plot.VERSION}"\n' in header


def test_version_and_help():
    assert run("--version").stdout == f"page_fault_plot.py {plot.VERSION}\n"
    assert "-o FILE" in run("--help").stdout
    assert run().returncode == 2


NOT_DRAWN = [
    (b"", "no page fault in it"),
    (b"\n\n", "no page fault in it"),
    (b"hello\nworld\n", "no page fault in it"),
    (os.urandom(100000), "no page fault in it"),
    (bytes(100000), "no page fault in it"),
    (HEAD, "no fault follows the head"),
    (HEAD + summary(0) + b"EXIT_CODE\n", "nothing was recorded (recorded=0)"),
    (HEAD + summary(0, missed=3), "nothing was recorded (recorded=0, 3 missed)"),
    (HEAD + b"junk\n" + summary(5), "no fault follows the head"),
]


@pytest.mark.parametrize("text, message", NOT_DRAWN, ids=range(len(NOT_DRAWN)))
def test_a_log_without_faults_is_an_error(tmp_path, text, message):
    path = tmp_path / "x.log"
    path.write_bytes(text)
    done = run(path)
    assert done.returncode == 1
    assert done.stderr.startswith(f"page_fault_plot.py: {path}: {message}")
    assert done.stderr.count("\n") == 1
    assert [p.name for p in tmp_path.iterdir()] == ["x.log"]


@pytest.mark.parametrize(
    "args, message",
    [
        (["none.log"], "none.log: No such file or directory"),
        (["."], ": Is a directory"),
        (
            ["pf_probe_B.log", "-o", "x.jpg"],
            "x.jpg: a picture's name must end in .png, ",
        ),
        (["pf_probe_B.log", "-o", "x"], "x: a picture's name must end in .png, "),
        (["pf_probe_B.log", "-o", "no/x.png"], ": no/x.png: No such file or directory"),
        (["pf_probe_B.log", "-o", "dir.png"], ": dir.png: Is a directory"),
        (["pf_probe_B.log", "-o", "/proc/x.png"], ": /proc/x.png: "),
        (["log.png"], "log.png: the picture would replace the log"),
        ([""], "No such file or directory"),
        (["/"], "Is a directory"),
    ],
)
def test_errors_are_one_line_and_status_1(log_path, args, message):
    folder = log_path.parent
    (folder / "dir.png").mkdir()
    (folder / "log.png").write_bytes(OLD)
    before = sorted(folder.iterdir())
    done = run(*args, cwd=folder)
    assert done.returncode == 1
    assert message in done.stderr
    assert done.stderr.startswith("page_fault_plot.py: ")
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""
    assert sorted(folder.iterdir()) == before


def test_an_unreadable_log_is_an_error(log_path, capsys):
    log_path.chmod(0)
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        assert plot.main([str(log_path)]) == 1
    finally:
        os.seteuid(user)
    assert f"{log_path}: Permission denied\n" in capsys.readouterr().err


def test_a_full_disk_leaves_the_old_picture(log_path):
    picture = log_path.with_suffix(".png")
    picture.write_bytes(b"old")

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))

    done = subprocess.run(
        [sys.executable, "-B", SCRIPT, log_path, "-o", picture],
        preexec_fn=limit,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "File too large" in done.stderr
    assert "Traceback" not in done.stderr
    assert picture.read_bytes() == b"old"
    assert sorted(p.name for p in log_path.parent.iterdir()) == [
        "pf_probe_B.log",
        "pf_probe_B.png",
    ]


def test_a_pipe_will_do(log_path):
    """What can't be rewound or sized, as /proc/pf_probe_X."""
    picture = log_path.with_name("p.png")
    done = subprocess.run(
        [sys.executable, "-B", SCRIPT, "/dev/stdin", "-o", picture],
        input=log_path.read_bytes(),
        capture_output=True,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert picture.exists()


def test_a_display_that_is_not_there_gives_a_file(log_path, monkeypatch):
    done = subprocess.run(
        [sys.executable, "-B", SCRIPT, log_path],
        env={**ENV, "DISPLAY": ":999"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0
    assert done.stdout == f"{log_path.with_suffix('.png')}\n"


@pytest.mark.parametrize("with_outcomes", [False, True])
def test_100000_faults_take_seconds(tmp_path, with_outcomes):
    """A generous bound: a loop over lines in Python would still break it."""
    text = compiler_log(20000, outcomes=with_outcomes) * 5
    start = time.process_time()
    log = read(text)
    assert len(log) == 100000
    assert time.process_time() - start < 1.0
    start = time.process_time()
    figure = Figure()
    plot.draw(figure, log)
    plot.save(figure, tmp_path / "x.png")
    assert time.process_time() - start < 8.0
