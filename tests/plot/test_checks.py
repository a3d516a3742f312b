# SPDX-License-Identifier: GPL-2.0-or-later
"""Reports of losses and contradictions in a log."""

from __future__ import annotations

import re

import pytest
from faultlog.parse import checks
from faultlog.parse.checks import examine, losses, new_words
from logs import FAMILY, HEAD, NEW, OLD, compiler_log, drawn, fault, read, run
from logs import summary, svg_words
from logs import texts

WHOLE = compiler_log(40, outcomes=True).replace(
    summary(40),
    summary(40).replace(b"\n", b" minor=%d major=%d failed=0\n")
    % (40 - (n := read(compiler_log(40, outcomes=True)).result.tolist().count(2)), n),
)
LINES = WHOLE.splitlines(keepends=True)


def test_losses_are_reported():
    text = HEAD + NEW + b"junk\n"
    assert losses(read(HEAD + NEW + summary(1))) == []
    assert losses(read(text + summary(9, 4000, 3, 2))) == [
        "4,000 dropped",
        "3 overwritten",
        "2 missed",
        "5 recorded but not in this log",
        "1 bad line left out, the first is line 3",
    ]
    assert losses(read(HEAD + NEW)) == ["the log has no summary, a part may be missing"]
    assert losses(read(OLD)) == []


def test_a_complete_log_is_reported_as_complete():
    for text in (WHOLE, FAMILY, compiler_log(100)):
        verdict = examine(read(text))
        assert verdict.lines() == []
        assert verdict.says_complete
        assert "nothing lost" in texts(drawn(text))


def edited(old: bytes, new: bytes, text: bytes = WHOLE) -> bytes:
    assert old in text
    return text.replace(old, new, 1)


