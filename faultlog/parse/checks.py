# SPDX-License-Identifier: GPL-2.0-or-later
"""Checks that a log is complete and consistent."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..base.arrays import NDArray
from ..base.error import LogError
from ..base.fit import shortened
from ..base.words import plural
from .lines import LONGEST_NS
from .log import COLUMNS, MAJOR, MINOR, NO_PAGE, RESULTS, Log, Oddities


COUNTS = ("recorded", "dropped", "overwritten", "missed")  # keys of every summary
CHUNK = 1 << 18  # faults at a time
CLOCKS_APART_NS = 100  # while the clock is adjusted, CPUs may differ by some ns
MAX_WORDS = 3  # unknown words of a column that are listed; others are counted


@dataclass(frozen=True)
class Verdict:
    """What to report about a log; each item is a phrase for the user."""

    losses: list[str]  # what is missing
    contradictions: list[str]  # where it disagrees with its summary or itself
    news: list[str]  # words that the plotter does not know
    says_complete: bool  # it has a summary, nothing is missing or contradictory

    def lines(self) -> list[str]:
        """The phrases as lines, one for each kind that has any."""
        kinds = (
            ("Not complete: ", self.losses),
            ("Contradicts itself: ", self.contradictions),
            ("Unknown words: ", self.news),
        )
        return [heading + ", ".join(texts) for heading, texts in kinds if texts]


def examine(log: Log) -> Verdict:
    """Check a whole log, before any filter."""
    verdict = Verdict(losses(log), contradictions(log), new_words(log), False)
    is_whole = all(isinstance(log.summary.get(key), int) for key in COUNTS)
    says_complete = is_whole and not verdict.lines()
    return replace(verdict, says_complete=says_complete)


def losses(log: Log) -> list[str]:
    """What is missing in the log; empty if it is complete."""
    odd = log.oddities
    found = [
        f"{log.count(key):,} {key}"
        for key in ("dropped", "overwritten", "missed")
        if log.count(key)
    ]
    if log.count("unseen"):
        found.append(
            f"{plural(log.count('unseen'), 'fault')} that the kernel counted neither "
            "recorded nor reported as lost"
        )
    found += _lost_by_others(log)
    if log.summary.get("probe") == "disarmed":
        found.append("the probe was switched off (kprobes or ftrace are disabled)")
    found += _lost_places(log)
    found += _lost_lines(log)
    if log.count("untold"):
        found.append(f"{log.count('untold'):,} '# child' and '# exec' lines lost")
    kept = log.count("recorded") - log.count("overwritten")
    if len(log) < kept:
        found.append(f"{kept - len(log):,} recorded but not in this log")
    elif odd.nr_skipped and odd.nr_heads < 2:
        found.append(
            f"{plural(odd.nr_skipped, 'line')} missing between the line counters"
        )
    if odd.nr_bad:
        found.append(bad_lines_text(odd))
    if not log.summary and is_new(log) and not log.recorder:
        found.append("the log has no summary, a part may be missing")
    if not log.head and is_new(log) and not log.recorder:
        found.append("the log has no head, its beginning may be missing")
    if odd.source:
        found.append(odd.source)
    return found


def _lost_places(log: Log) -> list[str]:
    """How many faults have no file name, or no place in their file.

    Also of a log whose summary does not count them, if those columns were read, and if the log has
    offsets at all.
    """
    nr_names, nr_offsets = log.count("names_lost"), log.count("offsets_lost")
    if log.map is not None and log.offset is not None and not log.recorder:
        has_offset = log.known("offset")
        names = log.names["map"] if has_offset.any() else []
        is_lost = np.array([name == "?" for name in names] or [False])
        is_file = np.array([name.startswith("/") for name in names] or [False])
        of_fault = log.map if len(names) else np.zeros_like(log.map)
        nr_names = max(nr_names, int(np.count_nonzero(is_lost[of_fault])))
        without = is_file[of_fault] & ~has_offset
        nr_offsets = max(nr_offsets, int(np.count_nonzero(without)))
    found = []
    if nr_names:
        found.append(f"{plural(nr_names, 'name')} of files lost")
    if nr_offsets:
        found.append(f"{plural(nr_offsets, 'fault')} in files without an offset")
    return found


def _lost_lines(log: Log) -> list[str]:
    """Which lines about mappings, files and names of threads are missing."""
    found = []
    nr_lost, lost_ns = log.count("maps_lost"), log.areas.lost_ns()
    if nr_lost or lost_ns is not None:
        lines = plural(nr_lost, "line") if nr_lost else "lines"
        since = f" from Time {lost_ns} on" if lost_ns is not None else ""
        found.append(f"{lines} about mappings, files or names of threads lost{since}")
    if log.count("files_lost"):
        found.append(
            f"{plural(log.count('files_lost'), 'mapping')} without a file name"
        )
    return found


def _lost_by_others(log: Log) -> list[str]:
    """What another recorder reports as lost, or did not record."""
    if not log.recorder:
        return []
    found = []
    if log.count("lost"):
        found.append(f"{plural(log.count('lost'), 'event')} lost by {log.recorder}")
    if log.count("lost_uncounted"):
        found.append(f"{log.recorder} lost events, and not how many")
    if log.count("unsampled"):
        found.append(
            f"{plural(log.count('unsampled'), 'fault')} not sampled (perf record -c 1 "
            "records every fault)"
        )
    if len(log) and not (log.page != NO_PAGE).any():
        found.append(
            "it has no addresses (perf record -d records them, perf script -F +addr "
            "prints them)"
        )
    return found


def bad_lines_text(odd: Oddities) -> str:
    """How many lines were left out, and why if that is known."""
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
    found = []
    if log.recorder and log.count("repeated_kinds"):
        found.append("events of several kinds: faults may be recorded more than once")
    if odd.nr_heads > 1:
        found.append(f"{odd.nr_heads:,} logs in one file")
    else:
        if odd.nr_repeated:
            found.append(f"{plural(odd.nr_repeated, 'line')} repeated")
        found += _wrong_order(log)
    if log.count("surplus"):
        found.append(
            f"{plural(log.count('surplus'), 'fault')} more than the kernel counted"
        )
    recorded = log.summary.get("recorded")
    if isinstance(recorded, int) and len(log) > recorded:
        found.append(f"{len(log) - recorded:,} more lines than were recorded")
    else:
        found += _wrong_sums(log)
    if len(log) and log.loaded_ns is not None:
        first_ns = int(log.time_ns.min())
        if first_ns < log.loaded_ns:
            found.append("faults before loaded=, when the recording began")
        elif first_ns > log.loaded_ns + LONGEST_NS:
            found.append("faults more than a year after loaded=")
    return found


def _wrong_order(log: Log) -> list[str]:
    """A phrase if the lines are not in the order in which they were written."""
    odd = log.oddities
    if odd.has_counters and not odd.nr_back:
        return []
    nr = nr_back_in_time(log, 0 if odd.nr_back else CLOCKS_APART_NS)
    if nr:
        return [f"{plural(nr, 'line')} not in order of time"]
    if odd.nr_back > odd.nr_repeated:
        return [f"{plural(odd.nr_back, 'line')} not in the order of their counters"]
    return []


def nr_back_in_time(log: Log, apart_ns: int) -> int:
    """How many faults both began and ended earlier than the previous line's, by more than apart_ns.

    Lines are ordered by either time: with outcomes, a line is written when the fault ends.
    """
    if log.latency_ns is None:
        return 0
    nr = 0
    for at in range(0, len(log), CHUNK):
        part = slice(at, at + CHUNK + 1)  # and the first of the next chunk
        begin = log.time_ns[part]
        back = _is_before(begin, apart_ns)
        if back.any():
            end = begin + np.minimum(log.spent_ns(part), ~begin)
            nr += int(np.count_nonzero(back & _is_before(end, apart_ns)))
    return nr


def _is_before(times: NDArray[np.uint64], apart_ns: int) -> NDArray[np.bool_]:
    """Which times are more than apart_ns below the previous; uint64 (n,) to bool (n - 1,)."""
    earlier = times[1:] < times[:-1]
    return earlier & (times[:-1] - times[1:] > np.uint64(apart_ns))


def _wrong_sums(log: Log) -> list[str]:
    """Where minor, major and failed of the summary differ from the lines."""
    if "minor" not in log.summary or log.result is None:
        return []
    results = np.bincount(log.result, minlength=len(RESULTS))
    counts = {
        "minor": int(results[MINOR]),
        "major": int(results[MAJOR]),
        "failed": int(results[MAJOR + 1 : len(RESULTS)].sum()),
    }
    nr_summed = sum(log.count(key) for key in counts)
    # If lines are missing, which is reported, their counts may be lower.
    may_lack = len(log) < nr_summed
    return [
        f"{key}={log.count(key):,} in the summary, {n:,} in the lines"
        for key, n in counts.items()
        if n > log.count(key) or (n < log.count(key) and not may_lack)
    ]


def new_words(log: Log) -> list[str]:
    """Unknown results, regions, accesses ..., and how many faults have them."""
    found = []
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
            found.append(f"{name}={listed} of {plural(nr_faults, 'fault')}")
    return found


def is_new(log: Log) -> bool:
    """Is it newer than a log of 2020, which has only times and addresses?"""
    return bool(log.head or (log.tid is not None and log.known("tid").any()))


def require_faults(log: Log, name: str) -> None:
    """Raise LogError, with the reason, if the log has no fault."""
    if not len(log):
        raise LogError(why_no_fault(log, name))


def why_no_fault(log: Log, name: str) -> str:
    """Why a log has no fault."""
    lost = "".join(f", {text}" for text in losses(log))
    if log.summary.get("recorded") == 0:
        return f"{name}: nothing was recorded (recorded=0{lost})"
    if log.oddities.source:
        return f"{name}: no page fault can be read; {log.oddities.source}"
    if log.head:
        return f"{name}: no fault follows the head of the log"
    if log.recorder:
        return f"{name}: no page fault in this text of {log.recorder}{lost}"
    return f"{name}: no page fault in it; is it a log of pf_probe_X?"
