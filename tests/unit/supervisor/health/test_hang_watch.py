"""The hang watch on a tenant with scripted encoders; the verdict itself is in process/test_hang.py."""

from __future__ import annotations

import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from daemon.core.encoder_protocol.progress_page import CallKind, Reading
from daemon.supervisor.health.hang_watch import look_at
from daemon.supervisor.states import State
from tests.support.scripted_tenant import World


def show(world: World, kind: CallKind, age_s: float) -> None:
    """Let the encoder's page say that it is in such a call for so long."""
    reading = Reading(1, kind, time.monotonic_ns() - int(age_s * 1e9))
    process: Any = world.process
    process.progress = SimpleNamespace(read=lambda: reading)


async def test_a_hung_encoder_is_killed_once_and_replaced(tmp_path: Path) -> None:
    world = World(tmp_path, search={"deadline_s": 3})
    first = await world.become_ready()
    show(world, CallKind.SEARCH, 2.0)
    look_at(world.tenant)
    assert not first.hung
    show(world, CallKind.SEARCH, 3.5)
    look_at(world.tenant)
    look_at(world.tenant)
    assert first.hung
    assert world.tenant.serving is None
    assert world.tenant.facts.deadline_kills == 1
    assert str(world.tenant.reason).startswith("hung: a search call has run for 3.5 s")
    await world.settle()
    assert world.tenant.state is State.BACKOFF
    crash = world.tenant.facts.crash
    assert crash is not None
    assert crash.reason.startswith("hung: a search call")
    [event] = [event for event in world.events.page(0, 100, {"acme"}).events if event.name == "tenant-hung"]
    assert event.data["pid"] == first.pid
    await world.close()


async def test_a_tenant_without_a_process_is_left_alone(tmp_path: Path) -> None:
    world = World(tmp_path)
    look_at(world.tenant)
    assert world.tenant.reason is None
    await world.close()
