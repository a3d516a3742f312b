# SPDX-License-Identifier: GPL-2.0-or-later
"""The command line: reads a log, writes one output, and reports an error in one line."""

from __future__ import annotations

import argparse
import errno
import io
import os
import re
import signal
import stat
import sys
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Callable, ContextManager, Iterable, NoReturn, TextIO, cast

from . import VERSION, LogError, read
from .analyse import select
from .analyse.groups import KEYS
from .base import progress
from .base.words import did_you_mean, printable
from .parse import checks, clock, roots, source
from .report import compare, outputs, table
from .report.terminal import PROG, warn

ROOT_USE = (
    "it is for names of files; add --by function, --by line, --slowest, --function NAME, or "
    "-o FILE, but no picture"
)


class _Parser(argparse.ArgumentParser):
    """Reports wrong usage in one line, like all other errors, with what was probably meant."""

    def options(self, words: list[str]) -> argparse.Namespace:
        """As parse_args()."""
        found, unknown = self.parse_known_args(words)
        if unknown:
            word = unknown[0].partition("=")[0]
            hint = did_you_mean(word, self._option_string_actions)
            self.error(
                f"unrecognized arguments: {' '.join(unknown)}{hint if word[:2] == '--' else ''}"
            )
        return found

    def _check_value(self, action: argparse.Action, value: object) -> None:
        try:
            super()._check_value(action, value)
        except argparse.ArgumentError as err:
            hint = did_you_mean(str(value), map(str, action.choices or ()))
            raise argparse.ArgumentError(action, f"{err.message}{hint}") from None

    def error(self, message: str) -> NoReturn:
        if "required: LOG" in message:
            message = "which LOG? It comes before --by and --compare"
        warn(f"{message} (see --help)")
        self.exit(2)


def _words(argv: Iterable[str] | None) -> list[str]:
    """The words of the command line; "-.csv" after -o is its value, which argparse refuses."""
    words = list(sys.argv[1:] if argv is None else argv)
    for i in range(len(words) - 1, 0, -1):
        if words[i - 1] == "-o" and words[i].startswith("-."):
            words[i - 1 : i + 1] = ["-o" + words[i]]
    return words


def _parser() -> _Parser:
    parser = _Parser(
        prog=PROG,
        description="Draw a log of page faults: time on the horizontal axis, addresses on the "
        "vertical axis.",
        epilog="Without -o, the picture is written beside the log, with the suffix .png. The "
        "path of the output is printed. With --by, --slowest, or --compare without -o, a table is "
        "printed instead.",
    )
    parser.add_argument(
        "log",
        metavar="LOG",
        help="log written by ./user (pf_user), for example out/pf_probe_B.log; or the text of "
        "perf script, perf trace -F all, trace-cmd report or trace_pipe; may be "
        "compressed by gzip, xz or zstd; - is standard input; with --compare, several logs",
    )
    parser.add_argument("more", metavar="LOG", nargs="*", help=argparse.SUPPRESS)
    suffixes = ", ".join(outputs.MODULE_OF_SUFFIX)
    parser.add_argument(
        "-o",
        metavar="FILE",
        dest="output",
        help=f"file to write: {suffixes}. - before the suffix, as in -.jsonl, is standard output; "
        f"- alone is -{outputs.ON_STDOUT}",
    )
    parser.add_argument(
        "--view",
        choices=outputs.VIEWS,
        help="vertical axis of a picture: "
        + "; ".join(f"{name}: {what}" for name, what in outputs.VIEWS.items())
        + ". Default: address; for a log of several processes, and for several logs, mapping. "
        "Without -o, its name is added to that of the picture: x.threads.png",
    )
    parser.add_argument(
        "--no-fold",
        action="store_true",
        help="in a picture of one log, draw long times without faults at their full length; "
        "by default they are left out, and the axis has a break there",
    )
    table.add_options(parser)
    compare.add_options(parser)
    select.add_options(parser)
    clock.add_options(parser)
    roots.add_options(parser)
    parser.add_argument("--version", action="version", version=f"%(prog)s {VERSION}")
    return parser


# Options whose value may be left out: the form of one, and the default.
OPTIONAL = {
    "--by": (rf"({'|'.join(KEYS)})(,.*)?", table.DEFAULT_KEY),
    "--slowest": (r"\d+", str(table.TOP)),
}


