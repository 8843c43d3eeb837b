"""The index at start: from the snapshot and what changed since, else from the stored vectors. Nothing is encoded."""

from __future__ import annotations

import logging
from pathlib import Path

from daemon.encoder.index.exact import ExactIndex
from daemon.encoder.knowledge import Knowledge
from daemon.encoder.models.backend import Backend

log = logging.getLogger(__name__)


def restore(knowledge: Knowledge, backend: Backend, folder: Path) -> ExactIndex:
    """An index that equals the base as it is now."""
    return rebuild(knowledge, backend)


def rebuild(knowledge: Knowledge, backend: Backend) -> ExactIndex:
    ids, matrix = knowledge.all_vectors(backend.fingerprint)
    if not len(ids):
        return ExactIndex(backend.dimension)
    return ExactIndex.of(ids, matrix)
