"""Finishing a removal: what deleting rows leaves behind in pages and in the write-ahead log."""

from __future__ import annotations

import logging

from daemon.core.errors import DiskFull
from daemon.encoder.knowledge.erasure import rewrite as rewriting
from daemon.encoder.knowledge.file.database import Database

log = logging.getLogger(__name__)


def finish(database: Database) -> None:
    """On a full disk it stays due, see `pending`."""
    for rewrite in (rewriting.rewrite_texts, rewriting.rewrite_vectors):
        try:
            with database.write(spare=True) as db:
                rewrite(db)
        except DiskFull as error:
            log.warning("removal-pending", extra={"step": rewrite.__name__, "reason": error.message})
    database.truncate_log()


def pending(database: Database) -> bool:
    """Whether removed text may still be in the file: for lack of room, or a reader was in the way.

    The daily purge and the next `forget` try again; the log is tried again after each write.
    """
    with database.read() as db:
        return database.log_pending or rewriting.is_due(db)
