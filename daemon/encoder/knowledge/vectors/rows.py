"""Rows of the table `vectors`, by text hash and fingerprint: equal texts are encoded once."""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from daemon.core.errors import InternalError
from daemon.encoder.arrays import Matrix, Vector
from daemon.encoder.knowledge.file import meta
from daemon.encoder.knowledge.file.meta import Mark
from daemon.encoder.knowledge.file.sql import chunks, marks
from daemon.encoder.knowledge.model import MissingVectors
from daemon.encoder.knowledge.texts import digest, now_us
from daemon.encoder.knowledge.vectors import old_vectors

_PART = 500  # hashes in one query


# --- fingerprints ---


def known_fingerprint(db: sqlite3.Connection, fingerprint: str) -> tuple[int, int] | None:
    """Look up (id, dimension) of a fingerprint; None if no vector was ever stored with it."""
    row = db.execute("SELECT id, dimension FROM fingerprints WHERE fingerprint = ?", (fingerprint,)).fetchone()
    return None if row is None else (int(row[0]), int(row[1]))


def fingerprint_id(db: sqlite3.Connection, fingerprint: str, dimension: int) -> int:
    """Look up a fingerprint's id, or give it one."""
    known = known_fingerprint(db, fingerprint)
    if known is None:
        query = "INSERT INTO fingerprints (fingerprint, dimension) VALUES (?, ?) RETURNING id"
        return int(db.execute(query, (fingerprint, dimension)).fetchone()[0])
    if known[1] != dimension:
        raise InternalError(
            f"cannot store a vector of {dimension} dimensions: those of {fingerprint!r} have {known[1]}"
        )
    return known[0]


def fingerprints(db: sqlite3.Connection) -> list[str]:
    return [str(row[0]) for row in db.execute("SELECT fingerprint FROM fingerprints ORDER BY id")]


# --- looking up ---


def present(db: sqlite3.Connection, number: int, hashes: Sequence[bytes]) -> set[bytes]:
    """Find those of these hashes that have a vector of fingerprint `number`."""
    found: set[bytes] = set()
    for part in chunks(hashes, _PART):
        query = f"SELECT hash FROM vectors WHERE fingerprint = ? AND hash IN ({marks(part)})"  # noqa: S608
        found.update(row[0] for row in db.execute(query, (number, *part)))
    return found


def fetch(db: sqlite3.Connection, number: int, hashes: Sequence[bytes]) -> dict[bytes, Vector]:
    found: dict[bytes, Vector] = {}
    for part in chunks(hashes, _PART):
        query = f"SELECT hash, vector FROM vectors WHERE fingerprint = ? AND hash IN ({marks(part)})"  # noqa: S608
        found.update((row[0], np.frombuffer(row[1], np.float32)) for row in db.execute(query, (number, *part)))
    return found


def vector_of(db: sqlite3.Connection, entry: int, number: int) -> Vector | None:
    query = "SELECT v.vector FROM entries e JOIN vectors v ON v.hash = e.hash WHERE e.id = ? AND v.fingerprint = ?"
    row = db.execute(query, (entry, number)).fetchone()
    return None if row is None else np.frombuffer(row[0], np.float32)


# --- storing ---


def insert(db: sqlite3.Connection, number: int, items: Iterable[tuple[bytes, Vector]]) -> None:
    rows = ((number, key, zlib.crc32(blob), blob) for key, blob in ((k, v.tobytes()) for k, v in items))
    db.executemany("INSERT OR IGNORE INTO vectors (fingerprint, hash, crc, vector) VALUES (?, ?, ?, ?)", rows)
    old_vectors.renew(db, number)


def settle(db: sqlite3.Connection, texts: Sequence[str], fingerprint: str, given: Mapping[str, Vector]) -> list[Vector]:
    """Make sure that each text has a stored vector, and return them in order. Raises MissingVectors."""
    hashes = [digest(text) for text in texts]
    known = known_fingerprint(db, fingerprint)
    stored = fetch(db, known[0], [h for h, t in zip(hashes, texts, strict=True) if t not in given]) if known else {}
    lacking = [text for text, key in zip(texts, hashes, strict=True) if text not in given and key not in stored]
    if lacking:
        raise MissingVectors(lacking)
    fresh = {key: _contiguous(given[text]) for text, key in zip(texts, hashes, strict=True) if text in given}
    if fresh:
        number = fingerprint_id(db, fingerprint, len(next(iter(fresh.values()))))
        insert(db, number, fresh.items())
    if texts and db.execute("SELECT 1 FROM staged LIMIT 1").fetchone():
        db.executemany("DELETE FROM staged WHERE hash = ?", ((key,) for key in hashes))
    return [fresh[key] if key in fresh else stored[key] for key in hashes]


def _contiguous(vector: Vector) -> Vector:
    return np.ascontiguousarray(vector, np.float32).reshape(-1)


def stage(db: sqlite3.Connection, texts: Sequence[str], vectors: Matrix, fingerprint: str) -> None:
    """Store vectors ahead of the change that uses them; `vectors` has shape (len(texts), dimension)."""
    number = fingerprint_id(db, fingerprint, vectors.shape[1])
    hashes = [digest(text) for text in texts]
    insert(db, number, zip(hashes, np.ascontiguousarray(vectors, np.float32), strict=True))
    at = now_us()
    db.executemany("INSERT OR REPLACE INTO staged VALUES (?, ?, ?)", ((key, number, at) for key in hashes))


def give(db: sqlite3.Connection, texts: Sequence[str], vectors: Matrix, fingerprint: str) -> None:
    """Store vectors of texts that are entries now: one that was forgotten while it was encoded leaves nothing."""
    number = fingerprint_id(db, fingerprint, vectors.shape[1])
    hashes = [digest(text) for text in texts]
    entries: set[bytes] = set()
    for part in chunks(hashes, _PART):
        query = f"SELECT hash FROM entries WHERE hash IN ({marks(part)})"  # noqa: S608 - question marks
        entries.update(row[0] for row in db.execute(query, part))
    rows = np.ascontiguousarray(vectors, np.float32)
    insert(db, number, ((key, row) for key, row in zip(hashes, rows, strict=True) if key in entries))


# --- removing ---


def drop(db: sqlite3.Connection, which: str, *parameters: object) -> int:
    """Remove rows and count them; rows beside them may move to other pages."""
    count = db.execute(f"DELETE FROM vectors WHERE {which}", parameters).rowcount  # noqa: S608 - no outside text
    if count:
        meta.set_mark(db, Mark.VECTORS_MOVED)
    return count


def blank(db: sqlite3.Connection, hashes: Iterable[bytes]) -> None:
    """Overwrite the vectors of these texts, of every model, where they stand: rows of the same size move no others.

    The blank rows belong to no text, and go with the unused ones.
    """
    query = (
        "UPDATE vectors SET hash = randomblob(length(hash)), vector = zeroblob(length(vector)) "
        "WHERE fingerprint = ? AND hash = ?"
    )
    numbers = [row[0] for row in db.execute("SELECT id FROM fingerprints")]
    db.executemany(query, ((number, key) for key in hashes for number in numbers))
