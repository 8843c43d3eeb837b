"""Models that are tried out before a change, and the limits that both models together must fit."""

from __future__ import annotations

import os
from typing import Any

import pytest

from daemon.core.config.tenant_config import TenantConfig
from daemon.core.encoder_protocol.job import Step
from daemon.core.encoder_protocol.reembed import Loaded
from daemon.core.errors import Conflict, InternalError
from daemon.supervisor.gpu.placement import Placement
from daemon.supervisor.jobs.reembed import obstacle
from tests.unit.supervisor.conftest import WAITS_FOR_ITS_END, says
from tests.unit.supervisor.jobs.conftest import LOADED, Changed, config

STEP = Step(done=1, total=4)
GPU = Placement(device="cuda:0", words="GPU 0", uuid="GPU-1")


# --- trying a model out ---------------------------------------------------------------------------------------


async def test_a_survey_ends_with_the_loaded_model(changed: Changed) -> None:
    changed.jobs.script = f"{says(STEP, LOADED)}\n{WAITS_FOR_ITS_END}"
    assert await changed.reembedding.survey(changed.tenant, config()) == LOADED
    assert changed.reembedding.pids() == {}


async def test_a_survey_that_finds_nothing_is_an_error(changed: Changed) -> None:
    changed.jobs.script = says()
    with pytest.raises(InternalError, match="cannot tell what the new model is"):
        await changed.reembedding.survey(changed.tenant, config())


async def test_a_real_survey_of_the_fake_encoder(changed: Changed) -> None:
    changed.jobs.script = ""
    loaded = await changed.reembedding.survey(changed.tenant, config(32))
    assert (loaded.dimension, loaded.missing) == (32, 0)


async def test_a_file_is_refused_where_both_do_not_fit(changed: Changed) -> None:
    fits, does_not = LOADED.model_copy(update={"disk_mb": 1, "room_mb": 9}), LOADED.model_copy(update={"disk_mb": 9.0})
    changed.jobs.script = says(fits)
    await changed.reembedding.check(changed.tenant, config())
    changed.jobs.script = says(does_not.model_copy(update={"room_mb": 1}))
    with pytest.raises(Conflict, match=r"cannot change acme: the new vectors need 9\.0 MiB beside the old ones"):
        await changed.reembedding.check(changed.tenant, config())
    await changed.rest()
    await changed.reembedding.check(changed.tenant, config())  # no answers to keep up: nothing is loaded


@pytest.mark.parametrize("device", ["cuda:0", "cpu"])
async def test_a_job_runs_where_the_encoder_runs(changed: Changed, device: str) -> None:
    changed.tenant.facts.show_placement(GPU)
    encoder = {"backend": "sentence-transformers", "model": "m", "device": device}
    new = TenantConfig.model_validate({"encoder": encoder})
    changed.jobs.script = says(LOADED)
    await changed.reembedding.survey(changed.tenant, new)
    assert changed.jobs.placements == [GPU if new.encoder.can_use_gpu else Placement()]


# --- obstacles ------------------------------------------------------------------------------------------------


def loaded(**figures: Any) -> Loaded:
    return LOADED.model_copy(update=figures)


@pytest.mark.parametrize(
    ("limits", "figures", "words"),
    [
        ({"memory_mb": 64}, {"missing": 0}, None),
        ({}, {"disk_mb": 2.0, "room_mb": 2.0}, None),
        ({}, {"disk_mb": 2.0, "room_mb": 1.5}, "1.5 are free on the disk; make room there, or delete entries"),
        ({"disk_mb": 64}, {"disk_mb": 2.0, "room_mb": 1.5}, "1.5 are free within limits.disk_mb 64; raise it, or"),
        ({"memory_mb": 100_000}, {}, None),
        ({"memory_mb": 64}, {}, "limits.memory_mb together: "),
        ({"memory_mb": 64}, {"missing": 0, "derivable": 1}, "limits.memory_mb together: "),
        ({"gpu_memory_mb": 300}, {"gpu_memory_mb": 200}, None),
        ({"gpu_memory_mb": 299}, {"gpu_memory_mb": 200}, "limits.gpu_memory_mb together: 100 and 200 MiB of 299"),
        ({"gpu_memory_mb": 299}, {"gpu_memory_mb": None}, None),
    ],
)
async def test_obstacles_have_figures(
    changed: Changed, limits: dict[str, int], figures: dict[str, Any], words: str | None
) -> None:
    assert changed.process is not None
    changed.process.pid = os.getpid()  # a process whose memory can be read
    changed.tenant.facts.show_gpu_memory(100)
    found = obstacle(changed.tenant, config(limits=limits), loaded(**figures))
    assert found == words if words is None else words in str(found)


async def test_a_tenant_at_rest_takes_no_memory(changed: Changed) -> None:
    await changed.rest()
    assert obstacle(changed.tenant, config(limits={"memory_mb": 64}), LOADED) is None
