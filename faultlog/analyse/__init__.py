# SPDX-License-Identifier: GPL-2.0-or-later
"""From columns to answers: filters, groups, the code that faulted, tests of differences."""
