"""A worker over a fake model whose calls a test can hold and see."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from daemon.core.config.tenant_config import EncoderConfig
from daemon.core.encoder_protocol import progress_page
from daemon.core.encoder_protocol.progress_page import CallKind, ProgressReader, ProgressWriter
from daemon.encoder.index.exact import ExactIndex
from daemon.encoder.model_thread.batches import Batches
from daemon.encoder.model_thread.heartbeat import Heartbeat
from daemon.encoder.model_thread.pacing import Pace
from daemon.encoder.model_thread.query_cache import QueryCache
from daemon.encoder.model_thread.worker import Worker
from daemon.encoder.models import Encoded
from daemon.encoder.models.fake import FakeBackend

PATIENCE_S = 10


class Watched(FakeBackend):
    """The fake, with a gate that a test opens and a list of its calls. A text `poison` can't be encoded."""

    def __init__(self) -> None:
        super().__init__(EncoderConfig(backend="fake"))
        self.gate = threading.Event()
        self.entered = threading.Event()
        self.calls: list[tuple[str, list[str]]] = []
        self.seen: list[CallKind] = []
        self.page = progress_page.create()

    def open(self) -> None:
        self.gate.set()

    def _enter(self, kind: str, texts: Sequence[str]) -> None:
        self.calls.append((kind, list(texts)))
        self.seen.append(ProgressReader(self.page).read().kind)
        self.entered.set()
        assert self.gate.wait(PATIENCE_S)
        if "poison" in texts:
            raise ValueError("can't encode this")

    def encode_queries(self, texts: Sequence[str]) -> Encoded:
        self._enter("queries", texts)
        return super().encode_queries(texts)

    def encode_documents(self, texts: Sequence[str]) -> Encoded:
        self._enter("documents", texts)
        return super().encode_documents(texts)


class Bench:
    """A worker over an index of three entries, ids 1 to 3."""

    def __init__(self, backend: Watched, worker: Worker, batches: Batches) -> None:
        self.backend = backend
        self.worker = worker
        self.batches = batches

    async def hold(self, kind: str = "query") -> asyncio.Task[Any]:
        """Occupies the model until the gate opens."""
        if kind == "query":
            task: asyncio.Task[Any] = asyncio.create_task(self.worker.search("occupies the model", 1))
        else:
            task = asyncio.create_task(self.worker.documents(["occupies the model"]))
        assert await asyncio.to_thread(self.backend.entered.wait, PATIENCE_S)
        return task

    async def queued(self) -> None:
        """All tasks that were started have put their jobs into the queue."""
        await asyncio.sleep(0)

    @property
    def calls(self) -> list[list[str]]:
        return [texts for _, texts in self.backend.calls]


@asynccontextmanager
async def bench(
    *,
    cache: int = 0,
    max_queue: int = 100,
    batch_tokens: int = 10_000,
    pace: Pace | None = None,
    idle: Callable[[], float | None] | None = None,
) -> AsyncIterator[Bench]:
    backend = Watched()
    index = ExactIndex(backend.dimension)
    texts = ["apples and pears", "a reset password", "green tea"]
    index.upsert(enumerate(FakeBackend.encode_documents(_open(backend), texts).vectors, 1))
    backend.gate.clear()
    backend.entered.clear()
    backend.calls.clear()
    backend.seen.clear()
    entries = dict(enumerate(texts, 1))
    progress = ProgressWriter(backend.page)
    batches = Batches(
        backend,
        index,
        progress,
        lambda ids: {id_: (entries[id_], {}) for id_ in ids},
        QueryCache(cache),
        pace or Pace(0.001, batch_tokens),
    )
    worker = Worker(
        batches,
        asyncio.get_running_loop(),
        Heartbeat(progress),
        max_queue=max_queue,
        batch_tokens=batch_tokens,
        idle=idle,
    )
    worker.start()
    try:
        async with asyncio.timeout(PATIENCE_S * 2):
            yield Bench(backend, worker, batches)
    finally:
        backend.open()
        await worker.stop()
        os.close(backend.page)


def _open(backend: Watched) -> Watched:
    backend.open()
    return backend
