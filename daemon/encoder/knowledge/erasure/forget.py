"""The removal of text for good: from entries, history, vectors, stored answers and ended operations."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Sequence
from typing import Any

from daemon.core import wire
from daemon.encoder.knowledge import answers
from daemon.encoder.knowledge.file import meta
from daemon.encoder.knowledge.file.meta import BaseCounter
from daemon.encoder.knowledge.file.sql import chunks, marks
from daemon.encoder.knowledge.texts import digest, normalise
from daemon.encoder.knowledge.vectors import rows, unused

_OPERATION_DAYS = 7
_DAY_US = 86_400_000_000


def in_history(db: sqlite3.Connection, ids: Sequence[int]) -> list[int]:
    """Find those of these ids whose texts the history still holds."""
    found: list[int] = []
    for part in chunks(ids, 500):
        query = (
            f"SELECT DISTINCT entry FROM change_entries WHERE entry IN ({marks(part)}) "  # noqa: S608
            "AND (before_text IS NOT NULL OR after_text IS NOT NULL)"
        )
        found.extend(row[0] for row in db.execute(query, part))
    return sorted(found)


def texts_of(db: sqlite3.Connection, ids: Sequence[int]) -> set[str]:
    """Collect every text that these entries have or had."""
    found: set[str] = set()
    for part in chunks(ids, 500):
        which = marks(part)
        for query in (
            f"SELECT text FROM entries WHERE id IN ({which})",  # noqa: S608
            f"SELECT before_text FROM change_entries WHERE entry IN ({which})",  # noqa: S608
            f"SELECT after_text FROM change_entries WHERE entry IN ({which})",  # noqa: S608
        ):
            found.update(row[0] for row in db.execute(query, part) if row[0] is not None)
    return found


def scrub(db: sqlite3.Connection, ids: Sequence[int], texts: Collection[str]) -> None:
    """Remove these ids' and texts' traces from the history, stored answers and operations.

    The changes touched stay listed with their counts, and can't be undone. Reads the whole history: another
    entry may have had the same text.
    """
    db.execute("CREATE TEMP TABLE IF NOT EXISTS forgotten_texts (text TEXT PRIMARY KEY)")
    db.execute("CREATE TEMP TABLE IF NOT EXISTS forgotten_ids (id INTEGER PRIMARY KEY)")
    db.executemany("INSERT OR IGNORE INTO forgotten_texts VALUES (?)", ((text,) for text in texts))
    db.executemany("INSERT OR IGNORE INTO forgotten_ids VALUES (?)", ((id_,) for id_ in ids))
    touched = (
        "(before_text IS NOT NULL OR after_text IS NOT NULL) AND (entry IN (SELECT id FROM forgotten_ids) "
        "OR before_text IN (SELECT text FROM forgotten_texts) "
        "OR after_text IN (SELECT text FROM forgotten_texts))"
    )
    db.execute(
        "UPDATE changes SET undoable = 0 WHERE revision IN "  # noqa: S608
        f"(SELECT revision FROM change_entries WHERE {touched})"
    )
    db.execute(
        "UPDATE change_entries SET before_hash = NULL, before_text = NULL, before_metadata = NULL, "  # noqa: S608
        "before_created = NULL, before_updated = NULL, after_text = NULL, after_metadata = NULL, "
        f"after_created = NULL, after_updated = NULL WHERE {touched}"
    )
    db.execute("DELETE FROM forgotten_texts")
    db.execute("DELETE FROM forgotten_ids")
    keys = [digest(text) for text in texts]
    db.executemany("DELETE FROM staged WHERE hash = ?", ((key,) for key in keys))
    rows.blank(db, keys)
    _scrub_bodies(db, {*texts, *(wire.shorten(text) for text in texts)})


def _scrub_bodies(db: sqlite3.Connection, texts: Collection[str]) -> None:
    """Blank texts in stored answers, which stay: a write that is sent again is still not applied twice."""
    for table in ("requests", "operations"):
        for key, body in db.execute(f"SELECT id, body FROM {table}").fetchall():  # noqa: S608
            cleaned = _without(body, texts)
            if cleaned is not None:
                kept = cleaned.encode() if isinstance(body, bytes) else cleaned
                db.execute(f"UPDATE {table} SET body = ? WHERE id = ?", (kept, key))  # noqa: S608


def _without(body: bytes | str, texts: Collection[str]) -> str | None:
    """Blank these texts in a JSON document; None if it holds none of them."""
    try:
        document = json.loads(body) if body else None
    except ValueError:
        return ""  # nothing of ours, and no way to tell what it holds
    cleaned = _blank(document, texts)
    return None if cleaned == document else json.dumps(cleaned, ensure_ascii=False)


def _blank(value: Any, texts: Collection[str]) -> Any:
    if isinstance(value, str):
        return "" if value in texts or normalise(value) in texts else value
    if isinstance(value, list):
        return [_blank(item, texts) for item in value]
    if isinstance(value, dict):
        # an entry's metadata goes with its text
        hit = isinstance(value.get("text"), str) and _blank(value["text"], texts) == ""
        return {k: {} if hit and k == "metadata" else _blank(item, texts) for k, item in value.items()}
    return value


def purge(db: sqlite3.Connection, now_us: int, history_days: int) -> bool:
    """Remove history older than `history_days` days; says whether text was removed."""
    cutoff = now_us - history_days * _DAY_US
    # By revision, not by time: undo needs the history without gaps, also when the clock was once wrong.
    floor = db.execute("SELECT max(revision) FROM changes WHERE at < ?", (cutoff,)).fetchone()[0]
    ended = max(cutoff, now_us - _OPERATION_DAYS * _DAY_US)
    operations = db.execute("DELETE FROM operations WHERE ended_at < ?", (ended,)).rowcount
    old_answers = answers.drop_old(db, now_us)
    unused.drop_staged(db, everything=False)
    if floor is not None:
        db.execute("DELETE FROM change_entries WHERE revision <= ?", (floor,))
        db.execute("DELETE FROM changes WHERE revision <= ?", (floor,))
        meta.write(db, BaseCounter.HISTORY_FLOOR, max(floor, meta.read(db, BaseCounter.HISTORY_FLOOR)))
        unused.drop_unused(db)
    return floor is not None or operations > 0 or old_answers > 0
