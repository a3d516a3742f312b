# SPDX-License-Identifier: GPL-2.0-or-later
"""A log as a table of pandas."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np

from ..base.arrays import NDArray
from . import checks
from .log import AT_MS, COLUMNS, WORD, Log

if TYPE_CHECKING:
    import pandas


def _at_ms(log: Log) -> NDArray[np.float64]:
    """When each fault began, in ms since the first one began; (n,)."""
    first = log.time_ns.min() if len(log) else np.uint64(0)
    since: NDArray[np.float64] = (log.time_ns - first) / 1e6
    return since


def of_log(log: Log) -> pandas.DataFrame:
    """See Log.to_pandas()."""
    try:
        import pandas
    except ModuleNotFoundError as err:
        raise ImportError(
            f"to_pandas(): {err.name} is needed (Debian: apt install python3-pandas)"
        ) from err

    def values(name: str) -> pandas.api.extensions.ExtensionArray:
        column = getattr(log, name)
        if COLUMNS[name].form != WORD:
            return pandas.arrays.IntegerArray(column.copy(), ~log.known(name))
        # Different bytes can have the same text: escaped, they may be another name.
        texts = list(dict.fromkeys(text for text in log.names[name] if text))
        code_of = {text: code for code, text in enumerate(texts)}
        codes = np.array([code_of.get(text, -1) for text in log.names[name]], np.int32)
        return pandas.Categorical.from_codes(codes[column], texts)

    read = [name for name in COLUMNS if getattr(log, name) is not None]
    columns: dict[str, object] = {name: values(name) for name in read}
    columns[AT_MS] = _at_ms(log)
    frame = pandas.DataFrame(columns, copy=False)
    notes = checks.examine(log).lines()
    frame.attrs.update(head=dict(log.head), summary=dict(log.summary), notes=notes)
    if notes:
        warnings.warn("; ".join(notes), stacklevel=3)
    return frame
