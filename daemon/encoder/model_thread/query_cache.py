"""The vectors of the last queries, by text: backend, prompt and fingerprint are the same as long as a process lives."""

from __future__ import annotations

from cachetools import LRUCache

from daemon.encoder.arrays import Vector


class QueryCache:
    """A cache of `size` queries, 0 for none; the least recently used one goes first."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._kept: LRUCache[str, tuple[Vector, bool]] = LRUCache(size)

    def get(self, text: str) -> tuple[Vector, bool] | None:
        """Look up the vector, and whether the text was cut."""
        return self._kept.get(text)

    def put(self, text: str, vector: Vector, truncated: bool) -> None:
        if self._size:
            self._kept[text] = (vector.copy(), truncated)  # not a view: that would keep a whole batch alive
