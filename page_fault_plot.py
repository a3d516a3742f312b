#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Draws a log of page faults, or converts it to tables and other formats: see faultlog/."""

import os
import sys

# Reserve descriptors 0 to 2: where a standard stream is closed, no file that is opened later may
# take its number.
while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
    pass
os.close(number)

# Do not search for modules in the current folder, which an empty word of PYTHONPATH stands for,
# or beside this file, where other programs are once it is installed.
HERE = os.path.dirname(os.path.realpath(__file__))
ENTRIES = os.environ.get("PYTHONPATH", "/").split(os.pathsep)
RELATIVE = [os.path.abspath(entry) for entry in ENTRIES if not os.path.isabs(entry)]
sys.path[:] = [p for p in sys.path if os.path.isabs(p) and p not in (HERE, *RELATIVE)]
INSTALLED = os.path.join(os.path.dirname(HERE), "share/pf_probe")  # for PREFIX/bin
OWN = HERE if os.path.isdir(os.path.join(HERE, "faultlog")) else INSTALLED
sys.path.insert(0, OWN)
# pylint: disable=wrong-import-position

import signal
from pathlib import Path

try:
    from faultlog.base import malloc
    from faultlog.cli import main
except ModuleNotFoundError as err:
    if err.name != "numpy":
        raise
    hint = f", and run this program with /usr/bin/python3, not {sys.executable}"
    sys.exit(
        f"{Path(sys.argv[0]).name}: numpy is needed (Debian: apt install python3-numpy"
        f"{hint if sys.executable != '/usr/bin/python3' else ''})"
    )

if __name__ == "__main__":
    malloc.keep()
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # exit quietly in "... | head"
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # if ignored, wait() would fail
    sys.exit(main())
