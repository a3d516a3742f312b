# SPDX-License-Identifier: GPL-2.0-or-later
"""For tests: programs that run on a terminal, and what remains on its screen."""

from __future__ import annotations

import os
import pty
import subprocess
import termios
from pathlib import Path


def run_on_terminal(
    line: list[str], env: dict[str, str], cwd: Path, timeout_s: float = 60
) -> tuple[int, str]:
    """A program's status, and all that it writes on a terminal, both outputs together."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 100))
    with subprocess.Popen(
        line,
        cwd=cwd,
        env={**os.environ, "TERM": "xterm", **env},
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
    ) as process:
        os.close(theirs)
        written = b""
        try:
            while data := os.read(ours, 4096):
                written += data
        except OSError:  # the terminal has no other end any more
            pass
        finally:
            os.close(ours)
        status = process.wait(timeout_s)
    return status, written.decode().replace("\r\n", "\n")


def screen(written: str) -> list[str]:
    """The lines that remain on a terminal, after each \\r and each erasing."""
    lines = []
    for line in written.split("\n"):
        shown = ""
        for text in line.split("\r"):
            first, *others = text.split("\x1b[K")
            shown = first + shown[len(first) :]
            at = len(first)
            for part in others:
                shown = shown[:at] + part
                at = len(shown)
        lines.append(shown.rstrip())
    return lines
