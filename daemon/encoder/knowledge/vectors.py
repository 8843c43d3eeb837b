"""Vectors by text hash and fingerprint: equal texts are encoded once."""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from daemon.core.errors import InternalError
from daemon.encoder.knowledge import old_vectors
from daemon.encoder.knowledge.erasure import rewrite
from daemon.encoder.knowledge.file import schema
from daemon.encoder.knowledge.file.schema import Damaged
from daemon.encoder.knowledge.model import MissingVectors, Vector
from daemon.encoder.knowledge.texts import digest, now_us

T = TypeVar("T")
Room = Callable[[int], Vector]
_STAGED_HOURS = 1
# SQLite's file format: a row's length, rowid, column types and small columns; a page's head; a row of the key's index
# on pages that are two thirds full; what is lost where a row needs pages of its own.
_ROW_BYTES, _PAGE_HEAD_BYTES, _KEY_BYTES, _LONG = 48, 40, 70, 1.15
# Vectors that nothing needs any more: no entry has the text and no change of the history could bring it back.
_UNUSED = (
    "NOT EXISTS (SELECT 1 FROM entries e WHERE e.hash = {0}.hash) "
    "AND NOT EXISTS (SELECT 1 FROM change_entries c WHERE c.before_hash = {0}.hash "
    "AND c.before_hash IS NOT NULL)"
)


