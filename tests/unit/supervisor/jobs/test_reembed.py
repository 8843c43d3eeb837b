"""Changed models: the job that makes new vectors, and the configuration in force before, meanwhile and after."""

from __future__ import annotations

import pytest

from daemon.core.encoder_protocol.job import Problem, Step
from daemon.core.encoder_protocol.reembed import Done
from daemon.core.wire import OperationState
from tests.unit.supervisor.conftest import WAITS_FOR_GO, WAITS_FOR_ITS_END, says
from tests.unit.supervisor.jobs.conftest import LOADED, Changed, config

STEP, DONE = Step(done=1, total=4), Done(encoded=4, derived=0)
MAKES_VECTORS = "\n".join([says(LOADED), WAITS_FOR_GO, says(STEP, DONE)])
GOES_ON = "\n".join([says(LOADED), WAITS_FOR_GO, says(STEP), WAITS_FOR_ITS_END])


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
