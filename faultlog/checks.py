# SPDX-License-Identifier: GPL-2.0-or-later
"""Is all there that happened, and does the log agree with itself?"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from .fit import shortened
from .lines import LONGEST_NS
from .log import COLUMNS, MAJOR, MINOR, RESULTS, Log, LogError, Oddities
from .words import plural


COUNTS = ("recorded", "dropped", "overwritten", "missed")  # a summary has them
CHUNK = 1 << 18  # faults at a time
CLOCKS_APART_NS = 100  # two CPUs' may be some ns apart while the clock is adjusted
MAX_WORDS = 3  # so many new words of a column are told, and how many more there are


@dataclass(frozen=True)
class Verdict:
    """What must be said of a log beside its faults, each in words of its own."""

    losses: list[str]  # what happened and is not in it
    contradictions: list[str]  # where it disagrees with its summary or itself
    news: list[str]  # what it says that we don't understand
    says_complete: bool  # it has a summary, nothing is lost, and all agrees

    def lines(self) -> list[str]:
        """All of it, each kind with its heading."""
        kinds = (
            ("Not complete: ", self.losses),
            ("Contradicts itself: ", self.contradictions),
            ("Not known here: ", self.news),
        )
        return [heading + ", ".join(texts) for heading, texts in kinds if texts]


def examine(log: Log) -> Verdict:
    """Judge a whole log, before any filter."""
    verdict = Verdict(losses(log), contradictions(log), new_words(log), False)
    is_whole = all(isinstance(log.summary.get(key), int) for key in COUNTS)
    says_complete = is_whole and not verdict.lines()
    return replace(verdict, says_complete=says_complete)


def losses(log: Log) -> list[str]:
    """What is missing in the log, in words; empty if all that happened is there."""
    odd = log.oddities
    told = [
        f"{log.count(key):,} {key}"
        for key in ("dropped", "overwritten", "missed")
        if log.count(key)
    ]
    if log.count("unseen"):
        told.append(
            f"{plural(log.count('unseen'), 'fault')} that the kernel counted neither "
            "recorded nor told as lost"
        )
    if log.summary.get("probe") == "disarmed":
        told.append("the probe was switched off (kprobes or ftrace are disabled)")
    if log.count("names_lost"):
        told.append(f"{plural(log.count('names_lost'), 'name')} of files lost")
    if log.count("untold"):
        told.append(f"{log.count('untold'):,} '# child' and '# exec' lines untold")
    kept = log.count("recorded") - log.count("overwritten")
    if len(log) < kept:
        told.append(f"{kept - len(log):,} recorded but not in this log")
    elif odd.nr_skipped and odd.nr_heads < 2:
        told.append(f"{plural(odd.nr_skipped, 'line')} missing by the counter in front")
    if odd.nr_bad:
        told.append(bad_lines_text(odd))
    if not log.summary and is_new(log):
        told.append("the log has no summary, a part may be missing")
    if not log.head and is_new(log):
        told.append("the log has no head, its beginning may be missing")
    if odd.source:
        told.append(odd.source)
    return told


def bad_lines_text(odd: Oddities) -> str:
    """How many lines were left out, and why as far as that can be seen."""
    reasons = (
        (odd.nr_cut, "cut short"),
        (odd.nr_nul, "with a NUL byte"),
        (odd.nr_early, "with a Time before the recording began"),
        (odd.nr_late, "with a Time more than a year after that"),
    )
    why = ", ".join(f"{n:,} {reason}" for n, reason in reasons if n)
    text = (
        f"{plural(odd.nr_bad, 'bad line')} left out, the first is line {odd.first_bad}"
    )
    return f"{text} ({why})" if why else text


def contradictions(log: Log) -> list[str]:
    """Where the log disagrees with its summary or with itself; empty if it agrees."""
    odd = log.oddities
    told = []
    if odd.nr_heads > 1:
        told.append(f"{odd.nr_heads:,} logs in one file")
    else:
        if odd.nr_repeated:
            told.append(f"{plural(odd.nr_repeated, 'line')} there twice")
        told += _wrong_order(log)
    if log.count("surplus"):
        told.append(
            f"{plural(log.count('surplus'), 'fault')} more than the kernel counted"
        )
    recorded = log.summary.get("recorded")
    if isinstance(recorded, int) and len(log) > recorded:
        told.append(f"{len(log) - recorded:,} more lines than were recorded")
    else:
        told += _wrong_sums(log)
    if len(log) and log.loaded_ns is not None:
        first_ns = int(log.time_ns.min())
        if first_ns < log.loaded_ns:
            told.append("faults before loaded=, when the recording began")
        elif first_ns > log.loaded_ns + LONGEST_NS:
            told.append("faults more than a year after loaded=")
    return told


def _wrong_order(log: Log) -> list[str]:
    """Whether lines are in another order than they were written in."""
    odd = log.oddities
    if odd.has_counters and not odd.nr_back:
        return []
    nr = nr_back_in_time(log, 0 if odd.nr_back else CLOCKS_APART_NS)
    if nr:
        return [f"{plural(nr, 'line')} not in order of time"]
    if odd.nr_back > odd.nr_repeated:
        return [f"{plural(odd.nr_back, 'line')} not in order by the counter in front"]
    return []


def nr_back_in_time(log: Log, apart_ns: int) -> int:
    """How many faults began and ended before that of the line before, by more than apart_ns.

    Either is an order: with outcomes a line is written at the end.
    """
    if log.latency_ns is None:
        return 0
    nr = 0
    for at in range(0, len(log), CHUNK):
        part = slice(at, at + CHUNK + 1)  # and the next one's first
        begin = log.time_ns[part]
        back = _is_before(begin, apart_ns)
        if back.any():
            end = begin + np.minimum(log.spent_ns(part), ~begin)
            nr += int(np.count_nonzero(back & _is_before(end, apart_ns)))
    return nr


def _is_before(times: np.ndarray, apart_ns: int) -> np.ndarray:
    """Which are less than the one before by more than that; uint64 (n,) to bool (n - 1,)."""
    earlier = times[1:] < times[:-1]
    return earlier & (times[:-1] - times[1:] > np.uint64(apart_ns))


def _wrong_sums(log: Log) -> list[str]:
    """Where minor, major and failed of the summary are not those of the lines."""
    if "minor" not in log.summary or log.result is None:
        return []
    results = np.bincount(log.result, minlength=len(RESULTS))
    found = {
        "minor": int(results[MINOR]),
        "major": int(results[MAJOR]),
        "failed": int(results[MAJOR + 1 : len(RESULTS)].sum()),
    }
    nr_told = sum(log.count(key) for key in found)
    # With lines missing, which is told, those that are there may be fewer.
    may_lack = len(log) < nr_told
    return [
        f"{key}={log.count(key):,} in the summary, {n:,} such lines"
        for key, n in found.items()
        if n > log.count(key) or (n < log.count(key) and not may_lack)
    ]


def new_words(log: Log) -> list[str]:
    """Words of results, regions, accesses ... that are new to us, and how often."""
    told = []
    for name in ("result", "region", "access", "mode", "kind"):
        codes, column = getattr(log, name), COLUMNS[name]
        if codes is None or len(log.names[name]) <= len(column.words):
            continue
        counts = np.bincount(codes, minlength=len(log.names[name]))
        words = [log.names[name][i] for i in np.flatnonzero(counts)]
        words = [word for word in words if word not in column.words]
        nr_faults = int(counts[len(column.words) :].sum())
        more = f" and {len(words) - MAX_WORDS:,} more" if len(words) > MAX_WORDS else ""
        listed = "|".join(shortened(word, 20) for word in words[:MAX_WORDS]) + more
        if nr_faults:
            told.append(f"{name}={listed} of {plural(nr_faults, 'fault')}")
    return told


def is_new(log: Log) -> bool:
    """Is it more than a log of 2020, which has nothing but the faults?"""
    return bool(log.head or (log.tid is not None and log.told("tid").any()))


def require_faults(log: Log, name: str) -> None:
    """Raise LogError, with the reason, if there is no fault in it."""
    if not len(log):
        raise LogError(why_no_fault(log, name))


def why_no_fault(log: Log, name: str) -> str:
    """Why there is no fault in a log."""
    lost = "".join(f", {text}" for text in losses(log))
    if log.summary.get("recorded") == 0:
        return f"{name}: nothing was recorded (recorded=0{lost})"
    if log.oddities.source:
        return f"{name}: no page fault can be read; {log.oddities.source}"
    if log.head:
        return f"{name}: no fault follows the head of the log"
    return f"{name}: no page fault in it; is it a log of pf_probe_X?"
