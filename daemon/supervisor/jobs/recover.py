"""Salvage of a damaged knowledge base, by a job process of the tenant's, while no encoder runs."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from daemon.core.encoder_protocol.job import Job
from daemon.core.encoder_protocol.recover import Recovered, recovery, salvage
from daemon.core.errors import Conflict, InternalError, StartRefused
from daemon.core.wire import Operation
from daemon.supervisor.gpu.placement import Placement
from daemon.supervisor.launcher import Launcher
from daemon.supervisor.process.job_process import JobProcess, running
from daemon.supervisor.records.operations import Handle, Operations
from daemon.supervisor.states import State
from daemon.supervisor.tenants.tenant import Tenant

log = logging.getLogger(__name__)

_RESTING = (State.STOPPED, State.FAILED)


class Recovery:
    """Recoveries that run, one at a time for a tenant; meanwhile the tenant does not start."""

    def __init__(self, operations: Operations, launcher: Launcher) -> None:
        self._operations = operations
        self._launcher = launcher
        self._under_way: set[str] = set()

    def check_start(self, name: str) -> None:
        """Refuse a start while the tenant's base is being recovered. Raises Conflict."""
        if name in self._under_way:
            raise Conflict(f"cannot start {name}: its knowledge base is being recovered; wait for the end", tenant=name)

    def recover(self, tenant: Tenant) -> Operation:
        """Put what is readable in the place of the damaged base, which is kept. Raises Conflict."""
        self._take(tenant)
        return self._operations.begin("recover", tenant.name, lambda handle: self._recover(tenant, handle))

    async def _recover(self, tenant: Tenant, handle: Handle) -> dict[str, Any]:
        found: Recovered | None = None
        async with self._running(tenant, "--in-place") as job:
            async for message in job.messages(recovery):
                if isinstance(message, Recovered):
                    found = message
                else:
                    handle.progress(message.done, message.total, "pages")
        if found is None:
            raise InternalError(f"cannot recover {tenant.name}: the process that does it ended early; see its log")
        result = found.model_dump(mode="json", exclude={"type"})
        log.info("base-recovered", extra={"tenant": tenant.name, "result": result})
        return result

    async def salvage(self, tenant: Tenant) -> AsyncGenerator[bytes, None]:
        """Send what is readable as a backup; the base stays as it is. Raises before the first chunk, or ends early."""
        self._take(tenant)
        async with self._running(tenant) as job:
            await job.message(salvage)
            self._under_way.discard(tenant.name)  # the copy is made: an encoder harms it no more
            async for part in job.rest():
                yield part

    def _take(self, tenant: Tenant) -> None:
        self.check_start(tenant.name)
        if tenant.state not in _RESTING:
            message = f"cannot recover {tenant.name}: it is {tenant.state}; stop it first: vecward stop {tenant.name}"
            raise Conflict(message, tenant=tenant.name, state=tenant.state.value)
        self._under_way.add(tenant.name)

    @asynccontextmanager
    async def _running(self, tenant: Tenant, *arguments: str) -> AsyncIterator[JobProcess]:
        try:
            if tenant.config is None:
                raise StartRefused(f"cannot recover {tenant.name}: its file is not valid; mend it first")
            launch = await self._launcher.job(tenant, tenant.config, Placement(), Job.RECOVER)
            async with running(launch, Job.RECOVER.module, arguments) as job:
                yield job
        finally:
            self._under_way.discard(tenant.name)
            self._launcher.job_ended(tenant.name, Job.RECOVER)
