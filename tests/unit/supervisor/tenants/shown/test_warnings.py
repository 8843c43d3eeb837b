"""Warnings at a tenant, and those that checks find."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from daemon.supervisor.records.events import EventName
from daemon.supervisor.tenants.check_warnings import CheckWarnings
from daemon.supervisor.tenants.shown.warnings import WarningKey, Warnings
from tests.support.scripted_tenant import World


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    made = World(tmp_path)
    yield made
    await made.close()


def test_a_warning_is_new_once_and_cleared_once() -> None:
    warnings = Warnings()
    assert not warnings
    assert warnings.warn(WarningKey.GPU, "lost")
    assert not warnings.warn(WarningKey.GPU, "lost, still")
    assert (bool(warnings), warnings.get(WarningKey.GPU), warnings.shown()) == (
        True,
        "lost, still",
        {"gpu": "lost, still"},
    )
    assert warnings.clear(WarningKey.GPU)
    assert not warnings.clear(WarningKey.GPU)
    assert warnings.shown() == {}


def names(world: World) -> list[str]:
    return [event.name for event in world.events.page(0, 100, {"acme"}).events if event.name != "tenant-state"]


async def test_an_event_when_it_begins_and_where_a_limit_ends(world: World) -> None:
    found = CheckWarnings(world.events)
    found.update(world.tenant, WarningKey.MEMORY, "too much", EventName.LIMIT_CROSSED, limit="memory_mb")
    found.update(world.tenant, WarningKey.MEMORY, "more", EventName.LIMIT_CROSSED, limit="memory_mb")
    found.update(world.tenant, WarningKey.CANARY, "other vector", EventName.CANARY_FAILED)
    assert world.tenant.warnings.shown() == {"memory_mb": "more", "canary": "other vector"}
    found.update(world.tenant, WarningKey.MEMORY, None, EventName.LIMIT_CROSSED, limit="memory_mb")
    found.update(world.tenant, WarningKey.CANARY, None, EventName.CANARY_FAILED)
    found.update(world.tenant, WarningKey.INDEX, None, EventName.INDEX_DIFFERS)
    assert world.tenant.warnings.shown() == {}
    assert names(world) == ["limit-crossed", "canary-failed", "limit-cleared"]


async def test_a_tenant_at_rest_keeps_the_warnings_about_its_file_alone(world: World) -> None:
    for key in WarningKey:
        world.tenant.warnings.warn(key, "words")
    world.tenant.facts.show_gpu_memory(900)
    CheckWarnings(world.events).clear_all(world.tenant)
    assert list(world.tenant.warnings.shown()) == ["config", "re-embedding"]
    assert world.tenant.facts.gpu_memory_mb is None
