"""Many vectors at once: for the index, for entries that have none yet, for a shorter dimension."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

import numpy as np

from daemon.encoder.arrays import Ids, Matrix, Vector
from daemon.encoder.knowledge.file import meta
from daemon.encoder.knowledge.file.meta import BaseCounter
from daemon.encoder.knowledge.file.schema import Damaged
from daemon.encoder.knowledge.vectors import rows

Memory = Callable[[int], Matrix]
_DERIVABLE = (
    "FROM entries e JOIN vectors v ON v.hash = e.hash AND v.fingerprint = ? WHERE NOT EXISTS "
    "(SELECT 1 FROM vectors n WHERE n.fingerprint = ? AND n.hash = e.hash)"
)
_WITHOUT = "NOT EXISTS (SELECT 1 FROM vectors v WHERE v.fingerprint = ? AND v.hash = e.hash)"


def all_vectors(db: sqlite3.Connection, fingerprint: str, memory: Memory | None = None) -> tuple[Ids, Matrix]:
    """Read ids of shape (n,), ascending, and their vectors, contiguous, of shape (n, dimension).

    `memory(n)` gives the array to fill, of shape (n, dimension).
    """
    known = rows.known_fingerprint(db, fingerprint)
    if known is None:
        return np.empty(0, np.int64), np.empty((0, 0), np.float32)
    number, dimension = known
    total = meta.read(db, BaseCounter.TOTAL)
    ids = np.empty(total, np.int64)
    matrix = np.empty((total, dimension), np.float32) if memory is None else memory(total)
    query = (
        "SELECT e.id, v.vector FROM entries e CROSS JOIN vectors v "
        "WHERE v.fingerprint = ? AND v.hash = e.hash ORDER BY e.id"
    )
    cursor = db.execute(query, (number,))
    filled = 0
    while page := cursor.fetchmany(2048):
        end = filled + len(page)
        ids[filled:end] = [row[0] for row in page]
        block = b"".join([row[1] for row in page])
        if len(block) != 4 * dimension * len(page):
            raise Damaged(f"a vector after entry {ids[filled]} has a wrong size")
        matrix[filled:end] = np.frombuffer(block, np.float32).reshape(len(page), dimension)
        filled = end
    return ids[:filled], matrix[:filled]


def changes_since(db: sqlite3.Connection, revision: int, fingerprint: str) -> list[tuple[int, Vector | None]] | None:
    """Read (id, vector) of all that changed after `revision`; a vector of None: the entry is gone, or has none.

    None instead of a list: the history does not reach back that far, or most entries changed.
    """
    if not meta.read(db, BaseCounter.HISTORY_FLOOR) <= revision <= meta.read(db, BaseCounter.REVISION):
        return None
    known = rows.known_fingerprint(db, fingerprint)
    query = "SELECT DISTINCT entry FROM change_entries WHERE revision > ? ORDER BY entry"
    ids = [row[0] for row in db.execute(query, (revision,))]
    if len(ids) > max(1000, meta.read(db, BaseCounter.TOTAL) // 4):
        return None
    return [(id_, rows.vector_of(db, id_, known[0]) if known else None) for id_ in ids]


def without_vector(db: sqlite3.Connection, fingerprint: str, after: int, limit: int) -> list[tuple[int, str]]:
    query = f"SELECT e.id, e.text FROM entries e WHERE e.id > ? AND {_WITHOUT} ORDER BY e.id LIMIT ?"  # noqa: S608
    return [(row[0], row[1]) for row in db.execute(query, (after, *_numbers(db, fingerprint), limit))]


def count_without_vector(db: sqlite3.Connection, fingerprint: str) -> int:
    query = f"SELECT count(*) FROM entries e WHERE {_WITHOUT}"  # noqa: S608
    return int(db.execute(query, _numbers(db, fingerprint)).fetchone()[0])


def derivable(db: sqlite3.Connection, source: str, target: str, limit: int) -> list[tuple[str, Vector]]:
    numbers = _numbers(db, source, target)
    found = db.execute(f"SELECT e.text, v.vector {_DERIVABLE} ORDER BY e.id LIMIT ?", (*numbers, limit))
    return [(row[0], np.frombuffer(row[1], np.float32)) for row in found]


def count_derivable(db: sqlite3.Connection, source: str, target: str) -> int:
    return int(db.execute(f"SELECT count(*) {_DERIVABLE}", _numbers(db, source, target)).fetchone()[0])


def _numbers(db: sqlite3.Connection, *named: str) -> tuple[int, ...]:
    """Look up fingerprints' ids; -1, which none has, stands for one that was never stored with."""
    return tuple(known[0] if (known := rows.known_fingerprint(db, each)) else -1 for each in named)
