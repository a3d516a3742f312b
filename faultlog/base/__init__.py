# SPDX-License-Identifier: GPL-2.0-or-later
"""What all layers use: texts and units, progress, helper processes, distinct values, memory."""
