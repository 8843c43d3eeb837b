"""The swap: another base and its index take the place of those that serve."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from daemon.core import wire
from daemon.core.errors import Unavailable
from daemon.encoder.changes.operations import Handle
from daemon.encoder.changes.pipeline import Caller, Changes
from daemon.encoder.changes.threads import Threads
from daemon.encoder.index import Index, IndexKind
from daemon.encoder.index.keeper import Keeper
from daemon.encoder.index.restore import moment_of
from daemon.encoder.knowledge import Knowledge
from daemon.encoder.knowledge.changes.succession import Restored, succeed
from daemon.encoder.model_thread.batches import Batches
from daemon.encoder.model_thread.worker import Worker

_READERS_WAIT_S = 0.5  # searches wait behind the swap: well below any deadline
_PATIENCE_S = 30.0  # for long readers (an export that reads all columns, say)


@dataclass(frozen=True)
class Live:
    """The parts that serve now."""

    knowledge: Knowledge
    threads: Threads
    changes: Changes
    worker: Worker
    batches: Batches
    keeper: Keeper
    index_kind: IndexKind


@dataclass(frozen=True)
class Swap:
    """One swap. `about` goes into the operation's result."""

    live: Live
    fresh: Knowledge
    index: Index
    caller: Caller
    handle: Handle
    about: dict[str, Any]

    def run(self) -> Restored:
        """Swap, on the writer's thread, where no change can come in between.

        Raises RevisionChanged, DiskFull, Unavailable, InternalError: the old base goes on then.
        """
        path = self.fresh.path
        old, new = self.live.knowledge.database, self.fresh.database
        restored = succeed(old, new, self.caller.if_match, self.caller.actor, self._ended)
        self.fresh.close()
        deadline = time.monotonic() + _PATIENCE_S
        while True:
            try:
                self._on_worker(lambda: self._switch(path))
            except Unavailable:
                if time.monotonic() > deadline:
                    raise
            else:
                return restored

    def _ended(self, restored: Restored) -> wire.Operation:
        return self.handle.after(restored.entries, restored.entries, self.result(restored), ends=True)

    def result(self, restored: Restored) -> dict[str, Any]:
        counts = {"entries": restored.entries, "replaced": restored.replaced, "revision": restored.revision}
        return {**counts, **self.about}

    def _switch(self, path: Path) -> None:
        """Switch on the worker's thread: a search sees the one base and its index, or the other and its own."""
        live = self.live
        live.knowledge.replace_with(path, _READERS_WAIT_S)
        live.batches.replace_index(self.index)
        live.keeper.replace(self.index, moment_of(live.knowledge, live.keeper.fingerprint))

    def _on_worker(self, function: Callable[[], None]) -> None:
        done: Future[None] = Future()

        def run() -> None:
            try:
                function()
            except Exception as error:  # noqa: BLE001 - it belongs to the one who waits
                done.set_exception(error)
            else:
                done.set_result(None)

        self.live.worker.post(run)
        done.result()
