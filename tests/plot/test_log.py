# SPDX-License-Identifier: GPL-2.0-or-later
"""From text to columns."""

from __future__ import annotations

import random
import re

import pytest
from faultlog.parse import lines
from faultlog.parse.log import (
    COLUMNS,
    DECIMAL,
    OF_OTHERS,
    OTHER,
    RESULTS,
    WORD,
    Column,
    Event,
    Log,
)
from faultlog.parse.names import MAX_NAME
from logs import FAMILY, HEAD, NEW, OLD, compiler_log, fault, numbers, outcomes, read
from logs import rows, summary, words


def test_reads_a_line_of_2020():
    log = read(OLD)
    assert rows(log) == [(1389595218602, 0x7FAA3B0FCCF8, 4494, -1, "", "")]
    assert (log.head, log.summary, log.oddities.nr_bad) == ({}, {}, 0)


@pytest.mark.parametrize("counter", [b"", b"   0:: ", b"9999:: ", b"12345678:: "])
def test_reads_a_line_of_proc_and_of_user(counter):
    log = read(HEAD + counter + NEW + summary(1))
    expected = (1389595218602, 0x7FAA3B0FCCF8, 4494, 4497, "write", "heap")
    assert rows(log) == [expected]
    assert log.oddities.nr_bad == 0
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


def test_unknown_words_are_kept_and_invalid_numbers_are_missing():
    text = fault(1, 0x1000, access="atomic", region="gpu")
    text += fault(2, 0x1000, access="read", region="a-name-of-many-bytes")
    text += fault(3, 0x1000, access="read-or-write", tid="x", region="")
    log = read(text)
    assert rows(log) == [
        (1, 0x1000, 4494, -1, "atomic", "gpu"),
        (2, 0x1000, 4494, -1, "read", "a-name-of-many-bytes"),
        (3, 0x1000, 4494, -1, "read-or-write", ""),
    ]
    assert log.oddities.nr_bad == 0


def test_words_that_cannot_be_distinguished_count_as_other():
    text = b"".join(fault(i, 0x1000, region=f"r{i}") for i in range(1000))
    log = read(text, block_bytes=4096)
    names = words(log, "region")
    assert all(name in (OTHER, f"r{i}") for i, name in enumerate(names))
    nr_known = 256 - len(COLUMNS["region"].words) - 1
    assert names.count(OTHER) == 1000 - nr_known
    assert len(log.names["region"]) == COLUMNS["region"].max_names == 256


OURS = {name: column for name, column in COLUMNS.items() if name not in OF_OTHERS}
KEYS = {
    "tid": 12,
    "cpu": 3,
    "ip": 0x7F9C0E6D8106,
    "access": "write",
    "mode": "gup",
    "region": "anon",
    "kind": "shared,hugetlb",
    "result": "hwpoison",
    "latency_ns": 4398046511103,
    "tries": 63,
    "map": "/a",
    "offset": 0x1D2000,
}


def test_every_column_is_read():
    """And zero is not a missing number."""
    as_text = {k: hex(v) if k in ("ip", "offset") else v for k, v in KEYS.items()}
    zero = {k: "0x0" if k in ("ip", "offset") else 0 for k in KEYS}
    log = read(
        fault(1, 0x1000, **as_text) + fault(2, 0x1000) + fault(3, 0x1000, **zero)
    )
    assert {*KEYS} == {*OURS} - {"time_ns", "address", "pid"}
    for name, value in KEYS.items():
        column = COLUMNS[name]
        assert getattr(log, name).dtype == column.dtype
        if column.form == WORD:
            assert words(log, name) == [value, "", "0"]
        else:
            assert numbers(log, name) == [value, -1, 0]
        assert log.known(name).tolist() == [True, False, True]


def test_only_columns_that_are_asked_for_are_kept():
    log = read(FAMILY, columns=["tid", "map"])
    assert log.ip is None and log.access is None and log.latency_ns is None
    assert numbers(log, "tid") == [124, 125, 126]
    assert words(log, "map")[2] == "[stack]"
    assert {*log.names} == {"map"}


def test_head_and_summary_are_kept_with_keys_that_are_new():
    text = HEAD.replace(b" page=", b" colour=red page=") + NEW
    log = read(text + summary(1).replace(b" target", b" unseen=3 probe=armed target"))
    assert log.head["colour"] == "red"
    assert log.summary["unseen"] == log.count("unseen") == 3
    assert (log.summary["probe"], log.count("probe")) == ("armed", 0)
    assert (log.summary["target"], log.count("none")) == ("exited", 0)


