"""A changed file put in force: what restarts the encoder, what does not, and what is said of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from daemon.core.config.tenant_config import TenantConfig
from daemon.core.config.tenant_file import TenantFile
from daemon.supervisor.configuration.in_force import put_in_force
from daemon.supervisor.records.events import EventName
from daemon.supervisor.states import Goal, State
from tests.support.scripted_tenant import World


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    made = World(tmp_path)
    yield made
    await made.close()


def changed(world: World, **sections: Any) -> TenantFile:
    config = TenantConfig.model_validate({"encoder": {"backend": "fake"}, **sections})
    return TenantFile("acme", world.tenant.file.path, config)


def changes(world: World) -> int:
    return sum(event.name == EventName.TENANT_CHANGED for event in world.events.page(None, 100, {"acme"}).events)


async def test_the_same_file_again_is_nothing(world: World) -> None:
    process = await world.become_ready()
    assert put_in_force(world.events, world.tenant, changed(world)) is False
    await world.settle()
    assert world.process is process
    assert changes(world) == 0


async def test_a_field_of_the_daemons_needs_no_other_encoder(world: World) -> None:
    process = await world.become_ready()
    assert put_in_force(world.events, world.tenant, changed(world, search={"wait_s": 3}))
    await world.settle()
    assert world.process is process
    assert world.tenant.state is State.READY
    assert world.tenant.config is not None
    assert world.tenant.config.search.wait_s == 3
    assert changes(world) == 1


async def test_any_other_field_restarts_it(world: World) -> None:
    before = await world.become_ready()
    assert put_in_force(world.events, world.tenant, changed(world, search={"k": 9}))
    after = await world.become_ready()
    assert after is not before
    assert before.killed
    assert len(world.processes) == 2


async def test_a_stopped_tenant_stays_stopped(world: World) -> None:
    await world.become_ready()
    world.tenant.want(Goal.DOWN)
    await world.settle()
    assert put_in_force(world.events, world.tenant, changed(world, search={"k": 9}))
    await world.settle()
    assert world.tenant.state is State.STOPPED
    assert len(world.processes) == 1
