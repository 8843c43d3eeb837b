"""A tenant with scripted encoders, whose job processes are shell scripts that say what the test has them say."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from daemon.core.config.daemon_config import DaemonConfig
from daemon.core.config.tenant_config import TenantConfig
from daemon.core.paths import Paths
from daemon.core.wire import Operation, OperationState, Progress
from daemon.supervisor.gpu.placement import Placement
from daemon.supervisor.launcher import Launcher
from daemon.supervisor.process.job_process import JobLaunch
from daemon.supervisor.records.operations import Operations
from daemon.supervisor.states import Goal
from daemon.supervisor.tenants.tenant import Tenant
from tests.support.scripted_tenant import World

WAITS_FOR_GO = "read -r word"
WAITS_FOR_ITS_END = "while read -r word; do :; done"


def says(*messages: BaseModel) -> str:
    """Return the script of a job that says these messages."""
    return "\n".join(f"echo {shlex.quote(message.model_dump_json())}" for message in messages) or ":"


class ScriptedJobs(Launcher):
    """A launcher in `isolation: process` whose jobs run `script` in place of Python; "" leaves the real ones."""

    script = ":"

    def __init__(self, folder: Path, world: World) -> None:
        """Make it; `placed` lists what was asked for, and `ended` the jobs whose end was told."""
        super().__init__(Paths.under(folder), DaemonConfig(isolation="process"), world.db, self.place)
        self.placements: list[Placement] = []
        self.ended: list[tuple[str, str]] = []

    async def place(self, _: Tenant, __: TenantConfig) -> Placement:
        return Placement(words="the CPU that was asked for")

    async def job(self, tenant: Tenant, config: TenantConfig, placement: Placement, purpose: str) -> JobLaunch:
        self.placements.append(placement)
        launch = await super().job(tenant, config, placement, purpose)
        return replace(launch, prefix=("sh", "-c", self.script)) if self.script else launch

    def job_ended(self, name: str, purpose: str) -> None:
        self.ended.append((name, purpose))
        super().job_ended(name, purpose)


class WithJobs(World):
    """A scripted tenant beside the operations and jobs of a daemon."""

    def __init__(self, folder: Path, **sections: Any) -> None:
        super().__init__(folder, **sections)
        self.operations = Operations(self.db)
        self.jobs = ScriptedJobs(folder, self)

    async def ended(self, operation: Operation | str) -> Operation:
        """Wait for the operation's end."""
        id_ = operation if isinstance(operation, str) else operation.id
        return await self.operations.wait(id_, 60)

    async def rest(self) -> None:
        """Stop the tenant."""
        self.tenant.want(Goal.DOWN)
        await self.settle()

    async def progress(self, operation: str) -> Progress:
        """Wait until the operation shows its progress."""
        async with asyncio.timeout(60):
            while (found := self.operations.get(operation).progress) is None:
                await self.settle()
        return found

    async def why(self, operation: Operation | str) -> str:
        """Return the words of an operation that fails."""
        failed = await self.ended(operation)
        assert failed.state is OperationState.FAILED
        assert failed.error is not None
        return str(failed.error["detail"])

    async def close(self) -> None:
        await self.operations.close()
        await super().close()


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[WithJobs]:
    made = WithJobs(tmp_path)
    yield made
    await made.close()
