"""The layout of the file; its creation, its check, and its migration from an older layout.

A file gets its name only when it is complete, so an empty or half-written one is always damage, and never taken for a
new base.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Mapping
from pathlib import Path

from daemon.core.errors import StartRefused
from daemon.core.files import replace
from daemon.core.units import MIB

VERSION = 1
APPLICATION_ID = 0x76776B62  # "vwkb": a foreign SQLite file is not taken for a knowledge base
# 2 KiB vectors (512 dimensions) fill 16 KiB pages by 89 %, SQLite's default 4 KiB pages by 51 %.
PAGE_SIZE = 16384
# Larger files are not read as a whole at every open: the start can't wait. integrity_check() does it.
QUICK_CHECK_BYTES = 1024 * MIB

DDL = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO meta VALUES ('revision', 0), ('total', 0), ('history_floor', 0);

CREATE TABLE entries (
    id INTEGER PRIMARY KEY AUTOINCREMENT, text TEXT NOT NULL, hash BLOB NOT NULL, metadata TEXT NOT NULL,
    created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL);
CREATE UNIQUE INDEX entries_hash ON entries (hash);

CREATE TABLE fingerprints (
    id INTEGER PRIMARY KEY, fingerprint TEXT NOT NULL UNIQUE, dimension INTEGER NOT NULL);
-- crc: SQLite's own check does not notice a flipped bit inside a vector
CREATE TABLE vectors (
    id INTEGER PRIMARY KEY, fingerprint INTEGER NOT NULL, hash BLOB NOT NULL, crc INTEGER NOT NULL,
    vector BLOB NOT NULL);
CREATE UNIQUE INDEX vectors_key ON vectors (fingerprint, hash);
CREATE TABLE staged (
    hash BLOB NOT NULL, fingerprint INTEGER NOT NULL, at INTEGER NOT NULL,
    PRIMARY KEY (hash, fingerprint)) WITHOUT ROWID;

CREATE TABLE changes (
    revision INTEGER PRIMARY KEY, at INTEGER NOT NULL, actor TEXT NOT NULL, kind TEXT NOT NULL,
    added INTEGER NOT NULL, removed INTEGER NOT NULL, edited INTEGER NOT NULL,
    undoable INTEGER NOT NULL, undoes INTEGER, undone_by INTEGER);
CREATE TABLE change_entries (
    id INTEGER PRIMARY KEY, revision INTEGER NOT NULL, entry INTEGER NOT NULL,
    before_hash BLOB, before_text TEXT, before_metadata TEXT, before_created INTEGER, before_updated INTEGER,
    after_text TEXT, after_metadata TEXT, after_created INTEGER, after_updated INTEGER);
CREATE INDEX change_entries_revision ON change_entries (revision);
CREATE INDEX change_entries_entry ON change_entries (entry);
CREATE INDEX change_entries_before ON change_entries (before_hash) WHERE before_hash IS NOT NULL;

CREATE TABLE requests (
    id TEXT PRIMARY KEY, at INTEGER NOT NULL, status INTEGER NOT NULL, body BLOB NOT NULL) WITHOUT ROWID;
CREATE INDEX requests_at ON requests (at);
CREATE TABLE operations (
    id TEXT PRIMARY KEY, state TEXT NOT NULL, ended_at INTEGER, body TEXT NOT NULL) WITHOUT ROWID;
"""


class Damaged(sqlite3.DatabaseError):
    """A row that SQLite can read and that makes no sense here."""

    sqlite_errorcode = sqlite3.SQLITE_CORRUPT


Migration = Callable[[sqlite3.Connection], None]
# MIGRATIONS[n] turns version n into n + 1, inside one transaction.
MIGRATIONS: Mapping[int, Migration] = {}


def create(path: Path) -> None:
    """Make an empty base at `path`, complete or not at all. Raises sqlite3.Error, OSError."""
    part = path.with_name(f".{path.name}.new")
    for leftover in (part, Path(f"{part}-wal"), Path(f"{part}-shm"), Path(f"{part}-journal")):
        leftover.unlink(missing_ok=True)  # of a start that was killed here
    os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    db = sqlite3.connect(part, isolation_level=None)
    try:
        initialise(db)
    finally:
        db.close()
    replace.rename(part, path)


def initialise(db: sqlite3.Connection) -> None:
    db.execute(f"PRAGMA page_size = {PAGE_SIZE}")
    db.execute("PRAGMA auto_vacuum = INCREMENTAL")  # old vectors are half a file: their pages can be given back
    db.execute("PRAGMA secure_delete = ON")
    db.executescript(f"BEGIN; {DDL} COMMIT;")
    db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    db.execute(f"PRAGMA user_version = {VERSION}")
    db.execute("PRAGMA journal_mode = WAL")


def ensure(path: Path) -> None:
    """Create the file if there is none; refuse one that can't be a base, before SQLite touches it."""
    wal = Path(f"{path}-wal")
    if not path.exists():
        if wal.exists() and wal.stat().st_size:
            raise damaged(path, "the file is missing, its write-ahead log is there")
        create(path)
    elif path.stat().st_size == 0:
        raise damaged(path, "the file is empty")


def damaged(path: Path, reason: object) -> StartRefused:
    return StartRefused(
        f"cannot use the knowledge base {path}: it is damaged ({reason}); it was left as it is. "
        f"Salvage what is readable with `vecward entries recover {path.parent.name}`; a backup can be restored then",
        file=str(path),
        reason=str(reason),
    )


def inspect(db: sqlite3.Connection, path: Path) -> None:
    """Refuse a file that this program can't use, through a read-only connection. Raises StartRefused."""
    version = int(db.execute("PRAGMA user_version").fetchone()[0])
    if int(db.execute("PRAGMA application_id").fetchone()[0]) != APPLICATION_ID:
        raise damaged(path, "it is no knowledge base of vecward")
    if version > VERSION:
        raise StartRefused(
            f"cannot use the knowledge base {path}: its schema has version {version}, "
            f"this vecward knows {VERSION}; install a newer vecward, or restore a backup made with this one",
            file=str(path),
            found=version,
            known=VERSION,
        )
    if path.stat().st_size > QUICK_CHECK_BYTES:
        db.execute("SELECT max(id) FROM entries").fetchone()
    elif (found := db.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
        raise damaged(path, found)


def bring_up_to_date(db: sqlite3.Connection, path: Path) -> None:
    """Migrate an older file, after copying it."""
    version = int(db.execute("PRAGMA user_version").fetchone()[0])
    if version < VERSION:
        copy_to(db, path.with_name(f"{path.name}.v{version}"))
        for step in range(version, VERSION):
            _migrate(db, step)


def _migrate(db: sqlite3.Connection, version: int) -> None:
    db.execute("BEGIN IMMEDIATE")
    try:
        MIGRATIONS[version](db)
        db.execute(f"PRAGMA user_version = {version + 1}")
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


def copy_to(db: sqlite3.Connection, target: Path) -> None:
    """Copy the base as it is now into one file, complete or not at all; writers are not kept waiting."""
    part = target.with_name(f".{target.name}.part")
    part.unlink(missing_ok=True)
    os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    copy = sqlite3.connect(part, isolation_level=None)
    try:
        db.backup(copy)
        copy.execute("PRAGMA journal_mode = DELETE")  # one file, nothing beside it
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    finally:
        copy.close()
    replace.rename(part, target)
