"""Writing tables anew, so that no page keeps a stray copy of a removed row.

`secure_delete` overwrites a deleted row where it stands. Rows that were moved to another page before (a page was
split or merged) leave a copy behind in the unused middle of the old page, and SQLite never clears that (tests find
such copies). Pages that are given up as a whole are overwritten, so tables are copied and dropped. VACUUM would do the
same for the whole file.

Texts are written anew each time that some must be gone. Vectors, many times their size, only if rows have moved since
they were last written anew: they are appended in order, which moves none, and forgotten ones are overwritten where
they stand (`vectors.blank`); other removals move some.
"""

from __future__ import annotations

import sqlite3

_TEXTS = ("entries", "change_entries", "requests", "operations")
_TEXTS_DUE, _VECTORS_MOVED, _VECTORS_DUE = "rewrite_due", "vectors_moved", "vectors_due"


def mark_moved(db: sqlite3.Connection) -> None:
    """Rows of `vectors` were removed otherwise than by `vectors.blank`."""
    _set(db, _VECTORS_MOVED)


def mark_due(db: sqlite3.Connection) -> None:
    """Texts were removed for good."""
    _set(db, _TEXTS_DUE)


def mark_vectors_due(db: sqlite3.Connection) -> None:
    """And nothing may be left of their vectors."""
    if _is_set(db, _VECTORS_MOVED):
        _set(db, _VECTORS_DUE)


def is_due(db: sqlite3.Connection) -> bool:
    return _is_set(db, _TEXTS_DUE) or _is_set(db, _VECTORS_DUE)


def _set(db: sqlite3.Connection, key: str) -> None:
    db.execute("INSERT OR REPLACE INTO meta VALUES (?, 1)", (key,))


def _is_set(db: sqlite3.Connection, key: str) -> bool:
    return db.execute("SELECT 1 FROM meta WHERE key = ?", (key,)).fetchone() is not None


def rewrite_texts(db: sqlite3.Connection) -> None:
    """Inside the caller's transaction; takes the time and space of all texts, history included."""
    if not _is_set(db, _TEXTS_DUE):
        return
    last_id = db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'entries'").fetchone()
    for table in _TEXTS:
        _rewrite(db, table)
    if last_id:  # goes with the old table: without it, ids would be given again
        db.execute("DELETE FROM sqlite_sequence WHERE name = 'entries'")
        db.execute("INSERT INTO sqlite_sequence (name, seq) VALUES ('entries', ?)", last_id)
    db.execute("DELETE FROM meta WHERE key = ?", (_TEXTS_DUE,))


def rewrite_vectors(db: sqlite3.Connection) -> None:
    """Inside the caller's transaction; takes the space of all vectors, and a second for about 150 MB."""
    if _is_set(db, _VECTORS_DUE):
        _rewrite(db, "vectors")
        db.execute("DELETE FROM meta WHERE key IN (?, ?)", (_VECTORS_DUE, _VECTORS_MOVED))


def _rewrite(db: sqlite3.Connection, table: str) -> None:
    query = "SELECT sql FROM sqlite_schema WHERE tbl_name = ? AND sql IS NOT NULL ORDER BY type DESC"
    # "table" sorts behind "index"
    create, *indices = [row[0] for row in db.execute(query, (table,))]
    db.execute(f"ALTER TABLE {table} RENAME TO old_{table}")
    db.execute(create)
    db.execute(f"INSERT INTO {table} SELECT * FROM old_{table} ORDER BY id")  # noqa: S608 - a name of ours
    db.execute(f"DROP TABLE old_{table}")
    for index in indices:
        db.execute(index)
