# SPDX-License-Identifier: GPL-2.0-or-later
"""Which module writes what. The suffix of -o says which output, and its module does it.

An output is a module of this package with two functions:

    columns(options) -> names of the columns that it takes, of log.COLUMNS
    write(job)       -> None; raises LogError, OSError

and may have a third, prepare(), for what can be done while the log is read, as imports, and a
fourth, check(options), which raises LogError for options that it does not take. It is imported
when it's chosen, so what it imports costs the others nothing. A new one is a line
here, and its options in cli.py.
"""

from __future__ import annotations

import argparse
import errno
import importlib
import os
import stat
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import BinaryIO, Callable, Iterator

from .checks import Verdict
from .log import Log, LogError
from .select import Filters

# By the end of a file's name, in lower case. The longest that fits counts.
MODULE_OF_SUFFIX = {
    ".png": "picture",
    ".svg": "picture",
    ".pdf": "picture",
    ".html": "page",
    ".csv": "rows",
    ".jsonl": "rows",
    ".sqlite": "database",
    ".trace.json": "trace",
    ".sh": "warm",
}

# Where matplotlib keeps what it found; in the current folder if they are relative.
FOLDERS = ("MPLCONFIGDIR", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "HOME")

# Of a picture: what is on Y.
VIEWS = {
    "address": "touched areas of the address space",
    "mapping": "files by offset, other memory by touched pages",
    "threads": "a row a thread",
    "memory": "pages touched first and again, over time",
}


@dataclass(frozen=True)
class Job:
    """What an output has to do."""

    log: Log  # the faults that the filters leave; at least one
    verdict: Verdict  # on the whole log
    filters: Filters
    name: str  # of the log, as it was given
    output: Path | None  # None: standard output
    options: argparse.Namespace
    whole: Log  # the log before the filters

    @property
    def suffix(self) -> str:
        """That of the output, as in MODULE_OF_SUFFIX; "": standard output."""
        return suffix_of(self.output.name) if self.output else ""


def suffix_of(name: str) -> str:
    """The suffix that says which output it is; raises LogError if it is none."""
    such = [suffix for suffix in MODULE_OF_SUFFIX if name.lower().endswith(suffix)]
    if not such:
        *most, last = MODULE_OF_SUFFIX
        raise LogError(f"{name}: its name must end in {', '.join(most)} or {last}")
    return max(such, key=len)


@contextmanager
def libraries() -> Iterator[None]:
    """For imports: a library that isn't there is told as LogError.

    None finds anything in the current folder: matplotlib evaluates the file matplotlibrc of
    it before the user's own. Ours reads no such file at all, as figures come out the same
    whatever it says.
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
        if library == __package__:
            raise
        raise LogError(f"{library} is needed (Debian: apt install python3-{library})")


@contextmanager
def _elsewhere() -> Iterator[None]:
    """Be in / meanwhile; if one can't get back, nothing can be found here either."""
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


def module(name: str) -> ModuleType:
    """An output's module, by its name in this package; raises LogError if it can't be."""
    with libraries():
        return importlib.import_module(f".{name}", __package__)


def check(output: ModuleType, options: argparse.Namespace) -> None:
    """Raise LogError for options that an output does not take."""
    getattr(output, "check", lambda _options: None)(options)


def prepare(output: ModuleType) -> None:
    """Let an output do what it can before it has a log; raises LogError if it can't be."""
    with libraries():
        getattr(output, "prepare", lambda: None)()


def _has_acl(path: Path) -> bool:
    """Then the mode shows as the group's rights the most that any entry of the ACL allows."""
    try:
        os.getxattr(path, "system.posix_acl_access")
    except OSError as err:
        return err.errno not in (errno.ENODATA, errno.EOPNOTSUPP)
    return True


def _opener(output: Path, log: str) -> Callable[[str, int], int]:
    """What opens a file with the mode of output, or else of the log if that is a file.

    An output that somebody else put there says nothing of who may read what we write.
    """
    mode = 0o600
    sudo = os.environ.get("SUDO_UID", "") if not os.geteuid() else ""
    for path in (output, Path(log)):
        try:
            status = path.stat()
        except OSError:
            continue
        is_ours = status.st_uid == os.geteuid() or str(status.st_uid) == sudo
        if stat.S_ISREG(status.st_mode) and (is_ours or path != output):
            mode = status.st_mode & (0o606 if _has_acl(path) else 0o666) | 0o600
            break

    def opened(path: str, flags: int) -> int:
        file = os.open(path, flags, 0o600)
        os.fchmod(file, mode)
        return file

    return opened


def _part(output: Path) -> Path:
    """What is written, until it is whole."""
    return output.with_name(f".{output.name}.{os.getpid()}")


def require_writable(output: Path) -> None:
    """Raise OSError if a file can't be made in the output's folder, or take its place."""
    try:
        if output.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        part = _part(output)
        os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        part.unlink()
    except OSError as err:
        err.filename = str(output)
        raise


@contextmanager
def replacing(job: Job) -> Iterator[BinaryIO]:
    """A file to write, which takes the output's place at the end: it's whole, or as it was.

    Only those may read it who may read the log, which tells the same; one that is there
    already keeps its mode.
    """
    output = job.output
    part = _part(output)
    made = None
    try:
        with open(part, "xb", opener=_opener(output, job.name)) as file:
            made = os.fstat(file.fileno())
            yield file
        os.replace(part, output)
    except BaseException as err:
        if made and part.exists() and os.path.samestat(made, part.lstat()):
            part.unlink()
        if isinstance(err, OSError):
            err.filename = str(output)
        raise
