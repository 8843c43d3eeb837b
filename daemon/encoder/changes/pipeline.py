"""The way of every change: look for a stored answer, encode the new texts, commit, answer when the index has it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from daemon.core import wire
from daemon.core.errors import InternalError
from daemon.encoder.arrays import Matrix, Vector
from daemon.encoder.changes.edits import Edit
from daemon.encoder.changes.threads import Threads
from daemon.encoder.http.request import Request
from daemon.encoder.index.keeper import Keeper
from daemon.encoder.knowledge import Committed, Knowledge, MissingVectors, Reply, WriteContext
from daemon.encoder.knowledge.changes.condition import require_revision
from daemon.encoder.model_thread.requests import DocumentsRequest
from daemon.encoder.model_thread.worker import Worker

log = logging.getLogger(__name__)

MakeOperation = Callable[[Committed], wire.Operation]
Progress = Callable[[int, int], object]
_STAGE = 512  # texts encoded and stored at a time; more than this many are staged
_ATTEMPTS = 8  # other changes may remove vectors between encoding and commit, hardly this often


@dataclass(frozen=True)
class Caller:
    """The caller of a change, and the condition that it sets; `kind` names the change in the history."""

    request_id: str | None
    actor: str
    if_match: int | None = None
    kind: str | None = None

    @classmethod
    def of(cls, request: Request) -> Caller:
        """Read the request's headers. Raises Invalid for an If-Match that is no revision."""
        return cls(request.request_id, request.actor, request.if_match())


@dataclass(frozen=True)
class Prepared:
    """The stored answer to a request that was answered before, else the texts to encode."""

    answer: Reply | None
    texts: Sequence[str]


@dataclass
class NewVectors:
    """The vectors of new texts by text, unless so many that they are stored already; `cut` texts were too long."""

    by_text: dict[str, Vector] = field(default_factory=dict)
    cut: int = 0

    def add(self, texts: Sequence[str], encoded: DocumentsRequest) -> None:
        self.by_text |= zip(texts, encoded.vectors, strict=True)
        self.cut += len(encoded.truncated)


class Changes:
    """The way of every change, in four steps: prepare, encode, commit, reply.

    Commits happen on one thread, in order, and reach the index in that order.
    A change is answered when the index has it: a search that starts after the answer sees it. `report` is called after
    each commit.
    """

    def __init__(
        self, knowledge: Knowledge, threads: Threads, worker: Worker, keeper: Keeper, report: Callable[[], object]
    ) -> None:
        self._knowledge = knowledge
        self._threads = threads
        self._worker = worker
        self._keeper = keeper
        self._fingerprint = keeper.fingerprint
        self.report = report

    async def make(self, edit: Edit, caller: Caller) -> Reply:
        """Make a change and answer it. Raises RevisionChanged and the errors of the edit."""
        prepared = await self.prepare(edit, caller)
        if prepared.answer is not None:
            return prepared.answer
        vectors = await self.encode(prepared.texts)
        committed = await self.commit(edit, caller, vectors)
        return committed.answer

    # --- prepare ---

    async def prepare(self, edit: Edit, caller: Caller) -> Prepared:
        """Look for a stored answer, else for the texts without a vector. Raises RevisionChanged."""
        return await self._threads.read(lambda: self._prepare(edit, caller))

    def _prepare(self, edit: Edit, caller: Caller) -> Prepared:
        base = self._knowledge
        if caller.request_id is not None and (stored := base.reads.answer(caller.request_id)):
            return Prepared(stored, [])
        require_revision("change the knowledge base", caller.if_match, base.reads.revision)  # before the encoding
        return Prepared(None, base.vectors.missing(edit.new_texts(base.writes), self._fingerprint))

    # --- encode ---

    async def encode(self, texts: Sequence[str], report: Progress | None = None) -> NewVectors:
        """Encode texts; the vectors of many are stored as they come."""
        made = NewVectors()
        await self._encode(texts, made, report)
        return made

    async def _encode(self, texts: Sequence[str], made: NewVectors, report: Progress | None = None) -> None:
        if len(texts) > _STAGE:
            await self._stage(sorted(texts, key=len), made, report)
        else:
            made.add(texts, await self._worker.documents(texts))
        if made.cut:
            log.warning("texts-cut", extra={"texts": made.cut, "of": len(texts)})

    async def _stage(self, texts: Sequence[str], made: NewVectors, report: Progress | None) -> None:
        """Encode the next part while one is stored."""
        storing: asyncio.Future[None] | None = None
        for at in range(0, len(texts), _STAGE):
            part = texts[at : at + _STAGE]
            encoded = await self._worker.documents(part)
            made.cut += len(encoded.truncated)
            if storing is not None:
                await storing
            storing = asyncio.ensure_future(self._store(part, encoded.vectors))
            if report is not None:
                report(at + len(part), len(texts))
        if storing is not None:
            await storing

    async def _store(self, texts: Sequence[str], vectors: Matrix) -> None:
        await self._threads.write(lambda: self._knowledge.vectors.stage(texts, vectors, self._fingerprint))

    # --- commit ---

    async def commit(
        self, edit: Edit, caller: Caller, vectors: NewVectors, operation: MakeOperation | None = None
    ) -> Committed:
        """Commit a change, encoding texts that turn out to lack a vector; returns when the index has it.

        `operation` makes the running operation as it stands after this change: it is stored with the change, and
        holds the answer.
        """
        for _ in range(_ATTEMPTS):
            context = WriteContext(
                request_id=caller.request_id,
                actor=caller.actor,
                if_match=caller.if_match,
                fingerprint=self._fingerprint,
                vectors=vectors.by_text,
                answer=edit.answer if operation is None else None,
                kind=caller.kind,
                operation=operation,
                cut=vectors.cut,
            )
            try:
                return await self._apply(partial(edit.apply, self._knowledge.writes, context))
            except MissingVectors as missing:
                await self._encode(missing.texts, vectors)
        raise InternalError("cannot change the knowledge base: vectors went missing at each attempt; try again")

    async def _apply(self, apply: Callable[[], Committed]) -> Committed:
        """Commit, and wait for the index, whose turn is queued before the next commit can begin."""
        indexed: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

        def commit() -> Committed:
            committed = apply()
            self._worker.post(lambda: self._keeper.apply(committed), indexed)
            return committed

        committed = await asyncio.shield(self._threads.write(commit))
        await indexed
        self.report()
        return committed
