"""Salvaging a damaged knowledge base: a process of the tenant's does it, while no encoder runs."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from daemon.core.errors import Conflict, DiskFull, InternalError, StartRefused, VecwardError
from daemon.core.wire import Operation
from daemon.supervisor.gpu.placement import Placement
from daemon.supervisor.launcher import Launcher
from daemon.supervisor.process.job_process import Aside, running
from daemon.supervisor.records.operations import Handle, Operations
from daemon.supervisor.states import State
from daemon.supervisor.tenants.tenant import Tenant

log = logging.getLogger(__name__)

MODULE = "daemon.encoder.jobs.recover"
_CGROUP = "recovery"
_RESTING = (State.STOPPED, State.FAILED)
_MAX_WORDS = 4096
# What the process may say went wrong: it reads a tenant's file, so its word is a tenant's.
_KINDS: dict[str, type[VecwardError]] = {cls.kind: cls for cls in (Conflict, DiskFull, StartRefused)}


class Recovery:
    """A tenant whose base is being recovered does not start."""

    def __init__(self, operations: Operations, launcher: Launcher) -> None:
        self._operations = operations
        self._launcher = launcher
        self._under_way: set[str] = set()

    def check_start(self, name: str) -> None:
        """Raises Conflict while the tenant's base is being recovered."""
        if name in self._under_way:
            raise Conflict(f"cannot start {name}: its knowledge base is being recovered; wait for the end", tenant=name)

    def recover(self, tenant: Tenant) -> Operation:
        """Puts what is readable in the place of the damaged base, which is kept. Raises Conflict."""
        self._take(tenant)
        return self._operations.begin("recover", tenant.name, lambda handle: self._recover(tenant, handle))

    async def _recover(self, tenant: Tenant, handle: Handle) -> dict[str, Any]:
        found: dict[str, Any] | None = None
        async with self._running(tenant, "--in-place") as aside:
            async for line in aside.lines():
                said = _read(tenant.name, line)
                if isinstance(said.get("done"), int) and isinstance(said.get("total"), int):
                    handle.progress(said["done"], said["total"], "pages")
                elif isinstance(said.get("result"), dict):
                    found = said["result"]
        if found is None:
            raise InternalError(f"cannot recover {tenant.name}: the process that does it ended early; see its log")
        log.info("base-recovered", extra={"tenant": tenant.name, "result": found})
        return found

    async def salvage(self, tenant: Tenant) -> AsyncGenerator[bytes, None]:
        """The same as a backup; the base stays as it is. Raises before the first chunk, or ends early."""
        self._take(tenant)
        async with self._running(tenant) as aside:
            parts = aside.stream()
            _read(tenant.name, await anext(parts))
            self._under_way.discard(tenant.name)  # the copy is made: an encoder harms it no more
            async for part in parts:
                yield part

    def _take(self, tenant: Tenant) -> None:
        self.check_start(tenant.name)
        if tenant.state not in _RESTING:
            raise Conflict(
                f"cannot recover {tenant.name}: it is {tenant.state}; stop it first: vecward stop {tenant.name}",
                tenant=tenant.name, state=tenant.state.value,
            )  # fmt: skip
        self._under_way.add(tenant.name)

    @asynccontextmanager
    async def _running(self, tenant: Tenant, *arguments: str) -> AsyncIterator[Aside]:
        own = ["--tenant", tenant.name, "--data", str(tenant.paths.data)]
        try:
            if tenant.config is None:
                raise StartRefused(f"cannot recover {tenant.name}: its file is not valid; mend it first")
            around = await self._launcher.aside(tenant, tenant.config, Placement(), _CGROUP)
            async with running(around, MODULE, [*own, *arguments]) as aside:
                yield aside
        finally:
            self._under_way.discard(tenant.name)
            self._launcher.aside_ended(tenant.name, _CGROUP)


def _read(name: str, line: bytes) -> dict[str, Any]:
    """One object that the process said. Raises what it says that went wrong."""
    try:
        said = json.loads(line)
    except ValueError:
        said = None
    if not isinstance(said, dict):
        raise InternalError(f"cannot recover {name}: the process that does it says what is no JSON; see its log")
    kind, message = said.get("kind"), said.get("message")
    if isinstance(kind, str) and isinstance(message, str):
        raise _KINDS.get(kind, InternalError)(message[:_MAX_WORDS])
    return said
