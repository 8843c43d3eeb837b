"""The thread that owns model and index: one queue in, one wake-up of the event loop for each batch out.

Whenever the model is free it takes all that waits, and waits for no more (natural batching). One turn is: edits of the
index, one batch of queries, one slice of documents. So searches go before imports, and imports still move under steady
search load.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import queue
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from daemon.core.errors import QueueFull
from daemon.encoder.arrays import Ids, Vector
from daemon.encoder.model_thread.batches import Batches
from daemon.encoder.model_thread.heartbeat import Heartbeat
from daemon.encoder.model_thread.requests import SMALL, CallRequest, DocumentsRequest, Found, QueryRequest

log = logging.getLogger(__name__)

AnyRequest = QueryRequest | DocumentsRequest | CallRequest
Delivery = tuple["asyncio.Future[Any]", Any, BaseException | None]
IdleStep = Callable[[], float | None]


class Worker:
    """The thread of the model, and the ways to ask it.

    `search`, `query_vector`, `documents` and `call` are for the event loop; `post` is for any thread.

    `idle` runs on the worker's thread when nothing waits; it returns in how many seconds it wants to run again,
    None: not before the next request.
    """

    def __init__(
        self,
        batches: Batches,
        loop: asyncio.AbstractEventLoop,
        heart: Heartbeat,
        *,
        max_queue: int,
        batch_tokens: int,
        idle: IdleStep | None = None,
    ) -> None:
        self._batches = batches
        self._loop = loop
        self._heart = heart
        self._max_queue = max_queue
        self._batch_tokens = batch_tokens
        self._idle = idle
        self._outstanding = 0
        self._inbox: queue.SimpleQueue[AnyRequest | None] = queue.SimpleQueue()
        self._calls: deque[CallRequest] = deque()
        self._queries: deque[QueryRequest] = deque()
        self._small: deque[DocumentsRequest] = deque()
        self._bulk: deque[DocumentsRequest] = deque()
        self._measuring: set[asyncio.Task[list[int]]] = set()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="model", daemon=True)

    def start(self) -> None:
        self._thread.start()

    async def stop(self) -> None:
        """Finish what is queued, then end the thread."""
        if self._measuring:
            await asyncio.wait(self._measuring)  # whoever waits for them is told first, and queues
        self._inbox.put(None)
        await asyncio.to_thread(self._thread.join)

    # --- from the event loop ---

    async def search(self, text: str, k: int, among: Ids | None = None) -> Found:
        """Encode a query and find the k nearest entries. Raises QueueFull."""
        found: Found = await self._query(QueryRequest(text, self._loop.create_future(), k, among))
        return found

    async def query_vector(self, text: str) -> Vector:
        """Encode a query: shape (dimension,). Raises QueueFull."""
        vector: Vector = await self._query(QueryRequest(text, self._loop.create_future()))
        return vector

    async def canary(self, text: str) -> Vector:
        """Encode a query without the cache; a full queue does not refuse it."""
        request = QueryRequest(text, self._loop.create_future(), canary=True)
        self._inbox.put(request)
        vector: Vector = await request.future
        return vector

    async def _query(self, request: QueryRequest) -> Any:
        if self._outstanding >= self._max_queue:
            raise QueueFull(
                f"cannot take the query: {self._outstanding} are waiting already (search.max_queue); try again shortly"
            )
        self._outstanding += 1
        try:
            self._inbox.put(request)
            return await request.future
        finally:
            self._outstanding -= 1

    async def documents(self, texts: Sequence[str]) -> DocumentsRequest:
        """Encode documents: `.vectors` of shape (len(texts), dimension), `.truncated` with positions that were cut."""
        backend = self._batches.backend
        vectors = np.empty((len(texts), backend.dimension), np.float32)
        request = DocumentsRequest(texts, await self._lengths(texts), self._loop.create_future(), vectors)
        if texts:
            with self._heart.beating():
                self._inbox.put(request)
                await request.future
        return request

    async def _lengths(self, texts: Sequence[str]) -> list[int]:
        """Measure texts, many on a thread of their own: a tokenizer needs 0.2 s for 10,000 texts."""
        lengths = self._batches.backend.lengths
        if len(texts) <= SMALL:
            return lengths(texts)
        task = asyncio.create_task(asyncio.to_thread(lengths, texts))
        self._measuring.add(task)
        task.add_done_callback(self._measuring.discard)
        return await task

    def post(self, function: Callable[[], Any], future: asyncio.Future[Any] | None = None) -> None:
        """Run `function` on the worker's thread, in the order of the calls to `post`; `future` gets its result."""
        self._inbox.put(CallRequest(function, future))

    async def call(self, function: Callable[[], Any]) -> Any:
        future = self._loop.create_future()
        self.post(function, future)
        return await future

    # --- the thread ---

    def _run(self) -> None:
        self._batches.enter_thread()
        try:
            while self._collect():
                self._turn()
        except BaseException:
            # Without its owner thread the process answers nothing: the daemon starts another one.
            log.critical("worker-died", exc_info=True)
            os._exit(1)

    def _collect(self) -> bool:
        """Sort the inbox into the lanes; wait only if there is nothing to do. False: the end."""
        if not self._busy and not self._stopping:
            self._sort(self._wait())
        with contextlib.suppress(queue.Empty):
            while True:
                self._sort(self._inbox.get_nowait())
        return self._busy or not self._stopping

    @property
    def _busy(self) -> bool:
        return bool(self._calls or self._queries or self._small or self._bulk)

    def _wait(self) -> AnyRequest | None:
        while True:
            pause = self._batches.other(self._idle) if self._idle else None
            try:
                return self._inbox.get(timeout=pause)
            except queue.Empty:
                continue

    def _sort(self, request: AnyRequest | None) -> None:
        if request is None:
            self._stopping = True
        elif isinstance(request, QueryRequest):
            if not request.canary:
                self._batches.pace.query_came()
            self._queries.append(request)
        elif isinstance(request, CallRequest):
            self._calls.append(request)
        else:
            (self._small if len(request.texts) <= SMALL else self._bulk).append(request)

    def _turn(self) -> None:
        while self._calls:
            request = self._calls.popleft()
            self._deliver([self._outcome(request)])
        if self._queries:
            self._answer(self._take_queries())
        if self._small or self._bulk:
            self._slice()

    def _outcome(self, request: CallRequest) -> Delivery | None:
        try:
            result, error = self._batches.other(request.function), None
        except Exception as raised:  # noqa: BLE001 - it belongs to the asker
            result, error = None, raised
        if request.future is None:
            if error is not None:
                log.error("worker-call-failed", exc_info=error)
            return None
        return request.future, result, error

    def _take_queries(self) -> list[QueryRequest]:
        """Take all that wait, up to the budget (a character counts as a token: queries are short)."""
        taken, budget = [self._queries.popleft()], self._batch_tokens
        budget -= len(taken[0].text)
        while self._queries and (budget := budget - len(self._queries[0].text)) >= 0:
            taken.append(self._queries.popleft())
        return [request for request in taken if not request.future.cancelled()]

    def _answer(self, requests: Sequence[QueryRequest]) -> None:
        """Answer a batch, after a failure one by one: a query that the model can't take harms no other."""
        if not requests:
            return
        try:
            self._deliver([(request.future, outcome, None) for request, outcome in self._batches.queries(requests)])
        except Exception as error:  # noqa: BLE001 - it belongs to the askers
            if len(requests) == 1:
                self._deliver([(requests[0].future, None, error)])
                return
            for request in requests:
                self._answer([request])

    def _slice(self) -> None:
        self._drop([request for request in (*self._small, *self._bulk) if request.future.cancelled()])
        parts = self._take_documents()
        if not parts:
            return
        requests = [request for request, _ in parts]
        try:
            self._batches.documents(parts)
        except Exception as error:  # noqa: BLE001 - it belongs to the askers
            self._drop(requests)
            self._deliver([(request.future, None, error) for request in requests])
            return
        finished = [request for request in requests if request.finished]
        self._drop(finished)
        self._deliver([(request.future, request, None) for request in finished])

    def _take_documents(self) -> list[tuple[DocumentsRequest, list[int]]]:
        """Take parts of the requests in turn, small ones first, within the pace's budget."""
        budget = self._batches.pace.budget()
        parts: list[tuple[DocumentsRequest, list[int]]] = []
        for request in (*self._small, *self._bulk):
            if parts and budget < request.next_length:
                break
            taken = request.take(budget)
            parts.append((request, taken))
            budget -= sum(request.lengths[at] for at in taken)
        return parts

    def _drop(self, requests: Sequence[DocumentsRequest]) -> None:
        gone = {id(request) for request in requests}
        self._small = deque(request for request in self._small if id(request) not in gone)
        self._bulk = deque(request for request in self._bulk if id(request) not in gone)

    def _deliver(self, deliveries: Sequence[Delivery | None]) -> None:
        waiting = [delivery for delivery in deliveries if delivery is not None]
        if waiting:
            self._loop.call_soon_threadsafe(_settle, waiting)


def _settle(deliveries: Sequence[Delivery]) -> None:
    for future, result, error in deliveries:
        if future.done():
            continue  # its asker went away
        if error is None:
            future.set_result(result)
        else:
            future.set_exception(error)
