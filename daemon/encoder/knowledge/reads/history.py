"""The history of changes, as it is shown."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from typing import Any

from daemon.core import wire
from daemon.encoder.knowledge.reads.entries import MAX_ID
from daemon.encoder.knowledge.reads.page import bounded
from daemon.encoder.knowledge.texts import moment

_DETAILS = 20  # entries shown of one change; the counts say how many there are
_COLUMNS = "revision, at, actor, kind, added, removed, edited, undone_by"


def history(db: sqlite3.Connection, after: int | None, limit: int) -> wire.HistoryPage:
    """Read changes, newest first; `after` is the last revision of the page before."""
    query = f"SELECT {_COLUMNS} FROM changes WHERE revision < ? ORDER BY revision DESC LIMIT ?"  # noqa: S608
    newest = MAX_ID if after is None else bounded(after)
    rows = db.execute(query, (newest, limit + 1)).fetchall()
    found = [_to_change(db, row) for row in rows[:limit]]
    return wire.HistoryPage(changes=found, next=found[-1].revision if found and len(rows) > limit else None)


def change(db: sqlite3.Connection, revision: int) -> wire.Change:
    """Read the change that made this revision, which must be in the history."""
    query = f"SELECT {_COLUMNS} FROM changes WHERE revision = ?"  # noqa: S608
    return _to_change(db, db.execute(query, (revision,)).fetchone())


def _to_change(db: sqlite3.Connection, row: Sequence[Any]) -> wire.Change:
    revision, at, actor, kind, added, removed, edited, undone_by = row
    return wire.Change(
        revision=revision,
        at=moment(at),
        actor=actor,
        kind=kind,
        added=added,
        removed=removed,
        edited=edited,
        undone=undone_by is not None,
        details=_details(db, revision),
    )


def _details(db: sqlite3.Connection, revision: int) -> list[dict[str, Any]]:
    query = (
        "SELECT entry, before_text, before_metadata, after_text, after_metadata FROM change_entries "
        "WHERE revision = ? ORDER BY id LIMIT ?"
    )
    return [_detail(row) for row in db.execute(query, (revision, _DETAILS))]


def _detail(row: Sequence[Any]) -> dict[str, Any]:
    """Show one entry's part of a change: {id, before?, after?, …_metadata?}; a forgotten one has its id alone."""
    id_, before, before_metadata, after, after_metadata = row
    detail: dict[str, Any] = {"id": id_}
    if before is not None:
        detail["before"] = wire.shorten(before)
    if after is not None:
        detail["after"] = wire.shorten(after)
    if before_metadata != after_metadata:
        detail |= {
            key: json.loads(value)
            for key, value in (("before_metadata", before_metadata), ("after_metadata", after_metadata))
            if value not in (None, "{}")
        }
    return detail
