"""Operations (`e-…`): work that outlives its request. The base keeps them, so that a restart forgets none."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Awaitable, Callable, Coroutine
from datetime import UTC, datetime
from typing import Any, TypeVar
from uuid import uuid4

from daemon.core import wire
from daemon.core.errors import InternalError, UnknownOperation, VecwardError
from daemon.core.http import problems
from daemon.core.wire import OperationState
from daemon.encoder.changes.threads import Threads
from daemon.encoder.http.request import Request
from daemon.encoder.http.response import Response, respond
from daemon.encoder.knowledge import Knowledge

log = logging.getLogger(__name__)

MAX_WAIT_S = 300
_SAVE_S = 1.0  # how often progress is stored
_CANCEL_S = 5.0

_BROKEN = "cannot finish: something went wrong inside the encoder; its log has the details"

T = TypeVar("T")
Work = Callable[["Handle"], Awaitable[dict[str, Any]]]


class Handle:
    """The work's hold on its operation: it reports its progress here, and what it has done so far."""

    def __init__(self, operation: wire.Operation) -> None:
        self.operation = operation

    def progress(self, done: int, total: int | None, unit: str = "entries") -> None:
        self._set(progress=wire.Progress(done=done, total=total, unit=unit))

    def result(self, result: dict[str, Any]) -> None:
        """Report the result as it grows: a cancelled operation shows what it did."""
        self._set(result=result)

    def end(self, state: OperationState, error: dict[str, Any] | None = None) -> None:
        self._set(state=state, error=error, ended_at=datetime.now(UTC))

    def _set(self, **fields: Any) -> None:
        self.operation = self.operation.model_copy(update=fields)

    def after(self, done: int, total: int, result: dict[str, Any], *, ends: bool) -> wire.Operation:
        """Make the operation as it stands after a change, to be stored together with that change."""
        fields: dict[str, Any] = {"progress": wire.Progress(done=done, total=total, unit="entries"), "result": result}
        if ends:
            fields |= {"state": OperationState.DONE, "ended_at": datetime.now(UTC)}
        return self.operation.model_copy(update=fields)


class Operations:
    """The operations that run, and those that the base keeps."""

    def __init__(self, tenant: str, knowledge: Knowledge, threads: Threads) -> None:
        self._tenant = tenant
        self._kept = knowledge.operations
        self._threads = threads
        self._running: dict[str, tuple[Handle, asyncio.Task[None]]] = {}
        self._when_cancelled = OperationState.CANCELLED

    async def begin(self, kind: str, id_: str, work: Work, *, stores_itself: bool = False) -> wire.Operation:
        """Begin an operation. Raises DiskFull.

        `stores_itself`: the work stores its progress with each of its changes.
        """
        operation = wire.Operation(
            id=id_, kind=kind, tenant=self._tenant, state=OperationState.RUNNING, started_at=datetime.now(UTC)
        )
        handle = Handle(operation)
        await self._threads.write(lambda: self._kept.save(operation))
        run = self._run(handle, work, self._store_nothing() if stores_itself else self._store_progress(handle))
        self._running[id_] = (handle, asyncio.create_task(run, name=f"operation {kind}"))
        return operation

    async def _run(self, handle: Handle, work: Work, storing: Coroutine[Any, Any, None]) -> None:
        saving = asyncio.create_task(storing)
        try:
            handle.result(await work(handle))
            handle.end(OperationState.DONE)
        except asyncio.CancelledError:
            handle.end(self._when_cancelled)
        except VecwardError as error:
            handle.end(OperationState.FAILED, problems.to_problem(error))
        except Exception:
            log.exception("operation-failed", extra={"operation": handle.operation.id})
            handle.end(OperationState.FAILED, problems.to_problem(InternalError(_BROKEN)))
        finally:
            saving.cancel()
            if await self._stored(self._kept.save, handle):
                self._running.pop(handle.operation.id, None)

    async def _store_progress(self, handle: Handle) -> None:
        while True:
            await asyncio.sleep(_SAVE_S)
            await self._stored(self._kept.save_progress, handle)

    async def _store_nothing(self) -> None:
        pass

    async def _stored(self, store: Callable[[wire.Operation], None], handle: Handle) -> bool:
        """Store the operation; False: the disk is full, and its end is known as long as this process lives."""
        operation = handle.operation
        try:
            await self._threads.write(lambda: store(operation))
        except VecwardError as error:
            log.warning("operation-not-stored", extra={"operation": operation.id, "reason": error.message})
            return False
        return True

    async def close(self) -> None:
        """Interrupt all that runs, at the end of the process; what it committed stays."""
        self._when_cancelled = OperationState.INTERRUPTED
        tasks = [task for _, task in self._running.values()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def find(self, id_: str) -> wire.Operation:
        """Find an operation, running or ended. Raises UnknownOperation."""
        if id_ in self._running:
            return self._running[id_][0].operation
        return await self._threads.read(lambda: self._kept.get(id_))

    async def known(self, id_: str) -> wire.Operation | None:
        try:
            return await self.find(id_)
        except UnknownOperation:
            return None

    # --- its paths ---

    async def get(self, request: Request) -> Response:
        return shown(await self.find(request.part))

    async def wait(self, request: Request) -> Response:
        """Show the operation when it has ended, or as it is after `timeout` seconds."""
        seconds = request.integer("timeout", 30, 0, MAX_WAIT_S) or 0
        await self._ended(request.part, seconds)
        return shown(await self.find(request.part))

    async def cancel(self, request: Request) -> Response:
        if request.part in self._running:
            self._running[request.part][1].cancel()
            await self._ended(request.part, _CANCEL_S)
        return shown(await self.find(request.part))

    async def _ended(self, id_: str, seconds: float) -> None:
        if id_ in self._running:
            await asyncio.wait([self._running[id_][1]], timeout=seconds)


def shown(operation: wire.Operation, status: int = 200) -> Response:
    return respond(wire.OperationAnswer(operation=operation), status)


def new_id(request_id: str | None) -> str:
    """Name an operation by its request: the same one, sent again, means the same operation."""
    if request_id is None:
        return f"e-{uuid4().hex}"
    return f"e-{hashlib.sha256(request_id.encode()).hexdigest()[:32]}"


async def finished(work: Awaitable[T]) -> T:
    """Finish the work even if the operation is cancelled meanwhile: what can't be taken back is not half done."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        return await task
