# SPDX-License-Identifier: GPL-2.0-or-later
"""Where the files of a log from another machine are on this one."""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass

DEBUG = b"usr/lib/debug"  # below a root: debug information, by build-id


def root(text: str) -> tuple[bytes, bytes]:
    """Parse the value of --root: DIR for all paths, or FROM=TO for those below FROM."""
    before, equals, after = text.partition("=")
    is_pair = bool(equals) and text.startswith("/")
    where = os.fsencode(after if is_pair else text)
    if not os.path.isdir(where):
        raise argparse.ArgumentTypeError(f"{os.fsdecode(where)}: not a directory")
    return os.path.normpath(os.fsencode(before if is_pair else "/")), _absolute(where)


def _absolute(path: bytes) -> bytes:
    """The absolute path without . and ..; normpath() would keep a leading //."""
    return b"/" + os.path.abspath(path).lstrip(b"/")


@dataclass(frozen=True)
class Roots:
    """The values of --root: pairs of a folder in the log's paths and the folder here."""

    pairs: tuple[tuple[bytes, bytes], ...] = ()

    def find(self, path: bytes) -> tuple[bytes, bytes]:
        """Where the file of this path is, and the folder of --root that was used; b"": none.

        The longest FROM that matches is used; of equal ones the first below which the file
        exists. A path cannot leave its root by ..: no kernel writes one, but a log may.
        """
        if not self.pairs or not path.startswith(b"/"):
            return path, b""
        clean = _absolute(path)
        found = []
        for before, here in self.pairs:
            inside = before.rstrip(b"/") + b"/"
            if clean.startswith(inside):
                there = os.path.join(here, clean[len(inside) :])
                found.append((-len(inside), not os.path.exists(there), there, here))
        if not found:
            return path, b""
        _, _, there, here = min(found, key=lambda candidate: candidate[:2])
        return there, here

    def debug_folders(self) -> list[bytes]:
        """More folders for debug information, beside this machine's own."""
        folders = [os.path.join(here, DEBUG) for _, here in self.pairs]
        return [folder for folder in folders if os.path.isdir(folder)]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the option."""
    parser.add_argument(
        "--root",
        metavar="DIR",
        type=root,
        action="append",
        default=[],
        help="look for the log's files below DIR, such as a copy of another machine's files; "
        "FROM=TO, for example /host=/, replaces only the prefix FROM with TO; may be repeated; "
        "for --by function or line, and for all outputs but pictures",
    )


def roots(args: argparse.Namespace) -> Roots:
    """The roots that the option gives."""
    return Roots(tuple(args.root))
