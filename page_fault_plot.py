#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Draw a log of page faults, or make other things of it: see faultlog/."""

import signal
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
INSTALLED = HERE.parent / "share/pf_probe"  # for HERE = PREFIX/bin
sys.path.insert(0, str(HERE if (HERE / "faultlog").is_dir() else INSTALLED))

try:
    from faultlog import memory
    from faultlog.cli import main
except ModuleNotFoundError as err:
    if err.name != "numpy":
        raise
    hint = f"; run it by /usr/bin/python3, not {sys.executable}"
    sys.exit(
        f"{Path(sys.argv[0]).name}: numpy is needed (Debian: apt install python3-numpy"
        f"{hint if sys.executable != '/usr/bin/python3' else ''})"
    )

if __name__ == "__main__":
    memory.keep()
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # as head and the like expect
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # not ignored: a helper's end is told
    sys.exit(main())
