"""Applying a change: entries, vectors, history and counters, inside the caller's transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from daemon.core import wire
from daemon.encoder.knowledge import vectors
from daemon.encoder.knowledge.model import Delta, Row, Vector, WriteContext
from daemon.encoder.knowledge.reading import meta, to_change
from daemon.encoder.knowledge.texts import digest, now_us
from daemon.encoder.knowledge.vectors import chunks

_CHUNK = 5000  # rows between two looks at the room left
_UPDATE = "UPDATE entries SET text = ?, hash = ?, metadata = ?, created_at = ?, updated_at = ? WHERE id = ?"
INSERT = "INSERT INTO entries (id, text, hash, metadata, created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?)"
_REMEMBER = (
    "INSERT INTO change_entries (revision, entry, before_hash, before_text, before_metadata, before_created, "
    "before_updated, after_text, after_metadata, after_created, after_updated) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)


@dataclass(frozen=True)
class Recording:
    """How a change stands in the history. `keep_texts` False: it can't be undone and leaves no text there."""

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
    """Ids are never reused: one more than the highest that was ever given."""
    row = db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'entries'").fetchone()
    return int(row[0]) + 1 if row else 1


def apply(
    db: sqlite3.Connection,
    deltas: Sequence[Delta],
    recording: Recording,
    ctx: WriteContext,
    room: Callable[[], None],
) -> Applied:
    """Raises MissingVectors, DiskFull (from `room`). Without deltas nothing changes, the revision neither."""
    if not deltas:
        return Applied(meta(db, "revision"), [], None)
    fresh = [(delta.id, text) for delta in deltas if (text := delta.new_text) is not None]
    found = vectors.settle(db, [text for _, text in fresh], ctx.fingerprint, ctx.vectors)
    room()
    _write_entries(db, deltas, room)
    revision = meta(db, "revision") + 1
    _record(db, revision, deltas, recording, room)
    grown = sum(d.before is None for d in deltas) - sum(d.after is None for d in deltas)
    db.execute("UPDATE meta SET value = ? WHERE key = 'revision'", (revision,))
    db.execute("UPDATE meta SET value = value + ? WHERE key = 'total'", (grown,))
    upserts = [(id_, vector) for (id_, _), vector in zip(fresh, found, strict=True)]
    return Applied(revision, upserts, _change(db, revision))


def _change(db: sqlite3.Connection, revision: int) -> wire.Change:
    query = "SELECT revision, at, actor, kind, added, removed, edited, undone_by FROM changes WHERE revision = ?"
    return to_change(db, db.execute(query, (revision,)).fetchone())


def _write_entries(db: sqlite3.Connection, deltas: Sequence[Delta], room: Callable[[], None]) -> None:
    """Removals first: a text may move from one entry to another within a change."""
    for part in chunks([d.id for d in deltas if d.after is None], _CHUNK):
        db.executemany("DELETE FROM entries WHERE id = ?", ((id_,) for id_ in part))
    for edited in chunks([d.after for d in deltas if d.before and d.after], _CHUNK):
        db.executemany(
            _UPDATE,
            ((r.text, digest(r.text), r.metadata, r.created, r.updated, r.id) for r in edited if r),
        )
    for added in chunks([d.after for d in deltas if d.before is None], _CHUNK):
        db.executemany(
            INSERT,
            ((r.id, r.text, digest(r.text), r.metadata, r.created, r.updated) for r in added if r),
        )
        room()


def _record(
    db: sqlite3.Connection,
    revision: int,
    deltas: Sequence[Delta],
    recording: Recording,
    room: Callable[[], None],
) -> None:
    added, removed = sum(d.before is None for d in deltas), sum(d.after is None for d in deltas)
    row = (
        revision, now_us(), recording.actor, recording.kind, added, removed, len(deltas) - added - removed,
        recording.keep_texts, recording.undoes,
    )  # fmt: skip
    db.execute("INSERT INTO changes VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, NULL)", row)
    if recording.undoes is not None:
        db.execute("UPDATE changes SET undone_by = ? WHERE revision = ?", (revision, recording.undoes))
    for part in chunks(deltas, _CHUNK):
        db.executemany(_REMEMBER, (_history_row(revision, delta, keep=recording.keep_texts) for delta in part))
        room()


def _history_row(revision: int, delta: Delta, *, keep: bool) -> tuple[Any, ...]:
    before, after = delta.before, delta.after
    if not keep:
        return (revision, delta.id, *(None,) * 9)
    return (
        revision, delta.id,
        digest(before.text) if before else None, *_columns(before), *_columns(after),
    )  # fmt: skip


def _columns(row: Row | None) -> tuple[Any, ...]:
    return (None,) * 4 if row is None else (row.text, row.metadata, row.created, row.updated)


def recorded(db: sqlite3.Connection, revision: int) -> list[Delta]:
    """What a change of the history did."""
    query = (
        "SELECT entry, before_text, before_metadata, before_created, before_updated, "
        "after_text, after_metadata, after_created, after_updated "
        "FROM change_entries WHERE revision = ? ORDER BY id"
    )
    return [Delta(_side(row[0], row[1:5]), _side(row[0], row[5:9])) for row in db.execute(query, (revision,))]


def _side(id_: int, values: Sequence[Any]) -> Row | None:
    return None if values[0] is None else Row(id_, *values)
