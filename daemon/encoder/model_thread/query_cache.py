"""The last queries' vectors. Backend, prompt and fingerprint are fixed for a process: the text is the key."""

from __future__ import annotations

from collections import OrderedDict

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.float32]


class QueryCache:
    """Least recently used goes first; `size` 0 keeps nothing."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._kept: OrderedDict[str, tuple[Matrix, bool]] = OrderedDict()

    def get(self, text: str) -> tuple[Matrix, bool] | None:
        """The vector of shape (dimension,) and whether the text was cut."""
        found = self._kept.get(text)
        if found is not None:
            self._kept.move_to_end(text)
        return found

    def put(self, text: str, vector: Matrix, truncated: bool) -> None:
        if not self._size:
            return
        self._kept[text] = (vector.copy(), truncated)  # not a view: that would keep a whole batch alive
        if len(self._kept) > self._size:
            self._kept.popitem(last=False)
