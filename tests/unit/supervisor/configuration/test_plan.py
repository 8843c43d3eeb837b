"""The plan of a changed file: fields with their effect, and what new vectors cost."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from daemon.core.config.tenant_config import TenantConfig
from daemon.core.encoder_protocol.reembed import Loaded, Plan
from daemon.supervisor.configuration.plan import plan
from tests.support.scripted_tenant import World

LOADED = Loaded(
    fingerprint="f2", dimension=8, device="cpu", entries=100, missing=100, derivable=0, texts_per_s=50.0, memory_mb=90.0
)


class Survey:
    """A re-embedding whose job process has answered with these figures."""

    def __init__(self, loaded: Loaded) -> None:
        self.loaded = loaded
        self.asked = 0

    async def survey(self, *_: object) -> Loaded:
        self.asked += 1
        return self.loaded


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    made = World(tmp_path)
    await made.become_ready()
    yield made
    await made.close()


async def planned(world: World, survey: Survey, encoder: dict[str, Any] | None = None, **sections: Any) -> Plan:
    config = TenantConfig.model_validate({"encoder": {"backend": "fake", **(encoder or {})}, **sections})
    reembedding: Any = survey
    return await plan("acme", world.tenant, config, reembedding)


async def test_a_new_tenant_is_created(world: World) -> None:
    survey: Any = Survey(LOADED)
    config = TenantConfig.model_validate({"encoder": {"backend": "fake"}})
    assert (await plan("globex", None, config, survey)).action == "create"
    assert survey.asked == 0


async def test_an_equal_file_does_nothing(world: World) -> None:
    found = await planned(world, Survey(LOADED))
    assert (found.action, found.restart, found.changes) == ("nothing", False, [])


async def test_each_changed_field_has_its_effect(world: World) -> None:
    survey = Survey(LOADED)
    found = await planned(world, survey, search={"wait_s": 3, "k": 9})
    effects = {change.field: change.effect for change in found.changes}
    assert effects == {"search.wait_s": "daemon", "search.k": "restart"}
    assert found.restart
    assert survey.asked == 0, "no model is loaded where no vector can change"


async def test_new_vectors_with_their_time(world: World) -> None:
    found = await planned(world, Survey(LOADED), {"max_tokens": 64})
    assert [change.effect for change in found.changes] == ["re-embed"]
    assert found.reembed
    assert found.online
    assert found.estimated_s == 2.0


async def test_no_room_for_both_models_is_an_obstacle_with_figures(world: World) -> None:
    survey = Survey(LOADED.model_copy(update={"disk_mb": 50.0, "room_mb": 20.0}))
    found = await planned(world, survey, {"max_tokens": 64})
    assert found.online is False
    assert found.obstacle is not None
    assert "need 50.0 MiB beside the old ones, 20.0 are free" in found.obstacle


async def test_a_fingerprint_that_stays_encodes_nothing(world: World) -> None:
    survey = Survey(LOADED.model_copy(update={"missing": 0}))
    found = await planned(world, survey, {"max_tokens": 64})
    assert not found.reembed
    assert found.online is None
    assert "nothing is encoded" in found.notes[0]
