# SPDX-License-Identifier: GPL-2.0-or-later
"""The sentences under a table: only what the numbers carry."""

from __future__ import annotations

import re

import pytest
from faultlog.report import findings
from logs import HEAD_AT_0, OLD, compiler_log, fault, read, run, summary

ANON = dict(tid=4494, access="write", region="anon", result="minor", map="anon")
FILE = dict(tid=4494, access="read", region="file", result="major", map="/no/file")


def log_of(*faults: bytes, end: bytes | None = None) -> bytes:
    return b"".join([HEAD_AT_0, *faults, summary(len(faults)) if end is None else end])


def minor(time_ns: int, latency_ns: int | None, **keys: object) -> bytes:
    took = {} if latency_ns is None else {"latency_ns": latency_ns}
    return fault(time_ns, 0x1000 * time_ns, **{**ANON, **took, **keys})


def major(time_ns: int, latency_ns: int, **keys: object) -> bytes:
    keys = {**FILE, "latency_ns": latency_ns, "offset": hex(4096 * time_ns), **keys}
    return fault(time_ns, 0x7F0000000000 + 0x1000 * time_ns, **keys)


def below(tmp_path, text: bytes, *options: object) -> str:
    """What is printed below the table, as one line."""
    (tmp_path / "x.log").write_bytes(text)
    done = run(tmp_path / "x.log", "--by", *options)
    assert done.returncode == 0 and done.stderr.count("\n") == done.stderr.count(
        ": Not complete: "
    )
    table, empty, sentences = done.stdout.rpartition("\n\n")
    assert empty and table.endswith("  (all)")
    assert all(len(line) < 80 for line in sentences.splitlines())
    return " ".join(sentences.split())


MAJOR_LOG = log_of(minor(0, 100_000), minor(500_000, 100_000), major(900_000, 600_000))


def test_the_cost_the_share_of_the_run_and_the_remedy(tmp_path):
    assert below(tmp_path, MAJOR_LOG) == (
        "Faults took 800 µs: 53 % of the 1.50 ms from the first fault to the last. "
        "75 % of it was in 1 major fault; to preload its data: -o warm.sh."
    )


def test_no_latencies(tmp_path):
    text = "The time in faults is unknown: the log has no latencies (record with outcome=1)."
    assert below(tmp_path, OLD) == text
    assert below(tmp_path, compiler_log(50)) == text


def test_no_major_fault_and_new_memory(tmp_path):
    text = log_of(minor(0, 1000), minor(2000, 8000, region="heap", map="[heap]"))
    assert below(tmp_path, text) == (
        "Faults took 9.00 µs: 90 % of the 10.0 µs from the first fault to the last. None of them "
        "is major. 100 % of the time was in 2 minor faults on heap and anonymous memory: there "
        "are fewer if the program reuses memory, or has larger pages."
    )
    in_files = log_of(*(minor(i, 500, map="/x", region="file") for i in (0, 1000)))
    assert below(tmp_path, in_files).endswith("last. None of them is major.")


def test_with_a_filter_it_is_about_the_selection(tmp_path):
    assert below(tmp_path, MAJOR_LOG, "--region", "anon").startswith(
        "The selected faults took 200 µs: 25 % of the 800 µs of all faults. None of them is major."
    )
    assert below(tmp_path, MAJOR_LOG, "--major") == (
        "The selected faults took 600 µs: 75 % of the 800 µs of all faults. It is major; "
        "to preload its data: -o warm.sh."
    )


def test_the_sum_of_threads_is_no_share_of_the_run(tmp_path):
    text = log_of(minor(0, 5000), minor(1000, 5000, tid=4495), minor(9000, 10))
    found = below(tmp_path, text)
    assert found.startswith("Faults took 10.0 µs, summed over 2 threads. None")
    child = b"# child time=5 pid=4500 ppid=4494 comm=x\n"
    of_child = fault(7000, 0x1000, 4500, **{**ANON, "tid": 4500}, latency_ns=50)
    text = log_of(minor(0, 5000), child, of_child, end=summary(2))
    assert "summed over 2 threads" in below(tmp_path, text)


def test_nearly_no_cost(tmp_path):
    faults = minor(0, 500), major(999_500, 500)
    assert below(tmp_path, log_of(*faults)) == (
        "Faults took 1.00 µs: 0.1 % of the 1.00 ms from the first fault to the last. "
        "Its own page faults are not what makes it slow."
    )
    # With children=1 no other process's faults can be what it waited for.
    with_children = summary(2).replace(b"\n", b" children=0\n")
    assert below(tmp_path, log_of(*faults, end=with_children)).endswith(
        "last. Page faults are not what makes it slow."
    )
    text = log_of(minor(0, 50), minor(999_950, 50))
    assert "less than 0.1 % of the 1.00 ms" in below(tmp_path, text)


