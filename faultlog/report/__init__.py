# SPDX-License-Identifier: GPL-2.0-or-later
"""The outputs, one file each, and what they share: the terminal, texts of columns."""
