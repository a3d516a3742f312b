# SPDX-License-Identifier: GPL-2.0-or-later
"""Numbers, times, sizes as words."""

from __future__ import annotations

from faultlog import fit, words


def test_units():
    assert words.time_text(0) == "0 ns"
    assert words.time_text(999) == "999 ns"
    assert words.time_text(1500) == "1.50 µs"
    assert words.time_text(12_345_678) == "12.3 ms"
    assert words.time_text(90 * 10**9) == "90.0 s"
    assert words.time_text(7_199 * 10**9) == "120 min"
    assert words.time_text(7_200 * 10**9) == "2.00 h"
    assert words.time_text(522_587 * 10**9) == "6.05 d"
    assert words.time_text(10**9 * 86400 * 36525) == "36,525 d"
    assert words.time_text(999_999_999) == "1.00 s"  # and not 1,000 ms
    assert words.time_text(999_999) == "1.00 ms"
    assert words.time_text(99_960) == "100 µs"
    assert words.time_text(9_996) == "10.0 µs"
    assert fit.shortened("abcdefghij", 10) == "abcdefghij"
    assert fit.shortened("libone-very-long.so.7", 9) == "libo…so.7"
    assert words.size_text(4096) == "4 KiB"
    assert words.size_text(45_300_000_000_000) == "41.2 TiB"
    assert words.size_text((1 << 20) - 100) == "1 MiB"
    assert words.size_text((1 << 64) - 4096) == "16 EiB"
