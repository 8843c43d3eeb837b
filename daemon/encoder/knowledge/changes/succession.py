"""Making a base that came from a backup the successor of the one that serves.

Revisions and ids go on where both bases left off, so that no `If-Match` of the old base fits the new one by
chance and no id is given twice. Operations stay those of this tenant's life; the history is the backup's,
with the restore itself on top.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass

from daemon.core import wire
from daemon.encoder.knowledge import old_vectors, vectors
from daemon.encoder.knowledge.changes.apply import next_id
from daemon.encoder.knowledge.operations import put
from daemon.encoder.knowledge.reading import meta
from daemon.encoder.knowledge.texts import now_us

KIND = "restore"


@dataclass(frozen=True)
class Restored:
    """What a restore made: the base's new revision, and how many entries it brought and replaced."""

    revision: int
    entries: int
    replaced: int


# The operation as it stands in the new base: ended, since that base is live from its first moment on.
Ended = Callable[[Restored], wire.Operation]


def succeed(old: sqlite3.Connection, new: sqlite3.Connection, actor: str, ended: Ended) -> Restored:
    """Inside a transaction of `new`; `old` is only read, and nobody may write it from here to the exchange."""
    revision = max(meta(old, "revision"), meta(new, "revision")) + 1
    restored = Restored(revision, meta(new, "total"), meta(old, "total"))
    # history_floor: what changed since an older revision is not told, so no snapshot of another past is taken
    for key in ("revision", "history_floor"):
        new.execute("UPDATE meta SET value = ? WHERE key = ?", (revision, key))
    counts = (restored.entries, restored.replaced)
    new.execute(
        "INSERT INTO changes VALUES (?, ?, ?, ?, ?, ?, 0, 0, NULL, NULL)", (revision, now_us(), actor, KIND, *counts)
    )
    last = max(next_id(old), next_id(new)) - 1
    new.execute("DELETE FROM sqlite_sequence WHERE name = 'entries'")
    new.execute("INSERT INTO sqlite_sequence (name, seq) VALUES ('entries', ?)", (last,))
    vectors.drop_staged(new, everything=True)
    old_vectors.forget_times(new)
    new.execute("DELETE FROM operations")
    new.executemany("INSERT INTO operations VALUES (?, ?, ?, ?)", old.execute("SELECT * FROM operations"))
    put(new, ended(restored))
    return restored
