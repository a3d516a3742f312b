# SPDX-License-Identifier: GPL-2.0-or-later
"""From a log of page faults to pictures, tables and other formats; one noun a module.

log: a log in columns; lines, block: its text; source: where the text comes from; checks: does it
agree with itself; select: which of its faults; areas, drawing: the picture; outputs: which
module writes what; page: for the browser; rows, database, trace: other tools' formats;
cli: the command. Only drawing needs matplotlib and page plotly, all else numpy alone.
"""

VERSION = "1.0"
