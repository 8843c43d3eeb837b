"""Reading entries and the history."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from daemon.core import wire
from daemon.core.errors import UnknownEntry
from daemon.encoder.knowledge.file.schema import Damaged
from daemon.encoder.knowledge.model import Row
from daemon.encoder.knowledge.texts import digest, moment, normalise
from daemon.encoder.knowledge.vectors import chunks, marks

_COLUMNS = "id, text, metadata, created_at, updated_at"
_DETAILS = 20  # entries shown of one change; the counts say how many there are
_LIKE_BYTES = 10_000  # SQLite refuses patterns of more than 50,000 bytes


def meta(db: sqlite3.Connection, key: str) -> int:
    return int(db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()[0])


def to_entry(row: Sequence[Any]) -> wire.Entry:
    """Raises Damaged."""
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
    return entry_of(row_of(db, id_))


def row_of(db: sqlite3.Connection, id_: int) -> Row:
    found = rows_of(db, [id_])
    if not found:
        raise unknown(id_)
    return found[0]


def unknown(id_: int) -> UnknownEntry:
    return UnknownEntry(f"cannot find the entry {id_}: it was deleted or never existed; list the entries", id=id_)


def rows_of(db: sqlite3.Connection, ids: Sequence[int]) -> list[Row]:
    """The entries that exist, in the order of their ids."""
    found: list[Row] = []
    for part in chunks(sorted(i for i in ids if 0 < i < 2**63), 500):
        query = f"SELECT {_COLUMNS} FROM entries WHERE id IN ({marks(part)}) ORDER BY id"  # noqa: S608
        found.extend(Row(*row) for row in db.execute(query, part))
    return found


def entries_of(db: sqlite3.Connection, ids: Iterable[int]) -> dict[int, wire.Entry]:
    found: dict[int, wire.Entry] = {}
    for part in chunks([i for i in ids if 0 < i < 2**63], 500):
        query = f"SELECT {_COLUMNS} FROM entries WHERE id IN ({marks(part)})"  # noqa: S608
        found.update((row[0], to_entry(row)) for row in db.execute(query, part))
    return found


def hits_of(db: sqlite3.Connection, ids: Iterable[int]) -> dict[int, tuple[str, wire.Metadata]]:
    """(text, metadata) by id: what a search shows, at a fifth of what whole entries cost."""
    found: dict[int, tuple[str, wire.Metadata]] = {}
    for part in chunks(list(ids), 500):
        query = f"SELECT id, text, metadata FROM entries WHERE id IN ({marks(part)})"  # noqa: S608
        found.update((id_, (text, _metadata(dumped))) for id_, text, dumped in db.execute(query, part))
    return found


def _metadata(dumped: str) -> wire.Metadata:
    return {} if dumped == "{}" else json.loads(dumped)


_TYPES = {str: "'text'", bool: "'true','false'", type(None): "'null'"}
_NUMBERS = "'integer','real'"


def ids_with(db: sqlite3.Connection, wanted: wire.Metadata) -> npt.NDArray[np.int64]:
    """Ids of the entries whose metadata has all these values; 1 equals 1.0, and neither equals true."""
    parts, values = ["metadata != '{}'"], []
    for key, value in wanted.items():
        types = _TYPES.get(type(value), _NUMBERS)
        known = f"SELECT 1 FROM json_each(metadata) WHERE key = ? AND value IS ? AND type IN ({types})"  # noqa: S608
        parts.append(f"EXISTS ({known})")
        values += [key, _bindable(value)]
    query = f"SELECT id FROM entries WHERE {' AND '.join(parts)}"  # noqa: S608 - values are bound
    return np.fromiter((row[0] for row in db.execute(query, values)), np.int64)


def _bindable(value: wire.Scalar) -> wire.Scalar:
    """SQLite's integers have 64 bits; its JSON reads larger ones as floats."""
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        return float(value) if abs(value) < 10**308 else float("inf")
    return value


