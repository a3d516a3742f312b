# SPDX-License-Identifier: GPL-2.0-or-later
"""Judge a guest's output: its TAP lines and its console.  Pure functions."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

# Kernel messages that fail a run, whatever else happened.  ("Spectre V2 : WARNING:",
# which x86 prints about its boot options, is harmless.)
BAD_CONSOLE = re.compile(
    r"BUG:|BUG at |(?<!Spectre V2 : )WARNING:|\bOops\b|Call [Tt]race|Kernel panic"
    r"|general protection|[Uu]nable to handle|RCU.*stall|rcu.*stall|soft lockup"
    r"|hard LOCKUP|INFO: task|blocked for more than|scheduling while atomic"
    r"|\bUBSAN\b|\bKASAN\b|\bKFENCE\b|new suspected memory leaks|refcount_t:"
    r"|(list|slab|page table) corruption|Bad page (state|map)|Out of memory"
)
PLAN = re.compile(r"1\.\.(\d+)(?:\s*#\s*skip\S*\s*(.*))?$", re.IGNORECASE)
CHECK = re.compile(r"(not )?ok\b(?:\s+(\d+))?(?:\s+-)?\s*(.*)$")
SKIP = re.compile(r"(?:^|\s)#\s*skip\S*\s*(.*)$", re.IGNORECASE)


def scan_console(text: str) -> list[str]:
    """The lines of a kernel log that no healthy kernel prints."""
    return [line.strip() for line in text.splitlines() if BAD_CONSOLE.search(line)]


# An oops of an unknown breakpoint, with the byte before the faulting instruction.
STRAY_INT3 = re.compile(r"Oops: int3.*?Code: .*? ([0-9a-f]{2}) <", re.DOTALL)


def ran_stale_code(text: str) -> bool:
    """Whether a kernel died of a breakpoint that was no longer in its code.

    That happens in QEMU when each virtual CPU has a thread, see HACKING.md.
    """
    found = STRAY_INT3.search(text)
    return found is not None and found[1] != "cc"


@dataclass
class Totals:
    """The number of passed checks, and "case: reason" for each failure and skip."""

    passed: int = 0
    failures: list[str] = field(default_factory=list)
    skips: list[str] = field(default_factory=list)

    @property
    def closing(self) -> str:
        text = f"{self.passed} passed, {len(self.failures)} failed"
        return text + (f", {len(self.skips)} skipped" if self.skips else "")

    def add(self, other: Totals) -> None:
        self.passed += other.passed
        self.failures += other.failures
        self.skips += other.skips


def judge_case(name: str, lines: Iterable[str], status: str | None) -> Totals:
    """Totals of one case.

    `status` is the case's exit status, or None if it did not end.  Failures are also:
    planned checks that are missing, no plan, no checks, checks out of order, and a bad
    exit status without a failed check.
    """
    totals = Totals()
    planned = None
    seen = 0

    def fail(what: str) -> None:
        totals.failures.append(f"{name}: {what}")

    for line in lines:
        plan, check = PLAN.match(line), CHECK.match(line)
        if plan:
            if planned is not None:
                fail("two plans")
            planned = int(plan[1])
            if planned == 0 and plan[2]:
                totals.skips.append(f"{name}: {plan[2]}")
        elif check:
            seen += 1
            skip = SKIP.search(check[3])
            if check[1]:
                fail(check[3] or f"check {seen}")
            elif check[2] and int(check[2]) != seen:
                fail(f"check {check[2]} instead of {seen}")
            elif skip:
                totals.skips.append(f"{name}: {skip[1] or 'no reason given'}")
            else:
                totals.passed += 1
    if planned is None and status is not None:
        fail("no plan")
    for number in range(seen, planned or 0):
        fail(f"check {number + 1} of {planned} is missing")
    if planned is not None and seen > planned:
        fail(f"{seen} checks, but {planned} were planned")
    if planned == 0 and not totals.skips:
        fail("no checks")
    if status is None and not totals.failures:
        fail("did not end")
    if status not in (None, "0") and not totals.failures:
        fail(f"exit status {status}")
    return totals


def judge(lines: Iterable[str], cases: Iterable[str], as_tap: bool = True) -> Totals:
    """Totals of a guest's output; a case that never began is one failure.

    If not `as_tap`, only the exit status of a case counts.
    """
    outputs: dict[str, list[str]] = {}
    ends: dict[str, str] = {}
    now: list[str] = []
    for line in lines:
        word = line.split()
        if word[:2] == ["VM:", "begin"]:
            now = outputs.setdefault(word[2], [])
        elif word[:2] == ["VM:", "end"]:
            ends[word[2]] = word[3]
            now = []
        else:
            now.append(line)
    totals = Totals()
    for case in cases:
        status = ends.get(case)
        if case not in outputs:
            totals.failures.append(f"{case}: did not run")
        elif as_tap:
            totals.add(judge_case(case, outputs[case], status))
        elif status == "0":
            totals.passed += 1
        else:
            end = f"exit status {status}" if status else "did not end"
            totals.failures.append(f"{case}: {end}")
    if not totals.passed and not totals.failures and not totals.skips:
        totals.failures.append("no tests")
    return totals