UNKNOWN = "Unknown words: "
WRONG = "Contradicts itself: "
LOST = "Not complete: "
ODD_LOGS = {
    "more lines than recorded": (
        edited(b"recorded=40", b"recorded=38"),
        [WRONG + "2 more lines than were recorded"],
    ),
    "fewer lines than recorded": (
        edited(LINES[40], b""),
        [LOST + "1 recorded but not in this log"],
    ),
    "a line twice": (
        edited(LINES[7], LINES[7] * 2),
        [WRONG + "1 line repeated, 1 more lines than were recorded"],
    ),
    "a line twice, without counters": (
        HEAD + NEW + NEW + summary(1),
        [WRONG + "1 line repeated, 1 more lines than were recorded"],
    ),
    "a line for another": (
        edited(LINES[7], LINES[8]),
        [
            LOST + "1 line missing between the line counters",
            WRONG + "1 line repeated",
        ],
    ),
    "lines in reverse order": (
        b"".join([LINES[0], *LINES[40:0:-1], LINES[41]]),
        [WRONG + "39 lines not in order of time"],
    ),
    "lines in reverse order, without counters": (
        b"".join(
            re.sub(rb"^ *\d+:: ", b"", x)
            for x in [LINES[0], *LINES[40:0:-1], LINES[41]]
        ),
        [WRONG + "39 lines not in order of time"],
    ),
    "two lines in each other's place": (
        b"".join([*LINES[:7], LINES[8], LINES[7], *LINES[9:]]),
        [WRONG + "1 line not in order of time"],
    ),
    "counters in each other's place": (
        edited(b"   6:: ", b"   x:: ", edited(b"   7:: ", b"   6:: ")).replace(
            b"   x:: ", b"   7:: "
        ),
        [WRONG + "1 line not in the order of their counters"],
    ),
    "a line again later": (
        b"".join([*LINES[:41], LINES[7], LINES[41]]),
        [
            WRONG + "1 line repeated, 1 line not in order of time, 1 more lines "
            "than were recorded"
        ],
    ),
    "its first lines missing": (
        edited(LINES[1] + LINES[2], b""),
        [LOST + "2 recorded but not in this log"],
    ),
    "two logs": (
        WHOLE + WHOLE,
        [WRONG + "2 logs in one file, 40 more lines than were recorded"],
    ),
    "a line cut in the middle of a number": (
        edited(LINES[7], LINES[7][: LINES[7].index(b"latency_ns=") + 13] + b"\n"),
        [
            LOST + "1 recorded but not in this log, 1 bad line left out, the first is "
            "line 8 (1 cut short)"
        ],
    ),
    "a line cut in its time": (
        edited(LINES[7], LINES[7][: LINES[7].index(b" tid=") - 3] + b"\n"),
        [
            LOST + "1 recorded but not in this log, 1 bad line left out, the first is "
            "line 8 (1 cut short)"
        ],
    ),
    "a time before the recording": (
        edited(b" Time 1389", b" Time 1388"),
        [
            LOST + "1 recorded but not in this log, 1 bad line left out, the first is "
            "line 2 (1 with a Time before the recording began)"
        ],
    ),
    "a time absurdly after": (
        edited(b" Time 1389", b" Time 9999991389"),
        [
            LOST + "1 recorded but not in this log, 1 bad line left out, the first is "
            "line 2 (1 with a Time more than a year after that)"
        ],
    ),
    "loaded is wrong": (
        edited(b"loaded=1389595000000", b"loaded=2389595000000"),
        [WRONG + "faults before loaded=, when the recording began"],
    ),
    "loaded is missing digits": (
        edited(b"loaded=1389595000000 ", b"loaded=13 ").replace(
            b" Time 1", b" Time 9999991"
        ),
        [WRONG + "faults more than a year after loaded="],
    ),
    "a result for another": (
        edited(b"result=minor", b"result=major"),
        [
            WRONG + f"minor={40 - n:,} in the summary, {39 - n} in the lines, "
            f"major={n} in the summary, {n + 1} in the lines"
        ],
    ),
    "an unknown result": (
        edited(b"result=minor", b"result=postponed"),
        [
            WRONG + f"minor={40 - n:,} in the summary, {39 - n} in the lines",
            UNKNOWN + "result=postponed of 1 fault",
        ],
    ),
    "unknown words": (
        edited(b"access=write", b"access=atomic").replace(b"=heap", b"=gpu"),
        None,
    ),
    "no head": (
        edited(HEAD, b""),
        [LOST + "the log has no head, its beginning may be missing"],
    ),
    "a NUL byte": (
        edited(b"tid=", b"t\0d=", edited(b"tid=", b"tid=")),
        [
            LOST + "1 recorded but not in this log, 1 bad line left out, the first is "
            "line 2 (1 with a NUL byte)"
        ],
    ),
    "unseen faults": (
        edited(b"target=exited", b"target=exited counted=43 unseen=3 probe=armed"),
        [
            LOST
            + "3 faults that the kernel counted neither recorded nor reported as lost"
        ],
    ),
    "a surplus": (
        edited(b"target=exited", b"target=exited counted=38 unseen=0 surplus=2"),
        [WRONG + "2 faults more than the kernel counted"],
    ),
    "lost names": (
        edited(b"target=exited", b"target=exited counted=40 names_lost=1"),
        [LOST + "1 name of files lost"],
    ),
    "lost offsets": (
        edited(b"target=exited", b"target=exited counted=40 offsets_lost=3"),
        [LOST + "3 faults in files without an offset"],
    ),
    "a probe switched off": (
        edited(b"target=exited", b"target=exited counted=40 unseen=0 probe=disarmed"),
        [LOST + "the probe was switched off (kprobes or ftrace are disabled)"],
    ),
    "untold programs": (
        edited(b"target=exited", b"target=exited children=9 untold=2"),
        [LOST + "2 '# child' and '# exec' lines lost"],
    ),
    "lost lines about mappings": (
        edited(b"target=exited", b"target=exited maps_lost=1"),
        [LOST + "1 line about mappings, files or names of threads lost"],
    ),
    "lost lines from a moment on": (
        edited(b"# recorded=", b"# maps-lost time=1389595218700\n# recorded="),
        [
            LOST + "lines about mappings, files or names of threads lost from Time "
            "1389595218700 on"
        ],
    ),
    "lost lines with a number": (
        edited(
            b"# recorded=",
            b"# maps-lost time=1389595218700\n# recorded=",
        ).replace(b"target=exited", b"target=exited maps_lost=7"),
        [
            LOST + "7 lines about mappings, files or names of threads lost from Time "
            "1389595218700 on"
        ],
    ),
    "lost files": (
        edited(b"target=exited", b"target=exited maps_lost=0 files_lost=2"),
        [LOST + "2 mappings without a file name"],
    ),
    "a name of 3,000 bytes": (
        edited(b"comm=cc1plus", b"comm=" + b"W" * 3000),
        [],
    ),
}


