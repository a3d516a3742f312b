# SPDX-License-Identifier: GPL-2.0-or-later
"""Imports other libraries, none of which may find files in the current folder."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import Iterator

from .error import LogError

# Folders in which matplotlib keeps its cache; a relative one would be in the current folder.
FOLDERS = ("MPLCONFIGDIR", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "HOME")


@contextmanager
def libraries() -> Iterator[None]:
    """For imports: a missing library is a LogError.

    No library may find files in the current folder: matplotlib would evaluate a matplotlibrc
    there. It reads no matplotlibrc at all, as no figure here depends on one.
    """
    os.environ["MATPLOTLIBRC"] = os.devnull
    for name in FOLDERS:
        if not os.path.isabs(os.environ.get(name, "/")):
            del os.environ[name]
    try:
        with _elsewhere():
            yield
    except ModuleNotFoundError as err:
        library = (err.name or "").partition(".")[0]
        if library == __name__.partition(".")[0]:
            raise
        text = f"{library} is needed (Debian: apt install python3-{library})"
        raise LogError(text) from err


@contextmanager
def _elsewhere() -> Iterator[None]:
    """Change to / meanwhile, unless the way back is closed: then no file is found here either."""
    here = os.open(".", os.O_PATH | os.O_CLOEXEC)
    try:
        os.fchdir(here)
    except PermissionError:
        yield
    else:
        os.chdir("/")
        try:
            yield
        finally:
            os.fchdir(here)
    finally:
        os.close(here)
