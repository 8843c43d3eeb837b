"""The idle watch: parks who is idle for limits.park_after_s, and nobody who is in use."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from daemon.core.encoder_protocol.control import Changed
from daemon.core.encoder_protocol.progress_page import CallKind, Reading
from daemon.supervisor.health.idle import IdleWatch
from daemon.supervisor.states import State
from tests.support.scripted_tenant import World

IDLE = Reading(0, CallKind.IDLE, 0)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    made = World(tmp_path, limits={"park_after_s": 60})
    await made.become_ready()
    show(made, IDLE)
    yield made
    await made.close()


def show(world: World, reading: Reading) -> None:
    """Let the encoder's progress page say this."""
    process: Any = world.process
    process.progress = SimpleNamespace(read=lambda: reading)


def idle_for(world: World, seconds: float) -> None:
    """Let the tenant have been ready and unused for so long."""
    assert world.process is not None
    world.process.ready_at = world.tenant.traffic.used_at = time.monotonic() - seconds


async def state_after_a_look(world: World) -> State:
    await IdleWatch(lambda: [world.tenant]).look()
    await world.settle()
    return world.tenant.state


@pytest.mark.parametrize(("seconds", "state"), [(59, State.READY), (61, State.PARKED)])
async def test_idle_for_longer_than_the_limit_is_parked(world: World, seconds: float, state: State) -> None:
    idle_for(world, seconds)
    assert await state_after_a_look(world) is state
    if state is State.PARKED:
        assert world.tenant.goal.value == "up"


async def test_a_request_without_its_answer_is_use(world: World) -> None:
    idle_for(world, 61)
    number = world.tenant.traffic.calls.begin()
    assert await state_after_a_look(world) is State.READY
    world.tenant.traffic.calls.end(number)
    assert await state_after_a_look(world) is State.READY, "its idleness begins now"


@pytest.mark.parametrize("reading", [Reading(0, CallKind.IMPORT, 0), Reading(0, CallKind.IDLE, 0, time.monotonic_ns())])
async def test_work_that_goes_on_by_itself_is_use(world: World, reading: Reading) -> None:
    idle_for(world, 61)
    show(world, reading)
    assert await state_after_a_look(world) is State.READY


async def test_a_change_since_the_last_look_is_use(world: World) -> None:
    watch = IdleWatch(lambda: [world.tenant])
    await watch.look()
    assert world.process is not None
    world.process.say(Changed(entries=2, revision=2))
    idle_for(world, 61)
    await watch.look()
    await world.settle()
    assert world.tenant.state is State.READY


class BusyPool:
    """A pool with one connection in use, which it keeps."""

    busy = 1

    def drop(self) -> None:
        pass

    async def close(self) -> None:
        pass


@pytest.mark.parametrize(("daemons_own", "state"), [(False, State.READY), (True, State.PARKED)])
async def test_a_stream_is_use_and_the_daemons_own_request_is_none(
    world: World, daemons_own: bool, state: State
) -> None:
    idle_for(world, 61)
    await world.tenant.traffic.close()
    pool: Any = BusyPool()
    world.tenant.traffic.pool = pool
    with world.tenant.traffic.daemons_own_request() if daemons_own else nullcontext():
        assert await state_after_a_look(world) is state
