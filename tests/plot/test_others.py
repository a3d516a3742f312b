# SPDX-License-Identifier: GPL-2.0-or-later
"""The text of other recorders; others/record.py has recorded the files in a guest."""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest
from faultlog import cli
from faultlog.parse.checks import examine
from faultlog.parse.log import COLUMNS, Log
from logs import ENV, HEAD, NEW, SCRIPT, compiler_log, numbers, read, rows, run, words

HERE = Path(__file__).resolve().parent / "others"
OF_A_FAULT = {  # as grep counts them
    "perf_script": "page-faults:",
    "perf_script_default": "page-faults:",
    "perf_script_callchain": "page-faults:",
    "perf_script_lost": "page-faults:",
    "perf_trace": "minfault \\[|majfault \\[",
    "perf_trace_lost": "minfault \\[|majfault \\[",
    "trace_cmd_report": ": page_fault_(user|kernel):",
    "trace_cmd_report_lost": ": page_fault_(user|kernel):",
    "trace_pipe": ": page_fault_(user|kernel):",
    "trace_pipe_lost": ": page_fault_(user|kernel):",
    "trace_lost": ": page_fault_(user|kernel):",
}
# The columns that each has, besides time and thread.
PERF = {"pid", "address", "cpu", "ip", "mode", "map"}
HAS = {
    "perf_script": PERF,
    "perf_script_default": {"cpu", "ip", "mode"},
    "perf_script_callchain": PERF,
    "perf_trace": {"address", "mode", "result", "map", "offset"},
    "trace_cmd_report": {"address", "cpu", "ip", "access", "mode"},
    "trace_pipe": {"pid", "address", "cpu", "ip", "access", "mode"},
}
RECORDER = {"perf_script": "perf script", "perf_trace": "perf trace", "trace": "ftrace"}
COMM = "a [1] b: c"
RECORD = (
    b"              sh  1878/1879  [001] 16154.636890558:          1 page-faults:"
    b"     5572e4c9b240 __environ+0x0 (/usr/bin/dash)     7ff858fa37ad dl main+0x3d "
    b"(/usr/lib/ld.so (deleted))\n"
)
CHAIN = (
    b"sh  1878 16154.636890:          1 page-faults:     7fffcf81ef99 [unknown] ([stack])\n"
    b"\tffffffff81bb8818 _copy_to_user+0x28 ([kernel.kallsyms])\n"
    b"\t           1b7ad main+0x3d (/usr/bin/dash)\n"
    b"\n"
    b"sh  1878 16154.636891:          1 page-faults:     7fffcf81e000 [unknown] (//anon)\n"
    b"\t           1b7ad main+0x3d (/usr/bin/dash)\n"
    b"\n"
)
TRACE = (
    b"     1.125 ( 0.000 ms): a/b/12 majfault [f()+0x1] => /lib/x@y.so@0x1b012 (d.)\n"
    b"     2.250 ( 0.000 ms): a/b/12 minfault [0x10] => 0x7ffd12345678 (?k)\n"
)
EVENT = (
    b"      a-1 [0]-77      [003] d..1.  1389.000001: page_fault_user: "
    b"address=0x7f53cf725e06 ip=0x7f53cf70d7ad error_code=%s\n"
)


def file_of(name: str) -> Path:
    return HERE / f"{name}.txt.gz"


def text_of(name: str) -> bytes:
    return gzip.decompress(file_of(name).read_bytes())


def table(capsys, name: str, *options: str) -> tuple[list[str], Counter]:
    """The lines before a table's, and the number of faults by group."""
    assert cli.main([str(file_of(name)), "--by", *options, "--csv"]) == 0
    said = capsys.readouterr()
    found = csv.DictReader(io.StringIO(said.out))
    return said.err.splitlines(), Counter(
        {r[options[0]]: int(r["faults"]) for r in found}
    )


