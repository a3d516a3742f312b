# SPDX-License-Identifier: GPL-2.0-or-later
"""The type of numpy's arrays, for annotations: NDArray[np.uint64] and so on.

Annotations are not evaluated, and importing numpy.typing takes 13 ms.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray
else:
    NDArray = np.ndarray
