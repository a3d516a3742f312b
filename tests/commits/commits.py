#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Check that subjects and bodies of commits follow the rules of HACKING.md.

    commits.py [BASE]       the commits after BASE

Exits with 0 if all do, 1 if one does not, 77 if there is no history to check, as in a
tarball or a shallow clone.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

# Earlier commits do not follow the rules.
BASE = "efea3a2a409e3c4f5b370a080ee47fb4e0aff441"
WIDTH, BODY_WIDTH = (
    72,
    75,
)  # of a subject; of a line below it, as the kernel's checkpatch
SKIPPED = 77
AREA = re.compile(r"[\w.,/ +-]+: ")
# First words that are not imperatives: "adds", "added", "adding"; "pass", "need", "bring" are.
NO_IMPERATIVE = re.compile(r"\w+(?<![sui])s|\w{2,}ed|\w{2,}ing")
IMPERATIVE = {"embed", "exceed", "feed", "need", "proceed", "seed", "shed", "speed"} | {
    *("bring", "cling", "ping", "ring", "sing", "spring", "string", "swing", "wring")
}


class NoHistory(Exception):
    """There is nothing to check; the text says why."""


def faults_of(message: str) -> list[str]:
    """The rules that a commit's message breaks, in words."""
    subject, _, body = message.partition("\n")
    if subject.startswith('Revert "'):
        return []
    found = []
    area = AREA.match(subject)
    rest = subject[area.end() :] if area else subject
    word = re.match(r"[\w-]*", rest)[0]  # type: ignore[index]
    if len(subject) > WIDTH:
        found.append(f"a subject of {len(subject)} characters, at most {WIDTH}")
    if not area:
        found.append("a subject without an area: `area: imperative`")
    elif not re.fullmatch(r"[a-z][a-z-]*", word) or (
        NO_IMPERATIVE.fullmatch(word) and word not in IMPERATIVE
    ):
        found.append(f"a subject that does not begin with an imperative: {rest}")
    if subject.endswith("."):
        found.append("a full stop at the end of the subject")
    if not body.strip():
        found.append("no body: why, and what was measured?")
    elif not body.startswith("\n"):
        found.append("no empty line after the subject")
    found += [
        f"a line of {len(line)} characters, at most {BODY_WIDTH}: {line[:40]}..."
        for line in body.splitlines()
        # Output is indented; a path or an address can't be broken.
        if len(line) > BODY_WIDTH and not line.startswith((" ", "\t")) and " " in line
    ]
    return found


def git(*arguments: str, tree: Path) -> str:
    done = subprocess.run(
        ["git", *arguments], cwd=tree, capture_output=True, text=True, check=True
    )
    return done.stdout


def commits_after(base: str, tree: Path) -> list[str]:
    """The commits after base, without merges; raises NoHistory."""
    try:
        top = git("rev-parse", "--show-toplevel", tree=tree).strip()
        if Path(top).resolve() != tree.resolve():
            raise NoHistory("no history: this tree is not a clone")
        if git("rev-parse", "--is-shallow-repository", tree=tree).strip() == "true":
            raise NoHistory("a shallow clone")
    except (OSError, subprocess.CalledProcessError):
        raise NoHistory("no history: this tree is not a clone") from None
    try:
        git("merge-base", "--is-ancestor", base, "HEAD", tree=tree)
    except subprocess.CalledProcessError:
        raise NoHistory(f"{base[:10]} is not in this history") from None
    return git("rev-list", "--no-merges", f"{base}..HEAD", tree=tree).split()


def main() -> int:
    tree = Path.cwd()
    try:
        commits = commits_after(sys.argv[1] if sys.argv[1:] else BASE, tree)
    except NoHistory as reason:
        print(reason)
        return SKIPPED
    status = 0
    for commit in commits:
        message = git("log", "-1", "--format=%B", commit, tree=tree).strip("\n")
        for fault in faults_of(message):
            subject = message.partition("\n")[0]
            print(f"{commit[:10]} {subject}\n    {fault}")
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
