"""Exact inner-product search over one contiguous matrix in memory, with O(1) edits.

FAISS searches the matrix where it lies (`faiss.knn`), so there is no copy of it in an index object, and an
edit overwrites a row. Measured with one thread, 10,000 × 512, k = 5 (ms): one query knn 0.5, IndexFlatIP 0.5,
numpy 0.4; 32 queries knn 14 as it comes, 4.1 with FAISS's BLAS path, IndexFlatIP 15, numpy 4.0. BLAS pays
from four queries on. 100,000 × 384 (`python -m tests.benchmarks.index`): one query 4.3, numpy's pass alone 4.4.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import faiss
import numpy as np

from daemon.core.errors import InternalError
from daemon.encoder.arrays import Ids, Matrix, Vector
from daemon.encoder.index import snapshot_file
from daemon.encoder.index.growing import GrowingMatrix
from daemon.encoder.index.protocol import Moment
from daemon.encoder.knowledge.vectors.vectors import Vectors

_FIRST_ROWS = 1024
_BLAS_FROM = 4
_NEVER = 1 << 30
_FEW = 16  # ids looked up one by one up to a sixteenth of all; above, in one pass over all ids
_SCATTERED = 8  # rows copied together up to an eighth of all; above, all are scored


class ExactIndex:
    """An index (see `protocol`) whose matrix has the vector of ids[i] in row i, for i below len, in no order."""

    def __init__(self, dimension: int, rows: int = _FIRST_ROWS) -> None:
        self.dimension = dimension
        self.moment = Moment("", 0, "")
        self._vectors = GrowingMatrix(dimension, rows)
        self._ids: Ids = np.empty(len(self._vectors.array), np.int64)
        self._rows: dict[int, int] = {}

    @classmethod
    def of(cls, ids: Ids, vectors: GrowingMatrix) -> ExactIndex:
        """Make an index over these arrays themselves: row i of `vectors` belongs to ids[i], ids are unique."""
        index = cls(vectors.dimension, 1)
        index._rows = {id_: row for row, id_ in enumerate(ids.tolist())}
        if len(index._rows) != len(ids) or len(ids) > len(vectors.array):
            raise InternalError(f"cannot index {len(vectors.array)} vectors under {len(index._rows)} ids")
        index._vectors, index._ids = vectors, ids
        return index

    def __len__(self) -> int:
        return len(self._rows)

    def __contains__(self, id_: int) -> bool:
        return id_ in self._rows

    @property
    def ids(self) -> Ids:
        """A view, valid until the next edit."""
        return self._ids[: len(self)]

    @property
    def matrix(self) -> Matrix:
        """A view, valid until the next edit."""
        return self._vectors.array[: len(self)]

    def enter_thread(self) -> None:
        """Keep FAISS on one thread: a second one would fight the model's. FAISS keeps this by thread."""
        faiss.omp_set_num_threads(1)

    def upsert(self, items: Iterable[tuple[int, Vector]]) -> None:
        """Set the vectors of these ids; a new id gets the next free row."""
        for id_, vector in items:
            row = self._rows.get(id_)
            if row is None:
                row = len(self._rows)
                self._reserve(row + 1)
                self._rows[id_] = row
                self._ids[row] = id_
            self._vectors.array[row] = vector

    def remove(self, ids: Iterable[int]) -> None:
        """Remove these ids; the last row takes a removed one's place."""
        vectors = self._vectors.array
        for id_ in ids:
            row = self._rows.pop(id_, None)
            if row is None:
                continue
            last = len(self._rows)
            if row != last:
                moved = int(self._ids[last])
                vectors[row] = vectors[last]
                self._ids[row] = moved
                self._rows[moved] = row

    def _reserve(self, rows: int) -> None:
        self._vectors.room(rows)
        if rows > len(self._ids):
            ids = np.empty(len(self._vectors.array), np.int64)
            ids[: rows - 1] = self._ids[: rows - 1]
            self._ids = ids

    def snapshot(self, path: Path) -> snapshot_file.Writer:
        return snapshot_file.Writer(path, self.moment, self.ids, self.matrix)

    def search(self, queries: Matrix, k: int, among: Ids | None = None) -> tuple[Matrix, Ids]:
        """Find the k best for each query, among all or among some ids."""
        if among is None:
            return _nearest(queries, k, self.matrix, self.ids)
        rows = self._rows_of(among)
        if len(rows) * _SCATTERED < len(self):
            return _nearest(queries, k, self.matrix[rows], self.ids[rows])
        return _best((queries @ self.matrix.T)[:, rows], k, self.ids[rows])

    def _rows_of(self, among: Ids) -> Ids:
        if len(among) * _FEW < len(self):
            return np.fromiter((row for id_ in among.tolist() if (row := self._rows.get(id_)) is not None), np.int64)
        return np.flatnonzero(np.isin(self.ids, among))


def load(path: Path, fingerprint: str, dimension: int) -> ExactIndex:
    """Read an index from its snapshot. Raises BadSnapshot, OSError."""
    found = snapshot_file.read(path, fingerprint, dimension)
    index = ExactIndex.of(found.ids, found.vectors)
    index.moment = found.moment
    return index


def build(vectors: Vectors, fingerprint: str, dimension: int) -> ExactIndex:
    """Make an index of every vector of a base, read into the index's own matrix."""
    matrix = GrowingMatrix(dimension)
    ids, _ = vectors.all(fingerprint, matrix.room)
    return ExactIndex.of(ids, matrix)


def _nearest(queries: Matrix, k: int, matrix: Matrix, ids: Ids) -> tuple[Matrix, Ids]:
    k = min(k, len(ids))
    if k == 0:
        return _nothing(len(queries))
    # FAISS 1.15's default compares against something else than the number of queries; both extremes mean
    # the same in each version. Only this thread searches.
    faiss.cvar.distance_compute_blas_threshold = 1 if len(queries) >= _BLAS_FROM else _NEVER
    scores, rows = faiss.knn(queries, matrix, k, metric=faiss.METRIC_INNER_PRODUCT)
    return np.clip(scores, -1.0, 1.0), ids[rows]


def _best(scores: Matrix, k: int, ids: Ids) -> tuple[Matrix, Ids]:
    """Find the k best of scores of shape (n, candidates)."""
    k = min(k, len(ids))
    if k == 0:
        return _nothing(len(scores))
    found = np.argpartition(scores, len(ids) - k, axis=1)[:, len(ids) - k :]
    order = np.argsort(-np.take_along_axis(scores, found, 1), axis=1)
    columns = np.take_along_axis(found, order, 1)
    return np.clip(np.take_along_axis(scores, columns, 1), -1.0, 1.0), ids[columns]


def _nothing(queries: int) -> tuple[Matrix, Ids]:
    return np.empty((queries, 0), np.float32), np.empty((queries, 0), np.int64)
