"""The keeper of the index: it stays equal to the base, and its snapshot not far behind."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path

from daemon.encoder.index.protocol import Index, Moment, SnapshotWriter
from daemon.encoder.knowledge import Committed

log = logging.getLogger(__name__)

CHANGES = 1000  # written after so many changed entries …
QUIET_S = 5.0  # … or once this long nothing changed
RETRY_S = 60.0  # after a failure (a full disk): the snapshot only makes the next start faster


class Keeper:
    """The index that serves, kept equal to the base, and its snapshot, kept not far behind.

    It runs on the worker's thread. A snapshot is written in small steps while nothing else is to be done.
    """

    def __init__(self, index: Index, path: Path, *, fresh: bool, clock: Callable[[], float] = time.monotonic) -> None:
        """Take over an index; `fresh`: the snapshot at `path` equals it."""
        self.index = index
        self._path = path
        self._clock = clock
        self._changed = 0 if fresh else 1
        self._due = clock() + QUIET_S
        self._writer: SnapshotWriter | None = None

    @property
    def fingerprint(self) -> str:
        """The fingerprint of the model that made the index's vectors."""
        return self.index.moment.fingerprint

    def apply(self, committed: Committed) -> None:
        """Bring the index to a commit's revision; a replayed one changed nothing now."""
        if committed.replayed:
            return
        self._give_up()
        self.index.remove(committed.removed)
        self.index.upsert(committed.upserts)
        if committed.change is not None:
            self.index.moment = Moment(self.fingerprint, committed.revision, committed.change.at.isoformat())
            self._changed += max(1, len(committed.removed) + len(committed.upserts))
        if _forgets(committed):  # the file holds vectors of texts that must be gone for good
            self._remove()
            self._changed += 1
        self._due = self._clock() + (QUIET_S if self._changed < CHANGES else 0.0)

    def replace(self, index: Index, moment: Moment) -> None:
        """Keep the index of another base, which has taken this one's place and is at that moment, from now on."""
        self._give_up()
        self._remove()
        index.moment = moment
        self.index = index
        self._changed += max(1, len(index))
        self._due = self._clock()

    def idle(self) -> float | None:
        """Write one step of a snapshot that is due; returns the seconds until the next step, None: none is due."""
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
        """Write the snapshot that is due, at the end of the process."""
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
            self._writer = self.index.snapshot(self._path)
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
