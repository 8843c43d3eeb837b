"""Changed models: the job that makes new vectors, and which configuration is in force before, meanwhile and after."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from daemon.core.config.tenant_config import TenantConfig
from daemon.core.config.tenant_file import TenantFile
from daemon.core.encoder_protocol.job import Problem, Step
from daemon.core.encoder_protocol.reembed import Done, Loaded
from daemon.core.errors import Conflict, InternalError
from daemon.core.wire import OperationState
from daemon.supervisor.gpu.placement import Placement
from daemon.supervisor.jobs.reembed import ReEmbedding, obstacle
from daemon.supervisor.tenants.shown.warnings import WarningKey
from daemon.supervisor.tenants.tenant import Tenant
from tests.unit.supervisor.conftest import WAITS_FOR_GO, WAITS_FOR_ITS_END, WithJobs, says

LOADED = Loaded(fingerprint="g", dimension=3, device="cpu", entries=4, missing=4, derivable=0, memory_mb=64)
STEP, DONE = Step(done=1, total=4), Done(encoded=4, derived=0)
MAKES_VECTORS = "\n".join([says(LOADED), WAITS_FOR_GO, says(STEP, DONE)])
GOES_ON = "\n".join([says(LOADED), WAITS_FOR_GO, says(STEP), WAITS_FOR_ITS_END])
GPU = Placement(device="cuda:0", words="GPU 0", uuid="GPU-1")


def config(dimension: int = 32, **sections: Any) -> TenantConfig:
    encoder = {"backend": "fake", "fake": {"dimension": dimension}}
    return TenantConfig.model_validate({"encoder": encoder, **sections})


class Changed(WithJobs):
    """A ready tenant whose file changes; `switched` lists the files that were put in force."""

    def __init__(self, folder: Path, **sections: Any) -> None:
        super().__init__(folder, **sections)
        self.switched: list[TenantFile] = []
        self.reembedding = ReEmbedding(self.operations, self.jobs, self._switch)

    def _switch(self, tenant: Tenant, file: TenantFile) -> None:
        self.switched.append(file)
        tenant.put_in_force(file)

    def file(self, config: TenantConfig | None) -> TenantFile:
        return TenantFile("acme", self.tenant.file.path, config)

    def take_over(self, script: str, config_: TenantConfig | None = None) -> tuple[TenantFile, str]:
        """Begin to make vectors for a changed file; return it and the operation."""
        self.jobs.script = script
        file = self.file(config_ or config())
        assert self.reembedding.take_over(self.tenant, file)
        return file, self.warning().partition("operation ")[2]

    def warning(self) -> str:
        return self.tenant.warnings.get(WarningKey.RE_EMBEDDING) or ""


@pytest.fixture
async def changed(tmp_path: Path) -> AsyncIterator[Changed]:
    made = Changed(tmp_path)
    await made.become_ready()
    yield made
    await made.close()


# --- when there is something to do ----------------------------------------------------------------------------


async def test_a_change_that_leaves_the_vectors_is_put_in_force_at_once(changed: Changed) -> None:
    before = changed.tenant.config
    assert before is not None
    for unchanged in (None, before, config(limits={"memory_mb": 500}).model_copy(update={"encoder": before.encoder})):
        assert not changed.reembedding.take_over(changed.tenant, changed.file(unchanged))
    assert changed.warning() == ""


async def test_a_tenant_without_answers_has_none_to_keep_up(changed: Changed) -> None:
    concerns = changed.reembedding.concerns
    assert concerns(changed.tenant, config())
    changed.tenant.facts.report.entries = 0
    assert not concerns(changed.tenant, config())
    changed.tenant.facts.report.entries = 1
    await changed.rest()
    assert not concerns(changed.tenant, config())
    changed.tenant.put_in_force(changed.file(None))
    assert not concerns(changed.tenant, config())


# --- to the switch --------------------------------------------------------------------------------------------


async def test_the_old_configuration_is_in_force_until_the_vectors_are_there(changed: Changed) -> None:
    before = changed.tenant.config
    file, operation = changed.take_over(MAKES_VECTORS)
    assert "answers with its old model" in changed.warning()
    assert "(1 entry)" in changed.warning()
    assert changed.reembedding.is_pending(changed.tenant, changed.file(config()))
    assert not changed.reembedding.is_pending(changed.tenant, changed.file(config(16)))
    assert changed.tenant.config == before
    progress = await changed.progress(operation)
    assert (progress.done, progress.total, progress.unit) == (1, 4, "entries")
    done = await changed.ended(operation)
    assert (done.state, done.result) == (OperationState.DONE, {"encoded": 4, "derived": 0})
    assert changed.switched == [file]
    assert changed.warning() == ""
    assert not changed.reembedding.is_pending(changed.tenant, file)
    assert changed.jobs.ended == [("acme", "reembed")]


async def test_a_file_that_changes_again_ends_what_ran_for_the_one_before(changed: Changed) -> None:
    _, first = changed.take_over(GOES_ON)
    await changed.progress(first)
    assert set(changed.reembedding.pids().values()) == {"acme"}
    file, second = changed.take_over(MAKES_VECTORS, config(16))
    assert (await changed.ended(first)).state is OperationState.CANCELLED
    assert (await changed.ended(second)).state is OperationState.DONE
    assert changed.switched == [file]
    assert changed.reembedding.pids() == {}


async def test_a_stop_puts_the_file_in_force_without_vectors(changed: Changed) -> None:
    file, operation = changed.take_over(GOES_ON)
    changed.reembedding.give_way(changed.tenant)
    assert (await changed.ended(operation)).state is OperationState.CANCELLED
    assert changed.switched == [file]
    assert changed.warning() == ""
    changed.reembedding.give_way(changed.tenant)  # nothing is pending now
    assert changed.switched == [file]


# --- the old configuration stays ------------------------------------------------------------------------------


async def test_a_cancelled_one_says_how_the_file_is_applied_yet(changed: Changed) -> None:
    file, operation = changed.take_over(GOES_ON)
    await changed.progress(operation)
    assert (await changed.operations.cancel(operation)).state is OperationState.CANCELLED
    assert "runs on its old configuration: re-embedding was cancelled" in changed.warning()
    assert "vecward tenant create acme FILE --offline" in changed.warning()
    assert changed.reembedding.is_pending(changed.tenant, file)
    assert changed.switched == []


@pytest.mark.parametrize(
    ("script", "why"),
    [
        (says(Problem(kind="start-refused", reason="cannot load: no such model")), "cannot load: no such model"),
        (says(LOADED.model_copy(update={"disk_mb": 9, "room_mb": 1})), "cannot re-embed acme: the new vectors need 9"),
        (says(STEP), "its last word"),
        ("exit 3", "ended with 3"),
    ],
)
async def test_a_failure_changes_nothing_and_is_told(changed: Changed, script: str, why: str) -> None:
    _, operation = changed.take_over(script)
    assert why in await changed.why(operation)
    assert why in changed.warning()
    assert changed.switched == []


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
