"""The supervisor's wiring: every part is made here, and begins and ends here."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Coroutine
from functools import partial
from typing import Any

from daemon.core.config.daemon_config import DaemonConfig
from daemon.core.config.tenant_files import TenantFolder
from daemon.core.paths import Paths
from daemon.supervisor.commands import Commands
from daemon.supervisor.configuration.in_force import put_in_force
from daemon.supervisor.configuration.provisioning import Provisioning
from daemon.supervisor.configuration.reload import Reload
from daemon.supervisor.disk.watch import DiskWatch
from daemon.supervisor.gpu.gpus import Gpus
from daemon.supervisor.health.checks import Health
from daemon.supervisor.health.hang_watch import HangWatch
from daemon.supervisor.jobs.bench import Benching
from daemon.supervisor.jobs.recover import Recovery
from daemon.supervisor.jobs.reembed import ReEmbedding
from daemon.supervisor.launcher import Launcher
from daemon.supervisor.logs.access import let_group_read
from daemon.supervisor.logs.sweep import LogSweep
from daemon.supervisor.process.launch import Launch
from daemon.supervisor.records.events import EventLog, EventName
from daemon.supervisor.records.operations import Operations
from daemon.supervisor.records.state_db import StateDb
from daemon.supervisor.tenants.gpu_placement import GpuPlacement
from daemon.supervisor.tenants.metering import Metering
from daemon.supervisor.tenants.registry import Registry
from daemon.supervisor.tenants.services import TenantServices
from daemon.supervisor.tenants.tenant import Tenant

CATCH_UP_S = 2.0


class Manager:
    """All parts of the supervisor: ``await manager.open()``, later ``await manager.close()``."""

    def __init__(self, paths: Paths, config: DaemonConfig) -> None:
        self.paths = paths
        self.config = config
        self.started_at = time.monotonic()
        self.tenants_dir = paths.tenants_dir(config.tenants_dir)
        self.folder = TenantFolder(self.tenants_dir)
        self._background: list[asyncio.Task[None]] = []
        self._make_records()
        self._make_launcher()
        self._make_jobs()
        self._make_checks()

    def _make_records(self) -> None:
        self.state_db = StateDb(self.paths.state_db)
        self.events = EventLog(self.state_db)
        self.operations = Operations(self.state_db)

    def _make_launcher(self) -> None:
        config = self.config
        services = TenantServices(
            self.state_db, self.events, self._launch, self._release, self._before_stop, config.isolation
        )
        self.tenants = Registry(self.paths, services, self._before_drop, self._after_drop)
        self.metering = Metering(self.state_db, self.tenants.live)
        self.gpu = Gpus(self.paths.run / "gpu", self._encoder_pids, exclusive=config.gpu.exclusive_process)
        self._gpu_placement = GpuPlacement(self.gpu, self.events, self.tenants, self._uid if self._strict else None)
        self.launcher = Launcher(self.paths, config, self.state_db, self._gpu_placement.place)

    def _make_jobs(self) -> None:
        place = self._gpu_placement.place
        self.benching = Benching(self.operations, self.launcher, place, self._release_tenant, self.tenants)
        self.recovery = Recovery(self.operations, self.launcher)
        self.reembedding = ReEmbedding(self.operations, self.launcher, partial(put_in_force, self.events))
        self.commands = Commands(self.tenants, self.operations, self.recovery, self.reembedding)
        self.reload = Reload(self.folder, self.tenants, self.events, self.reembedding)
        self.provisioning = Provisioning(
            self.paths,
            self.tenants_dir,
            self.tenants,
            db=self.state_db,
            events=self.events,
            launcher=self.launcher,
            reload=self.reload,
            reembedding=self.reembedding,
        )

    def _make_checks(self) -> None:
        tenants, settings = self.tenants.values, self.config.health
        self.health = Health(tenants, self.events, self.gpu, self._encoder_pids, settings.every_s)
        self._disk_watch = DiskWatch(
            tenants,
            self.events,
            self.launcher.disk.measure,
            self._end_jobs,
            floor_mb=settings.disk_floor_mb,
            every_s=settings.every_s,
        )

    # --- life ----------------------------------------------------------------------------------------

    async def open(self) -> None:
        """Read tenants.d and set every tenant off; one broken file concerns one tenant."""
        await self._make_folders()
        self.events.emit(EventName.DAEMON_STARTED, pid=os.getpid())
        await self.gpu.open()
        self.tenants.open(self.folder.read())
        self._in_background("hang watch", HangWatch(self.tenants.live).run())
        self._in_background("reload", self.reload.run())
        self._in_background("metering", self.metering.run())
        self._in_background("catching up", self._catch_up())
        self._in_background("disk watch", self._disk_watch.run())
        self._in_background("log sweep", LogSweep(self.paths).run())
        self.health.start()

    async def _make_folders(self) -> None:
        modes = {self.paths.state / "tenants": 0o711, self.paths.log: 0o755, self.paths.run / "encoders": 0o700}
        for folder, mode in modes.items():
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(mode)
        if self.config.logs.group is not None:
            await let_group_read(self.paths.log, self.config.logs.group)

    def _in_background(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        self._background.append(asyncio.create_task(work, name=name))

    async def close(self) -> None:
        """Stop every encoder, all at once, within the bounds of a stop."""
        self.events.emit(EventName.DAEMON_STOPPING)
        self.health.close()
        for task in self._background:
            task.cancel()
        await self.operations.close()
        await self.metering.collect()
        await self.tenants.close()
        self.launcher.close()
        await self.gpu.close()
        self.events.close()
        self.state_db.close()

    async def _catch_up(self) -> None:
        """Retry what had no room on a full disk, or was busy."""
        while True:
            await asyncio.sleep(CATCH_UP_S)
            self.state_db.catch_up()
            self.events.catch_up()
            self.launcher.catch_up()

    # --- services of a tenant, by name ---------------------------------------------------------------

    async def _launch(self, name: str) -> Launch:
        return await self.launcher.launch(self.tenants[name])

    async def _before_stop(self, name: str) -> None:
        """Meter what the encoder did since it was last asked."""
        await self.metering.ask(self.tenants[name])

    def _release(self, name: str) -> None:
        """Give back what a tenant at rest does not need: its listener (connecting fails at once) and its GPU."""
        self.launcher.release(name)
        self.gpu.release(name)

    def _release_tenant(self, tenant: Tenant) -> None:
        self._release(tenant.name)

    # --- the end of a tenant -------------------------------------------------------------------------

    async def _before_drop(self, tenant: Tenant) -> None:
        await self._end_jobs(tenant)
        await self.operations.end_all_of(tenant.name)

    def _after_drop(self, name: str) -> None:
        self.metering.forget(name)

    async def _end_jobs(self, tenant: Tenant) -> None:
        """End the job processes that run for a tenant beside its encoder."""
        await self.benching.stop(tenant)
        self.reembedding.forget(tenant)

    # --- what else the parts ask ---------------------------------------------------------------------

    @property
    def _strict(self) -> bool:
        return self.config.isolation == "strict"

    def _uid(self, name: str) -> int:
        return self.state_db.uid(name, *self.config.uid_range)

    def _encoder_pids(self) -> dict[int, str]:
        """Return the pids of encoders and job processes that may use a GPU, each with its tenant."""
        return {**self.tenants.encoder_pids(), **self.benching.pids(), **self.reembedding.pids()}