@pytest.mark.parametrize("name", OF_A_FAULT)
def test_it_has_as_many_faults_as_the_text(name):
    log = read(text_of(name))
    nr_faults = len(re.findall(OF_A_FAULT[name].encode(), text_of(name)))
    assert len(log) == nr_faults > 50
    assert log.recorder == next(r for n, r in RECORDER.items() if name.startswith(n))
    assert log.oddities.nr_bad == 0
    assert not examine(log).says_complete
    assert log.known("time_ns").all() and (log.time_ns > 0).sum() >= nr_faults - 1


@pytest.mark.parametrize("name", HAS)
def test_what_it_lacks_is_missing(name):
    log = read(text_of(name))
    found = {c for c in COLUMNS if log.known(c).any()} - {"time_ns", "tid"}
    assert found - {"comm", "function", "code"} == HAS[name]
    assert COMM in {log.programs()[0][code] for code in log.programs()[1]}


def test_perf_script_has_the_times_of_its_clock_and_all_names():
    log = read(text_of("perf_script"))
    first = re.search(
        rb" (\d+)\.(\d{9}): +1 page-faults: +(\w+)", text_of("perf_script")
    )
    assert int(log.time_ns[0]) == int(first[1] + first[2])
    assert int(log.address[0]) == int(first[3], 16)
    assert {event.kind for event in log.events} == {"child", "exec"}
    assert log.nr_children == 1
    assert log.last_names() == {log.main_pid: "run", log.events[-1].pid: COMM}
    assert log.known("address").all() and log.known("pid").all()


def test_the_mapping_is_that_of_the_memory_and_the_function_that_of_the_code(capsys):
    _, maps = table(capsys, "perf_script", "map")
    assert maps["[stack]"] and maps["//anon"] and maps["/usr/bin/dash"]
    assert maps[f"/tmp/{COMM}"] and maps["/usr/lib/x86_64-linux-gnu/libc.so.6"]
    _, functions = table(capsys, "perf_script", "function")
    assert functions["_dl_start [ld-linux-x86-64.so.2]"]
    assert any(name.endswith("[[kernel.kallsyms]]") for name in functions)
    assert sum(functions.values()) == sum(maps.values())


def test_perf_trace_has_offsets_in_place_of_addresses(capsys):
    log = read(text_of("perf_trace"))
    assert (log.known("address") ^ log.known("offset")).all()
    assert not (log.offset[log.known("offset")] & 4095).any()
    errors, functions = table(capsys, "perf_trace", "function")
    assert functions["_dl_start"] and errors == []
    _, pages = table(capsys, "perf_trace", "page")
    assert (
        sum(n for page, n in pages.items() if "+" in page) == log.known("offset").sum()
    )
    _, offsets = table(capsys, "perf_trace", "offset")
    assert any(
        name.startswith("/usr/lib/x86_64-linux-gnu/libc.so.6+0x") for name in offsets
    )


def test_accesses_are_those_of_the_error_codes(capsys):
    _, access = table(capsys, "trace_pipe", "access")
    codes = re.findall(rb"error_code=0x(\w+)", text_of("trace_pipe"))
    wanted = Counter(
        "write" if int(c, 16) & 2 else "exec" if int(c, 16) & 16 else "read"
        for c in codes
    )
    assert access == wanted and len(wanted) == 3
    _, functions = table(capsys, "trace_pipe", "function", "--top", "0")
    assert functions["copy_user_short_string"]


KEYS = ("map", "function", "thread", "process", "time", "access", "region", "offset")


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("name", HAS)
def test_a_table_by_each_key_shows_it_or_says_what_is_missing(name, key, capsys):
    errors, found = table(capsys, name, key)
    assert sum(found.values()) == len(read(text_of(name)))
    column = {"thread": "tid", "process": "pid"}.get(key, key)
    lacks = column in COLUMNS and column not in HAS[name] | {"tid", "function"}
    assert (set(found) == {""}) == lacks or key in ("offset", "function")
    note = (
        f"page_fault_plot.py: This text of {read(text_of(name)).recorder} has no {key}"
    )
    said = [line for line in errors if line.endswith(f" has no {key}")]
    assert len(said) == lacks, note


