"""The health checks: every `health.every_s` each ready tenant's memory, GPU and canary; each second the idle watch.

A check can't hang (deadlines) and can't end the scheduler (one guard around each). Its findings are warnings at the
tenant and events (`tenants/check_warnings.py`).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Sequence
from datetime import UTC

from apscheduler.schedulers.asyncio import AsyncIOScheduler

from daemon.core import logs
from daemon.supervisor.gpu.gpus import Gpus
from daemon.supervisor.gpu.nvml import NoGpu, NvmlTrouble
from daemon.supervisor.health import canary
from daemon.supervisor.health.idle import IdleWatch
from daemon.supervisor.health.memory import GpuReading, MemoryChecks
from daemon.supervisor.process.encoder_process import EncoderProcess
from daemon.supervisor.records.events import EventLog, EventName
from daemon.supervisor.states import State
from daemon.supervisor.tenants.check_warnings import CheckWarnings
from daemon.supervisor.tenants.shown.warnings import WarningKey
from daemon.supervisor.tenants.tenant import Tenant

log = logging.getLogger(__name__)

AT_ONCE = 8
PARK_LOOK_S = 1.0
GRACE_S = 2.0  # beyond the search deadline: a canary waits its turn behind searches
_RESTING = frozenset({State.STOPPED, State.FAILED, State.PARKED})


class Health:
    """The scheduler of all checks."""

    def __init__(
        self,
        tenants: Callable[[], Collection[Tenant]],
        events: EventLog,
        gpus: Gpus,
        encoders: Callable[[], Collection[int]],
        every_s: float,
    ) -> None:
        """Make it; `encoders` returns the pids of this daemon's encoders."""
        self._tenants = tenants
        self._gpus = gpus
        self._every_s = every_s
        self._warnings = CheckWarnings(events)
        self._memory = MemoryChecks(self._warnings, encoders)
        self._idle = IdleWatch(tenants)
        self._scheduler = AsyncIOScheduler(
            timezone=UTC, job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None}
        )

    def start(self) -> None:
        for name in ("apscheduler.scheduler", "apscheduler.executors.default"):
            logging.getLogger(name).setLevel(logging.WARNING)  # at info it tells each run
        self._scheduler.add_job(self.look, "interval", seconds=self._every_s, jitter=self._every_s / 10)
        self._scheduler.add_job(self._idle.look, "interval", seconds=PARK_LOOK_S)
        self._scheduler.start()

    def close(self) -> None:
        """End the scheduler and a round that runs, which it would log as an error."""
        logging.getLogger("apscheduler.executors.default").setLevel(logging.CRITICAL)
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)

    async def look(self) -> None:
        """Check every ready tenant, a few at a time, spread over half the interval where they are many."""
        tenants = list(self._tenants())
        self._memory.keep({tenant.name for tenant in tenants})
        for tenant in tenants:
            if tenant.state in _RESTING and (tenant.warnings or tenant.facts.gpu_memory_mb is not None):
                self._warnings.clear_all(tenant)
        ready = [tenant for tenant in tenants if tenant.state is State.READY]
        reading = await self._read_gpus(ready)
        slots = asyncio.Semaphore(AT_ONCE)
        async with asyncio.TaskGroup() as group:
            for tenant in ready:
                await slots.acquire()
                check = group.create_task(self._check(tenant, reading), name=f"health {tenant.name}")
                check.add_done_callback(lambda _: slots.release())
                await asyncio.sleep(min(0.05, self._every_s / 2 / len(ready)))

    async def _read_gpus(self, ready: Sequence[Tenant]) -> GpuReading:
        """Ask NVML once for the whole round, and not at all where no ready tenant is on a GPU."""
        if not any(tenant.facts.placement and tenant.facts.placement.uuid for tenant in ready):
            return GpuReading()
        try:
            return GpuReading(await self._gpus.devices())
        except (NoGpu, NvmlTrouble) as error:
            return GpuReading(trouble=str(error))

    async def _check(self, tenant: Tenant, reading: GpuReading) -> None:
        logs.tenant.set(tenant.name)
        if tenant.state is not State.READY or tenant.process is None:
            return
        try:
            self._memory.check(tenant, reading)
            if tenant.state is State.READY and tenant.process is not None:
                await self._canary(tenant, tenant.process)
        except Exception as error:  # a bug in one check must end neither the round nor the scheduler
            log.exception("health-check-failed")
            words = f"the health check itself failed ({type(error).__name__}); see the daemon's log"
            tenant.warnings.warn(WarningKey.HEALTH, words)
        else:
            tenant.warnings.clear(WarningKey.HEALTH)

    async def _canary(self, tenant: Tenant, process: EncoderProcess) -> None:
        assert tenant.config is not None
        before = process.progress.read().counter

        def moved() -> bool:
            return tenant.process is not process or process.progress.read().counter != before

        with tenant.traffic.daemons_own_request():
            found = await canary.look(tenant.traffic.pool, moved, tenant.config.search.deadline_s + GRACE_S)
        if found is None or tenant.process is not process or tenant.state is not State.READY:
            return  # its end is the run loop's affair
        self._warnings.update(tenant, WarningKey.CANARY, found.canary, EventName.CANARY_FAILED)
        self._warnings.update(tenant, WarningKey.INDEX, found.index, EventName.INDEX_DIFFERS)
