"""Every change of the knowledge base takes this way: encode what is missing, commit, index, then answer."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from daemon.core import wire
from daemon.core.encoder_protocol.progress_page import ProgressWriter
from daemon.core.errors import InternalError, RevisionChanged
from daemon.encoder.http.messages import Request
from daemon.encoder.index.keeper import Keeper
from daemon.encoder.knowledge import Committed, Knowledge, MissingVectors, WriteContext
from daemon.encoder.model_thread.heartbeat import Heartbeat
from daemon.encoder.model_thread.requests import DocumentsJob
from daemon.encoder.model_thread.worker import Worker
from daemon.encoder.models.backend import Matrix

log = logging.getLogger(__name__)

T = TypeVar("T")
Reply = tuple[int, bytes]
Do = Callable[[WriteContext], Committed]
MakeReply = Callable[[Committed], Reply]
MakeOperation = Callable[[Committed], wire.Operation]
Progress = Callable[[int, int], object]
_STAGE = 512  # texts encoded and committed at a time; more than this many are staged
_ATTEMPTS = 8  # other changes may remove vectors between encoding and commit, hardly this often


@dataclass(frozen=True)
class Who:
    """Who asks for a change, and under which condition. `kind` names it in the history."""

    request_id: str | None
    actor: str
    if_match: int | None = None
    kind: str | None = None

    @classmethod
    def of(cls, request: Request) -> Who:
        """Raises Invalid for an If-Match that is no revision."""
        return cls(request.request_id, request.actor, request.if_match())


@dataclass
class Vectors:
    """What a commit needs: vectors by text, those of many being stored already; `cut` texts were too long for the
    model."""

    by_text: dict[str, Matrix] = field(default_factory=dict)
    cut: int = 0

    def add(self, texts: Sequence[str], job: DocumentsJob) -> None:
        self.by_text |= zip(texts, job.vectors, strict=True)
        self.cut += len(job.truncated)


class Changes:
    """Commits happen on one thread, in order, and reach the index in that order.

    `told` is called after each commit; `progress` learns of what runs here, beside the worker. A change is
    answered when the index has it: a search that starts after the answer sees it.
    """

    def __init__(
        self,
        knowledge: Knowledge,
        worker: Worker,
        keeper: Keeper,
        told: Callable[[], object],
        progress: ProgressWriter,
        heart: Heartbeat,
    ) -> None:
        self._knowledge = knowledge
        self._progress = progress
        self._heart = heart
        self._worker = worker
        self._keeper = keeper
        self._told = told
        self._fingerprint = keeper.fingerprint
        self._writer = ThreadPoolExecutor(1, "writer")
        self._readers = ThreadPoolExecutor(2, "reader")

    def close(self) -> None:
        """Waits for what runs."""
        self._readers.shutdown()
        self._writer.shutdown()

    async def read(self, function: Callable[[], T]) -> T:
        """Runs a read of the base off the event loop."""
        return await self._in(self._readers, function)

    async def write(self, function: Callable[[], T]) -> T:
        """Runs upkeep of the base in turn with the changes."""
        return await self._in(self._writer, function)

    async def _in(self, executor: Executor, function: Callable[[], T]) -> T:
        def working() -> T:
            with self._progress.work():
                return function()

        with self._heart.beating():
            return await asyncio.get_running_loop().run_in_executor(executor, working)

    async def change(
        self,
        who: Who,
        needed: Callable[[], Sequence[str]],
        do: Do,
        reply: MakeReply,
        progress: Progress | None = None,
    ) -> Reply:
        """The status and body of the change's answer; a request that was answered before gets that answer.

        `needed` names the texts that will need vectors (on a reader's thread), `do` changes the base, `reply`
        makes the answer inside its transaction. Raises RevisionChanged and what `do` raises.
        """
        replayed, made = await self.prepare(who, needed, progress)
        if replayed is not None:
            return replayed
        committed, answered = await self.commit(who, do, reply, made)
        return committed.replayed or answered

    async def prepare(
        self, who: Who, needed: Callable[[], Sequence[str]], progress: Progress | None = None
    ) -> tuple[Reply | None, Vectors]:
        """The stored answer to this request, if there is one; else what `commit` needs."""
        replayed, texts = await self.read(lambda: self._prepare(who, needed))
        made = Vectors()
        if not replayed:
            await self._encode(texts, made, progress)
        return replayed, made

    def _prepare(self, who: Who, needed: Callable[[], Sequence[str]]) -> tuple[Reply | None, list[str]]:
        if who.request_id is not None and (stored := self._knowledge.answered(who.request_id)):
            return stored, []
        revision = self._knowledge.revision
        if who.if_match is not None and who.if_match != revision:  # before anything is encoded
            raise RevisionChanged(
                f"cannot change the knowledge base: its revision is {revision}, not {who.if_match} any more; "
                "look at it again, then repeat the change",
                revision=revision,
            )
        return None, self._knowledge.missing(needed(), self._fingerprint)

    async def commit(
        self,
        who: Who,
        do: Do,
        reply: MakeReply,
        made: Vectors,
        operation: MakeOperation | None = None,
    ) -> tuple[Committed, Reply]:
        """Commits, encoding what turns out to be missing; returns when the index has it.

        `operation` makes the running operation as it stands after this change, stored together with it.
        """
        for _ in range(_ATTEMPTS):
            answered: list[Reply] = []
            context = self._context(who, made, reply, answered, operation)
            try:
                committed = await self._apply(partial(do, context))
            except MissingVectors as missing:
                await self._encode(missing.texts, made)
            else:
                return committed, answered[0] if answered else reply(committed)
        raise InternalError("cannot change the knowledge base: vectors went missing at each attempt; try again")

    def _context(
        self,
        who: Who,
        made: Vectors,
        reply: MakeReply,
        answered: list[Reply],
        operation: MakeOperation | None,
    ) -> WriteContext:
        def keep(committed: Committed) -> Reply:
            answered[:] = [reply(committed)]
            return answered[0]

        return WriteContext(
            who.request_id, who.actor, who.if_match, self._fingerprint, made.by_text, keep, who.kind, operation,
            made.cut,
        )  # fmt: skip

    async def _apply(self, do: Callable[[], Committed]) -> Committed:
        """Commits, and returns when the index has it."""
        indexed: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

        def commit() -> Committed:
            committed = do()
            self._worker.post(lambda: self._keeper.apply(committed), indexed)
            return committed

        committed = await asyncio.shield(self.write(commit))
        await indexed
        self.tell()
        return committed

    def tell(self) -> None:
        """The base has changed."""
        self._told()

    # --- encoding ---

    async def _encode(self, texts: Sequence[str], made: Vectors, progress: Progress | None = None) -> None:
        """Adds to `made`; the vectors of many texts are stored as they come instead."""
        if len(texts) > _STAGE:
            await self._stage(sorted(texts, key=len), made, progress)
        else:
            made.add(texts, await self._worker.documents(texts))
        if made.cut:
            log.warning("texts-cut", extra={"texts": made.cut, "of": len(texts)})

    async def _stage(self, texts: Sequence[str], made: Vectors, progress: Progress | None) -> None:
        """The next part is encoded while one is committed."""
        storing: asyncio.Future[None] | None = None
        for at in range(0, len(texts), _STAGE):
            part = texts[at : at + _STAGE]
            job = await self._worker.documents(part)
            made.cut += len(job.truncated)
            if storing is not None:
                await storing
            storing = asyncio.ensure_future(
                self.write(_stage_of(self._knowledge, part, job.vectors, self._fingerprint))
            )
            if progress is not None:
                progress(at + len(part), len(texts))
        if storing is not None:
            await storing


def _stage_of(knowledge: Knowledge, texts: Sequence[str], vectors: Matrix, fingerprint: str) -> Callable[[], None]:
    return lambda: knowledge.stage(texts, vectors, fingerprint)


def texts_of(knowledge: Knowledge, entries: Iterable[Any]) -> list[str]:
    """The texts among these new entries that the base would accept."""
    return [entry.text for _, entry in knowledge.check(list(entries)).accepted]
