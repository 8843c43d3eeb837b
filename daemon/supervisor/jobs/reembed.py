"""A changed model: new vectors are made beside the encoder that answers with the old ones, then the tenant switches.

Until the switch the tenant keeps its old configuration, whatever its file says; the file's is tried out in a process of
its own (`python -m daemon.encoder.jobs.reembed`) that fills the same base with vectors of the new fingerprint. If both
do not fit the limits, nothing changes until somebody accepts that the tenant does not answer meanwhile (offline).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from daemon.core.config.effects import may_reembed
from daemon.core.config.tenant_config import TenantConfig
from daemon.core.config.tenant_file import TenantFile
from daemon.core.encoder_protocol.job import Job
from daemon.core.encoder_protocol.reembed import Done, Loaded, messages
from daemon.core.errors import Conflict, InternalError, VecwardError
from daemon.core.process_memory import resident_mb
from daemon.core.units import counted
from daemon.supervisor.gpu.placement import Placement
from daemon.supervisor.launcher import Launcher
from daemon.supervisor.process.job_process import JobProcess, running
from daemon.supervisor.records.operations import Handle, Operations
from daemon.supervisor.states import HAS_PROCESS, State
from daemon.supervisor.tenants.shown.warnings import WarningKey
from daemon.supervisor.tenants.tenant import Tenant

Switch = Callable[[Tenant, TenantFile], object]


@dataclass(frozen=True)
class Pending:
    """A file that is not in force yet: its vectors are being made, or it was refused (the operation has ended)."""

    file: TenantFile
    operation: str


class ReEmbedding:
    """Changed files whose vectors are being made, one a tenant."""

    def __init__(self, operations: Operations, launcher: Launcher, switch: Switch) -> None:
        """Take `switch`, which puts a file in force once the tenant's vectors are there."""
        self._operations = operations
        self._launcher = launcher
        self._switch = switch
        self._pending: dict[str, Pending] = {}
        self._jobs: set[JobProcess] = set()

    def pids(self) -> dict[int, str]:
        """The job processes that run, each with its tenant."""
        return {pid: job.tenant for job in self._jobs for pid in job.pids()}

    # --- a changed file ------------------------------------------------------------------------------

    def concerns(self, tenant: Tenant, config: TenantConfig) -> bool:
        """True where there are answers to keep up: the tenant is ready, has entries, and their vectors may change."""
        before = tenant.config
        if before is None or tenant.state is not State.READY or not tenant.facts.report.entries:
            return False
        return may_reembed(before, config)

    def is_pending(self, tenant: Tenant, file: TenantFile) -> bool:
        """True where such a file waits already, or was refused."""
        pending = self._pending.get(tenant.name)
        return pending is not None and pending.file.config == file.config

    def take_over(self, tenant: Tenant, file: TenantFile) -> bool:
        """Begin to make the vectors for a changed file; False where it can be put in force at once."""
        self.forget(tenant)
        if file.config is None or not self.concerns(tenant, file.config):
            return False
        operation = self._operations.begin("re-embed", tenant.name, lambda handle: self._run(tenant, file, handle))
        self._pending[tenant.name] = Pending(file, operation.id)
        entries = counted(tenant.facts.report.entries or 0, "entry", "entries")
        tenant.warnings.warn(
            WarningKey.RE_EMBEDDING,
            f"answers with its old model until the vectors that its changed file asks for are there ({entries}): "
            f"operation {operation.id}",
        )
        return True

    def forget(self, tenant: Tenant) -> None:
        """End what runs for a file that is out of date: it changed again, or the tenant goes."""
        tenant.warnings.clear(WarningKey.RE_EMBEDDING)
        pending = self._pending.pop(tenant.name, None)
        if pending is not None:
            self._operations.cancel_soon(pending.operation)

    def give_way(self, tenant: Tenant) -> None:
        """Put the file of a tenant that is stopped in force for the next start: there are no answers to keep up."""
        pending = self._pending.get(tenant.name)
        self.forget(tenant)
        if pending is not None:
            self._switch(tenant, pending.file)

    async def _run(self, tenant: Tenant, file: TenantFile, handle: Handle) -> dict[str, Any]:
        assert file.config is not None
        try:
            done = await self._embed(tenant, file.config, handle)
        except asyncio.CancelledError:
            self._stays(tenant, file, "re-embedding was cancelled")
            raise
        except VecwardError as error:
            self._stays(tenant, file, error.message)
            raise
        if self._is_still(tenant, file):
            del self._pending[tenant.name]
            tenant.warnings.clear(WarningKey.RE_EMBEDDING)
            self._switch(tenant, file)
        return done.model_dump(mode="json", exclude={"type"})

    def _is_still(self, tenant: Tenant, file: TenantFile) -> bool:
        pending = self._pending.get(tenant.name)
        return pending is not None and pending.file is file

    def _stays(self, tenant: Tenant, file: TenantFile, why: str) -> None:
        if self._is_still(tenant, file):
            tenant.warnings.warn(
                WarningKey.RE_EMBEDDING,
                f"runs on its old configuration: {why}; its file is applied by vecward tenant create {tenant.name} "
                "FILE --offline, which answers nothing until all entries are encoded, or by a stop and a start",
            )

    # --- the process ---------------------------------------------------------------------------------

    async def survey(self, tenant: Tenant, config: TenantConfig) -> Loaded:
        """Load the model that a configuration means, and let it go again. Raises StartRefused, InternalError."""
        async with self._running(tenant, config, "--survey") as job:
            async for message in job.messages(messages):
                if isinstance(message, Loaded):
                    return message
        raise InternalError("cannot tell what the new model is: its process ended; see the tenant's log")

    async def check(self, tenant: Tenant, config: TenantConfig) -> None:
        """Refuse a file where both models do not fit the limits. Raises Conflict with the figures."""
        if self.concerns(tenant, config) and (why := obstacle(tenant, config, await self.survey(tenant, config))):
            raise Conflict(f"cannot change {tenant.name}: {why}")

    async def _embed(self, tenant: Tenant, config: TenantConfig, handle: Handle) -> Done:
        async with self._running(tenant, config) as job:
            async for message in job.messages(messages):
                if isinstance(message, Done):
                    return message
                if isinstance(message, Loaded):
                    if why := obstacle(tenant, config, message):
                        raise Conflict(f"cannot re-embed {tenant.name}: {why}")
                    job.go()
                else:
                    handle.progress(message.done, message.total, "entries")
        raise InternalError("cannot finish: the tenant's process ended without its last word; see the tenant's log")

    @asynccontextmanager
    async def _running(self, tenant: Tenant, config: TenantConfig, *arguments: str) -> AsyncIterator[JobProcess]:
        """A job process for one talk; its cgroup goes with it."""
        launch = await self._launcher.job(tenant, config, _placement(tenant, config), Job.REEMBED)
        try:
            async with running(launch, Job.REEMBED.module, arguments) as job:
                self._jobs.add(job)
                try:
                    yield job
                finally:
                    self._jobs.discard(job)
        finally:
            self._launcher.job_ended(tenant.name, Job.REEMBED)


