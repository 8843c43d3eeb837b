"""The salvage of a damaged base into a new file.

Rows are read page by page, and a row is taken only if it is proven sound: a text by its hash, a vector by its
checksum. The history is not salvaged. The damaged file is only read.
"""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from daemon.core.errors import DataExists
from daemon.encoder.knowledge.file import meta, schema
from daemon.encoder.knowledge.file.meta import BaseCounter
from daemon.encoder.knowledge.reads.entries import to_entry
from daemon.encoder.knowledge.salvage.pages import Pages, Value
from daemon.encoder.knowledge.texts import digest, now_us


@dataclass(frozen=True)
class Salvage:
    """The rows that were saved; `expected` is the number of entries that the base had, None if that is lost too."""

    entries: int
    vectors: int
    expected: int | None
    revision: int
    damaged_pages: list[int]
    problems: list[str]


Report = Callable[[int, int], object]
_REPORT_EVERY = 256  # pages: 4 MiB
_INSERT = "INSERT OR IGNORE INTO entries (id, text, hash, metadata, created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?)"
Entry = tuple[int, str, bytes, str, int, int]


@dataclass
class _Found:
    entries: dict[int, Entry] = field(default_factory=dict)
    fingerprints: dict[int, tuple[str, int]] = field(default_factory=dict)
    counters: dict[str, int] = field(default_factory=dict)
    last_id: int = 0
    revision: int = 0
    problems: list[str] = field(default_factory=list)


def recover(path: Path, target: Path, report: Report = lambda _done, _total: None) -> Salvage:
    """Write all that is readable of the base at `path` into a new base at `target`.

    The new base has a revision beyond the old one's, so that no index snapshot of the old one is taken for its own.
    Entries whose vector was lost are encoded again when the tenant starts. `report` gets (pages read, pages to read)
    now and then. Raises DataExists, OSError, sqlite3.Error.
    """
    if target.exists():
        raise DataExists(f"cannot recover into {target}: it exists; name a file that does not", file=str(target))
    pages = Pages(path)
    try:
        damaged: list[int] = []
        found = _Found()
        for rowid, values in pages.cells(damaged, _reporting(report, pages, 0)):
            _sort_in(found, rowid, values)
        return _write(pages, found, target, damaged, _reporting(report, pages, pages.count))
    finally:
        pages.close()


def _reporting(report: Report, pages: Pages, before: int) -> Callable[[int], object]:
    """Count each page twice, as it is read: for the rows, then for the vectors."""

    def seen(page: int) -> None:
        if page % _REPORT_EVERY == 0:
            report(before + page, 2 * pages.count)

    return seen


def _sort_in(found: _Found, rowid: int | None, values: Sequence[Value]) -> None:
    """Sort a row in by its shape, which tells its table."""
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
            found.counters[key] = number
        case [None, int(), str(), str(), int(), int(), int(), int(), _, _] if rowid:
            found.revision = max(found.revision, rowid)
        case [None, int(revision), int(entry), *rest] if len(rest) == 9:
            found.revision, found.last_id = max(found.revision, revision), max(found.last_id, entry)


def _sound(found: _Found, row: Entry) -> Entry:
    """Replace metadata and times that make no sense: the row's text is sound."""
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
        revision = max(found.revision, found.counters.get("revision", 0)) + 1
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
    return Salvage(entries, vectors, found.counters.get("total"), revision, damaged, found.problems)


def _write_entries(db: sqlite3.Connection, found: _Found, revision: int) -> int:
    """Write the entries, of two with the same text (an older page beside a newer one) the one changed last."""
    rows = sorted(found.entries.values(), key=lambda row: -row[5])
    # The last id is a row of its own, so that no id is ever given twice.
    db.execute("INSERT INTO sqlite_sequence (name, seq) VALUES ('entries', ?)", (found.last_id,))
    db.executemany(_INSERT, rows)
    total = int(db.execute("SELECT count(*) FROM entries").fetchone()[0])
    for counter, value in (
        (BaseCounter.REVISION, revision),
        (BaseCounter.TOTAL, total),
        (BaseCounter.HISTORY_FLOOR, revision),
    ):
        meta.write(db, counter, value)
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
