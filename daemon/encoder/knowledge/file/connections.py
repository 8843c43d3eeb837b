"""The connections to a base, each with the settings that its use needs."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

from daemon.encoder.knowledge.file import schema

BUSY_MS = 5000
STEPS = 100_000  # of SQLite's between two reports of a write's progress: some milliseconds
_WRITER = (
    "secure_delete = ON",
    "journal_mode = WAL",
    "synchronous = FULL",
    "temp_store = MEMORY",
    "cache_size = -16384",
)


def reader(path: Path) -> sqlite3.Connection:
    """Open a connection that only reads."""
    db = _connect(path, "ro")
    db.execute("PRAGMA temp_store = MEMORY")
    return db


def writer(path: Path, log_kept: int, moved: Callable[[], None] | None) -> sqlite3.Connection:
    """Open the connection that writes, and migrate an older file.

    `log_kept` bytes of the write-ahead log stay allocated; `moved` is called while a write makes progress.
    """
    db = _connect(path, "rw")
    try:
        schema.bring_up_to_date(db, path)
        for pragma in _WRITER:
            db.execute(f"PRAGMA {pragma}")
        db.execute(f"PRAGMA wal_autocheckpoint = {log_kept // schema.PAGE_SIZE}")
        db.execute(f"PRAGMA journal_size_limit = {log_kept}")
        db.set_progress_handler(moved, STEPS)
    except BaseException:
        db.close()
        raise
    return db


def inspect(path: Path) -> None:
    """Refuse a file that can't be used, without writing to it. Raises StartRefused."""
    db = _connect(path, "ro")
    try:
        schema.inspect(db, path)
    finally:
        db.close()


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    uri = f"{path.absolute().as_uri()}?mode={mode}"
    db = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
    db.execute(f"PRAGMA busy_timeout = {BUSY_MS}")
    return db
