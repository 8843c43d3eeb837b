"""Rows of the table `entries`, as they are stored and as they are shown."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any

from daemon.core import wire
from daemon.core.errors import UnknownEntry
from daemon.encoder.knowledge.file.schema import Damaged
from daemon.encoder.knowledge.file.sql import chunks, marks
from daemon.encoder.knowledge.model import Row
from daemon.encoder.knowledge.texts import moment

COLUMNS = "id, text, metadata, created_at, updated_at"
MAX_ID = 2**63 - 1
_PART = 500  # ids in one query


def to_entry(row: Sequence[Any]) -> wire.Entry:
    """Make an entry of a row of `COLUMNS`. Raises Damaged."""
    try:
        return wire.Entry(
            id=row[0],
            text=row[1],
            metadata=_metadata(row[2]),
            created_at=moment(row[3]),
            updated_at=moment(row[4]),
        )
    except (TypeError, ValueError, OverflowError):
        raise Damaged(f"entry {row[0]} makes no sense") from None


def entry_of(row: Row) -> wire.Entry:
    return to_entry((row.id, row.text, row.metadata, row.created, row.updated))


def entry(db: sqlite3.Connection, id_: int) -> wire.Entry:
    """Read one entry. Raises UnknownEntry."""
    return entry_of(row_of(db, id_))


def row_of(db: sqlite3.Connection, id_: int) -> Row:
    """Read one row. Raises UnknownEntry."""
    found = rows_of(db, [id_])
    if not found:
        raise UnknownEntry(f"cannot find the entry {id_}: it was deleted or never existed; list the entries", id=id_)
    return found[0]


def rows_of(db: sqlite3.Connection, ids: Sequence[int]) -> list[Row]:
    """Read the rows that exist, in the order of their ids."""
    found: list[Row] = []
    for part in chunks(sorted(id_ for id_ in ids if 0 < id_ <= MAX_ID), _PART):
        query = f"SELECT {COLUMNS} FROM entries WHERE id IN ({marks(part)}) ORDER BY id"  # noqa: S608
        found.extend(Row(*row) for row in db.execute(query, part))
    return found


def hits_of(db: sqlite3.Connection, ids: Iterable[int]) -> dict[int, tuple[str, wire.Metadata]]:
    """Read (text, metadata) by id: all that a search shows, at a fifth of what whole entries cost."""
    found: dict[int, tuple[str, wire.Metadata]] = {}
    for part in chunks(list(ids), _PART):
        query = f"SELECT id, text, metadata FROM entries WHERE id IN ({marks(part)})"  # noqa: S608
        found.update((id_, (text, _metadata(dumped))) for id_, text, dumped in db.execute(query, part))
    return found


def _metadata(dumped: str) -> wire.Metadata:
    return {} if dumped == "{}" else json.loads(dumped)


def ids_of_hashes(db: sqlite3.Connection, hashes: Sequence[bytes]) -> dict[bytes, int]:
    """Find the entries with these texts: ids by hash."""
    found: dict[bytes, int] = {}
    for part in chunks(hashes, _PART):
        found.update(db.execute(f"SELECT hash, id FROM entries WHERE hash IN ({marks(part)})", part))  # noqa: S608
    return found