def _with_log(words: list[str]) -> list[str]:
    """Move a log from the place of an option's value to the front: --by LOG is LOG --by.

    Not behind --compare, where it would be on the wrong side.
    """
    for i, (option, log) in enumerate(zip(words, words[1:])):
        if option == "--" or option.startswith("--compare"):
            break
        form, default = OPTIONAL.get(option, ("", ""))
        if not default or re.fullmatch(form, log) or log.startswith("-") and log != "-":
            continue
        if log == "-" or "/" in log or ".log" in log or os.path.exists(log):
            return [log, *words[:i], f"{option}={default}", *words[i + 2 :]]
    return words


def _output(args: argparse.Namespace) -> tuple[str, Path | None]:
    """The module of the output, and the file; None: standard output."""
    if args.more and args.compare is None:
        raise LogError("several logs: use --compare LOG to compare them with others")
    compares = args.compare is not None
    if args.slowest is not None and (compares or args.by is not None):
        other = "--compare" if compares else "--by"
        raise LogError(f"{other} and --slowest make different tables; leave one out")
    prints_faults = args.slowest is not None
    if args.by is not None or prints_faults or compares and args.output is None:
        if args.output is not None:
            raise LogError("a table goes to standard output; leave out -o")
        if args.root and not (args.function or set(args.by or ()) & set(table.OF_CODE)):
            raise LogError(f"--root: {ROOT_USE}")
        if args.view is not None:
            raise LogError("--view is for a picture; leave it or the table out")
        if args.no_fold:
            raise LogError("--no-fold is for a picture; leave it or the table out")
        if prints_faults:
            return "slowest", None
        return "compare" if compares else "table", None
    if args.output is not None:
        output = Path(outputs.stdout_name(args.output) or args.output)
    elif source.is_standard_input(args.log):
        raise LogError("-: for a log from standard input, use -o to name the output")
    elif source.is_stream(args.log):
        raise LogError(
            f"{args.log}: for a log from a stream, use -o to name the output"
        )
    else:
        log = source.unpacked_name(args.log)
        view = f".{args.view}" if args.view else ""
        output = log.parent / f"{log.stem}{view}.png"
    name = outputs.MODULE_OF_SUFFIX[outputs.suffix_of(str(output))]
    if compares:
        if name != "picture":
            raise LogError("--compare makes a table, or with -o a picture")
        name = "sides"
    if args.view is not None and name not in ("picture", "page", "sides"):
        raise LogError("--view is for a picture or a page")
    if args.no_fold and name != "picture":
        raise LogError("--no-fold is for a picture of one log")
    if args.root and not args.function and name in ("picture", "sides"):
        raise LogError(f"--root: {ROOT_USE}")
    for option in ("sort", "csv") if name == "warm" else ("sort", "top", "csv"):
        if getattr(args, option) is not None:
            raise LogError(f"--{option} is for a table; add --by KEY")
    if _is_on_stdout(args):
        outputs.require_stdout(str(output))
        return name, output
    for name_of_log in (args.log, *args.more, *(args.compare or ())):
        both: tuple[str, str] = (str(output), name_of_log)
        if all(os.path.exists(path) for path in both) and os.path.samefile(*both):
            raise LogError(f"{output}: the output would replace the log; use -o")
    return name, output


def _is_on_stdout(args: argparse.Namespace) -> bool:
    """Does the output, which is no table, go to standard output?"""
    return bool(args.output and outputs.stdout_name(args.output))


def _require_logs(args: argparse.Namespace) -> None:
    """Raise OSError if any of the logs can't be read, before the first is read."""
    for log in (args.log, *args.more, *(args.compare or ())):
        if source.is_standard_input(log):
            continue
        if stat.S_ISDIR(os.stat(log).st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), log)
        if not os.access(log, os.R_OK, effective_ids=True):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), log)


