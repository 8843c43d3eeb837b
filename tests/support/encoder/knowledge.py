"""A knowledge base for tests, with vectors that follow from their texts."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from daemon.core import wire
from daemon.encoder.knowledge import Committed, Knowledge, WriteContext
from daemon.encoder.knowledge.model import Vector

FINGERPRINT = "fake|64"


def vector(text: str) -> Vector:
    """64 dimensions; equal for equal texts only."""
    raw = hashlib.blake2b(text.encode()).digest()
    return np.frombuffer(raw, np.uint8).astype(np.float32)


def open_base(path: Path, **changes: Any) -> Knowledge:
    settings: dict[str, Any] = {"min_chars": 1, "history_days": 90, "disk_mb": None}
    return Knowledge.open(path, **{**settings, **changes})


def answer(committed: Committed) -> tuple[int, bytes]:
    return 200, json.dumps({"revision": committed.revision, "added": committed.added}).encode()


def context(texts: Iterable[str] = (), **changes: Any) -> WriteContext:
    settings: dict[str, Any] = {
        "request_id": None,
        "actor": "user:demo",
        "if_match": None,
        "fingerprint": FINGERPRINT,
        "vectors": {text: vector(text) for text in texts},
        "answer": answer,
    }
    return WriteContext(**{**settings, **changes})


def add(base: Knowledge, *texts: str, metadata: wire.Metadata | None = None, **changes: Any) -> Committed:
    entries = [wire.NewEntry(text=text, metadata=metadata or {}) for text in texts]
    accepted = [entry.text for _, entry in base.writes.check(entries).accepted]
    return base.writes.add(entries, context(accepted, **changes))


def set_texts(base: Knowledge, texts: list[str], **changes: Any) -> Committed:
    return base.writes.set_texts(texts, context(base.writes.diff(texts).added, **changes))


def edit(base: Knowledge, id_: int, text: str | None, metadata: wire.Metadata | None = None) -> Committed:
    return base.writes.edit(id_, text, metadata, context([text.strip()] if text else []))


def delete(base: Knowledge, *ids: int, forget: bool = False) -> Committed:
    return base.writes.delete(list(ids), forget, context())


def drop_vectors(base: Knowledge, fingerprint: str) -> None:
    """Remove a model's vectors, as if it had never been used."""
    with base.database.write() as db:
        which = "SELECT id FROM fingerprints WHERE fingerprint = ?"
        db.execute(f"DELETE FROM vectors WHERE fingerprint IN ({which})", (fingerprint,))  # noqa: S608


def contents(base: Knowledge) -> dict[int, tuple[str, wire.Metadata]]:
    page = base.reads.page(None, 1_000_000, None)
    assert page.total == len(page.entries) == base.reads.total
    assert page.revision == base.reads.revision
    return {entry.id: (entry.text, entry.metadata) for entry in page.entries}


def check_vectors(base: Knowledge) -> None:
    """Every entry has the vector of its own text."""
    ids, matrix = base.vectors.all(FINGERPRINT)
    held = contents(base)
    assert ids.tolist() == sorted(held)
    for id_, row in zip(ids.tolist(), matrix, strict=True):
        np.testing.assert_array_equal(row, vector(held[id_][0]))


def raw_bytes(path: Path) -> bytes:
    """Everything that the base has on disk."""
    return b"".join(part.read_bytes() for part in sorted(path.parent.glob(f"*{path.name}*")) if part.is_file())