def ids_of_hashes(db: sqlite3.Connection, hashes: Sequence[bytes]) -> dict[bytes, int]:
    found: dict[bytes, int] = {}
    for part in chunks(hashes, 500):
        found.update(db.execute(f"SELECT hash, id FROM entries WHERE hash IN ({marks(part)})", part))  # noqa: S608
    return found


def page(db: sqlite3.Connection, after: int | None, limit: int, q: str | None) -> wire.EntryPage:
    """`total` counts the whole base, whatever `q` is."""
    condition, value = _condition(db, q)
    query = f"SELECT {_COLUMNS} FROM entries WHERE id > ? {condition} ORDER BY id LIMIT ?"  # noqa: S608
    rows = db.execute(query, (_bounded(after), *value, limit + 1)).fetchall()
    found = [to_entry(row) for row in rows[:limit]]
    return wire.EntryPage(
        entries=found,
        next=found[-1].id if found and len(rows) > limit else None,
        total=meta(db, "total"),
        revision=meta(db, "revision"),
    )


def _bounded(after: int | None) -> int:
    return max(0, min(after or 0, 2**63 - 1))


def _condition(db: sqlite3.Connection, q: str | None) -> tuple[str, tuple[str, ...]]:
    """SQLite's LIKE folds ASCII letters only; other scripts that have cases are folded by Python."""
    wanted = normalise(q or "")
    if not wanted:
        return "", ()
    caseless = wanted.isascii() or wanted.upper() == wanted.lower()
    if caseless and len(wanted.encode(errors="replace")) < _LIKE_BYTES:
        escaped = wanted.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        return "AND text LIKE ? ESCAPE '\\'", (f"%{escaped.encode(errors='replace').decode()}%",)
    db.create_function("casefold", 1, str.casefold, deterministic=True)
    return "AND instr(casefold(text), ?) > 0", (wanted.encode(errors="replace").decode().casefold(),)


def damaged_texts(db: sqlite3.Connection) -> list[int]:
    """Ids of entries whose text does not match its hash; reads every entry."""
    return [id_ for id_, text, key in db.execute("SELECT id, text, hash FROM entries") if digest(text) != key]


def history(db: sqlite3.Connection, after: int | None, limit: int) -> wire.HistoryPage:
    """Newest first; `after` is the last revision of the page before."""
    query = (
        "SELECT revision, at, actor, kind, added, removed, edited, undone_by FROM changes "
        "WHERE revision < ? ORDER BY revision DESC LIMIT ?"
    )
    newest = 2**63 - 1 if after is None else _bounded(after)
    rows = db.execute(query, (newest, limit + 1)).fetchall()
    found = [to_change(db, row) for row in rows[:limit]]
    return wire.HistoryPage(changes=found, next=found[-1].revision if found and len(rows) > limit else None)


def to_change(db: sqlite3.Connection, row: Sequence[Any]) -> wire.Change:
    revision, at, actor, kind, added, removed, edited, undone_by = row
    return wire.Change(
        revision=revision, at=moment(at), actor=actor, kind=kind, added=added, removed=removed, edited=edited,
        undone=undone_by is not None, details=_details(db, revision),
    )  # fmt: skip


def _details(db: sqlite3.Connection, revision: int) -> list[dict[str, Any]]:
    query = (
        "SELECT entry, before_text, before_metadata, after_text, after_metadata FROM change_entries "
        "WHERE revision = ? ORDER BY id LIMIT ?"
    )
    return [_detail(row) for row in db.execute(query, (revision, _DETAILS))]


def _detail(row: Sequence[Any]) -> dict[str, Any]:
    """{id, before?, after?, before_metadata?, after_metadata?}; a forgotten entry has its id alone."""
    id_, before, before_metadata, after, after_metadata = row
    detail: dict[str, Any] = {"id": id_}
    if before is not None:
        detail["before"] = wire.shorten(before)
    if after is not None:
        detail["after"] = wire.shorten(after)
    if before_metadata != after_metadata:
        detail |= {
            key: json.loads(value)
            for key, value in (("before_metadata", before_metadata), ("after_metadata", after_metadata))
            if value not in (None, "{}")
        }
    return detail
