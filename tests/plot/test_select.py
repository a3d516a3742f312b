# SPDX-License-Identifier: GPL-2.0-or-later
"""The filters that all outputs share."""

from __future__ import annotations

import argparse
import time

import numpy as np
import pytest
from faultlog.analyse import groups, select
from faultlog.base.error import LogError
from faultlog.draw import drawing
from faultlog.parse import checks
from logs import FAMILY, HEAD, HEAD_AT_0, compiler_log, fault, read, run
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure


def chosen(text: bytes, *options: str) -> list[int]:
    """The indices of the faults that these options select."""
    parser = argparse.ArgumentParser()
    select.add_options(parser)
    filters = select.filters(parser.parse_args(options))
    log = read(text)
    log.ip = np.arange(len(log), dtype=np.uint64)  # the index of each fault
    return filters.apply(log).ip.tolist()


@pytest.mark.parametrize(
    "options, expected",
    [
        ([], [0, 1, 2]),
        (["--pid", "124"], [0, 2]),
        (["--pid", "124", "--pid", "125"], [0, 1, 2]),
        (["--tid", "126"], [2]),
        (["--pid", "124", "--tid", "124"], [0]),
        (["--map", "libc.so.6"], [1]),
        (["--map", "/usr/lib/x86_64-linux-gnu/libc.so.6"], [1]),
        (["--map", "libc*"], [1]),
        (["--map", "/usr/*"], [1]),
        (["--map", "[stack]", "--map", "[heap]"], [0, 2]),
        (["--region", "heap"], [0]),
        (["--access", "write"], [0, 2]),
        (["--access", "read", "--access", "exec"], [1]),
        (["--region", "heap", "--region", "file"], [0, 1]),
        (["--address", "0xfc4b008-0xfc4b009"], [0]),
        (["--address", "7f9c0e6d8000-7ffc0e6d8010"], [1]),
        (["--major"], [1]),
        (["--to", "5us"], [0]),
        (["--from", "9.105us"], [1, 2]),
        (["--from", "0.000010s"], [1, 2]),  # including the one that began before
        (["--from", "10.104us"], [1]),  # the other one had ended
        (["--from", "@4928869000", "--to", "@4928869895"], [2]),
        (["--region", "heap,file"], [0, 1]),
        (["--region", "!heap"], [1, 2]),
        (["--region", "!heap,file"], [2]),
        (["--region", "!heap,!file"], [2]),
        (["--region", "heap,stack", "--region", "!stack"], [0]),
        (["--map", "!lib*"], [0, 2]),
        (["--map", "!lib*,[stack]"], [0]),
        (["--map", "[heap],libc*"], [0, 1]),
        (["--pid", "124,125"], [0, 1, 2]),
        (["--pid", "!124"], [1]),
        (["--tid", "!124,125"], [2]),
        (["--thread", "126", "--tid", "125"], [1, 2]),
        (["--cpu", "0"], [1, 2]),
        (["--cpu", "!0"], [0]),
        (["--result", "minor,sigbus"], [0, 2]),
        (["--result", "!sig*"], [0, 1]),
        (["--mode", "user"], [0, 1, 2]),
        (["--kind", "shared"], [1]),
        (["--kind", "-"], [0, 2]),
        (["--program", "make"], [0, 2]),
        (["--program", "a sh"], [1]),
        (["--program", "!a *"], [0, 2]),
        (["--longer-than", "999ns"], [0, 1]),
        (["--longer-than", "100us", "--cpu", "0"], [1]),
        (["--address", "0xfc4b008-0xfc4b009,7ffc0e6d8010-7ffc0e6d8011"], [0, 2]),
        (["--address", "!0xfc4b008-0xfc4b009"], [1, 2]),
    ],
)
def test_each_filter(options, expected):
    assert chosen(FAMILY, *options) == expected


@pytest.mark.parametrize(
    "options", [["--pid", "1"], ["--map", "lib"], ["--region", ""], ["--from", "1h"]]
)
def test_no_fault_left_is_an_error_that_names_the_filter(options):
    with pytest.raises(LogError, match="no faults match the filters [(].*"):
        chosen(FAMILY, *options)


@pytest.mark.parametrize(
    "option",
    [
        *("--from=x", "--from=1y", "--to=-1", "--pid=x", "--address=2-1"),
        *("--address=0x1", "--cpu=1,", "--tid=5~2", "--pid=!"),
        *("--region=heap,", "--map=!", "--map=a,,b", "--longer-than=@1"),
        "--longer-than=1y",
    ],
)
def test_an_invalid_filter_is_wrong_usage(option, tmp_path):
    done = run(tmp_path / "none.log", option)
    assert done.returncode == 2
    assert option[option.index("=") + 1 :] in done.stderr


NAMES = ["/a,b", "/a", "/b", "/x\\\\", "[heap]", "/h", "!c", "/lib*", "/libc", "anon"]


