"""Operations of the daemon (`d-…`), such as start, stop and bench; those that run end as `interrupted` with it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from daemon.core.errors import InternalError, QueueFull, UnknownOperation, VecwardError
from daemon.core.http.problems import to_problem
from daemon.core.wire import Operation, OperationState, Progress
from daemon.supervisor.records.state_db import StateDb

KEPT_S = 7 * 86_400.0
MAX_KEPT = 500  # of one tenant
MAX_RUNNING = 32  # of one tenant

Work = Callable[["Handle"], Awaitable[dict[str, Any] | None]]
TakeBack = Callable[[], object]


class Handle:
    """The way for the work of an operation to tell its progress."""

    def __init__(self, operations: Operations, operation_id: str) -> None:
        self._operations = operations
        self._id = operation_id

    def progress(self, done: int, total: int | None, unit: str) -> None:
        """Show how far the work is; `unit` says what is counted."""
        self._operations._replace(self._id, progress=Progress(done=done, total=total, unit=unit))


@dataclass(frozen=True)
class _Running:
    operation: Operation
    task: asyncio.Task[None]
    take_back: TakeBack | None


class Operations:
    """All operations: those that run, and those that have ended within `KEPT_S`."""

    def __init__(self, db: StateDb) -> None:
        self._db = db
        self._unkept: dict[str, Operation] = {}  # ended, while the disk was full
        self._running: dict[str, _Running] = {}
        self._when_cancelled = OperationState.CANCELLED
        self._interrupt_left_over()
        db.keep("DELETE FROM operations WHERE at < ?", (time.time() - KEPT_S,))

    def begin(self, kind: str, tenant: str, work: Work, take_back: TakeBack | None = None) -> Operation:
        """Start the work; `take_back` undoes what it set in motion, should somebody cancel it.

        Raises QueueFull: what a caller asks for again and again must not pile up.
        """
        running = sum(each.operation.tenant == tenant for each in self._running.values())
        if running >= MAX_RUNNING:
            raise QueueFull(
                f"cannot {kind} {tenant}: {running} operations on it have not ended; wait for them, or cancel one",
                retry_after=1,
            )
        self._prune(tenant)
        operation = Operation(
            id=f"d-{uuid4().hex}",
            kind=kind,
            tenant=tenant,
            state=OperationState.RUNNING,
            started_at=datetime.now(UTC),
        )
        task = asyncio.create_task(self._run(operation.id, work), name=f"operation {kind} {tenant}")
        self._running[operation.id] = _Running(operation, task, take_back)
        # A task that is cancelled before it began never gets to its own end.
        task.add_done_callback(lambda _: self._finish(operation.id, self._when_cancelled))
        self._save(operation)
        return operation

    def get(self, operation_id: str) -> Operation:
        """The operation as it is now. Raises UnknownOperation."""
        if operation_id in self._running:
            return self._running[operation_id].operation
        if operation_id in self._unkept:
            return self._unkept[operation_id]
        row = self._db.connection.execute("SELECT document FROM operations WHERE id = ?", (operation_id,)).fetchone()
        if row is None:
            raise UnknownOperation(f"cannot find operation {operation_id}: it never was, or ended over a week ago")
        return Operation.model_validate_json(row[0])

    async def wait(self, operation_id: str, timeout: float) -> Operation:  # noqa: ASYNC109  (a long poll's own)
        """The operation when it has ended, or as it is after `timeout` seconds."""
        if operation_id in self._running:
            await asyncio.wait([self._running[operation_id].task], timeout=timeout)
        return self.get(operation_id)

    async def cancel(self, operation_id: str) -> Operation:
        """End the operation, and what it set in motion where that can be taken back."""
        running = self._running.get(operation_id)
        if running is not None:
            running.task.cancel()
            await asyncio.wait([running.task], timeout=5)
            if running.take_back is not None and self.get(operation_id).state is OperationState.CANCELLED:
                running.take_back()
        return self.get(operation_id)

    async def end_all_of(self, tenant: str) -> None:
        """Cancel the operations of a tenant that goes."""
        tasks = [each.task for each in self._running.values() if each.operation.tenant == tenant]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=5)

    def cancel_soon(self, operation_id: str) -> None:
        """Cancel the operation without waiting for its end."""
        if operation_id in self._running:
            self._running[operation_id].task.cancel()

    async def close(self) -> None:
        """End all operations as interrupted."""
        self._when_cancelled = OperationState.INTERRUPTED
        tasks = [each.task for each in self._running.values()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _run(self, operation_id: str, work: Work) -> None:
        try:
            result = await work(Handle(self, operation_id))
        except asyncio.CancelledError:
            self._finish(operation_id, self._when_cancelled)
        except VecwardError as error:
            self._finish(operation_id, OperationState.FAILED, error=to_problem(error))
        except Exception:  # a bug in the work: asyncio logs it, and whoever waits is told
            bug = InternalError("cannot finish the operation: an internal error, see the daemon's log")
            self._finish(operation_id, OperationState.FAILED, error=to_problem(bug))
            raise
        else:
            self._finish(operation_id, OperationState.DONE, result=result)

    def _replace(self, operation_id: str, **changes: Any) -> Operation:
        running = self._running[operation_id]
        operation = running.operation.model_copy(update=changes)
        self._running[operation_id] = replace(running, operation=operation)
        return operation

    def _finish(self, operation_id: str, state: OperationState, **changes: Any) -> None:
        if operation_id not in self._running:
            return
        operation = self._replace(operation_id, state=state, ended_at=datetime.now(UTC), **changes)
        self._save(operation)
        del self._running[operation_id]
        if self._db.catch_up():
            self._unkept.clear()
        else:
            self._unkept[operation_id] = operation

    def _save(self, operation: Operation) -> None:
        self._db.keep(
            "INSERT OR REPLACE INTO operations (id, tenant, document, running, at) VALUES (?, ?, ?, ?, ?)",
            (
                operation.id,
                operation.tenant,
                operation.model_dump_json(),
                operation.ended_at is None,
                time.time(),
            ),
        )

    def _prune(self, tenant: str) -> None:
        """Remove a tenant's oldest operations: who asks often fills their own share of the table."""
        self._db.keep(
            "DELETE FROM operations WHERE id IN (SELECT id FROM operations WHERE tenant = ? AND NOT running "
            "ORDER BY at DESC LIMIT -1 OFFSET ?)",
            (tenant, MAX_KEPT),
        )

    def _interrupt_left_over(self) -> None:
        rows = self._db.connection.execute("SELECT document FROM operations WHERE running = 1").fetchall()
        for (document,) in rows:
            operation = Operation.model_validate_json(document)
            ended = {"state": OperationState.INTERRUPTED, "ended_at": datetime.now(UTC)}
            self._save(operation.model_copy(update=ended))
