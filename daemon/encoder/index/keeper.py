"""Keeps the index equal to the base, and its snapshot not far behind. Runs on the worker's thread."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path

from daemon.encoder.index.exact import ExactIndex
from daemon.encoder.index.restore import Restored
from daemon.encoder.index.snapshot import SnapshotWriter
from daemon.encoder.knowledge import Committed

log = logging.getLogger(__name__)

CHANGES = 1000  # written after so many changed entries …
QUIET_S = 5.0  # … or once this long nothing changed
RETRY_S = 60.0  # after a failure (a full disk): the snapshot only makes the next start faster


class Keeper:
    """`idle` is the worker's idle step: a snapshot is written in small steps and given up when a change comes."""

    def __init__(
        self,
        restored: Restored,
        fingerprint: str,
        path: Path,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.index = restored.index
        self.fingerprint = fingerprint
        self._revision = restored.revision
        self._stamp = restored.stamp
        self._path = path
        self._clock = clock
        self._changed = 0 if restored.fresh else 1
        self._due = clock() + QUIET_S
        self._writer: SnapshotWriter | None = None

    def apply(self, committed: Committed) -> None:
        """Brings the index to a commit's revision; a replayed one changed nothing now."""
        if committed.replayed is not None:
            return
        self._give_up()
        self.index.remove(committed.removed)
        self.index.upsert(committed.upserts)
        if committed.change is not None:
            self._revision, self._stamp = committed.revision, committed.change.at.isoformat()
            self._changed += max(1, len(committed.removed) + len(committed.upserts))
        if _forgets(committed):  # the file holds vectors of texts that must be gone for good
            self._remove()
            self._changed += 1
        self._due = self._clock() + (QUIET_S if self._changed < CHANGES else 0.0)

    def replace(self, index: ExactIndex, revision: int, stamp: str) -> None:
        """Another base has taken this one's place, and `index` is its."""
        self._give_up()
        self._remove()
        self.index, self._revision, self._stamp = index, revision, stamp
        self._changed += max(1, len(index))
        self._due = self._clock()

    def idle(self) -> float | None:
        """One step of the snapshot that is due; seconds until the next look, None: nothing to write."""
        if not self._changed:
            return None
        wait = self._due - self._clock()
        if wait > 0:
            return wait
        try:
            return None if self._step() else 0.0
        except OSError as error:
            log.warning("snapshot-failed", extra={"reason": str(error)})
            self._give_up()
            self._due = self._clock() + RETRY_S
            return RETRY_S

    def finish(self) -> None:
        """Writes what is due, at the end of the process."""
        self._due = self._clock()
        while self.idle() == 0.0:
            pass

    def _remove(self) -> None:
        try:
            self._path.unlink(missing_ok=True)
        except OSError as error:
            log.warning("snapshot-not-removed", extra={"reason": str(error)})

    def _step(self) -> bool:
        if self._writer is None:
            self._writer = SnapshotWriter(self._path, self.index, self.fingerprint, self._revision, self._stamp)
        if not self._writer.step():
            return False
        self._writer, self._changed = None, 0
        return True

    def _give_up(self) -> None:
        if self._writer is not None:
            self._writer.give_up()
            self._writer = None


def _forgets(committed: Committed) -> bool:
    return bool(committed.forgotten) or (committed.change is not None and committed.change.kind == "forget")
