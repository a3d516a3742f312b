# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads the text of perf script and of perf trace."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from . import ftrace
from .recorder import Recorder, escaped, fault

UNKNOWN = b"[unknown]"
OFFSET = re.compile(rb"\+0x[0-9a-f]{1,16}$")
# A number in 16 columns, as perf prints addresses.
NUMBER = re.compile(rb" {0,15}[0-9a-f]{1,16}(?= |$)")
LATER_NUMBER = re.compile(
    rb" (?:%b)(?= |$)"
    % b"|".join(b" {%d}[0-9a-f]{%d}" % (16 - n, n) for n in range(16, 0, -1))
)
WIDTH = 16
MAX_CACHED = 512  # bytes of a text, which bounds the cache
# Files are paths or names in brackets; the name itself may end in " (deleted)".
OF_FILE = re.compile(rb" \((?=[/\[])")
# Events of different kinds are of the same faults.
KIND_OF_EVENT = {b"page": None, b"minor": b"results", b"major": b"results"}
TOP_HALF = b"89abcdef"  # first digits of the kernel's addresses, which have 16 digits


def symbol_and_file(text: bytes) -> tuple[bytes, bytes]:
    """The names in "symbol+0x12 (file)", escaped; b"" if unknown."""
    text = text.strip()
    return _names(text) if len(text) < MAX_CACHED else _names.__wrapped__(text)


@lru_cache(maxsize=1 << 14)
def _names(text: bytes) -> tuple[bytes, bytes]:
    """See symbol_and_file(); most texts occur often."""
    symbol, file = text, b""
    if text.endswith(b")"):
        at = max((found.start() for found in OF_FILE.finditer(text)), default=-1)
        if at < 0 and text.startswith(b"("):
            symbol, file = b"", text[1:-1]
        else:
            at = text.rfind(b" (") if at < 0 else at
            symbol, file = (text[:at], text[at + 2 : -1]) if at > 0 else (text, b"")
    symbol = OFFSET.sub(b"", symbol.strip())
    if file == b"inlined":
        file = b""
    known = [b"" if name == UNKNOWN else escaped(name) for name in (symbol, file)]
    return known[0], known[1]


def is_of_kernel(address: bytes) -> bool:
    """Is it, in hexadecimal digits, in the kernel's half of the address space?"""
    return len(address) == WIDTH and address[0] in TOP_HALF


class Open(NamedTuple):
    """A fault of perf script whose instruction is not known yet."""

    time_ns: bytes
    pid: bytes | None
    address: bytes | None
    keys: dict[str, bytes]  # of its line
    name: bytes  # of the mapping
    comm: bytes


