"""The succession of a base that came from a backup to the one that serves.

Revisions and ids go on where both bases left off, so that no `If-Match` of the old base fits the new one by
chance and no id is given twice. Operations stay those of this tenant's life; the history is the backup's,
with the restore itself on top.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass

from daemon.core import wire
from daemon.encoder.knowledge.changes.apply import next_id
from daemon.encoder.knowledge.changes.condition import require_revision
from daemon.encoder.knowledge.file import meta
from daemon.encoder.knowledge.file.database import Database
from daemon.encoder.knowledge.file.meta import BaseCounter
from daemon.encoder.knowledge.operations import put
from daemon.encoder.knowledge.texts import now_us
from daemon.encoder.knowledge.vectors import old_vectors, unused

KIND = "restore"


@dataclass(frozen=True)
class Restored:
    """The outcome of a restore: the base's new revision, and how many entries it brought and replaced."""

    revision: int
    entries: int
    replaced: int


# The operation as it stands in the new base: ended, since that base is live from its first moment on.
Ended = Callable[[Restored], wire.Operation]


def succeed(old: Database, new: Database, if_match: int | None, actor: str, ended: Ended) -> Restored:
    """Make `new` the successor of `old`, which nobody may write from here until the files are swapped.

    Raises RevisionChanged, DiskFull.
    """
    with old.lock, old.read() as before:
        require_revision("restore", if_match, meta.read(before, BaseCounter.REVISION))
        with new.write(spare=True) as db:
            return _succeed(before, db, actor, ended)


def _succeed(old: sqlite3.Connection, new: sqlite3.Connection, actor: str, ended: Ended) -> Restored:
    revision = max(meta.read(old, BaseCounter.REVISION), meta.read(new, BaseCounter.REVISION)) + 1
    restored = Restored(revision, meta.read(new, BaseCounter.TOTAL), meta.read(old, BaseCounter.TOTAL))
    # The floor: what changed since an older revision is not told, so no snapshot of another past is taken.
    for counter in (BaseCounter.REVISION, BaseCounter.HISTORY_FLOOR):
        meta.write(new, counter, revision)
    counts = (restored.entries, restored.replaced)
    new.execute(
        "INSERT INTO changes VALUES (?, ?, ?, ?, ?, ?, 0, 0, NULL, NULL)", (revision, now_us(), actor, KIND, *counts)
    )
    last = max(next_id(old), next_id(new)) - 1
    new.execute("DELETE FROM sqlite_sequence WHERE name = 'entries'")
    new.execute("INSERT INTO sqlite_sequence (name, seq) VALUES ('entries', ?)", (last,))
    unused.drop_staged(new, everything=True)
    old_vectors.forget_times(new)
    new.execute("DELETE FROM operations")
    new.executemany("INSERT INTO operations VALUES (?, ?, ?, ?)", old.execute("SELECT * FROM operations"))
    put(new, ended(restored))
    return restored