def test_the_last_of_several_summaries_counts():
    text = HEAD + NEW + summary(1) + b"EXIT_CODE\n" + NEW + summary(2, dropped=3)
    log = read(text + b"   7:: EXIT_CODE\n\n# to come\n")
    assert len(log) == 2
    assert log.summary["recorded"] == 2
    assert log.summary["dropped"] == 3
    assert log.oddities.nr_bad == 0


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
    assert read(fault(1 << 64, 0)).oddities.nr_bad == 1
    assert read(fault(0, 1 << 64)).oddities.nr_bad == 1
    assert read(fault(0, 0, pid=1 << 32)).oddities.nr_bad == 1


@pytest.mark.parametrize("block_bytes", [1, 7, 64, 151, 4096])
def test_blocks_may_end_anywhere(block_bytes):
    text = NEW + compiler_log(60) + b"junk\n" + NEW + b"EXIT_CODE\n"
    log, whole = read(text, block_bytes=block_bytes), read(text)
    assert rows(log) == rows(whole)
    assert len(log) == 62
    assert (log.oddities.nr_bad, log.oddities.first_bad) == (1, 64)


PLAIN_RULE = re.compile(
    rb"(?:\d{1,20}:: +)?PID += +(\d{1,20}) +Page +Fault +at +Address"
    rb" +0x([0-9a-fA-F]{1,16}) +at +Time +(\d{1,20})((?: .*)?)"
)


def read_plainly(text: bytes) -> tuple[list[list], int]:
    """Read with a regular expression, line by line: the faults' values, the bad lines."""
    faults, nr_bad = [], 0
    for line in text.splitlines():
        line = re.sub(rb"[\x01-\x20]+", b" ", line).strip()
        match = PLAIN_RULE.fullmatch(line)
        other = re.fullmatch(rb"(?:\d+:: *)?(?:#.*|EXIT_CODE)?", line)
        if other and b"\0" not in line:
            continue
        number = match and (int(match[3]), int(match[2], 16), int(match[1]))
        if not match or b"\0" in line or number[0] >> 64 or number[2] >> 32:
            nr_bad += 1
            continue
        keys = dict(w.split(b"=", 1) for w in match[4].split() if b"=" in w)
        faults.append(
            [*number, *(plain_value(keys, c) for c in list(OURS.values())[3:])]
        )
    return faults, nr_bad


def plain_value(keys: dict[bytes, bytes], column: Column) -> int | str:
    """A key's value; -1 or "" if missing."""
    text = keys.get(column.name.encode(), b"")
    if column.form == WORD:
        return text.decode("utf-8", "replace")
    rule = rb"\d{1,20}" if column.form == DECIMAL else rb"0x[0-9a-fA-F]{1,16}"
    value = int(text, 0 if b"x" in text else 10) if re.fullmatch(rule, text) else -1
    return value if value < column.unknown else -1


def whole_rows(log: Log) -> list[list]:
    """A log's faults as read_plainly() has them."""
    found = [
        (words if column.form == WORD else numbers)(log, column.name)
        for column in OURS.values()
    ]
    return [list(values) for values in zip(*found)]


@pytest.mark.parametrize("block_bytes", [600, 1 << 17])
@pytest.mark.parametrize("with_outcomes", [False, True])
def test_damaged_lines_are_read_as_by_a_plain_rule(
    monkeypatch, with_outcomes, block_bytes
):
    """Two ways of reading agree on damaged lines.

    In small blocks some have no damaged line.
    """
    monkeypatch.setattr(lines, "CUT_SHARE", 1)
    rng = random.Random(4)
    whole = compiler_log(300, outcomes=with_outcomes).splitlines(keepends=True)
    damaged = whole[:]
    for _ in range(6000):
        line = bytearray(rng.choice(whole[:300]))
        for _ in range(rng.randint(1, 2)):
            at = rng.randrange(len(line) - 1)
            change = rng.randrange(3)
            if change == 0:
                line[at] = rng.choice(b" 0x9af:=#\tP\0\xff")
            elif change == 1:
                del line[at]
            else:
                line.insert(at, rng.choice(b" 0x9af:=#\tP\0\xff"))
        damaged.append(bytes(line))
    text = b"".join(damaged).replace(b" loaded=1389595000000", b"")
    log = read(text, block_bytes=block_bytes)
    expected, nr_bad = read_plainly(text)
    assert whole_rows(log) == expected
    assert log.oddities.nr_bad == nr_bad
    assert (800 if with_outcomes else 2000) < nr_bad < 6000


