"""Start, stop, restart and park as operations, on a tenant with scripted encoders."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from daemon.core.encoder_protocol.control import Refused
from daemon.core.errors import UnknownTenant
from daemon.core.wire import Operation, OperationState
from daemon.supervisor.commands import Commands
from daemon.supervisor.records.operations import Operations
from daemon.supervisor.states import Goal, State
from daemon.supervisor.tenants.tenant import Tenant
from tests.support.scripted_tenant import World


class OneTenant:
    """The part of a registry that commands look at."""

    def __init__(self, tenant: Tenant) -> None:
        self._tenant = tenant

    def named(self, name: str) -> Tenant:
        if name != self._tenant.name:
            raise UnknownTenant.named(name)
        return self._tenant


class Jobs:
    """Recovery and re-embedding in one; notes who had to give way to a stop."""

    def __init__(self) -> None:
        self.gave_way: list[str] = []

    def check_start(self, name: str) -> None:
        pass

    def give_way(self, tenant: Tenant) -> None:
        self.gave_way.append(tenant.name)


class Commanded(World):
    """A scripted tenant under commands."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.operations = Operations(self.db)
        self.jobs: Any = Jobs()
        tenants: Any = OneTenant(self.tenant)
        self.commands = Commands(tenants, self.operations, self.jobs, self.jobs)

    async def ended(self, operation: Operation) -> Operation:
        """Wait for the operation's end."""
        return await self.operations.wait(operation.id, 10)

    async def close(self) -> None:
        await self.operations.close()
        await super().close()


def why(operation: Operation) -> str:
    """Return the words of a failed operation."""
    assert operation.state is OperationState.FAILED
    assert operation.error is not None
    return str(operation.error["detail"])


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[Commanded]:
    made = Commanded(tmp_path)
    yield made
    await made.close()


async def test_a_start_ends_with_the_pid_when_the_encoder_is_ready(world: Commanded) -> None:
    operation = await world.commands.start("acme")
    process = await world.become_ready()
    done = await world.ended(operation)
    assert (done.state, done.result) == (OperationState.DONE, {"state": "ready", "pid": process.pid})


async def test_a_refused_start_fails_with_the_reason(world: Commanded) -> None:
    operation = await world.commands.start("acme")
    await world.settle()
    assert world.process is not None
    world.process.say(Refused(kind="start-refused", reason="cannot start: no model"))
    failed = await world.ended(operation)
    assert why(failed) == "cannot start acme: cannot start: no model"


async def test_a_stop_overtakes_a_start(world: Commanded) -> None:
    starting = await world.commands.start("acme")
    stopping = await world.commands.stop("acme")
    await world.settle()
    assert (await world.ended(stopping)).result == {"state": "stopped"}
    failed = await world.ended(starting)
    assert why(failed) == "cannot start acme: it was stopped meanwhile"
    assert world.jobs.gave_way == ["acme"]


async def test_a_restart_ends_with_another_encoder(world: Commanded) -> None:
    before = await world.become_ready()
    operation = await world.commands.restart("acme")
    await world.settle()
    assert (await world.operations.wait(operation.id, 0)).state is OperationState.RUNNING
    assert await world.become_ready() is not before
    assert (await world.ended(operation)).state is OperationState.DONE


async def test_park_rests_with_its_goal_up(world: Commanded) -> None:
    await world.become_ready()
    operation = await world.commands.park("acme")
    assert (await world.ended(operation)).result == {"state": "parked"}
    assert (world.tenant.state, world.tenant.goal) == (State.PARKED, Goal.UP)


async def test_a_park_that_a_stop_overtakes_says_so(world: Commanded) -> None:
    await world.become_ready()
    parking = await world.commands.park("acme")
    stopping = await world.commands.stop("acme")
    failed = await world.ended(parking)
    assert why(failed) == ("cannot reach parked with acme: it is stopped now, something else was asked meanwhile")
    assert (await world.ended(stopping)).state is OperationState.DONE


@pytest.mark.parametrize(("was_down", "goal"), [(True, Goal.DOWN), (False, Goal.UP)])
async def test_a_cancelled_start_stops_a_tenant_that_was_down(world: Commanded, was_down: bool, goal: Goal) -> None:
    if was_down:
        await world.ended(await world.commands.stop("acme"))
    operation = await world.commands.start("acme")
    await world.settle()
    assert (await world.operations.cancel(operation.id)).state is OperationState.CANCELLED
    assert world.tenant.goal is goal


async def test_a_start_that_was_cancelled_too_late_stays(world: Commanded) -> None:
    await world.ended(await world.commands.stop("acme"))
    operation = await world.commands.start("acme")
    await world.become_ready()
    await world.ended(operation)
    await world.operations.cancel(operation.id)
    assert (world.tenant.state, world.tenant.goal) == (State.READY, Goal.UP)


async def test_an_unknown_tenant(world: Commanded) -> None:
    for command in (world.commands.start, world.commands.stop, world.commands.restart, world.commands.park):
        with pytest.raises(UnknownTenant):
            await command("globex")
