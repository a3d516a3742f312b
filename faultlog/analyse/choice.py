# SPDX-License-Identifier: GPL-2.0-or-later
"""The values of filters: lists of names or patterns, and exclusions."""

from __future__ import annotations

import argparse
import re
from dataclasses import dataclass
from difflib import SequenceMatcher
from fnmatch import fnmatchcase
from typing import Callable, Iterable, Protocol, Sequence, TypeVar

import numpy as np

from ..base.arrays import NDArray
from ..base.fit import shortened
from ..base.words import printable

MISSING = ("-", "")  # values that stand for "not recorded", as tables show it
# Bounds of a message: values and characters of each; and of the work to find similar ones.
MAX_LISTED, MAX_CHARS = 6, 40
MAX_WANTED, MAX_COMPARED, COMPARED_CHARS = 3, 1000, 64


@dataclass(frozen=True)
class Value:
    """One value of a list."""

    text: str
    is_excluded: bool = False

    def __str__(self) -> str:
        return f"!{self.text}" if self.is_excluded else self.text


def split(text: str) -> list[Value]:
    r"""The values of a list: a,b or !a,b, which excludes both. \, is a comma, \! a !."""
    excludes_all = text.startswith("!")
    found = []
    for part in re.split(r"(?<!\\),", text.removeprefix("!")):
        is_excluded = excludes_all or part.startswith("!")
        name = part.removeprefix("!").replace(r"\,", ",")
        found.append(Value(re.sub(r"^\\!", "!", name), is_excluded))
    return found


def listed(text: str) -> str:
    """Check a list of names; the text stays as it is, because a name may contain commas."""
    if text and not all(value.text for value in split(text)):
        raise argparse.ArgumentTypeError(
            f"{text}: an empty value in the list (- is a value that was not recorded)"
        )
    return text


def numbers(text: str, form: str = r"\d{1,10}") -> tuple[Value, ...]:
    """Parse a list of numbers of this form, a regular expression; - is one not recorded."""
    values = tuple(split(text))
    for value in values:
        if not re.fullmatch(f"{form}|-", value.text):
            raise argparse.ArgumentTypeError(f"{text}: not a number")
    return values


def _values(texts: Iterable[str], known: set[str]) -> list[Value]:
    """The values of several lists. A text that is a known name is not split at its commas."""
    found: list[Value] = []
    for text in texts:
        bare = text.removeprefix("!")
        if bare in known:
            found.append(Value(bare, bare != text))
        else:
            found += split(text)
    return found


def wanted_only(values: Iterable[Value]) -> list[str]:
    """The texts of the values that are not excluded."""
    return [value.text for value in values if not value.is_excluded]


def chosen(
    texts: Iterable[str], names: Sequence[tuple[str, ...]], has_commas: bool
) -> NDArray[np.bool_]:
    """Which of the names these lists choose: any of the values, and none of the excluded.

    names: for each, all texts that stand for it, (k,). Returns bool (k,). A value that is one
    of these texts, as [heap], is no pattern unless it has * or ?. has_commas: names may contain
    commas, so a whole list may be one of them.
    """
    known = {text for same in names for text in same}
    values = _values(texts, known if has_commas else set())

    def match(value: Value) -> NDArray[np.bool_]:
        if value.text in known and not set("*?") & set(value.text):
            return np.array([value.text in same for same in names], dtype=bool)
        return np.array(
            [
                value.text in same
                or any(fnmatchcase(text, value.text) for text in same)
                for same in names
            ],
            dtype=bool,
        )

    return combined(values, match, len(names))


class Excludable(Protocol):
    """A value of any kind."""

    @property
    def is_excluded(self) -> bool:
        """Must no fault match it?"""


Kind = TypeVar("Kind", bound=Excludable)


def combined(
    values: Sequence[Kind], match: Callable[[Kind], NDArray[np.bool_]], count: int
) -> NDArray[np.bool_]:
    """Which of count items match any of the values, and none of those excluded; bool (count,).

    match: the items that a value stands for, bool (count,).
    """
    keep = np.full(count, all(value.is_excluded for value in values))
    for value in values:
        if not value.is_excluded:
            keep |= match(value)
    for value in values:
        if value.is_excluded:
            keep &= ~match(value)
    return keep


def _likeness(wanted: str, name: str) -> float:
    """From 0 to 1: 1 if one contains the other."""
    a, b = wanted.lower(), name.lower()
    if a and b and (a in b or b in a):
        return 1.0
    return SequenceMatcher(None, a[-COMPARED_CHARS:], b[-COMPARED_CHARS:]).ratio()


def nearest(wanted: Sequence[str], names: Sequence[str]) -> list[str]:
    """The names, those most like one of the wanted first; otherwise in their order.

    Only the first MAX_COMPARED of the names are compared.
    """
    bare = [re.sub(r"[*?\[\]]", "", text) for text in wanted[:MAX_WANTED]]
    likeness = [
        max((_likeness(text, name) for text in bare), default=0.0)
        for name in names[:MAX_COMPARED]
    ]
    order = sorted(range(len(likeness)), key=lambda i: -likeness[i])
    return [names[i] for i in order] + list(names[MAX_COMPARED:])


def some(names: Sequence[str]) -> str:
    """The first names, of bounded length and harmless, and how many more there are."""
    text = ", ".join(
        shortened(printable(name), MAX_CHARS) for name in names[:MAX_LISTED]
    )
    more = len(names) - MAX_LISTED
    return f"{text} and {more:,} more" if more > 0 else text