class PerfScript(Recorder):
    """perf script, of page-faults and similar events, and of the trace points of page faults."""

    name = "perf script"
    TASK = (
        rb"(?P<comm>.{0,32}) {1,20}(?:(?P<pid>-?\d{1,10})/)?(?P<tid>-?\d{1,10}) {1,20}"
        rb"(?:\[(?P<cpu>\d{1,5})\] {1,20})?"
        rb"(?P<seconds>\d{1,10})\.(?P<part>\d{6}(?:\d{3})?): {1,80}"
    )
    # Trailing blanks may be lost when the text is copied.
    EVENT = (
        rb"(?:(?P<period>\d{1,20}) {1,80})?(?P<event>(?:(?P<kind>page|minor|major)-)?faults|"
        rb"exceptions:page_fault_(?P<mode>user|kernel))(?::[a-zA-Z]{1,8})?:(?: |$)"
    )
    RECORD = rb"(?P<record>PERF_RECORD_[A-Z_0-9]{1,32})"
    START = re.compile(rb"^" + TASK + rb"(?:" + EVENT + rb"|" + RECORD + rb")", re.M)
    OF_A_FAULT = (b"faults:", b"faults:u:", b"exceptions:page_fault_")
    LINE = re.compile(TASK + rb"(?:" + EVENT + rb"|" + RECORD + rb")")
    FRAME = re.compile(rb"\t *([0-9a-f]{1,16})(?: |$)")
    EXEC = re.compile(rb" exec: (.{0,32}):(\d{1,10})/\d{1,10}\s*$")
    FORK = re.compile(rb"\((\d{1,10}):\d{1,10}\):\((\d{1,10}):\d{1,10}\)\s*$")
    LOST = re.compile(rb" lost (\d{1,18})\s*$")

    def __init__(self) -> None:
        super().__init__()
        self.open: Open | None = None  # a fault whose instruction is not known yet
        self.nr_records = self.nr_samples = 0  # lost, by two ways of counting

    def line(self, line: bytes) -> bytes:
        """Convert a line; of a fault with a call chain, the line of the innermost function."""
        if self.open is not None:
            frame = self.FRAME.match(line)
            if frame:
                return self._with_code(frame[1], line[frame.end() :], True)
            if not line.strip():
                return self.end()
            before, this = self.end(), self._line(line)
            return b"%b\n%b" % (before, this) if this else before
        return self._line(line)

    def _line(self, line: bytes) -> bytes:
        found = self.LINE.match(line)
        if not found:
            return b"" if line.startswith(b"\t") else self.other(line)
        time_ns = found["seconds"] + found["part"].ljust(9, b"0")
        if found["record"]:
            return self._record(found, line[found.end() :], time_ns)
        if found["period"]:
            self.nr_unsampled += max(int(found["period"]) - 1, 0)
        self.kinds.add(
            KIND_OF_EVENT.get(found["kind"], b"points" if found["mode"] else None)
        )
        pid = found["pid"] if found["pid"] != b"-1" else None
        keys = {"tid": found["tid"], "cpu": found["cpu"] or b"", "ip": b"", "mode": b""}
        rest = line[found.end() :]
        comm = escaped(found["comm"].strip())
        if found["mode"]:
            fields = ftrace.FIELDS.match(rest)
            if not fields:
                return self.other(line)
            address, more = ftrace.keys_of(fields)
            function = more.pop("function")
            keys |= {**more, "mode": found["mode"]}
            return fault(time_ns, pid, address, **keys, comm=comm, function=function)
        address, rest = self._address(rest)
        keys["result"] = found["kind"] or b"" if found["kind"] != b"page" else b""
        number = LATER_NUMBER.search(rest)
        _, name = symbol_and_file(rest[: number.start()] if number else rest)
        self.open = Open(time_ns, pid, address, keys, name, comm)
        if number:
            return self._with_code(number[0].strip(), rest[number.end() :], False)
        return b""

    @staticmethod
    def _address(text: bytes) -> tuple[bytes | None, bytes]:
        """The address that was touched, and the text after it.

        An instruction's address, which may come first, ends one column later.
        """
        number = NUMBER.match(text)
        if number and number.end() == WIDTH:
            return number[0].strip(), text[WIDTH:]
        return None, text

    def _with_code(self, ip: bytes, text: bytes, is_frame: bool) -> bytes:
        """The line of the open fault, by its instruction and the text behind that.

        is_frame: it is of a call chain, where addresses in files are relative to the file.
        """
        function, code = symbol_and_file(text)
        in_kernel = is_of_kernel(ip)
        is_relative = is_frame and code and not in_kernel
        keys = self.open.keys if self.open else {}
        keys["ip"] = b"" if is_relative else b"0x" + ip
        keys["mode"] = b"kernel" if in_kernel else b"user"
        return self.end(function, code)

    def end(self, function: bytes = b"", code: bytes = b"") -> bytes:
        """The line of the open fault; function, code: names of its instruction's place."""
        fields, self.open = self.open, None
        if fields is None:
            return b""
        time_ns, pid, address, keys, name, comm = fields
        names = {"map": name, "comm": comm, "function": function, "code": code}
        return fault(time_ns, pid, address, **keys, **names)

    def _record(self, found: re.Match[bytes], text: bytes, time_ns: bytes) -> bytes:
        """A line of --show-lost-events or --show-task-events."""
        kind = found["record"]
        if kind in (b"PERF_RECORD_LOST", b"PERF_RECORD_LOST_SAMPLES"):
            lost = self.LOST.search(text)
            number = int(lost[1]) if lost else 0
            self.has_lost |= not lost
            # Newer kernels count the same ones in both kinds of records.
            if kind == b"PERF_RECORD_LOST":
                self.nr_records += number
            else:
                self.nr_samples += number
            self.nr_lost = max(self.nr_records, self.nr_samples)
        executed = kind == b"PERF_RECORD_COMM" and self.EXEC.match(text)
        if executed:
            name = escaped(executed[1])
            return b"# exec time=%b pid=%b comm=%b" % (time_ns, executed[2], name)
        forked = kind == b"PERF_RECORD_FORK" and self.FORK.match(text)
        if forked and forked[1] != forked[2]:
            words = (time_ns, *forked.groups(), escaped(found["comm"].strip()))
            return b"# child time=%b pid=%b ppid=%b comm=%b" % words
        return b""


class PerfTrace(Recorder):
    """perf trace -F all."""

    name = "perf trace"
    FAULT = (
        rb" {0,12}(?P<ms>\d{1,12})\.(?P<part>\d{3}) \([ .\dms]{1,20}\): "
        rb"(?:(?P<comm>.{0,32})/)?(?:(?P<tid>\d{1,10}) )?(?P<result>maj|min)fault \["
    )
    START = re.compile(rb"^" + FAULT, re.MULTILINE)
    OF_A_FAULT = (b"minfault [", b"majfault [")
    LINE = re.compile(FAULT)
    PLACE = re.compile(
        rb"(?:(?P<map>.{1,4096})@)?0x(?P<number>[0-9a-f]{1,16}) \(.(?P<level>.)\)\s*$"
    )
    LOST = re.compile(rb"LOST (\d{1,18}) events!\s*$")
    # Of other mappings it prints the offset in the file in place of the address.
    WITH_ADDRESS = (
        b"//anon",
        b"[stack",
        b"[heap]",
        b"/SYSV",
        b"/dev/zero",
        b"/anon_hugepage",
    )
    LEVELS = {b"k": b"kernel", b".": b"user"}

    def line(self, line: bytes) -> bytes:
        """Convert a line."""
        found = self.LINE.match(line)
        code, arrow, place = (
            line[found.end() :].partition(b"] => ") if found else (b"",) * 3
        )
        there = self.PLACE.match(place) if arrow else None
        if not found or not there:
            return self._other(line)
        name, number = there["map"] or b"", there["number"]
        has_address = not name or name.startswith(self.WITH_ADDRESS)
        offset = b"" if has_address else b"0x%x" % (int(number, 16) >> 12 << 12)
        return fault(
            found["ms"] + found["part"] + b"000",
            None,
            number if has_address else None,
            tid=found["tid"] or b"",
            mode=self.LEVELS.get(there["level"], b""),
            result=found["result"] + b"or",
            map=escaped(name),
            offset=offset,
            comm=escaped((found["comm"] or b"").strip()),
            function=b"" if code.startswith(b"0x") else escaped(OFFSET.sub(b"", code)),
        )

    def _other(self, line: bytes) -> bytes:
        lost = self.LOST.match(line)
        if lost:
            self.nr_lost += int(lost[1])
            return b""
        return self.other(line)
