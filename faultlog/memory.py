# SPDX-License-Identifier: GPL-2.0-or-later
"""Memory for a process that does one thing and ends."""

from __future__ import annotations

import atexit
import ctypes
import gc

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of <malloc.h>
LARGE_BYTES = 8 << 20  # more than any array of a block of lines has


def keep() -> None:
    """Don't free what is soon needed again, nor look for what is small.

    Objects in cycles stay: they are some MB, but to look for them at each import and, even if
    that is disabled, at the end, unless they are frozen, was a tenth of the time that a
    picture of a million faults takes.
    """
    gc.disable()
    atexit.register(gc.freeze)
    _keep_arrays()


def _keep_arrays() -> None:
    """Let malloc() give no memory back to the kernel but that of the largest arrays.

    By default numpy's arrays of a block of lines, some hundred KiB each, are given back and
    taken again for each operation, and each of their pages faults again: that was a fifth
    of the time that reading a log takes. Elsewhere than with glibc nothing changes.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return
    mallopt(M_MMAP_THRESHOLD, LARGE_BYTES)
    mallopt(M_TRIM_THRESHOLD, 2 * LARGE_BYTES)
