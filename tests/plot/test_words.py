# SPDX-License-Identifier: GPL-2.0-or-later
"""Numbers, times and sizes as text."""

from __future__ import annotations

from faultlog.base import fit, words


S = 10**9


def test_long_times_have_steps_of_clocks_and_calendars():
    """Not every 200 s ("3.33333 min") or 20,000 s."""
    cut = {3 * 3600: "1 min", 12 * 3600: "5 min", 30 * 86400: "6 h", 9 * 7200: "10 min"}
    cut |= {3000: "20 s", 400 * 86400: "5 d", 5000: "30 s", 10: "100 ms"}
    for seconds, width in cut.items():
        assert words.short_time_text(words.round_width(seconds * S, 200)) == width
    for below, time in zip((0, *words.ROUND_TIMES), words.ROUND_TIMES):
        assert below < time
    for seconds, unit in ((150, "s"), (600, "min"), (2 * 3600, "min"), (5 * 3600, "h")):
        assert words.axis_unit(seconds * S, 12)[1] == unit
    assert words.round_width((1 << 64) * 4, 200) > 0


def test_a_round_time_is_exact():
    """10^12 ns on the axis of latencies were "17 min"."""
    assert words.short_time_text(10**12) == "1,000 s"
    assert words.short_time_text(90 * S) == "90 s"
    assert words.short_time_text(3600 * S) == "1 h"
    assert words.short_time_text(0) == "0 ns"


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


def test_a_percentage_stays_in_one_line():
    for width in range(5, 30):
        assert all(x[0] != "%" for x in words.wrapped("so it took 67 % of all", width))
