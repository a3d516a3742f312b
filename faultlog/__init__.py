# SPDX-License-Identifier: GPL-2.0-or-later
"""Turns a log of page faults into pictures, tables and other formats.

log: a log in columns; lines, block: its text; source: opens and unpacks it; checks: its
consistency; select: filters; areas, drawing: the picture; outputs: which module writes which
format; page: the page for the browser; rows, database, trace: formats of other tools;
cli: the command line. drawing needs matplotlib and page needs plotly; the rest needs only numpy.
"""

VERSION = "1.0"
