"""Requests that wait for a tenant's encoder: how long, how many, and their refusal."""

from __future__ import annotations

import asyncio
import time

from daemon.core.encoder_protocol.control import RE_EMBEDDING
from daemon.core.errors import QueueFull, ReEmbedding, TenantFailed, TenantStarting, TenantStopped, Unavailable
from daemon.supervisor.process.encoder_process import EncoderProcess
from daemon.supervisor.states import Goal, State, Trigger
from daemon.supervisor.tenants.tenant import Tenant

MAX_WAITING = 1000  # requests that wait for one tenant to become ready


async def wait_ready(tenant: Tenant, deadline: float, doing: str) -> EncoderProcess:
    """Return the ready encoder as soon as there is one; wake a parked tenant.

    Args:
        deadline: monotonic seconds; a parked tenant may take `search.wake_wait_s` from now instead.
        doing: for the message, such as "search".

    Raises:
        TenantStopped, TenantFailed, QueueFull; TenantStarting or ReEmbedding when the deadline has passed.
    """
    tenant.traffic.touch()
    if (process := tenant.serving) is not None:
        return process
    if tenant.rests_until_asked:
        assert tenant.config is not None
        deadline = max(deadline, tenant.traffic.used_at + tenant.config.search.wake_wait_s)
    if tenant.traffic.waiting >= MAX_WAITING:
        raise QueueFull(
            f"cannot {doing}: {MAX_WAITING} requests wait for tenant {tenant.name} already; try again later"
        )
    with tenant.traffic.one_waits():
        try:
            async with asyncio.timeout(max(0.0, deadline - time.monotonic())):
                return await _until_ready(tenant, doing)
        except TimeoutError:
            raise _too_late(tenant, doing) from None


async def _until_ready(tenant: Tenant, doing: str) -> EncoderProcess:
    while (process := tenant.serving) is None:
        _refuse_if_down(tenant, doing)
        if tenant.state is State.PARKED:
            tenant.post(Trigger.START)
        await tenant.next_change()
    return process


def _too_late(tenant: Tenant, doing: str) -> Unavailable:
    progress = tenant.facts.report.progress
    if tenant.state is State.WARMING and progress is not None and progress.unit == RE_EMBEDDING:
        return ReEmbedding(
            f"cannot {doing}: tenant {tenant.name} is encoding its entries with its new model, {progress.done} of "
            f"{progress.total} are done; please try again later",
            tenant=tenant.name,
            done=progress.done,
            total=progress.total,
        )
    why = f" ({tenant.reason})" if tenant.reason else ""
    return TenantStarting(
        f"cannot {doing}: tenant {tenant.name} is {tenant.state}{why}; please try again shortly",
        tenant=tenant.name,
        state=tenant.state.value,
    )


def _refuse_if_down(tenant: Tenant, doing: str) -> None:
    if tenant.state is State.FAILED:
        raise TenantFailed(
            f"cannot {doing}: tenant {tenant.name} has failed: {tenant.reason}",
            tenant=tenant.name,
            state=tenant.state.value,
            reason=tenant.reason,
        )
    if tenant.goal is Goal.DOWN:
        raise TenantStopped(
            f"cannot {doing}: tenant {tenant.name} is stopped; an admin can start it (vecward start {tenant.name})",
            tenant=tenant.name,
            state=tenant.state.value,
        )