def test_keys_in_order_are_found_as_those_in_any_order(monkeypatch):
    """Some are missing, one is doubled, one is cut, one begins the next line."""
    monkeypatch.setattr(lines, "CUT_SHARE_NO_HEAD", 1)
    rng = random.Random(5)
    line = compiler_log(1, outcomes=True).splitlines()[1]
    at = line.index(b"tid=")
    start, keys = line[:at].strip(), [*line[at:].split(), b"offset=0x1000"]

    def some(share: float) -> bytes:
        left = [key for key in keys if rng.random() < share]
        return b" ".join([start, *left]) + b"\n"

    def is_read_plainly(text: bytes) -> bool:
        return whole_rows(read(text)) == read_plainly(text)[0]

    in_order = b"".join(some(0.8) for _ in range(500))
    odd = b" ".join([start, *reversed(keys)]) + b"\n"
    assert is_read_plainly(in_order) and is_read_plainly(in_order + odd)
    for ends in (
        [*keys, keys[0]],
        [*keys, b"latency_=5"],
        [*keys[:5], b"\n", *keys[5:]],
        [*keys[:5], b"new=1", *keys[5:]],
    ):
        assert is_read_plainly(b" ".join([start, *ends, b"\n" + in_order]))


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
    assert (log.oddities.nr_bad, log.oddities.first_bad) == (2, 3)


def test_line_without_end_does_not_fill_the_memory():
    log = read(OLD + b"\0" * (6 << 20), block_bytes=1 << 16)
    assert (len(log), log.oddities.nr_bad, log.oddities.first_bad) == (1, 1, 2)


def test_carriage_returns_are_ignored():
    assert rows(read(NEW.replace(b"\n", b"\r\n"))) == rows(read(NEW))


def test_a_last_line_without_newline_counts_unless_its_time_is_cut():
    text = OLD + OLD.rstrip(b"\n")
    assert len(read(text)) == 2
    log = read(text[:-3])
    assert (len(log), log.oddities.nr_bad, log.oddities.first_bad) == (1, 1, 2)


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
    assert (log.oddities.nr_bad, len(log.events), log.nr_children) == (0, 2, 1)
    assert log.last_names() == {124: "make", 125: "a sh"}
    assert log.events == [
        Event("child", 4928860895, 125, 124, "make"),
        Event("exec", 4928860995, 125, None, "a sh"),
    ]
    assert log.summary["abandoned"] == 2


def test_old_logs_have_no_outcomes_and_mappings():
    for text in (OLD, HEAD + NEW):
        log = read(text)
        assert outcomes(log) == [("", -1, "", -1)]
        assert not log.has_outcomes
        assert (log.nr_children, log.events) == (0, [])


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
    assert log.oddities.nr_bad == 0
    assert outcomes(log) == [
        ("minor", -1, "", -1),
        ("", 5, "", -1),
        ("", -1, "/a", -1),
        ("", -1, "", 0x1000),
        ("postponed", -1, "", -1),
        ("a-word-of-many-bytes", 10**19, "", -1),
        ("", -1, "", -1),
    ]


def test_every_result_is_known():
    for result in RESULTS[1:]:
        text = fault(1, 0x1000, result=result, latency_ns=7, tries=1, map="?")
        assert outcomes(read(text)) == [(result, 7, "?", -1)]


def test_names_are_unescaped():
    names = rb"/tmp/a\040b", rb"/c\134d", rb"/\303\244=e", rb"/x\012y"
    text = b"".join(NEW.replace(b"\n", b" map=%s\n" % name) for name in names)
    found = [entry[2] for entry in outcomes(read(text))]
    assert found == ["/tmp/a b", "/c\\d", "/ä=e", "/x\N{REPLACEMENT CHARACTER}y"]


def test_names_of_any_length_are_distinguished():
    names = ["/" + "n" * i + last for i in range(60) for last in "ab"]
    names += ["/" + "m" * (MAX_NAME - 2) + last for last in "ab"]
    text = b"".join(fault(i, 0x1000, map=name) for i, name in enumerate(names)) * 2
    assert [entry[2] for entry in outcomes(read(text))] == names * 2
    long = fault(1, 0x1000, map="/" * (MAX_NAME + 1))
    assert outcomes(read(long)) == [("", -1, "", -1)]


