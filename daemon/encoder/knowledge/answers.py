"""Answers to changes, kept so that one that is sent again is answered without being applied again."""

from __future__ import annotations

from sqlite3 import Connection

from daemon.encoder.knowledge.model import Committed, WriteContext
from daemon.encoder.knowledge.texts import now_us

_HOUR_US = 3_600_000_000  # nobody sends an interrupted write again after that


def stored(db: Connection, request_id: str) -> tuple[int, bytes] | None:
    row = db.execute("SELECT status, body FROM requests WHERE id = ?", (request_id,)).fetchone()
    return None if row is None else (int(row[0]), bytes(row[1]))


def keep(db: Connection, ctx: WriteContext, committed: Committed) -> None:
    if ctx.request_id is not None:
        now = now_us()
        drop_old(db, now)
        db.execute("INSERT INTO requests VALUES (?, ?, ?, ?)", (ctx.request_id, now, *ctx.answer(committed)))


def drop_old(db: Connection, now: int) -> int:
    """Returns how many; `now` in microseconds."""
    return db.execute("DELETE FROM requests WHERE at < ?", (now - _HOUR_US,)).rowcount
