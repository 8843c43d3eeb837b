"""The end of a removal: traces that deleted rows leave in pages and in the write-ahead log."""

from __future__ import annotations

import logging

from daemon.core.errors import DiskFull
from daemon.encoder.knowledge.erasure import rewrite
from daemon.encoder.knowledge.file.database import Database

log = logging.getLogger(__name__)


def finish(database: Database) -> None:
    """Remove the traces; what a full disk keeps from being done stays due, see `pending`."""
    for step in (rewrite.rewrite_texts, rewrite.rewrite_vectors):
        try:
            with database.write(spare=True) as db:
                step(db)
        except DiskFull as error:
            log.warning("removal-pending", extra={"step": step.__name__, "reason": error.message})
    database.truncate_log()


def pending(database: Database) -> bool:
    """Say whether removed text may still be in the file: for lack of room, or because a reader was in the way.

    The daily purge and the next `forget` try again; the log is tried again after each write.
    """
    with database.read() as db:
        return database.log_pending or rewrite.is_due(db)
