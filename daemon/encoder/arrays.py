"""The arrays that pass between the rooms of an encoder."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.float32]  # shape (n, dimension)
Vector = npt.NDArray[np.float32]  # shape (dimension,)
Ids = npt.NDArray[np.int64]  # ids of entries, shape (n,)
