# SPDX-License-Identifier: GPL-2.0-or-later
"""Files of instructions, inferred for a log without lines about mappings; not from a neighbour."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import numpy as np
import pytest
from faultlog.analyse.placer import NOWHERE, Placer
from faultlog.parse.log import Log
from faultlog.parse.roots import Roots
from logs import fault, read
from test_symbols import CODE, LOAD, elf, line, placed

CASES = Path(__file__).parent / "inferred"


def log_of(name: str, root: Path) -> Log:
    """A real log; its files are below root."""
    log = read(gzip.decompress((CASES / f"{name}.log.gz").read_bytes()))
    log.roots = Roots(((b"/", os.fsencode(root)),))
    return log


def names_at(log: Log, low: int, high: int) -> set[str]:
    """The files in which the instructions of this range were placed."""
    file, offset = Placer(log).place(log)
    rows = np.flatnonzero((log.ip >= np.uint64(low)) & (log.ip < np.uint64(high)))
    assert len(rows)
    return {
        f"{os.path.basename(log.names['map'][file[i]])}+{int(offset[i]):#x}"
        if file[i] != NOWHERE
        else ""
        for i in rows.tolist()
    }


MODULES = "new/usr/lib/python3.11/lib-dynload"
MMAP = "mmap.cpython-311-x86_64-linux-gnu.so"


@pytest.mark.parametrize("is_here", [False, True])
def test_code_is_not_named_after_the_library_before_it(is_here, tmp_path):
    """800 of 1,935 faults in mmap had offsets beyond the end of _ctypes."""
    log = log_of("neighbour_library", tmp_path)
    if is_here:  # the segments of Debian's files
        for path in log.paths:
            if b"lib-dynload" in path:
                there = tmp_path / os.fsdecode(path).lstrip("/")
                there.parent.mkdir(parents=True, exist_ok=True)
                code = 0x248D if b"/mmap" in path else 0x11000
                there.write_bytes(
                    elf(
                        (1, 4, 0, 0, 0, 0x1000, 0x1000, 0),
                        (1, 5, 0x2000, 0x2000, 0, code, code, 0),
                        (1, 4, 0x2000 + code, 0x2000 + code, 0, 0x2000, 0x2000, 0),
                    )
                )
    found = names_at(log, 0x7FD859292000, 0x7FD859294500)
    assert {f"{MMAP}+0x2f7e", f"{MMAP}+0x3345"} <= found
    assert all(name.startswith((MMAP, "?")) or not name for name in found)


def test_code_made_at_run_time_is_not_named_after_the_file_before_it(tmp_path):
    """300 faults of a page of a JIT were "ld.so.cache+0xb000"."""
    log = log_of("jit", tmp_path)
    assert names_at(log, 0x7F2038795000, 0x7F2038796000) == {""}
    (tmp_path / "new/etc").mkdir(parents=True)
    (tmp_path / "new/etc/ld.so.cache").write_bytes(b"glibc-ld.so.cache1.1" * 999)
    assert names_at(log, 0x7F2038795000, 0x7F2038796000) == {""}


def test_faults_in_several_parts_of_a_file_are_placed_by_its_headers(tmp_path):
    """One base for the headers, the code and the constants: none of them held all faults."""
    file = tmp_path / "a.so"
    file.write_bytes(
        elf(
            (1, 4, 0, 0, 0, 0x1000, 0x1000, 0),
            (1, 5, 0x1000, 0x1000, 0, 0x2800, 0x2800, 0),
            (1, 4, 0x4000, 0x4000, 0, 0x1000, 0x1000, 0),
        )
    )
    keys = {"tid": 9, "access": "read", "map": file}
    text = fault(1, LOAD, 9, ip=hex(LOAD + 0x1010), offset="0x0", **keys)
    text += fault(2, LOAD + 0x4000, 9, ip=hex(LOAD + 0x37FF), offset="0x4000", **keys)
    text += fault(3, LOAD + 0x1000, 9, ip=hex(LOAD + 0x3800), offset="0x1000", **keys)
    text += line(4, LOAD, CODE, LOAD + 0x1000, access="exec", map=file)
    assert placed(text) == [f"{file}+0x1010", f"{file}+0x37ff", "", f"{file}+0x1000"]


def test_a_missing_file_ends_where_another_mapping_begins():
    keys = {"tid": 9, "access": "exec", "offset": "0x0"}
    text = fault(1, LOAD, 9, ip=hex(LOAD), map="/no/a", **keys)
    text += fault(2, LOAD + 0x3000, 9, ip=hex(LOAD + 0x2FFF), map="anon", **keys)
    text += fault(3, LOAD + 0x9000, 9, ip=hex(LOAD + 0x3004), map="[heap]", **keys)
    text = text.replace(b"map=anon offset=0x0", b"map=anon")
    assert placed(text) == ["/no/a+0x0", "/no/a+0x2fff", ""]


def test_a_page_that_was_anonymous_since_is_in_no_file():
    keys = {"tid": 9, "access": "read"}
    ip = hex(LOAD + 0x2008)
    text = line(1, LOAD, CODE, LOAD + 0x2000, access="exec", map="/no/a")
    text += fault(2, 0x5000, 9, ip=ip, map="[heap]", **keys)
    text += fault(3, LOAD + 0x2000, 9, ip=hex(LOAD + 0x3000), map="anon", **keys)
    text += fault(4, 0x6000, 9, ip=ip, map="[heap]", **keys)
    assert placed(text)[1::2] == ["/no/a+0x2008", ""]