def test_an_incomplete_log_has_no_share_of_the_run(tmp_path):
    for end in (b"", summary(9), summary(2, dropped=7)):
        text = log_of(minor(0, 500), minor(999_500, 500), end=end)
        assert below(tmp_path, text).startswith(
            "The faults of this log took 1.00 µs. None"
        )


def test_latencies_longer_than_the_run_are_no_share_of_it(tmp_path):
    """As of a signal's handler that faulted during a fault: its time would count twice."""
    text = log_of(minor(0, 1000), minor(10, 900))
    assert below(tmp_path, text).startswith("The faults of this log took 1.90 µs.")


def test_faults_without_a_latency_are_counted(tmp_path):
    text = log_of(minor(0, 10), minor(5000, None), minor(9000, None))
    assert below(tmp_path, text).startswith(
        "The faults of this log took 10 ns. This leaves out 2 faults without a latency. None"
    )


@pytest.mark.parametrize(
    "keys",
    [
        {"map": "anon", "region": "anon", "kind": "swap"},
        {"map": "/dev/x"},
        {"map": "/x\\040(deleted)"},
        {"map": "/x", "kind": "hugetlb"},
    ],
    ids=str,
)
def test_what_cannot_be_preloaded_is_not_advised(keys, tmp_path):
    found = below(tmp_path, log_of(minor(0, 100), major(1000, 900, **keys)))
    assert found.endswith("90 % of it was in 1 major fault.")


def test_few_major_faults_are_no_reason_to_preload(tmp_path):
    text = log_of(minor(0, 9300), major(10000, 700))
    assert "7.0 % of it was in 1 major fault. 93 % of the time was in 1 minor" in below(
        tmp_path, text
    )


def test_no_file_is_looked_at_for_the_advice(tmp_path, monkeypatch):
    """The traced process chose the names: a table must not touch these files."""

    def refuse(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr(findings.warm.os, "stat", refuse)
    log = read(MAJOR_LOG)
    assert findings.warm.in_files(log).tolist() == [False, False, True]


def test_not_in_csv(tmp_path):
    (tmp_path / "x.log").write_bytes(MAJOR_LOG)
    for options in (["--by"], ["--compare", tmp_path / "x.log"]):
        assert "took" not in run(tmp_path / "x.log", *options, "--csv").stdout


@pytest.mark.parametrize(
    "share, text",
    [
        (1.0, "100 %"),
        (0.9996, "more than 99.9 %"),
        (0.995, "99.5 %"),
        (0.75, "75 %"),
        (0.0999, "10.0 %"),
        (0.0004, "less than 0.1 %"),
        (0.0, "0.0 %"),
    ],
)
def test_percent(share, text):
    assert findings._percent(share) == text


# Comparisons


def compared(tmp_path, before: list[int], after: list[int], *options: str) -> str:
    """The sentence of a comparison of runs with these latencies."""
    names = []
    for side, times in (("a", before), ("b", after)):
        for i, latency_ns in enumerate(times):
            names.append(tmp_path / f"{side}{i}.log")
            names[-1].write_bytes(log_of(minor(0, latency_ns), minor(90000, 10)))
    nr = len(before)
    done = run(*names[:nr], "--compare", *names[nr:], *options)
    assert (done.returncode, done.stderr) == (0, "")
    return " ".join(done.stdout.rpartition("\n\n")[2].split())


def test_comparisons(tmp_path):
    before, after = [1000, 1010, 1020, 1000, 1005], [500, 510, 500, 495, 505]
    assert compared(tmp_path, before, after) == (
        "Time in faults fell by 505 ns (50 %), which exceeds run-to-run variation."
    )
    assert compared(tmp_path, before, before[::-1]) == "Time in faults did not change."
    assert compared(tmp_path, before, [*before[:4], 1006]) == (
        "Time in faults: no change that exceeds run-to-run variation was found."
    )
    assert compared(tmp_path, [1990], [3990]) == (
        "Time in faults rose by 2.00 µs (100 %). With so few runs, that may be chance."
    )
    assert compared(tmp_path, [1990], [3990], "--map", "anon") == (
        "Time in the selected faults rose by 2.00 µs (100 %). "
        "With so few runs, that may be chance."
    )
    assert compared(tmp_path, [5], [7], "--sort", "faults") == (
        "The number of faults did not change."
    )


def test_a_rise_from_nothing_has_no_percentage():
    text = findings.of_comparison("major", 0, 2.5, None, is_selection=False)
    assert text.startswith("The number of major faults rose by 2.5. With")


def test_a_measure_that_a_log_lacks_is_not_judged(tmp_path):
    (tmp_path / "a.log").write_bytes(compiler_log(40))
    done = run(tmp_path / "a.log", "--compare", tmp_path / "a.log", "--sort", "time")
    assert done.returncode == 0 and re.search(r"\(all\)\n\Z", done.stdout)