def run(argv: Iterable[str] | None = None) -> None:
    """Run the program; errors are raised.

    Options that can't work are refused before a log is read, which may take long.
    """
    words = _words(argv)
    args = _parser().options(_with_log(words))
    name, output = _output(args)
    has_times = name == "table" and "time" in args.by or name in ("slowest", "rows")
    if args.wall_clock and not has_times:
        raise LogError("--wall-clock is for --by time, --slowest, .csv and .jsonl")
    _require_logs(args)
    writer = outputs.module(name)
    outputs.check(writer, args)
    is_file = output is not None and not _is_on_stdout(args)
    if output is not None and is_file:
        outputs.require_writable(output)
    filters = select.filters(args)
    takes = {*writer.columns(args), *filters.columns(), "tid"}
    if args.compare is not None:
        kept = writer.summed if name == "compare" else lambda job: job
        reasons = []  # why a log has no fault, which is an error only if all have none

        def taken(log: str) -> object:
            job = _job(args, log, takes, filters, output)
            if not len(job.whole):
                reasons.append(checks.why_no_fault(job.whole, log))
            elif not len(job.log):
                reasons.append(filters.why_none(job.whole))
            return kept(job)

        before, after = [args.log, *args.more], args.compare
        with _reading([*before, *after]):
            sides = [[taken(log) for log in side] for side in (before, after)]
        if len(reasons) == len(before + after):
            raise LogError(reasons[0])
        with _working(args):
            writer.write(*sides, args)
    else:
        prepare = partial(outputs.prepare, writer)
        with _reading([args.log]):
            job = _job(args, args.log, takes, filters, output, prepare)
        with _working(args):
            writer.write(job)
    if is_file:
        # A program gets the path as it is; on a terminal it must do no harm.
        path = printable(str(output)) if sys.stdout.isatty() else output
        print(path, flush=True)


def _reading(logs: list[str]) -> ContextManager[None]:
    """Show how much of these logs has been read."""
    return progress.stage("reading", source.size(logs), "B")


def _working(args: argparse.Namespace) -> ContextManager[None]:
    """Show for how long an output is being made, unless it goes to the same terminal."""
    return nullcontext() if _is_on_stdout(args) else progress.stage("working")


def _job(
    args: argparse.Namespace,
    name: str,
    takes: set[str],
    filters: select.Filters,
    output: Path | None,
    prepare: Callable[[], None] = lambda: None,
) -> outputs.Job:
    """Read and check a log; takes: columns; prepare: called while the log is read.

    What is missing or wrong is printed on stderr, unless a table in the same place shows it.
    """
    log = read(name, takes, prepare)
    log = replace(log, roots=roots.roots(args))
    if args.compare is None or log.summary.get("recorded") != 0:
        checks.require_faults(log, name)
    if args.wall_clock:
        log = replace(log, boot_ns=clock.required(log, name))
    verdict = checks.examine(log)
    in_table = not output and not args.csv
    if verdict.lines() and not (in_table and _are_one(sys.stdout, sys.stderr)):
        warn(f"{name}: {'; '.join(verdict.lines())}")
    notes: list[str] = []
    chosen = filters.apply(log, may_be_none=args.compare is not None, notes=notes)
    if output:
        warn(*(f"{name}: {note}" for note in notes))
    on_stdout = _is_on_stdout(args)
    return outputs.Job(
        chosen, verdict, filters, name, output, args, log, notes, on_stdout
    )


def _are_one(one: TextIO, other: TextIO) -> bool:
    """Do both write to the same place, as a terminal?"""
    try:
        return os.path.sameopenfile(one.fileno(), other.fileno())
    except (AttributeError, OSError):
        return False


class Errors(io.TextIOBase):
    """Standard error: what cannot be written there is dropped, which is noted."""

    def __init__(self, file: TextIO | None) -> None:
        """file: None if standard error is closed."""
        self.file, self.has_dropped = file, False

    def write(self, text: str) -> int:
        """Write at once."""
        progress.before_message()
        try:
            if self.file is None:
                raise OSError(errno.EBADF, os.strerror(errno.EBADF))
            self.file.write(text)
            self.file.flush()
        except OSError:
            self.has_dropped = True
        return len(text)

    def fileno(self) -> int:
        """The descriptor; raises OSError if there is none."""
        if self.file is None:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        return self.file.fileno()


def main(argv: Iterable[str] | None = None) -> int:
    """Run; an error is one line on stderr and status 1, as is a line that cannot be written.

    The caller sets the process's handling of signals, see page_fault_plot.py.
    """
    stderr = sys.stderr
    errors = Errors(stderr)
    sys.stderr = cast(TextIO, errors)  # print() would take None for standard output
    try:
        status = _status(argv)
    finally:
        if not errors.has_dropped:  # else Python would try again at its end
            sys.stderr = stderr
    return 1 if errors.has_dropped and not status else status


def _status(argv: Iterable[str] | None) -> int:
    """Run, and report errors; the exit status."""
    try:
        if sys.stdout is None:
            raise LogError("standard output is closed")
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(errors="surrogateescape")
        with progress.on_terminal():
            run(argv)
    except LogError as err:
        warn(f"{err}")
    except OSError as err:
        where = f"{err.filename}: " if err.filename else ""
        warn(f"{where}{err.strerror or err}")
    except MemoryError:
        warn("not enough memory for this log")
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    else:
        return 0
    return 1
