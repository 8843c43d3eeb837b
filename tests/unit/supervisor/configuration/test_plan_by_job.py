"""Plans whose model a job process tries out: its figures, and the words about them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from daemon.core.config.tenant_config import TenantConfig
from daemon.core.config.tenant_file import TenantFile
from daemon.core.encoder_protocol.reembed import FieldChange, Loaded, Plan
from daemon.core.errors import InternalError
from daemon.supervisor.configuration.plan import plan
from daemon.supervisor.jobs.reembed import ReEmbedding
from daemon.supervisor.states import State
from tests.unit.supervisor.conftest import WithJobs, says

LOADED = Loaded(fingerprint="g", dimension=3, device="cpu", entries=4, missing=4, derivable=0, memory_mb=64)


def config(dimension: int = 2, **sections: Any) -> TenantConfig:
    encoder = {"backend": "fake", "fake": {"dimension": dimension}}
    return TenantConfig.model_validate({"encoder": encoder, **sections})


class Planned(WithJobs):
    """A ready tenant that plans are made for."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.tenant.put_in_force(TenantFile("acme", self.tenant.file.path, config()))
        self.reembedding = ReEmbedding(self.operations, self.jobs, lambda *_: None)

    async def plan(self, config: TenantConfig, script: str = "exit 1") -> Plan:
        """Make a plan; by default a model that is loaded for it is an error."""
        self.jobs.script = script
        return await plan("acme", self.tenant, config, self.reembedding)

    async def with_model(self, config_: TenantConfig | None = None, **figures: Any) -> Plan:
        """Make the plan of another dimension, whose model tells these figures."""
        return await self.plan(config_ or config(3), says(LOADED.model_copy(update=figures)))


@pytest.fixture
async def planned(tmp_path: Path) -> AsyncIterator[Planned]:
    made = Planned(tmp_path)
    await made.become_ready()
    yield made
    await made.close()


# --- without a model ------------------------------------------------------------------------------------------


async def test_a_tenant_whose_file_was_not_valid_is_like_a_new_one(planned: Planned) -> None:
    planned.tenant.put_in_force(TenantFile("acme", planned.tenant.file.path))
    assert await planned.plan(config()) == Plan(tenant="acme", action="create", restart=True)


@pytest.mark.parametrize(
    ("sections", "change", "restart"),
    [
        (
            {"search": {"deadline_s": 7}},
            {"field": "search.deadline_s", "before": 3.0, "after": 7.0, "effect": "daemon"},
            False,
        ),
        (
            {"limits": {"memory_mb": 500}},
            {"field": "limits.memory_mb", "before": None, "after": 500, "effect": "restart"},
            True,
        ),
    ],
)
async def test_a_change_is_named_with_its_effect(
    planned: Planned, sections: dict[str, Any], change: dict[str, Any], restart: bool
) -> None:
    found = await planned.plan(config(**sections))
    assert (found.action, found.restart, found.reembed, found.loaded) == ("change", restart, False, None)
    assert found.changes == [FieldChange(**change)]


# --- with the model that was tried out ------------------------------------------------------------------------


async def test_new_vectors_are_made_beside_the_answers(planned: Planned) -> None:
    found = await planned.with_model(texts_per_s=3.0, disk_mb=1.5)
    assert (found.action, found.restart, found.reembed, found.online) == ("change", True, True, True)
    assert (found.obstacle, found.estimated_s, found.disk_mb, found.notes) == (None, 1.3, 1.5, [])
    assert found.loaded is not None
    assert found.loaded.missing == 4
    assert [(change.field, change.effect) for change in found.changes] == [("encoder.fake", "re-embed")]


async def test_a_rate_that_is_unknown_gives_no_time(planned: Planned) -> None:
    assert (await planned.with_model(texts_per_s=None)).estimated_s is None


async def test_vectors_that_are_cut_are_counted(planned: Planned) -> None:
    found = await planned.with_model(missing=0, derivable=2)
    assert found.reembed
    assert found.notes == ["2 vectors cut from longer ones of the same model, not encoded"]


async def test_old_vectors_stay_for_a_while(planned: Planned) -> None:
    found = await planned.with_model(config(3, knowledge={"old_vectors_hours": 1}), old_mb=12.5)
    assert len(found.notes) == 1
    assert found.notes[0].startswith("vectors of other models (12.5 MiB) stay for 1 hour (knowledge.old_vectors_hours)")


async def test_a_tenant_at_rest_makes_them_at_its_start(planned: Planned) -> None:
    await planned.rest()
    assert planned.tenant.state is State.STOPPED
    found = await planned.with_model()
    assert (found.reembed, found.online) == (True, False)
    assert found.notes == ["it is stopped: the entries are encoded when it starts, and it answers when that is done"]


async def test_a_model_that_does_not_load_gives_no_plan(planned: Planned) -> None:
    with pytest.raises(InternalError, match="ended with 1"):
        await planned.plan(config(3))
