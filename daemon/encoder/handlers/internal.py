"""The answers to the daemon alone: health and metering."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from daemon.core.encoder_protocol.counters import STORAGE_KEY
from daemon.encoder.arrays import Matrix
from daemon.encoder.http.request import Request
from daemon.encoder.http.response import Response, respond
from daemon.encoder.knowledge import Knowledge
from daemon.encoder.model_thread.batches import Batches
from daemon.encoder.model_thread.worker import Worker
from daemon.encoder.models import CANARIES


class Internal:
    def __init__(
        self, knowledge: Knowledge, batches: Batches, worker: Worker, canary: Matrix, files: Sequence[Path]
    ) -> None:
        """Make the handlers; `files` hold the storage that is metered."""
        self._files = files
        self._knowledge = knowledge
        self._batches = batches
        self._worker = worker
        self._canary = canary

    async def health(self, _request: Request) -> Response:
        """Show the lowest cosine between the canaries' vectors now and at warm-up, and how many entries there are."""
        now = np.stack([await self._worker.canary(text) for text in CANARIES])
        cosine = float(np.einsum("ij,ij->i", now, self._canary).min())
        in_index = await self._worker.call(self._batches.index.__len__)
        return respond({"cosine": cosine, "entries_index": in_index, "entries_base": self._knowledge.reads.total})

    async def usage(self, _request: Request) -> Response:
        """Response with everything counted since the process started (core/encoder_protocol/counters.py)."""
        return respond({**self._batches.counts.to_answer(), STORAGE_KEY: sum(map(_size, self._files))})


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
