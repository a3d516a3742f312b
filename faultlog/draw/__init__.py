# SPDX-License-Identifier: GPL-2.0-or-later
"""The parts of a picture: positions, marks, strips and panels. Most of it needs matplotlib."""
