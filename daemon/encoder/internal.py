"""What the daemon alone asks: health and metering."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np

from daemon.encoder.batches import Batches
from daemon.encoder.http import Answer, Request, answer
from daemon.encoder.knowledge import Knowledge
from daemon.encoder.models import CANARIES
from daemon.encoder.models.backend import Matrix
from daemon.encoder.worker import Worker


class Internal:
    def __init__(self, knowledge: Knowledge, batches: Batches, worker: Worker, canary: Matrix) -> None:
        self._knowledge = knowledge
        self._batches = batches
        self._worker = worker
        self._canary = canary

    async def health(self, _request: Request) -> Answer:
        """The lowest cosine between the canaries' vectors now and at warm-up, and whether index and base agree."""
        now = np.stack([await self._worker.canary(text) for text in CANARIES])
        cosine = float(np.einsum("ij,ij->i", now, self._canary).min())
        in_index = await self._worker.call(self._batches.index.__len__)
        return answer({"cosine": cosine, "entries_index": in_index, "entries_base": self._knowledge.total})

    async def usage(self, _request: Request) -> Answer:
        return answer({**asdict(self._batches.counters), "cache_hits": self._batches.cache.hits})
