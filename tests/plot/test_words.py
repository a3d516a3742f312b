# SPDX-License-Identifier: GPL-2.0-or-later
"""Numbers, times, sizes as words."""

from __future__ import annotations

from faultlog import words


def test_units():
    assert words.time_text(0) == "0 ns"
    assert words.time_text(999) == "999 ns"
    assert words.time_text(1500) == "1.50 µs"
    assert words.time_text(12_345_678) == "12.3 ms"
    assert words.time_text(7_200_000_000_000) == "7,200 s"
    assert words.size_text(4096) == "4 KiB"
    assert words.size_text(45_300_000_000_000) == "41.2 TiB"
    assert words.size_text((1 << 20) - 100) == "1 MiB"
    assert words.size_text((1 << 64) - 4096) == "16 EiB"
