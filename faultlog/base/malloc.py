# SPDX-License-Identifier: GPL-2.0-or-later
"""Memory settings for a process that does one thing and exits."""

from __future__ import annotations

import atexit
import ctypes
import gc

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of <malloc.h>
LARGE_BYTES = 8 << 20  # larger than any array for a block of lines


def keep() -> None:
    """Disable garbage collection, and keep freed arrays for reuse.

    Objects in cycles are never freed: they are a few MB. To search for them took a tenth of the
    time for a picture of a million faults. Python also searches at exit, even if collection is
    disabled, unless the objects are frozen.
    """
    gc.disable()
    atexit.register(gc.freeze)
    _keep_arrays()


def _keep_arrays() -> None:
    """Make malloc() return only the largest arrays to the kernel.

    By default numpy's arrays for a block of lines, some hundred KiB each, are unmapped and
    mapped again for each operation, so each of their pages faults again: that was a fifth of the
    time to read a log. Does nothing with C libraries other than glibc.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return
    mallopt(M_MMAP_THRESHOLD, LARGE_BYTES)
    mallopt(M_TRIM_THRESHOLD, 2 * LARGE_BYTES)
