"""The room that vectors take in the file, by SQLite's file format."""

from __future__ import annotations

import sqlite3

from daemon.encoder.knowledge.file import schema

# A row's length, rowid, column types and small columns; a page's head; a row of the key's index on pages that are
# two thirds full; the loss where a row needs pages of its own.
_ROW_BYTES, _PAGE_HEAD_BYTES, _KEY_BYTES, _LONG = 48, 40, 70, 1.15


def disk_bytes(count: int, dimension: int) -> int:
    """Estimate the bytes of so many vectors: whole rows on a page, the rest of a longer one on pages of its own."""
    row = 4 * dimension + _ROW_BYTES
    page = schema.PAGE_SIZE - _PAGE_HEAD_BYTES
    pages = count / (page // row) if row <= page else count * row / page * _LONG
    return round(pages * schema.PAGE_SIZE) + count * _KEY_BYTES


def disk_bytes_of_others(db: sqlite3.Connection, fingerprint: str) -> int:
    """Estimate the bytes of the vectors of all other fingerprints."""
    query = (
        "SELECT count(*), f.dimension FROM vectors v JOIN fingerprints f ON f.id = v.fingerprint "
        "WHERE f.fingerprint != ? GROUP BY f.id"
    )
    return sum(disk_bytes(count, dimension) for count, dimension in db.execute(query, (fingerprint,)))
