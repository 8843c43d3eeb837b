"""`vecward bench`: a tenant's model, measured by a job process on copies; one bench at a time on a host."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from daemon.core.config.tenant_config import TenantConfig
from daemon.core.encoder_protocol.bench import Bench, BenchAbout, BenchRequest, BenchRow, messages
from daemon.core.encoder_protocol.job import Job
from daemon.core.errors import Conflict, InternalError, StartRefused
from daemon.core.wire import Operation, OperationState
from daemon.supervisor.gpu.placement import Placement
from daemon.supervisor.launcher import Launcher, PlaceOnGpu
from daemon.supervisor.process.job_process import JobLaunch, JobProcess, running
from daemon.supervisor.records.operations import Handle, Operations
from daemon.supervisor.states import HAS_PROCESS, State
from daemon.supervisor.tenants.tenant import Tenant

_RESTING = frozenset({State.STOPPED, State.FAILED})


class Benching:
    """The one bench that may run on this host."""

    def __init__(
        self,
        operations: Operations,
        launcher: Launcher,
        place: PlaceOnGpu,
        release: Callable[[Tenant], None],
        tenants: Mapping[str, Tenant],
    ) -> None:
        """Take `place`, which gives a tenant its GPU where its own encoder does not hold it, and `release`."""
        self._operations = operations
        self._launcher = launcher
        self._place = place
        self._release = release
        self._tenants = tenants
        self._operation: str | None = None
        self._job: JobProcess | None = None

    def pids(self) -> dict[int, str]:
        """The processes of the bench that runs, each with its tenant."""
        return {pid: self._job.tenant for pid in self._job.pids()} if self._job is not None else {}

    def begin(self, tenant: Tenant, asked: BenchRequest) -> Operation:
        """Measure the tenant's model. Raises Conflict, StartRefused."""
        config = tenant.config
        if config is None:
            raise StartRefused(f"cannot bench {tenant.name}: its file is not valid")
        if (benched := self._benched()) is not None:
            raise Conflict(
                f"cannot bench {tenant.name}: {benched} is being benched, and two at once would measure each other; "
                "wait for its end, or cancel its operation"
            )
        if (held := _gpu_held(tenant)) and not asked.beside:
            raise Conflict(
                f"cannot bench {tenant.name}: its own encoder holds {held}; stop it first "
                f"(vecward stop {tenant.name}), or let both share the GPU and its memory (--beside)"
            )
        operation = self._operations.begin(
            "bench", tenant.name, lambda handle: self._run(tenant, config, asked, handle)
        )
        self._operation = operation.id
        return operation

    def _benched(self) -> str | None:
        if self._operation is None:
            return None
        operation = self._operations.get(self._operation)
        return operation.tenant if operation.state is OperationState.RUNNING else None

    async def stop(self, tenant: Tenant) -> None:
        """End the bench of a tenant that goes."""
        if self._benched() == tenant.name and self._operation is not None:
            await self._operations.cancel(self._operation)

    async def _run(self, tenant: Tenant, config: TenantConfig, asked: BenchRequest, handle: Handle) -> dict[str, Any]:
        notes = self._notes(tenant)
        try:
            placement = await self._placement(tenant, config)
            launch = await self._launcher.job(tenant, config, placement, Job.BENCH)
            found = await self._measure(launch, asked, handle)
        finally:
            self._job = None
            self._launcher.job_ended(tenant.name, Job.BENCH)
            if tenant.state in _RESTING:
                self._release(tenant)
        return found.model_copy(update={"notes": notes}).model_dump(mode="json")

    async def _placement(self, tenant: Tenant, config: TenantConfig) -> Placement:
        if tenant.state in HAS_PROCESS:
            return tenant.facts.placement or Placement()
        return await self._place(tenant, config)

    async def _measure(self, launch: JobLaunch, asked: BenchRequest, handle: Handle) -> Bench:
        """Run the job process and collect its figures. Raises the error that it tells, InternalError."""
        about: BenchAbout | None = None
        rows: list[BenchRow] = []
        async with running(launch, Job.BENCH.module, ["--asked", asked.model_dump_json()]) as self._job:
            async for message in self._job.messages(messages):
                if isinstance(message, BenchAbout):
                    about = message
                elif isinstance(message, BenchRow):
                    rows.append(message)
                else:
                    size = asked.entries[min(message.done, len(asked.entries) - 1)]
                    handle.progress(message.done, message.total, f"bases; now {size} entries")
        if about is None or [row.entries for row in rows] != asked.entries:
            raise InternalError("cannot finish: the tenant's process ended without all figures; see the tenant's log")
        return Bench(tenant=launch.tenant, about=about, clients=asked.clients, seconds=asked.seconds, rows=rows)

    def _notes(self, tenant: Tenant) -> list[str]:
        """Remarks for people: what else ran, and what the figures leave out."""
        notes = ["asked on the encoder's own socket: the daemon's relay adds about 0.3 ms to a request"]
        if tenant.state in HAS_PROCESS:
            shared = f", both on {held}" if (held := _gpu_held(tenant)) else ""
            notes.append(f"its own encoder was {tenant.state} meanwhile{shared}")
        others = sum(one is not tenant and one.state in HAS_PROCESS for one in self._tenants.values())
        if others:
            notes.append(f"{others} other encoder{'s' if others > 1 else ''} ran on this host")
        return notes


def _gpu_held(tenant: Tenant) -> str | None:
    """The GPU on which its own encoder is, in words."""
    placement = tenant.facts.placement if tenant.state in HAS_PROCESS else None
    return placement.words if placement is not None and placement.uuid is not None else None
