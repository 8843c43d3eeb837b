"""Vectors that nothing needs any more: no entry has the text, and no change of the history could bring it back."""

from __future__ import annotations

import sqlite3

from daemon.encoder.knowledge.texts import now_us
from daemon.encoder.knowledge.vectors.rows import drop

_STAGED_HOURS = 1
_UNUSED = (
    "NOT EXISTS (SELECT 1 FROM entries e WHERE e.hash = {0}.hash) "
    "AND NOT EXISTS (SELECT 1 FROM change_entries c WHERE c.before_hash = {0}.hash "
    "AND c.before_hash IS NOT NULL)"
)


def drop_staged(db: sqlite3.Connection, *, everything: bool) -> None:
    """Remove staged vectors whose change never came; `everything`: also those staged a moment ago."""
    before = now_us() if everything else now_us() - _STAGED_HOURS * 3_600_000_000
    due = f"SELECT s.fingerprint, s.hash FROM staged s WHERE s.at <= ? AND {_UNUSED.format('s')}"  # noqa: S608
    drop(db, f"(fingerprint, hash) IN ({due})", before)
    db.execute("DELETE FROM staged WHERE at <= ?", (before,))


def drop_unused(db: sqlite3.Connection) -> None:
    """Remove vectors that neither entries, history nor a staged change need; reads the whole key index."""
    staged = "NOT EXISTS (SELECT 1 FROM staged s WHERE s.hash = vectors.hash AND s.fingerprint = vectors.fingerprint)"
    drop(db, f"{_UNUSED.format('vectors')} AND {staged}")


def drop_for_history(db: sqlite3.Connection) -> int:
    """Remove and count vectors that only an undo would need: it encodes again."""
    return drop(
        db,
        "hash IN (SELECT c.before_hash FROM change_entries c WHERE c.before_hash IS NOT NULL "
        "AND NOT EXISTS (SELECT 1 FROM entries e WHERE e.hash = c.before_hash))",
    )
