"""The index at start: the snapshot and what changed since, else the stored vectors. Nothing is encoded here."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

from daemon.encoder.index.protocol import BadSnapshot, Index, IndexKind, Moment
from daemon.encoder.knowledge import Knowledge

log = logging.getLogger(__name__)


def restore(kind: IndexKind, knowledge: Knowledge, path: Path, fingerprint: str, dimension: int) -> tuple[Index, bool]:
    """Make an index that equals the base; True: the snapshot at `path` equals it, too.

    Every entry must have a vector of this fingerprint.
    """
    try:
        return _from_snapshot(kind, knowledge, path, fingerprint, dimension)
    except FileNotFoundError:
        log.info("index-rebuilt", extra={"reason": "there is no snapshot yet"})
    except (BadSnapshot, OSError) as error:
        log.warning("index-rebuilt", extra={"reason": f"the snapshot can't be used: {error}"})
    return build(kind, knowledge, fingerprint, dimension), not knowledge.reads.revision


def _from_snapshot(
    kind: IndexKind, knowledge: Knowledge, path: Path, fingerprint: str, dimension: int
) -> tuple[Index, bool]:
    index = kind.load(path, fingerprint, dimension)
    before = index.moment
    if before.stamp != stamp_of(knowledge, before.revision):
        raise BadSnapshot(f"revision {before.revision} of this base is another change")
    changes = knowledge.vectors.changes_since(before.revision, fingerprint)
    if changes is None:
        raise BadSnapshot(f"the history does not tell what changed since its revision {before.revision}")
    index.remove(id_ for id_, vector in changes if vector is None)
    index.upsert((id_, vector) for id_, vector in changes if vector is not None)
    if len(index) != knowledge.reads.total:
        raise BadSnapshot(f"it leads to {len(index)} entries, the base has {knowledge.reads.total}")
    index.moment = moment_of(knowledge, fingerprint)
    return index, not changes


def build(kind: IndexKind, knowledge: Knowledge, fingerprint: str, dimension: int) -> Index:
    """Make an index of every vector of the base."""
    moment = moment_of(knowledge, fingerprint)
    index = kind.build(knowledge.vectors, fingerprint, dimension)
    index.moment = moment
    return index


def moment_of(knowledge: Knowledge, fingerprint: str) -> Moment:
    """Name the state of the base as it is now."""
    moment = Moment(fingerprint, knowledge.reads.revision, "")
    return replace(moment, stamp=stamp_of(knowledge, moment.revision))


def stamp_of(knowledge: Knowledge, revision: int) -> str:
    """Tell when the change that made this revision was made; empty if the history does not hold it any more."""
    changes = knowledge.reads.history(revision + 1, 1).changes
    return changes[0].at.isoformat() if changes and changes[0].revision == revision else ""
