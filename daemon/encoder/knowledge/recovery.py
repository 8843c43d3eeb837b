"""Salvaging a damaged base into a new file.

Rows are read page by page; only those are taken that prove themselves: a text by its hash, a vector by its
checksum. The history is not salvaged. The damaged file is only read.
"""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from daemon.core.errors import DataExists
from daemon.encoder.knowledge.changes.apply import INSERT
from daemon.encoder.knowledge.file import schema
from daemon.encoder.knowledge.pages import Pages, Value
from daemon.encoder.knowledge.reading import to_entry
from daemon.encoder.knowledge.texts import digest, now_us


@dataclass(frozen=True)
class Salvage:
    """What was found. `expected` is the number of entries that the base should have, None if that is lost too."""

    entries: int
    vectors: int
    expected: int | None
    revision: int
    damaged_pages: list[int]
    problems: list[str]


Progress = Callable[[int, int], object]
_TELL_EVERY = 256  # pages: 4 MiB
Entry = tuple[int, str, bytes, str, int, int]


@dataclass
class _Found:
    entries: dict[int, Entry] = field(default_factory=dict)
    fingerprints: dict[int, tuple[str, int]] = field(default_factory=dict)
    meta: dict[str, int] = field(default_factory=dict)
    last_id: int = 0
    revision: int = 0
    problems: list[str] = field(default_factory=list)


def recover(path: Path, target: Path, progress: Progress = lambda _done, _total: None) -> Salvage:
    """Writes what is readable of the base at `path` into a new base at `target`.

    The new base has a revision beyond the old one's, so that no index snapshot of the old one is taken for its own.
    Entries whose vector was lost are encoded again when the tenant starts. `progress` is told (pages read, pages to
    read) now and then. Raises DataExists, OSError, sqlite3.Error.
    """
    if target.exists():
        raise DataExists(f"cannot recover into {target}: it exists; name a file that does not", file=str(target))
    pages = Pages(path)
    try:
        damaged: list[int] = []
        found = _Found()
        for rowid, values in pages.cells(damaged, _telling(progress, pages, 0)):
            _sort_in(found, rowid, values)
        return _write(pages, found, target, damaged, _telling(progress, pages, pages.count))
    finally:
        pages.close()


def _telling(progress: Progress, pages: Pages, before: int) -> Callable[[int], object]:
    """Each page is read twice: for the rows, then for the vectors."""

    def tell(page: int) -> None:
        if page % _TELL_EVERY == 0:
            progress(before + page, 2 * pages.count)

    return tell


def _sort_in(found: _Found, rowid: int | None, values: Sequence[Value]) -> None:
    """Tables are told apart by the shape of their rows."""
    match values:
        case [None, str(text), bytes(key), str(metadata), int(created), int(updated)] if rowid:
            found.last_id = max(found.last_id, rowid)
            known = found.entries.get(rowid)
            if digest(text) == key and (known is None or known[5] <= updated):
                found.entries[rowid] = _sound(found, (rowid, text, key, metadata, created, updated))
        case [None, str(fingerprint), int(dimension)] if rowid:
            found.fingerprints[rowid] = (fingerprint, dimension)
        case ["entries", int(last)]:
            found.last_id = max(found.last_id, last)
        case [str(key), int(number)] if rowid is None:
            found.meta[key] = number
        case [None, int(), str(), str(), int(), int(), int(), int(), _, _] if rowid:
            found.revision = max(found.revision, rowid)
        case [None, int(revision), int(entry), *rest] if len(rest) == 9:
            found.revision, found.last_id = max(found.revision, revision), max(found.last_id, entry)


def _sound(found: _Found, row: Entry) -> Entry:
    """The row, without what is unreadable beside its text."""
    id_, text, key, metadata, created, updated = row
    try:
        to_entry((id_, text, metadata, created, updated))
    except schema.Damaged:
        found.problems.append(f"the metadata and times of entry {id_} are damaged, they were left out")
        return id_, text, key, "{}", now_us(), now_us()
    return row


def _write(pages: Pages, found: _Found, target: Path, damaged: list[int], seen: Callable[[int], object]) -> Salvage:
    schema.create(target)
    db = sqlite3.connect(target, isolation_level=None)
    try:
        db.execute("BEGIN")
        revision = max(found.revision, found.meta.get("revision", 0)) + 1
        entries = _write_entries(db, found, revision)
        vectors = _write_vectors(db, pages, found, seen)
        db.execute("COMMIT")
    except BaseException:
        db.close()
        target.unlink()
        raise
    db.close()
    if pages.log_damaged:
        found.problems.append("the write-ahead log can't be read: the last changes may be missing")
    return Salvage(entries, vectors, found.meta.get("total"), revision, damaged, found.problems)


def _write_entries(db: sqlite3.Connection, found: _Found, revision: int) -> int:
    """Of two entries with the same text (an older page beside a newer one) the one changed last is taken."""
    rows = sorted(found.entries.values(), key=lambda row: -row[5])
    # the last id as a row of its own, so that no id is ever given twice
    db.execute("INSERT INTO sqlite_sequence (name, seq) VALUES ('entries', ?)", (found.last_id,))
    db.executemany(INSERT.replace("INSERT", "INSERT OR IGNORE", 1), rows)
    total = int(db.execute("SELECT count(*) FROM entries").fetchone()[0])
    for key, value in (("revision", revision), ("total", total), ("history_floor", revision)):
        db.execute("UPDATE meta SET value = ? WHERE key = ?", (value, key))
    return total


def _write_vectors(db: sqlite3.Connection, pages: Pages, found: _Found, seen: Callable[[int], object]) -> int:
    for number, (fingerprint, dimension) in found.fingerprints.items():
        db.execute("INSERT INTO fingerprints VALUES (?, ?, ?)", (number, fingerprint, dimension))
    wanted = {row[0] for row in db.execute("SELECT hash FROM entries")}
    query = "INSERT OR IGNORE INTO vectors (fingerprint, hash, crc, vector) VALUES (?, ?, ?, ?)"
    for _, values in pages.cells([], seen):
        match values:
            case [None, int(number), bytes(key), int(crc), bytes(blob)] if key in wanted:
                known = found.fingerprints.get(number)
                if known and len(blob) == 4 * known[1] and zlib.crc32(blob) == crc:
                    db.execute(query, (number, key, crc, blob))
    return int(db.execute("SELECT count(*) FROM vectors").fetchone()[0])