def obstacle(tenant: Tenant, config: TenantConfig, loaded: Loaded) -> str | None:
    """The reason why both models can't be there at once, with the figures; None where they can, or need not."""
    if not loaded.missing and not loaded.derivable:
        return None
    pid = tenant.process.pid if tenant.process else None
    return (
        _no_room(config, loaded)
        or _too_much("memory_mb", config.limits.memory_mb, resident_mb(pid) if pid else None, loaded.memory_mb)
        or _too_much("gpu_memory_mb", config.limits.gpu_memory_mb, tenant.facts.gpu_memory_mb, loaded.gpu_memory_mb)
    )


def _no_room(config: TenantConfig, loaded: Loaded) -> str | None:
    """The obstacle on the disk. Offline is no way out: the old vectors go only when the new model serves."""
    if loaded.room_mb is None or loaded.disk_mb <= loaded.room_mb:
        return None
    limit = config.limits.disk_mb
    words = "on the disk; make room there" if limit is None else f"within limits.disk_mb {limit}; raise it"
    return (
        f"the new vectors need {loaded.disk_mb:.1f} MiB beside the old ones, {loaded.room_mb:.1f} are free {words}, "
        "or delete entries"
    )


def _too_much(name: str, limit: int | None, ours: float | None, theirs: float | None) -> str | None:
    if limit is None or ours is None or theirs is None or ours + theirs <= limit:
        return None
    return (
        f"the old and the new model do not fit limits.{name} together: {ours:.0f} and {theirs:.0f} MiB of {limit}; "
        "raise it, or choose offline, which answers nothing until all entries are encoded"
    )


def _placement(tenant: Tenant, config: TenantConfig) -> Placement:
    """The device of the tenant's encoder, for the job process too.

    Another GPU that the new file names is taken at the switch.
    """
    held = tenant.facts.placement if tenant.state in HAS_PROCESS else None
    return held if held is not None and config.encoder.can_use_gpu else Placement()
