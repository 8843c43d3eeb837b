"""Recoveries: only of a tenant at rest, one at a time, and no start meanwhile."""

from __future__ import annotations

from contextlib import aclosing

import pytest

from daemon.core.encoder_protocol.job import Problem, Step
from daemon.core.encoder_protocol.recover import Recovered, Salvaged
from daemon.core.errors import Conflict, InternalError
from daemon.core.wire import OperationState
from daemon.supervisor.jobs.recover import Recovery
from tests.unit.supervisor.conftest import WAITS_FOR_ITS_END, WithJobs, says

FOUND = Recovered(entries=4, vectors=3, expected=5, revision=9, damaged_pages=1, problems=[], kept="base.damaged")
SALVAGED = says(Salvaged(entries=4))


@pytest.fixture
async def recovery(world: WithJobs) -> Recovery:
    """Make the recovery of a tenant that rests."""
    await world.rest()
    return Recovery(world.operations, world.jobs)


async def salvaged(recovery: Recovery, world: WithJobs, script: str) -> bytes:
    world.jobs.script = script
    return b"".join([part async for part in recovery.salvage(world.tenant)])


async def test_what_was_found_is_the_result(recovery: Recovery, world: WithJobs) -> None:
    world.jobs.script = says(Step(done=1, total=2), FOUND)
    done = await world.ended(recovery.recover(world.tenant))
    assert (done.state, done.result) == (OperationState.DONE, FOUND.model_dump(mode="json", exclude={"type"}))
    assert world.jobs.ended == [("acme", "recover")]
    recovery.check_start("acme")  # raises nothing


async def test_no_start_and_no_other_recovery_meanwhile(recovery: Recovery, world: WithJobs) -> None:
    world.jobs.script = f"{says(Step(done=1, total=2))}\n{WAITS_FOR_ITS_END}"
    running = recovery.recover(world.tenant)
    progress = await world.progress(running.id)
    assert (progress.done, progress.total, progress.unit) == (1, 2, "pages")
    for refused in (recovery.check_start, lambda _: recovery.recover(world.tenant)):
        with pytest.raises(Conflict, match="cannot start acme: its knowledge base is being recovered"):
            refused("acme")
    recovery.check_start("globex")  # raises nothing
    await world.operations.cancel(running.id)
    recovery.check_start("acme")  # raises nothing


@pytest.mark.parametrize(
    ("script", "why"),
    [
        (says(Step(done=1, total=2)), "cannot recover acme: the process that does it ended early"),
        (says(Problem(kind="conflict", reason="cannot recover: an encoder has it open")), "an encoder has it open"),
    ],
)
async def test_a_recovery_that_fails_lets_the_tenant_start(
    recovery: Recovery, world: WithJobs, script: str, why: str
) -> None:
    world.jobs.script = script
    assert why in await world.why(recovery.recover(world.tenant))
    recovery.check_start("acme")  # raises nothing


async def test_a_tenant_that_runs_must_be_stopped_first(world: WithJobs) -> None:
    await world.become_ready()
    recovery = Recovery(world.operations, world.jobs)
    with pytest.raises(Conflict, match="cannot recover acme: it is ready; stop it first: vecward stop acme"):
        recovery.recover(world.tenant)
    recovery.check_start("acme")  # raises nothing


# --- a backup of what is readable -----------------------------------------------------------------------------


async def test_what_is_readable_is_sent(recovery: Recovery, world: WithJobs) -> None:
    assert await salvaged(recovery, world, f"{SALVAGED}\nprintf 'a backup'") == b"a backup"


async def test_a_tenant_may_start_once_its_base_was_read(recovery: Recovery, world: WithJobs) -> None:
    world.jobs.script = f"{SALVAGED}\nprintf 'a'\n{WAITS_FOR_ITS_END}"
    async with aclosing(recovery.salvage(world.tenant)) as parts:
        assert await anext(parts) == b"a"
        recovery.check_start("acme")  # raises nothing
    assert world.jobs.ended == [("acme", "recover")]


async def test_a_backup_that_breaks_off_is_an_error(recovery: Recovery, world: WithJobs) -> None:
    for script in (f"{SALVAGED}\nprintf 'a'\nexit 3", "exit 3"):
        with pytest.raises(InternalError, match="ended with 3"):
            await salvaged(recovery, world, script)
        recovery.check_start("acme")  # raises nothing
