"""The plan of each kind of change, made inside its transaction."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from daemon.core import wire
from daemon.core.errors import NothingToUndo
from daemon.encoder.knowledge.changes import diff, succession
from daemon.encoder.knowledge.changes.apply import next_id, recorded
from daemon.encoder.knowledge.erasure import forget
from daemon.encoder.knowledge.model import Delta, Row
from daemon.encoder.knowledge.reads.entries import MAX_ID, entry_of, ids_of_hashes, row_of, rows_of
from daemon.encoder.knowledge.texts import digest, dump_metadata, normalise, now_us, problem


@dataclass(frozen=True)
class Plan:
    """The rows that a change adds, edits and removes.

    `outcome` holds the fields of Committed that are known already; `forgets` the (ids, texts) to remove for good.
    """

    kind: str
    deltas: list[Delta]
    outcome: dict[str, Any] = field(default_factory=dict)
    undoes: int | None = None
    forgets: tuple[list[int], set[str]] | None = None


def add(db: sqlite3.Connection, entries: Sequence[wire.NewEntry], min_chars: int) -> Plan:
    checked = diff.check(db, entries, min_chars)
    deltas = _new(db, [(entry.text, dump_metadata(entry.metadata)) for _, entry in checked.accepted])
    return Plan("add", deltas, {"added": [delta.id for delta in deltas], "refused": checked.refused})


def _new(db: sqlite3.Connection, texts: Sequence[tuple[str, str]]) -> list[Delta]:
    now, first = now_us(), next_id(db)
    return [Delta(None, Row(id_, text, meta, now, now)) for id_, (text, meta) in enumerate(texts, first)]


def set_texts(db: sqlite3.Connection, texts: Sequence[str], min_chars: int) -> Plan:
    found = diff.diff(db, texts, min_chars)
    gone = [Delta(row, None) for row in rows_of(db, found.removed)]
    new = _new(db, [(text, "{}") for text in found.added])
    outcome = {"added": [d.id for d in new], "refused": found.refused, "unchanged": len(found.unchanged)}
    return Plan("set", gone + new, outcome)


def edit(db: sqlite3.Connection, id_: int, text: str | None, metadata: wire.Metadata | None, min_chars: int) -> Plan:
    before = row_of(db, id_)
    wanted = before.text if text is None else normalise(text)
    if wanted != before.text:
        wrong = problem(wanted, min_chars)
        if wrong:
            raise wrong
        for other in ids_of_hashes(db, [digest(wanted)]).values():
            raise diff.duplicate(other)
    after = Row(
        id_,
        wanted,
        before.metadata if metadata is None else dump_metadata(metadata),
        before.created,
        now_us(),
    )
    if after.text == before.text and json.loads(after.metadata) == json.loads(before.metadata):
        return Plan("edit", [], {"entry": entry_of(before)})
    return Plan("edit", [Delta(before, after)], {"entry": entry_of(after)})


def delete(db: sqlite3.Connection, ids: Sequence[int], *, for_good: bool) -> Plan:
    wanted = list(dict.fromkeys(ids))
    rows = rows_of(db, wanted)
    existing = {row.id for row in rows}
    absent = [id_ for id_ in wanted if id_ not in existing]
    deltas = [Delta(row, None) for row in rows]
    if not for_good:
        return Plan("delete", deltas, {"unknown": absent})
    deleted_before = forget.in_history(db, [id_ for id_ in absent if 0 < id_ <= MAX_ID])
    known = sorted(existing.union(deleted_before))
    unknown = [id_ for id_ in absent if id_ not in deleted_before]
    outcome = {"unknown": unknown, "forgotten": deleted_before}
    return Plan("forget", deltas, outcome, forgets=(known, forget.texts_of(db, known)))


def undo(db: sqlite3.Connection) -> Plan:
    """Take back the last change that is neither an undo nor undone, so that the base is as it was before."""
    row = db.execute(
        "SELECT revision, kind, undoable FROM changes WHERE kind != 'undo' AND undone_by IS NULL "
        "ORDER BY revision DESC LIMIT 1"
    ).fetchone()
    if row is None:
        raise NothingToUndo("cannot undo: the history holds no change that could be taken back")
    revision, kind, undoable = row
    if kind == succession.KIND:
        raise NothingToUndo(
            f"cannot undo: the last change (restore, revision {revision}) replaced the whole base; "
            "restore another backup",
            revision=revision,
            change=kind,
        )
    if not undoable:
        raise NothingToUndo(
            f"cannot undo: the last change ({kind}, revision {revision}) removed text for good, or its text "
            "was removed from the history; add the entries again",
            revision=revision,
            change=kind,
        )
    return Plan("undo", [delta.reverse() for delta in recorded(db, revision)], undoes=revision)