def test_names_chosen_to_have_one_hash_are_distinguished():
    """The second difference made the hash the same again, with any seed."""
    first = b"/tmp/aaaaaaabbbb"
    other = int.from_bytes(first, "little") ^ (1 << 63 | (1 << 63 | 1 << 34) << 64)
    names = [first, other.to_bytes(16, "little")]
    log = read(b"".join(NEW.replace(b"\n", b" map=%s\n" % name) for name in names))
    assert [log.paths[code] for code in log.map] == names


def test_more_names_than_can_be_distinguished(monkeypatch):
    monkeypatch.setattr(Column, "max_names", 102)
    text = b"".join(fault(i, 0x1000, map=f"/{i}") for i in range(300))
    found = [entry[2] for entry in outcomes(read(text, block_bytes=4096))]
    assert found == [f"/{i}" if i < 100 else OTHER for i in range(300)]


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
    assert (log.oddities.nr_bad, len(log.events)) == (0, len(lines))
    names = {event.pid: event.comm for event in log.events}
    assert names == {5000 + i: "sh" for i in range(len(lines))}


def test_a_cut_last_line_is_found_even_if_times_step_back():
    """Wherever it ends: its last word may be incomplete, so it can't be trusted."""
    lines = FAMILY.splitlines(keepends=True)
    whole, last = b"".join(lines[:5]), lines[5].rstrip(b"\n")
    assert last.endswith(b"map=[stack]")
    for end in (b"Time 49288", b"tid=1", b"result=sig", b"latency_ns=9", b"[st", b"k]"):
        cut = last[: last.index(end) + len(end)]
        log = read(whole + cut)
        odd = log.oddities
        assert (len(log), odd.nr_bad, odd.nr_cut, odd.first_bad) == (2, 1, 1, 6), end


def test_a_summary_cut_off_does_not_count():
    assert read(HEAD + NEW + b"# recorded=40").summary == {}
    assert read(HEAD + NEW + b"# recorded=40 retries=1").summary == {"recorded": 40}


def test_a_fault_belongs_to_the_program_that_ran_at_its_time():
    text = HEAD + (
        fault(10, 0x1000)  # the head's process, before a line names it
        + b"# exec time=20 pid=4494 comm=as\n"
        + fault(20, 0x1000)
        + b"# child time=30 pid=7 ppid=4494 comm=as\n"
        + fault(25, 0x1000, pid=7)  # lines may be late
        + fault(35, 0x1000, pid=7)
        + b"# exec time=40 pid=7 comm=ld\n# exec time=40 pid=7 comm=ld.gold\n"
        + fault(39, 0x1000, pid=7)
        + fault(40, 0x1000, pid=7)
        + fault(99, 0x1000)
        + fault(99, 0x1000, pid=8)
    )
    names, codes = read(text).programs()
    expected = ["cc1plus", "as", "as", "as", "as", "ld.gold", "as", "?"]
    assert [names[code] for code in codes] == expected


def test_programs_match_a_plain_rule():
    rng = random.Random(2)
    lines = [HEAD]
    for _ in range(800):
        time, pid = rng.randrange(1000), rng.randrange(4490, 4500)
        if rng.random() < 0.2:
            comm = f"p{rng.randrange(9)}"
            lines.append(
                b"# exec time=%d pid=%d comm=%s\n" % (time, pid, comm.encode())
            )
        else:
            lines.append(fault(time, 0x1000, pid))
    log = read(b"".join(lines))
    names, codes = log.programs()
    for time, pid, code in zip(log.time_ns.tolist(), log.pid.tolist(), codes.tolist()):
        events = sorted(
            (e.time_ns, i, e.comm) for i, e in enumerate(log.events) if e.pid == pid
        )
        name = "cc1plus" if pid == 4494 else events[0][2]
        for at, _, comm in events:
            name = comm if at <= time else name
        assert names[code] == name


def test_the_page_size_is_the_log_s():
    assert read(HEAD + NEW).page_shift == 12
    assert read(HEAD.replace(b"page=4096", b"page=65536") + NEW).page_shift == 16
    for page in (b"", b"0", b"5000", b"x", b"9" * 5000):
        head = HEAD.replace(b"page=4096", b"page=" + page)
        assert read(head + NEW).page_shift == 12
