"""Requests that wait for a tenant's encoder."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from daemon.core.encoder_protocol.control import RE_EMBEDDING, Refused, Warming
from daemon.core.errors import QueueFull, ReEmbedding, TenantFailed, TenantStarting, TenantStopped
from daemon.supervisor.states import Goal, State, Trigger
from daemon.supervisor.tenants import wait_ready as module
from daemon.supervisor.tenants.wait_ready import wait_ready
from tests.support.scripted_tenant import World


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    made = World(tmp_path, search={"wake_wait_s": 30})
    yield made
    await made.close()


def now() -> float:
    """Return a deadline that has passed when it is looked at."""
    return time.monotonic()


async def waits(world: World, deadline: float) -> asyncio.Task[Any]:
    task: asyncio.Task[Any] = asyncio.create_task(wait_ready(world.tenant, deadline, "search"))
    await world.settle()
    return task


async def test_the_ready_encoder_at_once_and_the_use_is_noted(world: World) -> None:
    process = await world.become_ready()
    used_before = world.tenant.traffic.used_at
    assert await wait_ready(world.tenant, now(), "search") is process
    assert world.tenant.traffic.used_at > used_before


async def test_a_request_goes_on_as_soon_as_the_encoder_is_ready(world: World) -> None:
    waiting = await waits(world, now() + 30)
    assert world.tenant.traffic.waiting == 1
    process = await world.become_ready()
    assert await waiting is process
    assert world.tenant.traffic.waiting == 0


async def test_a_parked_tenant_is_woken_and_has_its_own_time(world: World) -> None:
    await world.become_ready()
    world.tenant.want(Goal.UP, Trigger.PARK)
    await world.settle()
    assert world.tenant.state is State.PARKED
    waiting = await waits(world, now())  # wake_wait_s counts, not this deadline
    assert not waiting.done()
    assert await world.become_ready() is await waiting


async def test_a_deadline_that_passes_says_what_the_tenant_does(world: World) -> None:
    with pytest.raises(TenantStarting, match="cannot search: tenant acme is starting"):
        await wait_ready(world.tenant, now(), "search")
    assert world.tenant.traffic.waiting == 0


async def test_re_embedding_is_told_with_its_progress(world: World) -> None:
    await world.settle()
    assert world.process is not None
    world.process.say(Warming(step=RE_EMBEDDING, done=3, total=7))
    await world.settle()
    with pytest.raises(ReEmbedding, match="3 of 7 are done") as refused:
        await wait_ready(world.tenant, now(), "search")
    assert (refused.value.details["done"], refused.value.details["total"]) == (3, 7)


async def test_a_stopped_tenant_refuses_at_once(world: World) -> None:
    waiting = await waits(world, now() + 30)
    world.tenant.want(Goal.DOWN)
    await world.settle()
    with pytest.raises(TenantStopped, match="vecward start acme"):
        await waiting


async def test_a_failed_tenant_refuses_with_its_reason(world: World) -> None:
    waiting = await waits(world, now() + 30)
    assert world.process is not None
    world.process.say(Refused(kind="start-refused", reason="cannot start: no model"))
    await world.settle()
    with pytest.raises(TenantFailed, match="cannot search: tenant acme has failed: cannot start: no model"):
        await waiting


async def test_no_more_than_a_bound_wait(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_WAITING", 1)
    waiting = await waits(world, now() + 30)
    with pytest.raises(QueueFull, match="cannot list: 1 requests wait for tenant acme already"):
        await wait_ready(world.tenant, now() + 30, "list")
    await world.become_ready()
    await waiting