def test_a_table_for_people_names_the_recorder_and_what_is_missing(capsys):
    assert cli.main([str(file_of("trace_cmd_report")), "--by", "process"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("ftrace, pid ?: ")
    assert lines[1] == "This text of ftrace has no process"
    assert lines[3].split()[-1] == "-"
    assert cli.main([str(file_of("perf_script")), "--by", "--sort", "time"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert re.match(r"perf script, run, pid \d+ and its children: ", lines[0])
    assert lines[1] == "The log has no results and latencies: perf script has none"
    assert lines[-1].endswith("the log has no latencies (perf script has none).")


@pytest.mark.parametrize("options", [["--slowest"], ["--by", "latency"]], ids=str)
def test_nobody_is_asked_to_record_with_outcome_1(options, capsys):
    assert cli.main([str(file_of("perf_script")), *options]) == 1
    assert capsys.readouterr().err.endswith(": perf script has none\n")


def test_functions_that_are_not_recorded_are_selected_by_a_dash(capsys):
    path = str(file_of("trace_pipe"))
    assert cli.main([path, "--by", "function", "--function", "-"]) == 0
    assert "ftrace has no names of functions" in capsys.readouterr().out


def test_without_addresses_it_says_how_to_get_them(capsys, tmp_path):
    path = file_of("perf_script_default")
    assert cli.main([str(path), "--by", "function"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert (
        "it has no addresses (perf record -d records them, perf script -F +addr" in text
    )
    assert "pages" not in text
    assert cli.main([str(path), "--view", "memory", "-o", str(tmp_path / "x.png")]) == 1
    assert "--view memory: the file has no addresses" in capsys.readouterr().err


@pytest.mark.parametrize("suffix", [".png", ".svg"])
@pytest.mark.parametrize("name", HAS)
def test_a_picture(name, suffix, tmp_path):
    output = tmp_path / f"x{suffix}"
    assert cli.main([str(file_of(name)), "-o", str(output)]) == 0
    assert output.stat().st_size > 10_000


@pytest.mark.parametrize("view", ["address", "mapping", "threads", "memory"])
@pytest.mark.parametrize("name", ["perf_script", "perf_trace", "trace_pipe"])
def test_a_picture_of_each_view(name, view, tmp_path):
    options = ["-o", str(tmp_path / "x.png"), "--view", view]
    assert cli.main([str(file_of(name)), *options]) == 0


def test_a_picture_notes_what_is_missing(tmp_path):
    from faultlog.draw import drawing
    from logs import draw, texts

    figure = drawing.new_figure()
    draw(figure, read(text_of("perf_trace")))
    said = texts(figure).replace("\n", " ")
    assert "Page faults of PID ?" in said
    assert "text of perf trace; not in it: process, cpu" in said


@pytest.mark.parametrize("name", HAS)
def test_every_output_has_all_faults(name, tmp_path):
    log = read(text_of(name))
    for suffix in (".csv", ".jsonl", ".sqlite", ".trace.json"):
        path = tmp_path / f"x{suffix}"
        assert cli.main([str(file_of(name)), "-o", str(path)]) == 0
    table = list(csv.DictReader((tmp_path / "x.csv").open()))
    assert len(table) == len(log)
    for column in ("address", "pid", "cpu", "ip", "map", "offset", "access", "region"):
        assert any(row[column] for row in table) == (column in HAS[name]), column
    assert {row["program"] for row in table} >= {COMM}
    lines = [json.loads(line) for line in (tmp_path / "x.jsonl").open()]
    assert [row["address"] or "" for row in lines] == [row["address"] for row in table]
    with closing(sqlite3.connect(tmp_path / "x.sqlite")) as database:
        found = database.execute(
            "SELECT count(*), count(pid), count(address) FROM faults"
        )
        known = [log.known(name).sum() for name in ("time_ns", "pid", "address")]
        assert list(found.fetchone()) == known
    events = json.loads((tmp_path / "x.trace.json").read_text())["traceEvents"]
    faults = [event for event in events if event.get("cat") == "fault"]
    assert len(faults) == len(log)


def test_a_database_notes_what_is_missing(tmp_path):
    """It had complete=0, but no reason."""
    path = tmp_path / "x.sqlite"
    assert cli.main([str(file_of("perf_trace")), "-o", str(path)]) == 0
    with closing(sqlite3.connect(path)) as database:
        stored = database.execute("SELECT complete, notes FROM recording").fetchone()
    complete, notes = stored[0], stored[1].splitlines()[-1]
    assert complete == 0
    assert notes.startswith("text of perf trace; not in it: process, cpu")
    assert notes.endswith("; it does not state how many faults there were")


@pytest.mark.parametrize("name", HAS)
def test_a_page(name, tmp_path):
    pytest.importorskip("plotly")
    assert cli.main([str(file_of(name)), "-o", str(tmp_path / "x.html")]) == 0


def test_it_can_be_compared_with_a_log_of_ours_and_with_another(tmp_path, capsys):
    ours = tmp_path / "ours.log"
    ours.write_bytes(compiler_log(300, outcomes=True))
    others = [str(file_of(name)) for name in ("perf_script", "perf_trace")]
    nr_faults = {file: len(read(text_of(Path(file).name[:-7]))) for file in others}
    nr_faults[str(ours)] = 300
    for files in ([str(ours), others[0]], [others[1], str(ours)], others):
        before, after = files
        assert cli.main([before, "--compare", after, "--csv"]) == 0
        found = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
        for column, path in (("faults_before", before), ("faults_after", after)):
            nr = sum(int(row[column]) for row in found)
            assert nr == nr_faults[path]
        picture = tmp_path / "both.png"
        assert cli.main([before, "--compare", after, "-o", str(picture)]) == 0
        capsys.readouterr()


def test_major_faults_of_perf_trace_can_be_preloaded(tmp_path, capsys):
    (tmp_path / "t.txt").write_bytes(TRACE.replace(b"/lib/x@y.so", b"/usr/bin/env"))
    cli.main([str(tmp_path / "t.txt"), "-o", str(tmp_path / "warm.sh")])
    assert "/usr/bin/env" in (tmp_path / "warm.sh").read_text()
    path = file_of("perf_script")
    assert cli.main([str(path), "-o", str(tmp_path / "no.sh")]) == 1
    assert "perf script has none" in capsys.readouterr().err


LOSSES = {  # all of them of known size, except one of trace-cmd
    "perf_script_lost": rb"PERF_RECORD_LOST lost (\d+)",
    "perf_trace_lost": rb"LOST (\d+) events!",
    "trace_cmd_report_lost": rb"\[(\d+) EVENTS DROPPED\]",
    "trace_pipe_lost": rb"\[LOST (\d+) EVENTS\]",
}


@pytest.mark.parametrize("name", LOSSES)
def test_lost_events_are_reported(name):
    log = read(text_of(name))
    nr_lost = sum(map(int, re.findall(LOSSES[name], text_of(name))))
    text = f"{nr_lost:,} events lost by {log.recorder}"
    assert nr_lost > 0 and text in examine(log).losses


def test_the_head_of_trace_reports_overwritten_events():
    there, written = re.search(rb"written: (\d+)/(\d+)", text_of("trace_lost")).groups()
    nr_lost = int(written) - int(there)
    log = read(text_of("trace_lost"))
    assert nr_lost > 0 and log.count("lost") == nr_lost


def test_losses_of_unknown_size_and_samples_are_reported():
    log = read(EVENT % b"0x4" + b"CPU:1 [LOST EVENTS]\n")
    assert "ftrace lost events, and not how many" in examine(log).losses
    log = read(RECORD.replace(b" 1 page-faults", b" 41 page-faults"))
    assert any(text.startswith("40 faults not sampled") for text in examine(log).losses)
    lost = b"sh 1/1 [000] 1.000000000: PERF_RECORD_LOST lost 5\n"
    again = b"sh 1/1 [000] 2.000000000: PERF_RECORD_LOST_SAMPLES lost 8\n"
    assert read(RECORD + lost + lost + again).count("lost") == 10


def test_events_of_several_kinds_are_reported():
    both = RECORD + RECORD.replace(b"page-faults", b"minor-faults")
    assert examine(read(both)).contradictions == [
        "events of several kinds: faults may be recorded more than once"
    ]
    assert examine(read(both.replace(b"page-", b"major-"))).contradictions == []


def test_a_line_of_perf_script():
    log = read(RECORD)
    assert rows(log) == [(16154636890558, 0x5572E4C9B240, 1878, 1879, "", "")]
    assert words(log, "map") == ["/usr/bin/dash"] and words(log, "mode") == ["user"]
    assert numbers(log, "ip") == [0x7FF858FA37AD] and numbers(log, "cpu") == [1]
    assert words(log, "function") == ["dl main"]
    assert words(log, "code") == ["/usr/lib/ld.so (deleted)"]
    log = read(RECORD.replace(b"1878/1879", b"-1/-1"))
    assert (numbers(log, "pid"), numbers(log, "tid")) == ([-1], [-1])
    for event in ("minor", "major"):
        log = read(RECORD.replace(b"page-faults", f"{event}-faults:u".encode()))
        assert words(log, "result") == [event]
    point = b"  sh  7 [000] 1.000001: exceptions:page_fault_user:"
    point += b" address=0x7f01 ip=0x1 error_code=0x6\n"
    log = read(point)
    assert (words(log, "access"), words(log, "mode")) == (["write"], ["user"])


@pytest.mark.parametrize("block_bytes", [64, 100, 1 << 20])
def test_of_a_call_chain_the_innermost_function_counts(block_bytes):
    log = read(CHAIN, block_bytes=block_bytes)
    assert [row[0] for row in rows(log)] == [16154636890000, 16154636891000]
    assert words(log, "function") == ["_copy_to_user", "main"]
    assert words(log, "code") == ["[kernel.kallsyms]", "/usr/bin/dash"]
    assert words(log, "mode") == ["kernel", "user"]
    # In a file's code perf prints the place in the file.
    assert numbers(log, "ip") == [0xFFFFFFFF81BB8818, -1]
    assert words(log, "map") == ["[stack]", "//anon"]


def test_perf_script_without_instructions():
    head = b"sh 5 16.00000%d: page-faults:     7fffcf81ef99\n"
    log = read(b"".join(head % i for i in range(3)) + b"other\n")
    assert len(log) == 3 and log.oddities.nr_bad == 0
    assert numbers(log, "ip") == [-1] * 3


def test_a_line_of_perf_trace():
    log = read(TRACE)
    assert (
        words(log, "result") == ["major", "minor"] and words(log, "comm") == ["a/b"] * 2
    )
    assert words(log, "map") == ["/lib/x@y.so", ""]
    assert numbers(log, "offset") == [0x1B000, -1]
    assert numbers(log, "address") == [-1, 0x7FFD12345678]
    assert words(log, "function") == ["f()", ""]
    assert log.time_ns.tolist() == [1125000, 2250000]


@pytest.mark.parametrize(
    "code, access",
    [(b"0x4", "read"), (b"0x7", "write"), (b"0x14", "exec"), (b"0xc", ""), (b"c", "")],
)
def test_a_line_of_ftrace(code, access):
    log = read(EVENT % code)
    assert rows(log) == [(1389000001000, 0x7F53CF725E06, 0xFFFFFFFF, 77, access, "")]
    assert words(log, "comm") == ["a-1 [0]"] and numbers(log, "cpu") == [3]


def test_damaged_lines_are_reported_and_others_are_not():
    other = b"sh-1 [000] 3.000001: sched_switch: x\n"
    log = read(EVENT % b"0x4" + other + EVENT[:90] + b"\n")
    assert (len(log), log.oddities.nr_bad, log.oddities.first_bad) == (1, 1, 3)
    log = read((EVENT % b"0x4") * 2 + (EVENT % b"0x14")[:-3])
    assert (len(log), log.oddities.nr_bad, log.oddities.nr_cut) == (2, 1, 1)
    log = read(CHAIN[:-60])
    assert len(log) == 1 and log.oddities.nr_cut == 1


def test_names_are_escaped():
    names = (b"a\x1b]0;x", "ü\u202e=1".encode(), b"# exec time=", b"PID =\\040")
    text = b"".join(RECORD.replace(b"      sh", b" " + name) for name in names)
    log = read(text)
    assert len(log) == 4 and log.events == []
    assert all(name.isprintable() for name in log.names["comm"])
    assert "PID =\\040" in log.names["comm"]


def test_ours_stays_ours():
    assert read(NEW + RECORD).recorder == ""
    assert read(HEAD + NEW + RECORD * 9).oddities.nr_bad == 9
    log = read(NEW.replace(b"region=heap", b"region=heap comm=x function=y"))
    assert log.comm is None and log.programs()[0] == ["?"]


def test_an_unknown_format_is_refused_as_before(tmp_path):
    (tmp_path / "x.txt").write_text("cat 1 [000] 1.0: something\n" * 99)
    done = run(tmp_path / "x.txt", "--by")
    assert done.returncode == 1
    assert done.stderr.endswith("no page fault in it; is it a log of pf_probe_X?\n")
    (tmp_path / "y.txt").write_text("sh 1/1 1.000001: PERF_RECORD_EXIT(1:1):(1:1)\n")
    done = run(tmp_path / "y.txt", "--by")
    assert "no page fault in this text of perf script" in done.stderr


def test_it_may_be_compressed_or_come_from_a_pipe(tmp_path):
    text = text_of("perf_script_callchain")
    (tmp_path / "x.txt").write_bytes(text)
    wanted = run(file_of("perf_script_callchain"), "--by", "function").stdout
    assert run(tmp_path / "x.txt", "--by", "function").stdout == wanted
    line = [sys.executable, "-B", SCRIPT, "-", "--by", "function"]
    done = subprocess.run(line, input=text, env=ENV, capture_output=True, timeout=60)
    assert done.stdout.decode() == wanted


@pytest.mark.parametrize(
    "unit",
    [
        b"sh 1/1 [000] 1.000001: page-faults: ",
        b"     7f53cf725e06 x (",
        b" 1 page-faults: \t",
        b"minfault [x] => ",
        b" => /x@0x1 (d.)",
        b"address=0x1 ip=0x1 ",
        b" ",
        b"-1 [000] ",
    ],
)
@pytest.mark.parametrize("start", [RECORD, TRACE, EVENT % b"0x4"])
def test_a_hostile_text_takes_no_longer(start, unit):
    begin = time.process_time()
    head = start.rstrip(b"\n")
    text = unit * (200_000 // len(unit))
    read(
        start + head + text + b"\n" + text + b"\n" + (unit[:40] + b"\n") * 5000 + start
    )
    assert time.process_time() - begin < 5


def test_many_names_need_bounded_memory():
    names = (b"%05x" % i for i in range(70_000))
    log = read(b"".join(RECORD.replace(b"   sh", name) for name in names))
    assert len(log) == 70_000 and len(log.names["comm"]) <= 1 << 16
