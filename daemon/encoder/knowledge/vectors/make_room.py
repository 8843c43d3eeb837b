"""Room for a write on a full disk, made of vectors that can be made again."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import TypeVar

from daemon.core.errors import DiskFull
from daemon.encoder.knowledge.file.database import Database
from daemon.encoder.knowledge.vectors import unused
from daemon.encoder.knowledge.vectors.old_vectors import OldVectors

T = TypeVar("T")


class Room:
    def __init__(self, database: Database, old_vectors: OldVectors) -> None:
        self._database = database
        self._old_vectors = old_vectors

    def attempt(self, work: Callable[[], T]) -> T:
        """Try the work, and on a full disk make room and try once more. Raises DiskFull."""
        try:
            return work()
        except DiskFull:
            if not self._make():
                raise
            return work()

    def _make(self) -> bool:
        """Drop another model's vectors, else those that only an undo would use; says whether there is more room."""
        log = self._database.log_size()
        dropped = 0
        with contextlib.suppress(DiskFull):
            dropped = self._old_vectors.drop_some() or self._drop_for_history()
        self._database.truncate_log()
        return dropped > 0 or self._database.log_size() < log

    def _drop_for_history(self) -> int:
        with self._database.write(spare=True) as db:
            return unused.drop_for_history(db)
