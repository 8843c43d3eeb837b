"""Writing the tables that hold text anew, so that no page keeps a stray copy of a removed row.

`secure_delete` overwrites a deleted row where it stands. Rows that were moved to another page before (a page was
split or merged) leave a copy behind in the unused middle of the old page, and SQLite never clears that (a test
finds such copies). Pages that are given up as a whole are overwritten, so the tables are copied and dropped.
VACUUM would do the same for the whole file, vectors included, at many times the cost.
"""

from __future__ import annotations

import sqlite3

_TABLES = ("entries", "change_entries", "requests", "operations")


def mark_due(db: sqlite3.Connection) -> None:
    db.execute("INSERT OR REPLACE INTO meta VALUES ('rewrite_due', 1)")


def is_due(db: sqlite3.Connection) -> bool:
    return db.execute("SELECT 1 FROM meta WHERE key = 'rewrite_due'").fetchone() is not None


def rewrite(db: sqlite3.Connection) -> None:
    """Inside the caller's transaction; takes the time and space of all texts, history included."""
    last_id = db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'entries'").fetchone()
    for table in _TABLES:
        _rewrite(db, table)
    if last_id:  # goes with the old table: without it, ids would be given again
        db.execute("DELETE FROM sqlite_sequence WHERE name = 'entries'")
        db.execute("INSERT INTO sqlite_sequence (name, seq) VALUES ('entries', ?)", last_id)
    db.execute("DELETE FROM meta WHERE key = 'rewrite_due'")


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
