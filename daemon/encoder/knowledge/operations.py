"""Stored operations of the encoder (import, restore), so that their end is known after a restart."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime

from daemon.core import wire
from daemon.core.errors import UnknownOperation
from daemon.encoder.knowledge.file.database import Database
from daemon.encoder.knowledge.texts import microseconds


def put(db: sqlite3.Connection, operation: wire.Operation) -> None:
    """Store an operation inside the caller's transaction."""
    ended = None if operation.ended_at is None else microseconds(operation.ended_at)
    row = (operation.id, operation.state.value, ended, operation.model_dump_json())
    db.execute("INSERT OR REPLACE INTO operations VALUES (?, ?, ?, ?)", row)


class StoredOperations:
    """Operations as the base keeps them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def save(self, operation: wire.Operation) -> None:
        with self._database.write(spare=True) as db:
            put(db, operation)

    def save_progress(self, operation: wire.Operation) -> None:
        """Store the progress of a running operation, unless a change has stored its end meanwhile."""
        with self._database.write(spare=True) as db:
            query = "UPDATE operations SET body = ? WHERE id = ? AND state = 'running'"
            db.execute(query, (operation.model_dump_json(), operation.id))

    def get(self, id_: str) -> wire.Operation:
        """Read an operation. Raises UnknownOperation."""
        with self._database.read() as db:
            row = db.execute("SELECT body FROM operations WHERE id = ?", (id_,)).fetchone()
        if row is None:
            raise UnknownOperation(
                f"cannot find the operation {wire.shorten(id_, 60)}: it is unknown here", id=id_[:60]
            )
        return wire.Operation.model_validate_json(row[0])

    def mark_interrupted(self) -> int:
        """End as `interrupted` all that ran when the process died; returns how many did."""
        with self._database.read() as db:
            bodies = db.execute("SELECT body FROM operations WHERE state = 'running'").fetchall()
        now = datetime.now(UTC)
        for (body,) in bodies:
            operation = wire.Operation.model_validate_json(body)
            self.save(operation.model_copy(update={"state": wire.OperationState.INTERRUPTED, "ended_at": now}))
        return len(bodies)
