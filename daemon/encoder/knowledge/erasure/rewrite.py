"""Tables written anew, so that no page keeps a stray copy of a removed row.

`secure_delete` overwrites a deleted row where it stands. Rows that were moved to another page before (a page was
split or merged) leave a copy behind in the unused middle of the old page, and SQLite never clears that (tests find
such copies). Pages that are given up as a whole are overwritten, so tables are copied and dropped. VACUUM would do the
same for the whole file.

Texts are written anew each time that some must be gone. Vectors are many times their size, and are written anew only
if rows have moved since the last time. Adding moves none, for they are appended in order; forgetting moves none, for
rows are overwritten where they stand (`vectors.rows.blank`); other removals move some.
"""

from __future__ import annotations

import sqlite3

from daemon.encoder.knowledge.file import meta
from daemon.encoder.knowledge.file.meta import Mark

_TEXTS = ("entries", "change_entries", "requests", "operations")


def is_due(db: sqlite3.Connection) -> bool:
    return meta.is_marked(db, Mark.TEXTS_DUE) or meta.is_marked(db, Mark.VECTORS_DUE)


def rewrite_texts(db: sqlite3.Connection) -> None:
    """Write all texts anew inside the caller's transaction, if that is due; takes their time and space once more."""
    if not meta.is_marked(db, Mark.TEXTS_DUE):
        return
    last_id = db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'entries'").fetchone()
    for table in _TEXTS:
        _rewrite(db, table)
    if last_id:  # goes with the old table: without it, ids would be given again
        db.execute("DELETE FROM sqlite_sequence WHERE name = 'entries'")
        db.execute("INSERT INTO sqlite_sequence (name, seq) VALUES ('entries', ?)", last_id)
    meta.clear(db, Mark.TEXTS_DUE)


def rewrite_vectors(db: sqlite3.Connection) -> None:
    """Write all vectors anew inside the caller's transaction, if that is due; takes a second for about 150 MB."""
    if meta.is_marked(db, Mark.VECTORS_DUE):
        _rewrite(db, "vectors")
        meta.clear(db, Mark.VECTORS_DUE, Mark.VECTORS_MOVED)


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
