"""Vectors made with another model than the one in force: kept for a while, then removed in small parts.

They are kept so that a change back to their model encodes nothing, and because a re-embedding stores the vectors of
the next model before that is in force. `meta` holds for each such fingerprint, as `unused:<id>`, when it was last
written or in force (microseconds since 1970); the one in force has no such row.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from daemon.core.units import MIB
from daemon.encoder.arrays import Ids
from daemon.encoder.knowledge.file import meta
from daemon.encoder.knowledge.file.database import Database
from daemon.encoder.knowledge.file.meta import Mark
from daemon.encoder.knowledge.texts import now_us

_HOUR_US = 3_600_000_000
_PART_BYTES = MIB  # of vectors in one transaction: some ten milliseconds
_AT_ONCE = 8  # parts, while a change waits for room
_PAGES = 64  # given back in one transaction, 1 MiB
_SLACK = 8  # an eighth of the file may be free pages: the next entries fill them


@dataclass(frozen=True)
class Part:
    """Some rows of `vectors`, all of one fingerprint that was not used after `before` (microseconds)."""

    fingerprint: int
    before: int
    rows: Ids


class OldVectors:
    """The removal of old vectors; each method is one short transaction, and a kill in between loses nothing."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._in_force: str | None = None

    def in_force(self, fingerprint: str) -> None:
        """Declare which model is in force; for all others the time without use begins now, unless it has begun."""
        self._in_force = fingerprint
        with self._database.read() as db:
            if not _is_news(db, fingerprint):
                return
        with self._database.write(spare=True) as db:
            db.execute(f"DELETE FROM meta WHERE key IN ({_KEYS} WHERE fingerprint = ?)", (fingerprint,))  # noqa: S608
            unused = f"SELECT key, ? FROM ({_KEYS} WHERE fingerprint != ?)"  # noqa: S608 - no outside text in it
            db.execute(f"INSERT OR IGNORE INTO meta {unused}", (now_us(), fingerprint))

    def parts(self, hours: int) -> list[Part]:
        """List what nothing has used for so many hours, at least one; nothing before `in_force` was called."""
        before = now_us() - max(1, hours) * _HOUR_US
        with self._database.read() as db:
            return [
                part for number, dimension in self._unused(db, before) for part in _parts(db, number, dimension, before)
            ]

    def _unused(self, db: sqlite3.Connection, before: int) -> list[tuple[int, int]]:
        if self._in_force is None:
            return []
        query = (
            "SELECT f.id, f.dimension FROM fingerprints f JOIN meta m ON m.key = 'unused:' || f.id "
            "WHERE m.value <= ? AND f.fingerprint != ?"
        )
        return [(int(row[0]), int(row[1])) for row in db.execute(query, (before, self._in_force))]

    def drop(self, part: Part) -> None:
        """Remove these rows, unless the fingerprint was used since; the fingerprint goes with its last row."""
        with self._database.write(spare=True) as db:
            used = db.execute("SELECT value FROM meta WHERE key = ?", (_key(part.fingerprint),)).fetchone()
            if used is None or used[0] > part.before:
                return
            rows = ((int(row), part.fingerprint) for row in part.rows)
            db.executemany("DELETE FROM vectors WHERE id = ? AND fingerprint = ?", rows)
            meta.set_mark(db, Mark.VECTORS_MOVED)
            if not db.execute("SELECT 1 FROM vectors WHERE fingerprint = ? LIMIT 1", (part.fingerprint,)).fetchone():
                db.execute("DELETE FROM staged WHERE fingerprint = ?", (part.fingerprint,))
                db.execute("DELETE FROM fingerprints WHERE id = ?", (part.fingerprint,))
                db.execute("DELETE FROM meta WHERE key = ?", (_key(part.fingerprint),))

    def drop_some(self) -> int:
        """Remove and count a few MiB of vectors that nothing used for an hour, when the disk is full."""
        found = self.parts(1)[:_AT_ONCE]
        for part in found:
            self.drop(part)
        return sum(len(part.rows) for part in found)

    def give_back(self) -> bool:
        """Make the file a little shorter if much of it is free; says whether there is more to give back.

        A file that was made without `auto_vacuum` keeps its length, and its free pages for later entries.
        """
        with self._database.write(spare=True) as db:
            free = _pragma(db, "freelist_count")
            if free < max(_PAGES, _pragma(db, "page_count") // _SLACK):
                return False
            for _ in range(min(_PAGES, free)):
                db.execute("PRAGMA incremental_vacuum(1)")  # Python's sqlite3 takes one step of it, whatever it says
            return _pragma(db, "freelist_count") < free


_KEYS = "SELECT 'unused:' || id AS key FROM fingerprints"


def _key(number: int) -> str:
    return f"unused:{number}"


def _is_news(db: sqlite3.Connection, fingerprint: str) -> bool:
    query = (
        "SELECT 1 FROM fingerprints f LEFT JOIN meta m ON m.key = 'unused:' || f.id "
        "WHERE (f.fingerprint = ?) = (m.key IS NOT NULL) LIMIT 1"
    )
    return db.execute(query, (fingerprint,)).fetchone() is not None


def _parts(db: sqlite3.Connection, number: int, dimension: int, before: int) -> Iterator[Part]:
    """Cut a fingerprint's rows into parts, in the table's order: a transaction touches few pages then."""
    query = "SELECT id FROM vectors WHERE fingerprint = ? ORDER BY id"
    rows = np.fromiter((row[0] for row in db.execute(query, (number,))), np.int64)
    size = max(16, _PART_BYTES // (4 * dimension))
    for at in range(0, max(len(rows), 1), size):  # without any row there is still the fingerprint
        yield Part(number, before, rows[at : at + size])


def renew(db: sqlite3.Connection, number: int) -> None:
    """Note that vectors of this fingerprint are written now."""
    db.execute("UPDATE meta SET value = ? WHERE key = ?", (now_us(), _key(number)))


def forget_times(db: sqlite3.Connection) -> None:
    """Forget when vectors were used, in a base that came from a backup: the time there says nothing about now."""
    db.execute("DELETE FROM meta WHERE key LIKE 'unused:%'")


def _pragma(db: sqlite3.Connection, name: str) -> int:
    return int(db.execute(f"PRAGMA {name}").fetchone()[0])
