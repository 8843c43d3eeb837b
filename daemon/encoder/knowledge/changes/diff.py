"""Comparison of sent texts with those of the base, before anything is written."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from daemon.core import wire
from daemon.core.errors import Duplicate, Invalid
from daemon.encoder.knowledge.model import Checked, Diff
from daemon.encoder.knowledge.reads.entries import ids_of_hashes
from daemon.encoder.knowledge.texts import digest, dump_metadata, normalise, printable, problem


def check(db: sqlite3.Connection, entries: Sequence[wire.NewEntry], min_chars: int) -> Checked:
    """Sort new entries into those that the base would take and those that it refuses, with the reason."""
    refused: dict[int, wire.Refused] = {}
    sound: list[tuple[int, wire.NewEntry, bytes]] = []
    for line, entry in enumerate(entries, 1):
        text = normalise(entry.text)
        wrong = problem(text, min_chars) or _metadata_problem(entry.metadata)
        if wrong:
            refused[line] = _refusal(line, text, wrong)
        else:
            kept = entry if text == entry.text else entry.model_copy(update={"text": text})
            sound.append((line, kept, digest(text)))
    existing = ids_of_hashes(db, [key for _, _, key in sound])
    accepted: list[tuple[int, wire.NewEntry]] = []
    seen: set[bytes] = set()
    for line, entry, key in sound:
        if key in existing or key in seen:
            refused[line] = _repeat(line, entry.text, existing.get(key))
        else:
            seen.add(key)
            accepted.append((line, entry))
    return Checked(accepted, [refused[line] for line in sorted(refused)])


def diff(db: sqlite3.Connection, texts: Sequence[str], min_chars: int) -> Diff:
    """Compare the base with a list of texts; a text that is in it stays, even if it is too short by now."""
    existing: dict[bytes, int] = dict(db.execute("SELECT hash, id FROM entries"))
    added: list[str] = []
    seen: set[bytes] = set()
    unchanged: list[int] = []
    refused: list[wire.Refused] = []
    for line, raw in enumerate(texts, 1):
        text = normalise(raw)
        key = digest(text) if _encodable(text) else b""
        wrong = None if key in existing else problem(text, min_chars)
        if wrong:
            refused.append(_refusal(line, text, wrong))
        elif key in seen:
            refused.append(_repeat(line, text, existing.get(key)))
        else:
            seen.add(key)
            if key in existing:
                unchanged.append(existing[key])
            else:
                added.append(text)
    kept = set(unchanged)
    return Diff(added, sorted(id_ for id_ in existing.values() if id_ not in kept), unchanged, refused)


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _metadata_problem(metadata: wire.Metadata) -> Invalid | None:
    if not metadata:
        return None
    try:
        dump_metadata(metadata)
    except Invalid as error:
        return error
    return None


def _refusal(line: int, text: str, error: Invalid) -> wire.Refused:
    return wire.Refused(line=line, text=printable(text), kind=error.kind, reason=error.message)


def _repeat(line: int, text: str, id_: int | None) -> wire.Refused:
    return wire.Refused(line=line, text=printable(text), kind=Duplicate.kind, reason=_repeats(id_), id=id_)


def _repeats(id_: int | None) -> str:
    where = "stands earlier in the same request" if id_ is None else f"is entry {id_} already"
    return f"cannot add a text twice: it {where}"


def duplicate(id_: int) -> Duplicate:
    return Duplicate(f"cannot use this text: it is entry {id_} already; edit or delete that one", id=id_)
