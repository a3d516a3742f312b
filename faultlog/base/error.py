# SPDX-License-Identifier: GPL-2.0-or-later
"""The exception for what the user has to know."""


class LogError(Exception):
    """An error to show to the user: the text is the reason."""
