"""The application of a change to entries, vectors, history and counters, inside the caller's transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from daemon.core import wire
from daemon.encoder.arrays import Vector
from daemon.encoder.knowledge.file import meta
from daemon.encoder.knowledge.file.meta import BaseCounter
from daemon.encoder.knowledge.file.sql import chunks
from daemon.encoder.knowledge.model import Delta, Row, WriteContext
from daemon.encoder.knowledge.reads import history
from daemon.encoder.knowledge.texts import digest, now_us
from daemon.encoder.knowledge.vectors import rows

_CHUNK = 5000  # rows between two checks of the room left
_UPDATE = "UPDATE entries SET text = ?, hash = ?, metadata = ?, created_at = ?, updated_at = ? WHERE id = ?"
_INSERT = "INSERT INTO entries (id, text, hash, metadata, created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?)"
_REMEMBER = (
    "INSERT INTO change_entries (revision, entry, before_hash, before_text, before_metadata, before_created, "
    "before_updated, after_text, after_metadata, after_created, after_updated) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)


@dataclass(frozen=True)
class Recording:
    """A change's row in the history; without `keep_texts` it can't be undone and leaves no text there."""

    kind: str
    actor: str
    keep_texts: bool
    undoes: int | None = None


@dataclass(frozen=True)
class Applied:
    revision: int
    upserts: list[tuple[int, Vector]]
    change: wire.Change | None


def next_id(db: sqlite3.Connection) -> int:
    """One more than the highest id that was ever given: ids are never reused."""
    row = db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'entries'").fetchone()
    return int(row[0]) + 1 if row else 1


def apply(
    db: sqlite3.Connection,
    deltas: Sequence[Delta],
    recording: Recording,
    ctx: WriteContext,
    check_room: Callable[[], None],
) -> Applied:
    """Apply a change; without deltas nothing changes, not even the revision.

    `check_room` is called after every few thousand rows. Raises MissingVectors, DiskFull.
    """
    if not deltas:
        return Applied(meta.read(db, BaseCounter.REVISION), [], None)
    fresh = [(delta.id, text) for delta in deltas if (text := delta.new_text) is not None]
    found = rows.settle(db, [text for _, text in fresh], ctx.fingerprint, ctx.vectors)
    check_room()
    _write_entries(db, deltas, check_room)
    revision = meta.read(db, BaseCounter.REVISION) + 1
    _record(db, revision, deltas, recording, check_room)
    grown = sum(d.before is None for d in deltas) - sum(d.after is None for d in deltas)
    meta.write(db, BaseCounter.REVISION, revision)
    meta.write(db, BaseCounter.TOTAL, meta.read(db, BaseCounter.TOTAL) + grown)
    upserts = [(id_, vector) for (id_, _), vector in zip(fresh, found, strict=True)]
    return Applied(revision, upserts, history.change(db, revision))


def _write_entries(db: sqlite3.Connection, deltas: Sequence[Delta], check_room: Callable[[], None]) -> None:
    """Write the rows of entries, removals first: a text may move from one entry to another within a change."""
    for part in chunks([d.id for d in deltas if d.after is None], _CHUNK):
        db.executemany("DELETE FROM entries WHERE id = ?", ((id_,) for id_ in part))
    for edited in chunks([d.after for d in deltas if d.before and d.after], _CHUNK):
        db.executemany(
            _UPDATE,
            ((r.text, digest(r.text), r.metadata, r.created, r.updated, r.id) for r in edited if r),
        )
    for added in chunks([d.after for d in deltas if d.before is None], _CHUNK):
        db.executemany(
            _INSERT,
            ((r.id, r.text, digest(r.text), r.metadata, r.created, r.updated) for r in added if r),
        )
        check_room()


def _record(
    db: sqlite3.Connection,
    revision: int,
    deltas: Sequence[Delta],
    recording: Recording,
    check_room: Callable[[], None],
) -> None:
    added, removed = sum(d.before is None for d in deltas), sum(d.after is None for d in deltas)
    counts = (added, removed, len(deltas) - added - removed)
    row = (revision, now_us(), recording.actor, recording.kind, *counts, recording.keep_texts, recording.undoes)
    db.execute("INSERT INTO changes VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, NULL)", row)
    if recording.undoes is not None:
        db.execute("UPDATE changes SET undone_by = ? WHERE revision = ?", (revision, recording.undoes))
    for part in chunks(deltas, _CHUNK):
        db.executemany(_REMEMBER, (_history_row(revision, delta, keep=recording.keep_texts) for delta in part))
        check_room()


def _history_row(revision: int, delta: Delta, *, keep: bool) -> tuple[Any, ...]:
    before, after = delta.before, delta.after
    if not keep:
        return (revision, delta.id, *(None,) * 9)
    before_hash = digest(before.text) if before else None
    return (revision, delta.id, before_hash, *_columns(before), *_columns(after))


def _columns(row: Row | None) -> tuple[Any, ...]:
    return (None,) * 4 if row is None else (row.text, row.metadata, row.created, row.updated)


def recorded(db: sqlite3.Connection, revision: int) -> list[Delta]:
    """Read from the history what a change did to each entry."""
    query = (
        "SELECT entry, before_text, before_metadata, before_created, before_updated, "
        "after_text, after_metadata, after_created, after_updated "
        "FROM change_entries WHERE revision = ? ORDER BY id"
    )
    return [Delta(_side(row[0], row[1:5]), _side(row[0], row[5:9])) for row in db.execute(query, (revision,))]


def _side(id_: int, values: Sequence[Any]) -> Row | None:
    return None if values[0] is None else Row(id_, *values)
