"""The table `meta`: counters of the base, and marks for work that is still due.

A counter is a number that is always there. A mark has no value: the work is due while its row exists. A third kind of
row, `unused:<id>`, belongs to `vectors/old_vectors.py`.
"""

from __future__ import annotations

import sqlite3
from enum import StrEnum


class BaseCounter(StrEnum):
    REVISION = "revision"
    TOTAL = "total"  # entries
    HISTORY_FLOOR = "history_floor"  # the history tells nothing about changes up to this revision


class Mark(StrEnum):
    TEXTS_DUE = "rewrite_due"  # texts were removed for good: their tables must be written anew
    VECTORS_MOVED = "vectors_moved"  # rows of `vectors` were removed, so that others may have left copies behind
    VECTORS_DUE = "vectors_due"  # vectors were forgotten after rows had moved: the table must be written anew


def read(db: sqlite3.Connection, counter: BaseCounter) -> int:
    return int(db.execute("SELECT value FROM meta WHERE key = ?", (counter,)).fetchone()[0])


def write(db: sqlite3.Connection, counter: BaseCounter, value: int) -> None:
    db.execute("UPDATE meta SET value = ? WHERE key = ?", (value, counter))


def set_mark(db: sqlite3.Connection, mark: Mark) -> None:
    db.execute("INSERT OR REPLACE INTO meta VALUES (?, 1)", (mark,))


def is_marked(db: sqlite3.Connection, mark: Mark) -> bool:
    return db.execute("SELECT 1 FROM meta WHERE key = ?", (mark,)).fetchone() is not None


def clear(db: sqlite3.Connection, *finished: Mark) -> None:
    db.executemany("DELETE FROM meta WHERE key = ?", ((mark,) for mark in finished))
