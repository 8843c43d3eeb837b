"""Pages of entries, of all or of those that hold some words."""

from __future__ import annotations

import sqlite3

from daemon.core import wire
from daemon.encoder.knowledge.file import meta
from daemon.encoder.knowledge.file.meta import BaseCounter
from daemon.encoder.knowledge.reads.entries import COLUMNS, MAX_ID, to_entry
from daemon.encoder.knowledge.texts import normalise

_LIKE_BYTES = 10_000  # SQLite refuses patterns of more than 50,000 bytes


def page(db: sqlite3.Connection, after: int | None, limit: int, q: str | None) -> wire.EntryPage:
    """Read the entries that follow id `after` and hold `q`; `total` counts the whole base, whatever `q` is."""
    condition, value = _condition(db, q)
    query = f"SELECT {COLUMNS} FROM entries WHERE id > ? {condition} ORDER BY id LIMIT ?"  # noqa: S608
    rows = db.execute(query, (bounded(after), *value, limit + 1)).fetchall()
    found = [to_entry(row) for row in rows[:limit]]
    return wire.EntryPage(
        entries=found,
        next=found[-1].id if found and len(rows) > limit else None,
        total=meta.read(db, BaseCounter.TOTAL),
        revision=meta.read(db, BaseCounter.REVISION),
    )


def bounded(after: int | None) -> int:
    """Keep a number that was sent within SQLite's integers."""
    return max(0, min(after or 0, MAX_ID))


def _condition(db: sqlite3.Connection, q: str | None) -> tuple[str, tuple[str, ...]]:
    """Write the condition for `q`: SQLite's LIKE folds ASCII letters alone, Python those of other scripts."""
    wanted = normalise(q or "")
    if not wanted:
        return "", ()
    caseless = wanted.isascii() or wanted.upper() == wanted.lower()
    if caseless and len(wanted.encode(errors="replace")) < _LIKE_BYTES:
        escaped = wanted.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        return "AND text LIKE ? ESCAPE '\\'", (f"%{escaped.encode(errors='replace').decode()}%",)
    db.create_function("casefold", 1, str.casefold, deterministic=True)
    return "AND instr(casefold(text), ?) > 0", (wanted.encode(errors="replace").decode().casefold(),)
