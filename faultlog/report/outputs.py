# SPDX-License-Identifier: GPL-2.0-or-later
"""The outputs: the suffix of -o chooses the module that writes it.

An output is a module of this package with two functions:

    columns(options) -> names of the columns that it needs, of log.COLUMNS
    write(job)       -> None; raises LogError, OSError

It may also have prepare(), for work that can be done while the log is read, as imports, and
check(options), which raises LogError for wrong options. Only the chosen module is imported, so
its imports cost the others nothing. A new output needs a line here, and its options in cli.py.
"""

from __future__ import annotations

import argparse
import errno
import gzip
import importlib
import os
import stat
import sys
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import BinaryIO, Callable, ContextManager, Iterator, cast

from ..analyse.select import Filters
from ..base import progress
from ..base.error import LogError
from ..base.libraries import libraries
from ..parse.checks import Verdict
from ..parse.log import Log

# By the end of a file's name, in lower case. The longest that matches is used.
MODULE_OF_SUFFIX = {
    ".png": "picture",
    ".svg": "picture",
    ".pdf": "picture",
    ".html": "page",
    ".csv": "rows",
    ".jsonl": "rows",
    ".sqlite": "database",
    ".trace.json": "perfetto",
    ".sh": "warm",
    ".csv.gz": "rows",
    ".jsonl.gz": "rows",
    ".trace.json.gz": "perfetto",
}
PACKED, LEVEL = ".gz", 3  # compressed by gzip, with this level
NO_TEXT = (PACKED, ".png", ".pdf")  # what a terminal cannot show
STDOUT, ON_STDOUT = "-", ".csv"  # the name of standard output, and its default suffix

# The vertical axis of a picture.
VIEWS = {
    "address": "touched areas of the address space",
    "mapping": "each file by offset, other memory by its touched pages (gaps left out)",
    "threads": "a row for each thread",
    "memory": "pages touched for the first time and again, over time",
}


@dataclass(frozen=True)
class Job:
    """The task of an output."""

    log: Log  # the faults that match the filters; at least one
    verdict: Verdict  # of the whole log
    filters: Filters
    name: str  # of the log, as in the command line
    output: Path | None  # None: standard output
    options: argparse.Namespace
    whole: Log  # the log before the filters
    notes: list[str] = field(default_factory=list)  # about names that the filters used
    on_stdout: bool = False  # the output has a suffix, but goes to standard output

    @property
    def suffix(self) -> str:
        """The suffix of the output, as in MODULE_OF_SUFFIX, without PACKED; "": a table."""
        found = suffix_of(self.output.name) if self.output else ""
        return found.removesuffix(PACKED)


def suffix_of(name: str) -> str:
    """The suffix in MODULE_OF_SUFFIX that matches; raises LogError if none does."""
    found = [suffix for suffix in MODULE_OF_SUFFIX if name.lower().endswith(suffix)]
    if not found:
        *most, last = MODULE_OF_SUFFIX
        raise LogError(
            f"{name}: the name of the output must end in {', '.join(most)} or {last}"
        )
    return max(found, key=len)


def stdout_name(output: str) -> str:
    """If -o asks for standard output, "-" and a suffix; else "". The name "-" alone is -.csv."""
    if output == STDOUT:
        return STDOUT + ON_STDOUT
    has_suffix = output.lower().removeprefix(STDOUT) in MODULE_OF_SUFFIX
    return output if output.startswith(STDOUT) and has_suffix else ""


def require_stdout(output: str) -> None:
    """Raise LogError if standard output cannot take this output, a name of stdout_name()."""
    suffix = suffix_of(output)
    if MODULE_OF_SUFFIX[suffix] == "database":
        raise LogError(f"{output}: a database cannot be written to a pipe; name a file")
    if suffix.endswith(NO_TEXT) and sys.stdout.isatty():
        raise LogError(f"{output}: this is no text for a terminal; redirect it")


def module(name: str) -> ModuleType:
    """An output's module, by its name in this package; raises LogError if a library is missing."""
    with libraries():
        return importlib.import_module(f".{name}", __package__)


def check(output: ModuleType, options: argparse.Namespace) -> None:
    """Raise LogError for options that are wrong for an output."""
    getattr(output, "check", lambda _options: None)(options)


def prepare(output: ModuleType) -> None:
    """Let an output prepare before it has a log; raises LogError if a library is missing."""
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
    """An opener that gives a file the mode of the output, or else of the log, if it is a file.

    The mode of an output that another user has put there does not count.
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
    """The name of the output until it is complete."""
    return output.with_name(f".{output.name}.{os.getpid()}")


def require_writable(output: Path) -> None:
    """Raise OSError if the output can't be created or replaced."""
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
    """A file to write, which replaces the output at the end: it is complete, or unchanged.

    It has the log's mode, as it has the log's contents; an existing output keeps its own. The
    file may be standard output instead, and what is written may be compressed on the way.
    Progress is counted in faults.
    """
    assert job.output  # it is no table
    shown: ContextManager[None] = nullcontext()
    if not job.on_stdout:  # a bar would be amid the output on a terminal
        shown = progress.stage("writing", len(job.log), " faults")
    with shown, _on_stdout() if job.on_stdout else _replacing(job) as file:
        if not job.output.name.lower().endswith(PACKED):
            yield file
            return
        # Without a name and a time: the same log makes the same file.
        with gzip.GzipFile("", "wb", LEVEL, file, mtime=0) as packed:
            yield cast(BinaryIO, packed)


@contextmanager
def _on_stdout() -> Iterator[BinaryIO]:
    """Standard output, for bytes."""
    sys.stdout.flush()
    yield sys.stdout.buffer
    sys.stdout.flush()


@contextmanager
def _replacing(job: Job) -> Iterator[BinaryIO]:
    """A file beside the output, which replaces it at the end."""
    output = job.output
    assert output
    part = _part(output)
    made = None
    try:
        with open(part, "xb", opener=_opener(output, job.name)) as file:
            made = os.fstat(file.fileno())
            yield cast(BinaryIO, file)
        os.replace(part, output)
    except BaseException as err:
        if made and part.exists() and os.path.samestat(made, part.lstat()):
            part.unlink()
        if isinstance(err, OSError):
            err.filename = str(output)
        raise
