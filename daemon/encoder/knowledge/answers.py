"""Stored answers to changes: a request that is sent again gets its answer, and is not applied again."""

from __future__ import annotations

from sqlite3 import Connection

from daemon.encoder.knowledge.model import Reply
from daemon.encoder.knowledge.texts import now_us

_HOUR_US = 3_600_000_000  # nobody sends an interrupted write again after that


def stored(db: Connection, request_id: str) -> Reply | None:
    """Look up the answer to a request."""
    row = db.execute("SELECT status, body FROM requests WHERE id = ?", (request_id,)).fetchone()
    return None if row is None else (int(row[0]), bytes(row[1]))


def keep(db: Connection, request_id: str, answer: Reply) -> None:
    """Store the answer to a request, inside the transaction of its change."""
    now = now_us()
    drop_old(db, now)
    db.execute("INSERT INTO requests VALUES (?, ?, ?, ?)", (request_id, now, *answer))


def drop_old(db: Connection, now: int) -> int:
    """Remove answers older than an hour, and count them; `now` is in microseconds."""
    return db.execute("DELETE FROM requests WHERE at < ?", (now - _HOUR_US,)).rowcount
