# SPDX-License-Identifier: GPL-2.0-or-later
"""The filters that all outputs share."""

from __future__ import annotations

import argparse

import numpy as np
import pytest
from faultlog import checks, drawing, select
from faultlog.log import LogError
from logs import FAMILY, HEAD, HEAD_AT_0, compiler_log, fault, read, run
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure


def chosen(text: bytes, *options: str) -> list[int]:
    """The indices of the faults that these options select."""
    parser = argparse.ArgumentParser()
    select.add_options(parser)
    filters = select.filters(parser.parse_args(options))
    log = read(text)
    log.cpu = np.arange(len(log), dtype=np.uint16)  # the index of each fault
    return filters.apply(log).cpu.tolist()


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
    ["--from=x", "--from=1y", "--to=-1", "--pid=x", "--address=2-1", "--address=0x1"],
)
def test_an_invalid_filter_is_wrong_usage(option, tmp_path):
    done = run(tmp_path / "none.log", option)
    assert done.returncode == 2
    assert option[option.index("=") + 1 :] in done.stderr


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
