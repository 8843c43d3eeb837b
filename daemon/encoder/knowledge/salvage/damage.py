"""Damage in a base that SQLite can still open."""

from __future__ import annotations

import sqlite3
import zlib

from daemon.encoder.knowledge.file.database import Database
from daemon.encoder.knowledge.texts import digest
from daemon.encoder.knowledge.vectors import rows

_SHOWN = 20


def find(database: Database) -> list[str]:
    """List in words all that is damaged in the file; reads all of it."""
    with database.read() as db:
        found = [str(row[0]) for row in db.execute(f"PRAGMA integrity_check({_SHOWN})")]
        texts, vectors = damaged_texts(db), damaged_vectors(db)
    problems = [] if found == ["ok"] else found
    problems += [f"the text of entry {id_} is damaged" for id_ in texts[:_SHOWN]]
    return problems + [f"the vector of entry {id_} is damaged" for id_ in vectors[:_SHOWN]]


def damaged_texts(db: sqlite3.Connection) -> list[int]:
    """Find the entries whose text does not match its hash; reads every entry."""
    return [id_ for id_, text, key in db.execute("SELECT id, text, hash FROM entries") if digest(text) != key]


def damaged_vectors(db: sqlite3.Connection) -> list[int]:
    """Find the entries with a vector whose checksum does not match; reads every vector."""
    query = "SELECT e.id, v.crc, v.vector FROM vectors v JOIN entries e ON e.hash = v.hash"
    return [row[0] for row in db.execute(query) if zlib.crc32(row[2]) != row[1]]


def drop_vectors(database: Database) -> int:
    """Remove damaged vectors, which are encoded again then; returns of how many entries."""
    with database.write(spare=True) as db:
        ids = damaged_vectors(db)
        for id_ in ids:
            rows.drop(db, "hash = (SELECT hash FROM entries WHERE id = ?)", id_)
    return len(ids)
