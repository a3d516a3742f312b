# SPDX-License-Identifier: GPL-2.0-or-later
"""Turns a log of page faults into pictures, tables and other formats.

The packages are layers: each imports only from itself and from those before it.

    base      what all of them use: texts and units, progress, helper processes
    parse     from text to columns; parse/log.py is a log in columns
    analyse   filters, groups of faults and their figures, the code that faulted
    draw      the parts of a picture
    report    the outputs, one file each; report/outputs.py chooses one

cli is the command line. draw and the HTML page need matplotlib and plotly; the rest only numpy.
"""

VERSION = "1.0"
