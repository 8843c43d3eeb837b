"""Warnings of checks: an event when one begins, words while it lasts, nothing at rest."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from daemon.supervisor.records.events import EventName
from daemon.supervisor.tenants.check_warnings import CheckWarnings
from daemon.supervisor.tenants.shown.warnings import WarningKey
from tests.support.scripted_tenant import World


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    made = World(tmp_path)
    yield made
    await made.close()


def told(world: World) -> list[str]:
    """Return the names of events beside those of the states."""
    names = [event.name for event in world.events.page(0, 1000, None).events]
    return [name for name in names if name != "tenant-state"]


async def test_a_warning_is_an_event_once_and_its_words_are_the_last_ones(world: World) -> None:
    checks = CheckWarnings(world.events)
    for words in ("20 MB", "30 MB"):
        checks.update(world.tenant, WarningKey.DISK, words, EventName.DISK)
    assert world.tenant.warnings.shown() == {"disk": "30 MB"}
    assert told(world) == ["disk"]
    checks.update(world.tenant, WarningKey.DISK, None, EventName.DISK)
    assert world.tenant.warnings.shown() == {}
    assert told(world) == ["disk"]  # only the end of a limit is an event too


async def test_a_tenant_at_rest_shows_nothing_that_checks_found(world: World) -> None:
    checks = CheckWarnings(world.events)
    world.tenant.facts.show_gpu_memory(5)
    checks.update(world.tenant, WarningKey.MEMORY, "memory: 100 MB", EventName.LIMIT_CROSSED)
    world.tenant.warnings.warn(WarningKey.CONFIG, "its file is not valid")
    checks.clear_all(world.tenant)
    assert world.tenant.warnings.shown() == {"config": "its file is not valid"}
    assert world.tenant.facts.gpu_memory_mb is None
    assert told(world) == ["limit-crossed", "limit-cleared"]