def chunks(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


def marks(items: Sequence[object]) -> str:
    return ",".join("?" * len(items))


def known_fingerprint(db: sqlite3.Connection, fingerprint: str) -> tuple[int, int] | None:
    """(id, dimension) of a fingerprint that has been stored with, else None."""
    row = db.execute("SELECT id, dimension FROM fingerprints WHERE fingerprint = ?", (fingerprint,)).fetchone()
    return None if row is None else (int(row[0]), int(row[1]))


def fingerprint_id(db: sqlite3.Connection, fingerprint: str, dimension: int) -> int:
    known = known_fingerprint(db, fingerprint)
    if known is None:
        query = "INSERT INTO fingerprints (fingerprint, dimension) VALUES (?, ?) RETURNING id"
        return int(db.execute(query, (fingerprint, dimension)).fetchone()[0])
    if known[1] != dimension:
        raise InternalError(
            f"cannot store a vector of {dimension} dimensions: those of {fingerprint!r} have {known[1]}"
        )
    return known[0]


def present(db: sqlite3.Connection, number: int, hashes: Sequence[bytes]) -> set[bytes]:
    """Which of these hashes have a vector of fingerprint `number`."""
    found: set[bytes] = set()
    for part in chunks(hashes, 500):
        query = f"SELECT hash FROM vectors WHERE fingerprint = ? AND hash IN ({marks(part)})"  # noqa: S608
        found.update(row[0] for row in db.execute(query, (number, *part)))
    return found


def fetch(db: sqlite3.Connection, number: int, hashes: Sequence[bytes]) -> dict[bytes, Vector]:
    found: dict[bytes, Vector] = {}
    for part in chunks(hashes, 500):
        query = f"SELECT hash, vector FROM vectors WHERE fingerprint = ? AND hash IN ({marks(part)})"  # noqa: S608
        found.update((row[0], np.frombuffer(row[1], np.float32)) for row in db.execute(query, (number, *part)))
    return found


def insert(db: sqlite3.Connection, number: int, items: Iterable[tuple[bytes, Vector]]) -> None:
    rows = ((number, key, zlib.crc32(blob), blob) for key, blob in ((k, v.tobytes()) for k, v in items))
    db.executemany("INSERT OR IGNORE INTO vectors (fingerprint, hash, crc, vector) VALUES (?, ?, ?, ?)", rows)
    old_vectors.renew(db, number)


def as_vector(vector: Vector) -> Vector:
    return np.ascontiguousarray(vector, np.float32).reshape(-1)


def settle(db: sqlite3.Connection, texts: Sequence[str], fingerprint: str, given: Mapping[str, Vector]) -> list[Vector]:
    """Makes sure that each text has a stored vector, and returns them in order. Raises MissingVectors."""
    hashes = [digest(text) for text in texts]
    known = known_fingerprint(db, fingerprint)
    stored = fetch(db, known[0], [h for h, t in zip(hashes, texts, strict=True) if t not in given]) if known else {}
    lacking = [text for text, key in zip(texts, hashes, strict=True) if text not in given and key not in stored]
    if lacking:
        raise MissingVectors(lacking)
    fresh = {key: as_vector(given[text]) for text, key in zip(texts, hashes, strict=True) if text in given}
    if fresh:
        number = fingerprint_id(db, fingerprint, len(next(iter(fresh.values()))))
        insert(db, number, fresh.items())
    if texts and db.execute("SELECT 1 FROM staged LIMIT 1").fetchone():
        db.executemany("DELETE FROM staged WHERE hash = ?", ((key,) for key in hashes))
    return [fresh[key] if key in fresh else stored[key] for key in hashes]


def stage(db: sqlite3.Connection, texts: Sequence[str], vectors: Vector, fingerprint: str) -> None:
    """Stores vectors ahead of the change that uses them; `vectors` has shape (len(texts), dimension)."""
    number = fingerprint_id(db, fingerprint, vectors.shape[1])
    hashes = [digest(text) for text in texts]
    insert(db, number, zip(hashes, np.ascontiguousarray(vectors, np.float32), strict=True))
    at = now_us()
    db.executemany("INSERT OR REPLACE INTO staged VALUES (?, ?, ?)", ((key, number, at) for key in hashes))


def give(db: sqlite3.Connection, texts: Sequence[str], vectors: Vector, fingerprint: str) -> None:
    """Stores vectors of texts that are entries now: one that was forgotten while it was encoded leaves nothing."""
    number = fingerprint_id(db, fingerprint, vectors.shape[1])
    hashes = [digest(text) for text in texts]
    entries: set[bytes] = set()
    for part in chunks(hashes, 500):
        query = f"SELECT hash FROM entries WHERE hash IN ({marks(part)})"  # noqa: S608 - question marks
        entries.update(row[0] for row in db.execute(query, part))
    rows = np.ascontiguousarray(vectors, np.float32)
    insert(db, number, ((key, row) for key, row in zip(hashes, rows, strict=True) if key in entries))


def drop(db: sqlite3.Connection, which: str, *parameters: object) -> int:
    """Removes rows; returns how many. Those beside them may move to other pages."""
    count = db.execute(f"DELETE FROM vectors WHERE {which}", parameters).rowcount  # noqa: S608 - no outside text
    if count:
        rewrite.mark_moved(db)
    return count


def blank(db: sqlite3.Connection, hashes: Iterable[bytes]) -> None:
    """Overwrites the vectors of these texts, of every model, where they stand: rows of the same size move no others.

    What is left belongs to no text, and goes with the unused ones.
    """
    query = (
        "UPDATE vectors SET hash = randomblob(length(hash)), vector = zeroblob(length(vector)) "
        "WHERE fingerprint = ? AND hash = ?"
    )
    numbers = [row[0] for row in db.execute("SELECT id FROM fingerprints")]
    db.executemany(query, ((number, key) for key in hashes for number in numbers))


def drop_staged(db: sqlite3.Connection, *, everything: bool) -> None:
    """Removes staged vectors that no change came for."""
    before = now_us() if everything else now_us() - _STAGED_HOURS * 3_600_000_000
    due = f"SELECT s.fingerprint, s.hash FROM staged s WHERE s.at <= ? AND {_UNUSED.format('s')}"  # noqa: S608
    drop(db, f"(fingerprint, hash) IN ({due})", before)
    db.execute("DELETE FROM staged WHERE at <= ?", (before,))


def drop_unused(db: sqlite3.Connection) -> None:
    """Removes vectors that neither entries, history nor a staged change need; reads the whole key index."""
    staged = "NOT EXISTS (SELECT 1 FROM staged s WHERE s.hash = vectors.hash AND s.fingerprint = vectors.fingerprint)"
    drop(db, f"{_UNUSED.format('vectors')} AND {staged}")


def drop_for_history(db: sqlite3.Connection) -> int:
    """Removes vectors that only an undo would need (it encodes again); returns how many."""
    return drop(
        db,
        "hash IN (SELECT c.before_hash FROM change_entries c WHERE c.before_hash IS NOT NULL "
        "AND NOT EXISTS (SELECT 1 FROM entries e WHERE e.hash = c.before_hash))",
    )


def disk_bytes(count: int, dimension: int) -> int:
    """What so many vectors take in the file: whole rows on a page, the rest of a longer one on pages of its own."""
    row = 4 * dimension + _ROW_BYTES
    page = schema.PAGE_SIZE - _PAGE_HEAD_BYTES
    pages = count / (page // row) if row <= page else count * row / page * _LONG
    return round(pages * schema.PAGE_SIZE) + count * _KEY_BYTES


def disk_bytes_of_others(db: sqlite3.Connection, fingerprint: str) -> int:
    """What the vectors of all other models take."""
    query = (
        "SELECT count(*), f.dimension FROM vectors v JOIN fingerprints f ON f.id = v.fingerprint "
        "WHERE f.fingerprint != ? GROUP BY f.id"
    )
    return sum(disk_bytes(count, dimension) for count, dimension in db.execute(query, (fingerprint,)))


# --- bulk reading ---


def all_vectors(
    db: sqlite3.Connection, fingerprint: str, total: int, room: Room | None = None
) -> tuple[npt.NDArray[np.int64], Vector]:
    """Ids of shape (n,) in ascending order and their vectors, contiguous, of shape (n, dimension).

    `room(n)` gives the memory for them, of shape (n, dimension).
    """
    known = known_fingerprint(db, fingerprint)
    if known is None:
        return np.empty(0, np.int64), np.empty((0, 0), np.float32)
    number, dimension = known
    ids = np.empty(total, np.int64)
    matrix = np.empty((total, dimension), np.float32) if room is None else room(total)
    query = (
        "SELECT e.id, v.vector FROM entries e CROSS JOIN vectors v "
        "WHERE v.fingerprint = ? AND v.hash = e.hash ORDER BY e.id"
    )
    cursor = db.execute(query, (number,))
    filled = 0
    while rows := cursor.fetchmany(2048):
        end = filled + len(rows)
        ids[filled:end] = [row[0] for row in rows]
        block = b"".join([row[1] for row in rows])
        if len(block) != 4 * dimension * len(rows):
            raise Damaged(f"a vector after entry {ids[filled]} has a wrong size")
        matrix[filled:end] = np.frombuffer(block, np.float32).reshape(len(rows), dimension)
        filled = end
    return ids[:filled], matrix[:filled]


def vector_of(db: sqlite3.Connection, entry: int, number: int) -> Vector | None:
    query = "SELECT v.vector FROM entries e JOIN vectors v ON v.hash = e.hash WHERE e.id = ? AND v.fingerprint = ?"
    row = db.execute(query, (entry, number)).fetchone()
    return None if row is None else np.frombuffer(row[0], np.float32)


def without_vector(db: sqlite3.Connection, fingerprint: str, after: int, limit: int) -> list[tuple[int, str]]:
    known = known_fingerprint(db, fingerprint)
    query = (
        "SELECT e.id, e.text FROM entries e WHERE e.id > ? AND NOT EXISTS "
        "(SELECT 1 FROM vectors v WHERE v.fingerprint = ? AND v.hash = e.hash) ORDER BY e.id LIMIT ?"
    )
    return [(row[0], row[1]) for row in db.execute(query, (after, known[0] if known else -1, limit))]


def count_without_vector(db: sqlite3.Connection, fingerprint: str) -> int:
    known = known_fingerprint(db, fingerprint)
    query = (
        "SELECT count(*) FROM entries e WHERE NOT EXISTS "
        "(SELECT 1 FROM vectors v WHERE v.fingerprint = ? AND v.hash = e.hash)"
    )
    return int(db.execute(query, (known[0] if known else -1,)).fetchone()[0])


def fingerprints(db: sqlite3.Connection) -> list[str]:
    return [str(row[0]) for row in db.execute("SELECT fingerprint FROM fingerprints ORDER BY id")]


_DERIVABLE = (
    "FROM entries e JOIN vectors v ON v.hash = e.hash AND v.fingerprint = ? WHERE NOT EXISTS "
    "(SELECT 1 FROM vectors n WHERE n.fingerprint = ? AND n.hash = e.hash)"
)


def derivable(db: sqlite3.Connection, source: str, target: str, limit: int) -> list[tuple[str, Vector]]:
    numbers = _numbers(db, source, target)
    rows = db.execute(f"SELECT e.text, v.vector {_DERIVABLE} ORDER BY e.id LIMIT ?", (*numbers, limit))
    return [(row[0], np.frombuffer(row[1], np.float32)) for row in rows]


def count_derivable(db: sqlite3.Connection, source: str, target: str) -> int:
    return int(db.execute(f"SELECT count(*) {_DERIVABLE}", _numbers(db, source, target)).fetchone()[0])


def _numbers(db: sqlite3.Connection, *named: str) -> tuple[int, ...]:
    """The fingerprints' ids; -1, which nothing has, for one that was never stored with."""
    return tuple(known[0] if (known := known_fingerprint(db, each)) else -1 for each in named)


def damaged_vectors(db: sqlite3.Connection) -> list[int]:
    """Ids of entries with a vector whose checksum does not match; reads every vector."""
    query = "SELECT e.id, v.crc, v.vector FROM vectors v JOIN entries e ON e.hash = v.hash"
    return [row[0] for row in db.execute(query) if zlib.crc32(row[2]) != row[1]]


def drop_damaged(db: sqlite3.Connection) -> int:
    """Removes vectors whose checksum does not match; returns of how many entries."""
    ids = damaged_vectors(db)
    for id_ in ids:
        drop(db, "hash = (SELECT hash FROM entries WHERE id = ?)", id_)
    return len(ids)
