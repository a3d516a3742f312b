#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Draw, list or convert a log of page faults: see faultlog/."""

import os
import sys

# Where a standard stream is closed, no file that is opened later may take its number.
while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
    pass
os.close(number)

# No module is imported from the current folder, which an empty entry of PYTHONPATH means, or from
# beside this file, where other programs are once it is installed.
HERE = os.path.dirname(os.path.realpath(__file__))
ENTRIES = os.environ.get("PYTHONPATH", "/").split(os.pathsep)
RELATIVE = [os.path.abspath(entry) for entry in ENTRIES if not os.path.isabs(entry)]
sys.path[:] = [p for p in sys.path if os.path.isabs(p) and p not in (HERE, *RELATIVE)]
INSTALLED = os.path.join(os.path.dirname(HERE), "share/pf_probe")  # for PREFIX/bin
OWN = HERE if os.path.isdir(os.path.join(HERE, "faultlog")) else INSTALLED
sys.path.insert(0, OWN)

import signal
from pathlib import Path

try:
    from faultlog import memory
    from faultlog.cli import main
except ModuleNotFoundError as err:
    if err.name != "numpy":
        raise
    hint = f"; run it with /usr/bin/python3, not {sys.executable}"
    sys.exit(
        f"{Path(sys.argv[0]).name}: numpy is needed (Debian: apt install python3-numpy"
        f"{hint if sys.executable != '/usr/bin/python3' else ''})"
    )

if __name__ == "__main__":
    memory.keep()
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # as head and others expect
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # not ignored: helpers are waited for
    sys.exit(main())
