"""The contract of an index of vectors by entry id, which every kind of index fulfils."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from daemon.encoder.arrays import Ids, Matrix, Vector
from daemon.encoder.knowledge.vectors.vectors import Vectors


@dataclass(frozen=True)
class Moment:
    """The state of a base that an index equals.

    `stamp` says when the change that made `revision` was made, as ISO 8601: a base that was put back from a backup may
    have another change under the same number.
    """

    fingerprint: str
    revision: int
    stamp: str


class BadSnapshot(Exception):
    """A snapshot that can't be used: damaged, or of another base or model; the message says which."""


class SnapshotWriter(Protocol):
    """A snapshot under way; the index must not change between its steps."""

    def step(self) -> bool:
        """Write a little more; True when it is complete and in its place. Raises OSError."""
        ...

    def give_up(self) -> None: ...


class Index(Protocol):
    """Vectors by entry id, for the model's thread alone."""

    moment: Moment

    @property
    def dimension(self) -> int: ...

    def __len__(self) -> int: ...

    def enter_thread(self) -> None:
        """Set what holds for one thread alone; the thread that searches calls it first of all."""
        ...

    def upsert(self, items: Iterable[tuple[int, Vector]]) -> None:
        """Set the vectors of these ids."""
        ...

    def remove(self, ids: Iterable[int]) -> None:
        """Remove these ids; unknown ones are ignored."""
        ...

    def search(self, queries: Matrix, k: int, among: Ids | None = None) -> tuple[Matrix, Ids]:
        """Find the k best for each query, best first: scores and ids of shape (n, min(k, candidates)).

        `queries` has shape (n, dimension); `among` keeps to these ids (unknown ones are ignored).
        """
        ...

    def snapshot(self, path: Path) -> SnapshotWriter:
        """Begin to write a file from which the next start makes an equal index. Raises OSError."""
        ...


@dataclass(frozen=True)
class IndexKind:
    """Two ways to make an index of one kind, both by fingerprint and dimension of the model.

    `load` reads a snapshot and raises BadSnapshot or OSError. `build` reads every vector of a base.
    """

    load: Callable[[Path, str, int], Index]
    build: Callable[[Vectors, str, int], Index]