@pytest.mark.parametrize("name", ODD_LOGS)
def test_a_contradiction_in_a_log_is_reported(name, tmp_path):
    """In words of its own, on the picture and in one line on standard error."""
    text, expected = ODD_LOGS[name]
    lines = examine(read(text)).lines()
    assert expected is None or lines == expected
    path = tmp_path / "a.log"
    path.write_bytes(text)
    done = run(path, "-o", tmp_path / "a.svg")
    assert done.returncode == 0
    assert done.stderr == (
        f"page_fault_plot.py: {path}: {'; '.join(lines)}\n" if lines else ""
    )
    words = " ".join(svg_words(tmp_path / "a.svg"))
    for line in lines:
        assert line in words
    assert ("nothing lost" in words) == (not lines)


def test_a_log_in_the_order_of_ends_is_in_order():
    """With outcomes a line is written when the fault ends; lines have no counters, as in /proc."""
    slow = dict(tid=1, result="major", latency_ns=5000)
    text = fault(50, 4096, tid=2, result="minor", latency_ns=9) + fault(10, 0, **slow)
    assert checks.contradictions(read(text)) == []
    text = fault(6060, 4096, tid=2, result="minor", latency_ns=9) + fault(10, 0, **slow)
    assert checks.contradictions(read(text)) == ["1 line not in order of time"]


def test_lines_out_of_order_are_found_wherever_a_block_of_them_ends(monkeypatch):
    monkeypatch.setattr(checks, "CHUNK", 3)
    times = [1, 2, 3, 2, 5, 6, 5, 8, 7]
    text = b"".join(fault(t, 4096 * i) for i, t in enumerate(times))
    assert checks.nr_back_in_time(read(text), 0) == 3
    assert checks.nr_back_in_time(read(text), 1) == 0
    assert (
        checks.contradictions(read(text)) == []
    )  # two CPUs' clocks may differ by that much


def test_unknown_words_of_mode_and_kind_are_kept():
    text = edited(b"mode=user", b"mode=guest", edited(b"kind=cow", b"kind=folio"))
    assert new_words(read(text)) == ["mode=guest of 1 fault", "kind=folio of 1 fault"]


def test_unknown_words_are_counted_not_dropped():
    text, _ = ODD_LOGS["unknown words"]
    log = read(text)
    nr_heap = sum(b"region=gpu" in line for line in text.splitlines())
    assert new_words(log) == [
        f"region=gpu of {nr_heap} faults",
        "access=atomic of 1 fault",
    ]
    assert len(log) == 40
    words = texts(drawn(text))
    assert "other access 1" in words and "gpu" in words and "40 faults" in words


def test_a_partial_summary_is_not_reported_as_complete():
    assert not examine(read(HEAD + NEW + b"# recorded=1 dropped=")).says_complete
    assert not examine(read(OLD)).says_complete


def test_a_packed_log_that_cannot_be_read_is_an_error_with_a_reason(tmp_path):
    path = tmp_path / "a.log.gz"
    path.write_bytes(b"\x1f\x8b\x08\0\0\0\0\0\0\3" + b"\xff" * 100)
    done = run(path)
    assert done.returncode == 1
    assert "no page fault can be read; the compressed file is damaged" in done.stderr
    assert done.stderr.count("\n") == 1