@pytest.mark.parametrize(
    "texts, expected",
    [
        (["a,b"], ["/a,b"]),  # a name in the log, not a list
        (["/a,b"], ["/a,b"]),
        (["a,/b"], ["/a", "/b"]),
        ([r"a\,b,anon"], ["/a,b", "anon"]),
        (["!a,b"], [n for n in NAMES if n != "/a,b"]),
        (["[heap]"], ["[heap]"]),  # it was also taken for a pattern, which h matches
        (["[gh]"], ["/h"]),
        ([r"\!c"], ["!c"]),
        (["!!c"], [n for n in NAMES if n != "!c"]),
        (["lib*"], ["/lib*", "/libc"]),  # a process can't hide files from a pattern
        (["*", "!*a*,!/*"], ["!c"]),
    ],
)
def test_names_with_commas_and_other_special_characters(texts, expected):
    lines = [
        fault(i, i << 12, map=n.replace("\\", "\\134")) for i, n in enumerate(NAMES)
    ]
    options = [word for text in texts for word in ("--map", text)]
    found = chosen(HEAD_AT_0 + b"".join(lines), *options)
    assert [NAMES[i] for i in found] == expected


def test_a_fault_may_be_of_several_kinds():
    kinds = ["shared", "hugetlb", "shared,hugetlb", "cow"]
    text = HEAD_AT_0 + b"".join(fault(i, 0, kind=k) for i, k in enumerate(kinds))
    for option, expected in (
        ("shared", [0, 2]),
        ("shared,hugetlb", [0, 1, 2]),
        (r"shared\,hugetlb", [2]),
        ("!hugetlb", [0, 3]),
    ):
        assert chosen(text, "--kind", option) == expected


def test_a_process_with_a_pid_that_another_had_before():
    text = HEAD_AT_0 + fault(5, 0, pid=500)
    for at in (0, 10, 20):
        text += b"# child time=%d pid=500 ppid=4494 comm=x\n" % at
        text += fault(at + 5, 0, pid=500)
    assert chosen(text, "--pid", "500") == [0, 1, 2, 3]
    assert chosen(text, "--pid", "500~2") == [2]
    assert chosen(text, "--pid", "!500~2,500~3") == [0, 1]


@pytest.mark.parametrize(
    "options, message",
    [
        (["--map", "libc.so"], "map in this log: libc.so.6, [stack], [heap]"),
        (["--map", "lib?.a"], "map in this log: libc.so.6, "),
        (["--program", "mkae"], "program in this log: make, a sh"),
        (["--pid", "126"], "pid in this log: 125, 124"),
        (["--cpu", "7"], "cpu in this log: 1, 0"),
        (["--longer-than", "1s"], "the longest fault took 181 µs"),
        (["--from", "1h"], "the faults in this log are from 0 to 191 µs"),
        (["--from", "@1", "--to", "@2"], " from @4928859895 to @4929051105"),
        (["--address", "1-2"], "addresses in this log: 0xfc4b008 to 0x7ffc0e6d8010"),
        (["--region", "heap", "--major"], "but no fault matches all of them"),
        (["--region", "haep", "--cpu", "9"], "region in this log: heap, "),
        (["--map", "!*"], "map in this log: "),
    ],
)
def test_if_no_fault_is_left_the_nearest_values_are_named(options, message):
    with pytest.raises(LogError) as error:
        chosen(FAMILY, *options)
    assert message in str(error.value)


def test_excluded_values_given_apart_are_shown_apart(tmp_path):
    def title(*options: str) -> str:
        (tmp_path / "x.log").write_bytes(FAMILY)
        return run(tmp_path / "x.log", "--by", *options).stdout.splitlines()[0]

    assert title("--cpu", "0", "--map", "!lib*", "--map", "[[]*").endswith(
        "cpu=0, map=!lib* and map=[[]*)"
    )
    assert title("--map", "!lib*,cc1").endswith("(only map=!lib*,cc1)")


@pytest.mark.parametrize("begin, end", [("0.4s", "200ms"), ("@5", "@5")])
def test_a_part_that_ends_before_it_begins_is_refused(begin, end, tmp_path):
    (tmp_path / "x.log").write_bytes(FAMILY)
    done = run(tmp_path / "x.log", "--by", "--from", begin, "--to", end)
    assert done.returncode == 1
    assert done.stderr.endswith(f": --from {begin} must be before --to {end}\n")


@pytest.mark.parametrize("option", ["--result", "--longer-than", "--tid"])
def test_a_log_without_these_values_says_so(option):
    text = HEAD_AT_0 + fault(1, 4096)
    with pytest.raises(LogError, match="no (result|latencies|tid)"):
        chosen(text, option, "1")


def test_the_message_about_hostile_names_is_short_and_harmless(tmp_path):
    path = tmp_path / "a.log"
    names = [f"/{i:05}\\033[2J\\012{'y' * 300}" for i in range(20000)]
    lines = [fault(i, i << 12, map=name) for i, name in enumerate(names)]
    path.write_bytes(HEAD_AT_0 + b"".join(lines))
    start = time.process_time()
    with pytest.raises(LogError) as error:
        chosen(path.read_bytes(), "--map", "x" * 3000)
    assert time.process_time() - start < 10
    assert len(str(error.value)) < 3000 + 500 and str(error.value).isprintable()
    assert " and 19,994 more" in str(error.value)


