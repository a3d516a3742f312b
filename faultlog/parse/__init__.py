# SPDX-License-Identifier: GPL-2.0-or-later
"""From text to columns: opens a log, reads its lines, checks that it agrees with itself."""
