# SPDX-License-Identifier: GPL-2.0-or-later
"""Where the files of a log's paths are on this machine, if the log is of another."""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass

DEBUG = b"usr/lib/debug"  # below a root: debug information, by build-id


def root(text: str) -> tuple[bytes, bytes]:
    """What --root takes: DIR for all paths, or FROM=TO for those that are in FROM."""
    before, equals, after = text.partition("=")
    is_pair = bool(equals) and text.startswith("/")
    where = os.fsencode(after if is_pair else text)
    if not os.path.isdir(where):
        raise argparse.ArgumentTypeError(f"{os.fsdecode(where)}: not a directory")
    return os.path.normpath(os.fsencode(before if is_pair else "/")), _absolute(where)


def _absolute(path: bytes) -> bytes:
    """From / on, without . and .. in it; normpath() would leave a // in front."""
    return b"/" + os.path.abspath(path).lstrip(b"/")


@dataclass(frozen=True)
class Roots:
    """What --root said: pairs of a folder in the log's paths and the folder here."""

    pairs: tuple[tuple[bytes, bytes], ...] = ()

    def find(self, path: bytes) -> tuple[bytes, bytes]:
        """Where the file of this path is, and the folder here that took it there; b"": none.

        The longest FROM that fits counts; of equal ones the first below which the file is.
        A path that leaves its root by .. does not: no kernel makes one, but a log may.
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
        """Where debug information may be, apart from this machine's own place for it."""
        folders = [os.path.join(here, DEBUG) for _, here in self.pairs]
        return [folder for folder in folders if os.path.isdir(folder)]


def add_options(parser: argparse.ArgumentParser) -> None:
    """The option."""
    parser.add_argument(
        "--root",
        metavar="DIR",
        type=root,
        action="append",
        default=[],
        help="for --by function or line, -o FILE.html and FILE.sh: the files of the "
        "log's paths are below DIR, as in a copy of another machine's; or FROM=TO, as /host=/: "
        "those whose paths begin with FROM are in TO; may be given several times",
    )


def roots(args: argparse.Namespace) -> Roots:
    """What the option says."""
    return Roots(tuple(args.root))