FUNCTIONS = ["malloc [libc.so.6]", "operator new(unsigned long) [x]", "f(int, int) [x]"]


@pytest.mark.parametrize(
    "option, expected",
    [
        ("malloc", [0]),
        ("malloc [libc.so.6]", [0]),
        ("mal*", [0]),
        ("operator new", [1]),
        ("f(int, int)", [2]),
        ("f,malloc", [0, 2]),
        ("!f", [0, 1, 3]),
        ("-", [3]),
    ],
)
def test_functions(option, expected, monkeypatch):
    """The names in their order, for faults that match the other filters."""
    labels = [*FUNCTIONS, ""]

    def group(log, whole):
        assert len(log) == 4 and len(whole) == 5
        return groups.Groups(np.arange(4), 4, labels.__getitem__, labels.__getitem__)

    monkeypatch.setitem(groups.KEYS, "function", groups.Key((), group))
    text = HEAD_AT_0 + b"".join(fault(i, i << 12, cpu=i // 4) for i in range(5))
    assert chosen(text, "--function", option, "--cpu", "0") == expected


def test_functions_are_named_if_none_matches(tmp_path):
    """The log is of another machine, so the names are places in files."""
    path = tmp_path / "a.log"
    path.write_bytes(FAMILY)
    done = run(path, "--by", "--function", "mallok")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "(function=mallok); function in this log: " in done.stderr
    path.write_bytes(compiler_log(50, outcomes=True))
    for output in ("a.csv", "a.png"):
        done = run(path, "--function", "cc1plus+*", "-o", tmp_path / output)
        assert done.returncode == 0
        assert "Names: no program here: cc1plus; use --root" in done.stderr
    assert len((tmp_path / "a.csv").read_text().splitlines()) == 51
    done = run(path, "--by", "access", "--function", "cc1plus+*", "--root", "/nosuch")
    assert done.returncode == 2
    done = run(path, "--by", "access", "--function", "cc1plus+*", "--root", tmp_path)
    assert (done.returncode, done.stderr) == (
        0,
        "",
    ) and "Names: no program" in done.stdout


def test_a_filter_is_shown_on_the_picture_and_the_whole_log_is_checked(tmp_path):
    path = tmp_path / "a.log"
    path.write_bytes(compiler_log(500))
    done = run(path, "--region", "heap", "-o", tmp_path / "a.svg")
    assert (done.returncode, done.stderr) == (0, "")
    picture = (tmp_path / "a.svg").read_text()
    assert "Only region=heap, of 500 faults: " in picture
    assert "nothing lost" in picture and "not in this log" not in picture


def test_a_part_s_times_are_counted_from_the_first_fault_of_all():
    """As --from counts them, so that times read from a picture can be used there."""
    text = HEAD_AT_0 + b"".join(fault(i * 10**6, i * 4096) for i in range(1001))
    log = read(text)
    part = log.take(log.time_ns >= np.uint64(700 * 10**6))
    figure = drawing.new_figure()
    drawing.draw(figure, part, checks.examine(log), only="only late", whole=log)
    FigureCanvasAgg(figure).draw()
    (lowest,) = [axis for axis in figure.axes if axis.get_xlabel()]
    ticks = [x for x in lowest.get_xticklabels() if x.get_text()]
    inside = [x for x in ticks if 0 <= x.get_position()[0] <= 300]
    assert [x.get_text() for x in inside][:2] == ["700", "750"]
    assert [x.get_position()[0] for x in inside][:2] == [0, 50]


def test_a_missing_region_is_reported_with_those_that_exist(tmp_path):
    path = tmp_path / "a.log"
    path.write_bytes(HEAD + fault(1389595000001, 4096, region="heap"))
    done = run(path, "--by", "--region", "haep")
    assert "(region=haep); region in this log: heap\n" in done.stderr


@pytest.mark.parametrize(
    "times_ns, ticks",
    [((0, 900), "20,000,000,000 "), ((5, 5), ""), ((0, 90), "20,000,000,010 ")],
)
def test_a_short_part_late_in_a_log_keeps_its_digits(times_ns, ticks):
    start = 20 * 10**9
    text = (
        HEAD_AT_0 + fault(0, 4096) + b"".join(fault(start + t, 4096) for t in times_ns)
    )
    log = read(text)
    figure = drawing.new_figure()
    part = log.take(log.time_ns > np.uint64(10**9))
    drawing.draw(figure, part, checks.examine(log), only="only late", whole=log)
    FigureCanvasAgg(figure).draw()
    (lowest,) = [axis for axis in figure.axes if axis.get_xlabel()]
    assert ticks in " ".join(x.get_text() for x in lowest.get_xticklabels()) + " "
    if not ticks:
        assert ", 20.0 s after the first fault of the log" in lowest.get_xlabel()
