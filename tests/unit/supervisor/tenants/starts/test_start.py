"""Starts that fail before there is a process, and the state that follows."""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from daemon.core.errors import DiskFull, StartRefused
from daemon.supervisor.states import Goal, State
from tests.support.scripted_tenant import World


def of_the_system(number: int) -> OSError:
    return OSError(number, os.strerror(number))


class Troubled(World):
    """A tenant whose start raises `trouble` where that is set."""

    trouble: Exception | None = None

    async def _launch(self, name: str) -> Any:
        if self.trouble is not None:
            raise self.trouble
        return await super()._launch(name)

    async def start(self, trouble: Exception | None = None) -> None:
        self.trouble = trouble
        self.tenant.want(Goal.UP)
        await self.settle()


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[Troubled]:
    """Make a tenant that rests."""
    made = Troubled(tmp_path)
    made.tenant.want(Goal.DOWN)
    await made.settle()
    yield made
    await made.close()


@pytest.mark.parametrize(
    ("trouble", "state", "reason"),
    [
        (StartRefused("cannot start: no GPU is free"), State.FAILED, "cannot start: no GPU is free"),
        (of_the_system(errno.EPERM), State.FAILED, "cannot start the encoder: [Errno 1] Operation not permitted; see"),
        (sqlite3.OperationalError("locked"), State.FAILED, "cannot start the encoder: locked; see the daemon's log"),
        (ZeroDivisionError("a secret"), State.FAILED, "internal error: ZeroDivisionError; see the daemon's log"),
        (of_the_system(errno.ENOSPC), State.BACKOFF, "cannot start the encoder: a disk is full ([Errno 28]"),
        (DiskFull("no room"), State.BACKOFF, "cannot start the encoder: a disk is full (no room); make room"),
    ],
)
async def test_a_trouble_is_told_and_only_a_full_disk_is_tried_again(
    world: Troubled, trouble: Exception, state: State, reason: str
) -> None:
    await world.start(trouble)
    assert world.tenant.state is state
    assert str(world.tenant.reason).startswith(reason)
    assert world.processes == []


async def test_a_start_that_failed_is_tried_again_when_asked_for(world: Troubled) -> None:
    await world.start(ZeroDivisionError())
    await world.start()
    await world.become_ready()
    assert world.tenant.state is State.READY
