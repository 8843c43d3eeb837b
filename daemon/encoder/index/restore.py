"""The index at start: the snapshot and what changed since, else the stored vectors. Nothing is encoded here."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

from daemon.encoder.index import snapshot
from daemon.encoder.index.exact import ExactIndex
from daemon.encoder.index.rows import GrowingMatrix
from daemon.encoder.index.snapshot import BadSnapshot
from daemon.encoder.knowledge import Knowledge

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Restored:
    """An index as of `revision`; `stamp` is when the change that made it was made; `fresh`: the file equals it."""

    index: ExactIndex
    revision: int
    stamp: str
    fresh: bool


def restore(knowledge: Knowledge, path: Path, fingerprint: str, dimension: int) -> Restored:
    """An index that equals the base as it is now; every entry must have a vector of this fingerprint."""
    try:
        restored = _from_snapshot(knowledge, path, fingerprint, dimension)
    except FileNotFoundError:
        log.info("index-rebuilt", extra={"reason": "there is no snapshot yet"})
    except (BadSnapshot, OSError) as error:
        log.warning("index-rebuilt", extra={"reason": f"the snapshot can't be used: {error}"})
    else:
        return restored
    return _from_vectors(knowledge, fingerprint, dimension)


def _from_snapshot(knowledge: Knowledge, path: Path, fingerprint: str, dimension: int) -> Restored:
    found = snapshot.read(path, fingerprint, dimension)
    if found.stamp != stamp_of(knowledge, found.revision):
        raise BadSnapshot(f"revision {found.revision} of this base is another change")
    changes = knowledge.changes_since(found.revision, fingerprint)
    if changes is None:
        raise BadSnapshot(f"the history does not tell what changed since its revision {found.revision}")
    index = ExactIndex.of(found.ids, found.vectors)
    index.remove(id_ for id_, vector in changes if vector is None)
    index.upsert((id_, vector) for id_, vector in changes if vector is not None)
    if len(index) != knowledge.total:
        raise BadSnapshot(f"it leads to {len(index)} entries, the base has {knowledge.total}")
    return Restored(index, knowledge.revision, stamp_of(knowledge, knowledge.revision), fresh=not changes)


def _from_vectors(knowledge: Knowledge, fingerprint: str, dimension: int) -> Restored:
    revision = knowledge.revision
    return Restored(
        from_vectors(knowledge, fingerprint, dimension), revision, stamp_of(knowledge, revision), fresh=not revision
    )


def from_vectors(knowledge: Knowledge, fingerprint: str, dimension: int) -> ExactIndex:
    """Reads every vector of the base."""
    vectors = GrowingMatrix(dimension)
    ids, _ = knowledge.all_vectors(fingerprint, vectors.room)
    return ExactIndex.of(ids, vectors)


def stamp_of(knowledge: Knowledge, revision: int) -> str:
    """When the change that made this revision was made; empty if the history does not hold it any more."""
    changes = knowledge.history(revision + 1, 1).changes
    return changes[0].at.isoformat() if changes and changes[0].revision == revision else ""
