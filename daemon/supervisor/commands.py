"""The commands on a tenant: start, stop, restart and park, each an operation that waits for what it sets in motion."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

from daemon.core.errors import TenantFailed
from daemon.core.wire import Operation
from daemon.supervisor.jobs.recover import Recovery
from daemon.supervisor.jobs.reembed import ReEmbedding
from daemon.supervisor.records.operations import Handle, Operations
from daemon.supervisor.states import Goal, State, Trigger
from daemon.supervisor.tenants.registry import Registry
from daemon.supervisor.tenants.tenant import Tenant


class Commands:
    """Commands by tenant name. All raise UnknownTenant; start and restart raise Conflict during a recovery."""

    def __init__(self, tenants: Registry, operations: Operations, recovery: Recovery, reembedding: ReEmbedding) -> None:
        self._tenants = tenants
        self._operations = operations
        self._recovery = recovery
        self._reembedding = reembedding

    async def start(self, name: str) -> Operation:
        """Begin a start; its cancellation stops a tenant that was down."""
        tenant = self._tenants.named(name)
        self._recovery.check_start(name)
        take_back = partial(_give_up_start, tenant) if tenant.goal is Goal.DOWN else None
        operation = self._operations.begin("start", name, lambda handle: _until_up(tenant, handle), take_back)
        tenant.want(Goal.UP)
        return operation

    async def stop(self, name: str) -> Operation:
        """Begin a stop; a changed file that waits for its vectors is put in force for the next start."""
        tenant = self._tenants.named(name)
        operation = self._operations.begin("stop", name, lambda _: _until_rest(tenant, State.STOPPED))
        tenant.want(Goal.DOWN)
        self._reembedding.give_way(tenant)
        return operation

    async def restart(self, name: str) -> Operation:
        """Begin a restart, which ends when another encoder is ready."""
        tenant = self._tenants.named(name)
        self._recovery.check_start(name)
        before = tenant.process
        operation = self._operations.begin("restart", name, lambda handle: _until_up(tenant, handle, before))
        tenant.want(Goal.UP, Trigger.RESTART)
        return operation

    async def park(self, name: str) -> Operation:
        """Begin to park the tenant: its encoder stops, and the next request starts it."""
        tenant = self._tenants.named(name)
        operation = self._operations.begin("park", name, lambda _: _until_rest(tenant, State.PARKED))
        tenant.want(Goal.UP, Trigger.PARK)
        return operation


async def _until_up(tenant: Tenant, handle: Handle, before: object = None) -> dict[str, Any]:
    """Wait until another encoder than `before` is ready. Raises TenantFailed."""
    await asyncio.sleep(0)  # the run loop takes the command first
    while True:
        await tenant.until_taken()
        if (progress := tenant.facts.report.progress) is not None:
            handle.progress(progress.done, progress.total, progress.unit)
        if tenant.state is State.READY and tenant.process is not before:
            return {"state": tenant.state.value, "pid": tenant.process.pid if tenant.process else None}
        _check_still_wanted(tenant)
        await tenant.next_change()


def _check_still_wanted(tenant: Tenant) -> None:
    if tenant.state is State.FAILED:
        words = f"cannot start {tenant.name}: {tenant.reason}"
        raise TenantFailed(words, tenant=tenant.name, reason=tenant.reason)
    if tenant.goal is Goal.DOWN:
        raise TenantFailed(f"cannot start {tenant.name}: it was stopped meanwhile", tenant=tenant.name)


async def _until_rest(tenant: Tenant, state: State) -> dict[str, Any]:
    """Wait until the encoder has ended. Raises TenantFailed where that leads to another state."""
    await tenant.until_taken()
    await tenant.until(lambda t: t.state is not State.STOPPING)
    if tenant.state is not state:
        why = tenant.reason or f"it is {tenant.state} now, something else was asked meanwhile"
        raise TenantFailed(f"cannot reach {state} with {tenant.name}: {why}", tenant=tenant.name)
    return {"state": tenant.state.value}


def _give_up_start(tenant: Tenant) -> None:
    """Stop a tenant whose start was cancelled; one that is ready by now stays so."""
    if tenant.state is not State.READY:
        tenant.want(Goal.DOWN)
