# SPDX-License-Identifier: GPL-2.0-or-later
"""Many numbers at a time, to text and back, compared with Python's int() and format()."""

from __future__ import annotations

import re

import numpy as np
import pytest
from faultlog.parse import lines
from faultlog.parse.block import Block, Prefixes
from faultlog.parse.log import DECIMAL, HEXADECIMAL
from faultlog.parse.names import Names
from faultlog.report import digits

TOP = (1 << 64) - 1
EDGES = [0, 1, TOP, TOP - 1, TOP // 10, 1 << 63, 18446744073709551609]
EDGES += [base**n + d for base in (10, 16) for n in range(1, 16) for d in (-1, 0, 1)]


def some_numbers() -> np.ndarray:
    """Numbers of every length, and those next to powers of two and ten."""
    rng = np.random.default_rng(1)
    numbers = rng.integers(0, TOP, 2000, dtype=np.uint64, endpoint=True)
    numbers >>= rng.integers(0, 64, 2000, dtype=np.uint64)
    return np.concatenate([numbers, np.array(EDGES, dtype=np.uint64)])


def test_text_of_numbers():
    numbers = some_numbers()
    for values in (numbers, numbers[numbers < 1000], numbers[:0], numbers[:1]):
        expected = [b"%d" % v for v in values.tolist()]
        assert digits.row_texts(digits.decimal(values)) == expected
        expected = [b"%x" % v for v in values.tolist()]
        assert digits.row_texts(digits.hexadecimal(values)) == expected
    low = numbers[numbers < 1000]
    expected = [b"%03d" % v for v in low.tolist()]
    assert digits.row_texts(digits.decimal(low, least=3)) == expected


def test_columns_side_by_side():
    values = np.array([5, 1234, 77], dtype=np.uint64)
    text = digits.replaced(digits.decimal(values), values == 77, b"not told")
    found = digits.row_texts(digits.constant(b'{"n":', 3), text)
    assert found == [b'{"n":5', b'{"n":1234', b'{"n":not told']
    assert digits.interleaved(found, [b"}\n"] * 3).count(b"}\n") == 3


def numbers_of(texts: list[bytes], form: str) -> list[int | None]:
    """The numbers that the reader finds in texts without blanks; None: not a number."""
    block = Block(b"\n".join(texts))
    value, fits = block.numbers(block.start[:-1], block.end[:-1], form)
    return [v if f else None for v, f in zip(value.tolist(), fits.tolist())]


def plain_number(text: bytes, form: str) -> int | None:
    """The same by a plain rule."""
    if form == DECIMAL:
        match, most = re.fullmatch(rb"[0-9]{1,20}", text), 10
    else:
        match, most = re.fullmatch(rb"0x([0-9a-fA-F]{1,16})", text), 16
    value = int(match[match.lastindex or 0], most) if match else None
    return value if value is not None and value <= TOP else None


@pytest.mark.parametrize("form", [DECIMAL, HEXADECIMAL])
def test_numbers_of_text(form):
    rng = np.random.default_rng(2)
    spec = b"%d" if form == DECIMAL else b"0x%x"
    texts = [spec % v for v in some_numbers().tolist()]
    texts += [text.upper().replace(b"0X", b"0x") for text in texts[:300]]
    texts += [b"0" * n + b"7" for n in range(25)] + [
        b"0x" + b"0" * n for n in range(19)
    ]
    texts += [b"18446744073709551616", b"99999999999999999999", b"20000000000000000000"]
    # Any one byte is wrong.
    bytes_but_blanks = [bytes([b]) for b in range(33, 256)]
    for text in (spec % 1234567, spec % TOP, spec % 7):
        for at in range(len(text)):
            texts += [text[:at] + byte + text[at + 1 :] for byte in bytes_but_blanks]
    for _ in range(3000):
        size = int(rng.integers(1, 23))
        alphabet = list(b"0123456789abcdefABCDEFgG:/@`x")
        texts.append(bytes(rng.choice(alphabet, size).tolist()))
    expected = [plain_number(text, form) for text in texts]
    assert numbers_of(texts, form) == expected
    assert sum(e is not None for e in expected) > 2000
    # A column in which all have one width, and one whose widest is too long.
    by_width = {size: [t for t in texts if len(t) == size] for size in range(1, 25)}
    for size, some in by_width.items():
        for others in ([], by_width.get(size + 1, [])[:1]):
            column = others + some
            assert numbers_of(column, form) == [plain_number(t, form) for t in column]


def test_prefixes_are_distinguished():
    texts = [b"%s=" % name for name in (b"tid", b"ip", b"latency_ns", b"map", b"kind")]
    prefixes = Prefixes(texts)
    words = (
        b"tid=1 ti=2 tid 3tid= latency_n=s latency_ns=4 latency_ns= latency_nsx=5 ip=7"
    )
    block = Block(words + b" map= kin=1 mapx=1\ntid=9")
    found = [
        [block.piece(block.start[i], block.end[i]) for i in which]
        for which in block.starting(prefixes)
    ]
    assert found == [
        [b"tid=1", b"tid=9"],
        [b"ip=7"],
        [b"latency_ns=4", b"latency_ns="],
        [b"map="],
        [],
    ]


def test_names_whose_hashes_share_a_slot(monkeypatch):
    """More names than slots, each given twice: all are distinguished."""
    monkeypatch.setattr(Names, "SLOT_BITS", 3)
    reader = lines.Reader(["map"])
    head = b"PID = 1 Page Fault at Address 0x1 at Time %d map=/%d"
    texts = [head % (i, i % 100) for i in range(200)]
    for _ in range(2):
        reader.feed(b"\n".join(texts))
    log = reader.log()
    names = [log.names["map"][code] for code in log.map.tolist()]
    assert names == [f"/{i % 100}" for i in range(200)] * 2
