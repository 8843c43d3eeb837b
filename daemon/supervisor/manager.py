"""All tenants: one guarded run loop each, the listeners they are given, and what is done to them by name."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from daemon.core.config.daemon_config import DaemonConfig
from daemon.core.config.tenant_config import TenantConfig
from daemon.core.config.tenant_file import TenantFile, check_name, check_seed, parse_tenant
from daemon.core.config.tenant_files import TenantFolder, check_beside, settle
from daemon.core.encoder_protocol.bench import BenchRequest
from daemon.core.encoder_protocol.reembed import Plan
from daemon.core.errors import (
    DataExists,
    TenantFailed,
    UnknownTenant,
)
from daemon.core.files.replace import replacing
from daemon.core.paths import Paths
from daemon.core.wire import GpuList, Operation, TenantView
from daemon.supervisor.configuration import plan as planning
from daemon.supervisor.configuration.reload import Reload
from daemon.supervisor.disk.watch import DiskWatch
from daemon.supervisor.gpu.gpus import Gpus
from daemon.supervisor.gpu.placement import Placement, Wanted
from daemon.supervisor.health.checks import Health
from daemon.supervisor.health.hang_watch import HangWatch
from daemon.supervisor.jobs.bench import Benching
from daemon.supervisor.jobs.recover import Recovery
from daemon.supervisor.jobs.reembed import ReEmbedding
from daemon.supervisor.launcher import Launcher
from daemon.supervisor.logs.access import let_group_read
from daemon.supervisor.logs.sweep import LogSweep
from daemon.supervisor.records.events import EventLog, EventName
from daemon.supervisor.records.operations import Handle, Operations
from daemon.supervisor.records.state_db import StateDb
from daemon.supervisor.states import Goal, State, Trigger
from daemon.supervisor.tenants import view as views
from daemon.supervisor.tenants.metering import Metering
from daemon.supervisor.tenants.services import Services
from daemon.supervisor.tenants.tenant import Tenant

log = logging.getLogger(__name__)

CATCH_UP_S = 2.0


class Manager:
    """Owns every tenant. Use: ``async with manager.running(): …``."""

    def __init__(self, paths: Paths, config: DaemonConfig) -> None:
        self.paths = paths
        self.config = config
        self.started_at = time.monotonic()
        self.tenants: dict[str, Tenant] = {}
        self.state_db = StateDb(paths.state_db)
        self.events = EventLog(self.state_db)
        self.operations = Operations(self.state_db)
        self.gpu = Gpus(paths.run / "gpu", self._encoder_pids, exclusive=config.gpu.exclusive_process)
        self.launcher = Launcher(paths, config, self.state_db, self._place)
        self.benching = Benching(self.operations, self.launcher, self._place, self._release, self.tenants)
        self.recovery = Recovery(self.operations, self.launcher)
        self._services = Services(self.state_db, self.events, self.launcher.launch, self._release, self._before_stop)
        self.folder = TenantFolder(self.tenants_dir)
        self._loops: dict[str, asyncio.Task[None]] = {}
        self._background: list[asyncio.Task[None]] = []
        self.reload = Reload(self)
        self.reembedding = ReEmbedding(self.operations, self.launcher, self.reload.switch)
        self.metering = Metering(self.state_db, self.live)
        self.health = Health(
            self.tenants.values, self.events, self.gpu, self._encoder_pids, config.health.every_s
        )  # fmt: skip
        self._disk_watch = DiskWatch(
            self.tenants.values, self.events, self.launcher.disk.measure, self._end_jobs,
            floor_mb=config.health.disk_floor_mb, every_s=config.health.every_s,
        )  # fmt: skip

    # --- life ----------------------------------------------------------------------------------------

    async def open(self) -> None:
        """Reads tenants.d and sets every tenant off; one broken file concerns one tenant."""
        for folder, mode in (
            (self.paths.state / "tenants", 0o711),
            (self.paths.log, 0o755),
            (self.paths.run / "encoders", 0o700),
        ):
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(mode)
        if self.config.logs.group is not None:
            await let_group_read(self.paths.log, self.config.logs.group)
        self.events.emit(EventName.DAEMON_STARTED, pid=os.getpid())
        await self.gpu.open()
        for file in self.settled(self.folder.read()).values():
            self.add(file, rests=self._rests(file))
        for name, work in (
            ("hang watch", HangWatch(self.live).run()),
            ("reload", self.reload.run()),
            ("metering", self.metering.run()),
            ("catching up", self._catch_up()),
            ("disk watch", self._disk_watch.run()),
            ("log sweep", LogSweep(self.paths).run()),
        ):
            self._background.append(asyncio.create_task(work, name=name))
        self.health.start()

    async def close(self) -> None:
        """Stops every encoder, in parallel, within their ladders' bounds."""
        self.events.emit(EventName.DAEMON_STOPPING)
        self.health.close()
        for task in self._background:
            task.cancel()
        await self.operations.close()
        await self.metering.collect()
        for task in self._loops.values():
            task.cancel()
        await asyncio.gather(*(tenant.close() for tenant in self.tenants.values()))
        self.launcher.close()
        await self.gpu.close()
        self.events.close()
        self.state_db.close()

    async def _catch_up(self) -> None:
        """What a full disk did not take is kept once there is room; what was busy is given back once it is not."""
        while True:
            await asyncio.sleep(CATCH_UP_S)
            self.state_db.catch_up()
            self.events.catch_up()
            self.launcher.catch_up()

    def live(self) -> list[Tenant]:
        """The tenants whose encoder is ready."""
        return [tenant for tenant in self.tenants.values() if tenant.state is State.READY]

    @property
    def tenants_dir(self) -> Path:
        return self.paths.tenants_dir(self.config.tenants_dir)

    def _rests(self, file: TenantFile) -> str | None:
        """Why a tenant begins parked with the daemon: it was parked, or it may be and nobody has asked for it yet."""
        parked = self.state_db.parked(file.name)
        if parked:
            return "parked when the daemon was last up"
        if parked is None and file.config is not None and file.config.limits.park_after_s is not None:
            return "not asked for yet (limits.park_after_s)"
        return None

    def add(self, file: TenantFile, rests: str | None = None) -> Tenant:
        """Sets a tenant off; `rests`: why it begins parked instead."""
        tenant = Tenant(file, self.paths.tenant(file.name), self._services, rests)
        tenant.isolation = self.config.isolation
        self.tenants[file.name] = tenant
        if file.error is not None:
            self.events.emit(EventName.CONFIG_REFUSED, file.name, reason=file.error.message)
        self._loops[file.name] = asyncio.create_task(tenant.run(), name=f"tenant {file.name}")
        return tenant

    # --- GPUs ------------------------------------------------------------------------------------------

    def settled(self, files: Mapping[str, TenantFile]) -> dict[str, TenantFile]:
        """The files as they may be applied: see `tenant_files.settle`."""
        in_force = {tenant.name: tenant.file for tenant in self.tenants.values() if tenant.config is not None}
        return settle(files, in_force, self._last_gpu)

    def _last_gpu(self, name: str) -> str | None:
        """By its configuration in force; at the daemon's start, by the one that it was last up with."""
        return self.tenants[name].file.gpu if name in self.tenants else self.state_db.gpu(name)

    def _others(self, name: str) -> list[TenantFile]:
        return [tenant.file for tenant in self.tenants.values() if tenant.name != name]

    async def _place(self, tenant: Tenant, config: TenantConfig) -> Placement:
        """The GPU, locked for the tenant, or the CPU. Raises StartRefused."""
        strict = self.config.isolation == "strict"
        before = tenant.placement
        tenant.placement = None
        others = (other for other in self.tenants.values() if other is not tenant and other.config is not None)
        tenant.placement = await self.gpu.place(
            Wanted(
                tenant.name,
                config.encoder.device,
                can_use_gpu=config.encoder.can_use_gpu,
                sharing=config.limits.gpu_sharing == "allowed",
                data=tenant.paths.data,
                uid=self.state_db.uid(tenant.name, *self.config.uid_range) if strict else None,
                others={other.name: other.config.encoder.device for other in others if other.config},
            )
        )
        if tenant.placement != before and (tenant.placement.uuid or tenant.placement.note):
            words, why = tenant.placement.words, tenant.placement.note
            self.events.emit(EventName.GPU, tenant.name, device=words, reason=why)
        return tenant.placement

    def _encoder_pids(self) -> dict[int, str]:
        running = ((tenant.process, tenant.name) for tenant in self.tenants.values())
        encoders = {process.pid: name for process, name in running if process is not None and process.pid is not None}
        return {**encoders, **self.benching.pids(), **self.reembedding.pids()}

    async def gpus(self) -> GpuList:
        """Every GPU of this host, who holds it and what runs on it; never raises, `note` tells trouble."""
        return await self.gpu.listing()

    async def _before_stop(self, tenant: Tenant) -> None:
        """What it did since it was last asked is metered, too."""
        await self.metering.ask(tenant)

    def _release(self, tenant: Tenant) -> None:
        """What a tenant that rests does not need: its listener, so that dialling it fails at once, and its GPU."""
        self.launcher.release(tenant)
        self.gpu.release(tenant.name)

    # --- by name -------------------------------------------------------------------------------------

    def get(self, name: str) -> Tenant:
        tenant = self.tenants.get(name)
        if tenant is None:
            raise UnknownTenant.named(name)
        return tenant

    def view(self, tenant: Tenant) -> TenantView:
        return views.view(tenant)

    def isolation_words(self) -> dict[str, str]:
        return self.launcher.isolation_words()

    async def start(self, name: str) -> Operation:
        tenant = self.get(name)
        self.recovery.check_start(name)
        take_back = partial(_give_up_start, tenant) if tenant.goal is Goal.DOWN else None
        operation = self.operations.begin("start", name, lambda handle: self._until_up(tenant, handle), take_back)
        tenant.want(Goal.UP)
        return operation

    async def stop(self, name: str) -> Operation:
        tenant = self.get(name)
        operation = self.operations.begin("stop", name, lambda _: self._until_rest(tenant, State.STOPPED))
        tenant.want(Goal.DOWN)
        self.reembedding.give_way(tenant)
        return operation

    async def restart(self, name: str) -> Operation:
        tenant = self.get(name)
        self.recovery.check_start(name)
        before = tenant.process
        operation = self.operations.begin("restart", name, lambda handle: self._until_up(tenant, handle, before))
        tenant.want(Goal.UP, Trigger.RESTART)
        return operation

    async def park(self, name: str) -> Operation:
        tenant = self.get(name)
        operation = self.operations.begin("park", name, lambda _: self._until_rest(tenant, State.PARKED))
        tenant.want(Goal.UP, Trigger.PARK)
        return operation

    def bench(self, name: str, asked: BenchRequest) -> Operation:
        return self.benching.begin(self.get(name), asked)

    async def _until_up(self, tenant: Tenant, handle: Handle, before: object = None) -> dict[str, Any]:
        await asyncio.sleep(0)  # the run loop takes the command first
        while True:
            await tenant.until_taken()
            if tenant.told.progress is not None:
                handle.progress(tenant.told.progress.done, tenant.told.progress.total, tenant.told.progress.unit)
            if tenant.state is State.READY and tenant.process is not before:
                return {"state": tenant.state.value, "pid": tenant.process.pid if tenant.process else None}
            if tenant.state is State.FAILED:
                raise TenantFailed(
                    f"cannot start {tenant.name}: {tenant.reason}", tenant=tenant.name, reason=tenant.reason
                )
            if tenant.goal is Goal.DOWN:
                raise TenantFailed(f"cannot start {tenant.name}: it was stopped meanwhile", tenant=tenant.name)
            await tenant.next_change()

    async def _until_rest(self, tenant: Tenant, state: State) -> dict[str, Any]:
        await tenant.until_taken()
        await tenant.until(lambda t: t.state is not State.STOPPING)
        if tenant.state is not state:
            why = tenant.reason or f"it is {tenant.state} now, something else was asked meanwhile"
            raise TenantFailed(f"cannot reach {state} with {tenant.name}: {why}", tenant=tenant.name)
        return {"state": tenant.state.value}

    # --- tenants.d through the API -------------------------------------------------------------------

    async def plan(self, name: str, raw: bytes) -> Plan:
        """What `put` would do."""
        check_name(name)
        path = self.tenants_dir / f"{name}.yaml"
        file = await asyncio.to_thread(parse_tenant, raw, path)
        check_beside(file, self._others(name))
        assert file.config is not None
        return await planning.plan(name, self.tenants.get(name), file.config, self.reembedding)

    async def put(self, name: str, raw: bytes, adopt: bool, offline: bool = False) -> Tenant:
        """Creates or changes a tenant from YAML; the file is written whole or not at all.

        A model that does not fit beside the old one is refused (Conflict) unless `offline`.
        """
        check_name(name)
        path = self.tenants_dir / f"{name}.yaml"
        file = await asyncio.to_thread(parse_tenant, raw, path)  # a large file takes seconds
        check_seed(file)
        check_beside(file, self._others(name))
        known = name in self.tenants
        if not known and not adopt and self.paths.tenant(name).data.exists():
            raise DataExists(
                f"cannot create tenant {name}: data of a deleted tenant of this name is still there; "
                f"adopt it (?adopt=true), or destroy it first (DELETE /v1/tenants/{name}?purge={name})",
                tenant=name,
            )
        if known and not offline and file.config is not None:
            await self.reembedding.check(self.tenants[name], file.config)
            check_beside(file, self._others(name))  # that took a while
        _write_whole(path, raw)
        if known:
            self.reload.change(self.tenants[name], file, offline=offline)
            return self.tenants[name]
        self.state_db.set_goal(name, Goal.UP)
        self.events.emit(EventName.TENANT_CREATED, name)
        return self.add(file)

    async def delete(self, name: str, purge: bool) -> None:
        """Removes the tenant; its data stay unless `purge`."""
        data = self.paths.tenant(name).data
        if name in self.tenants:
            await self._remove(self.tenants[name])
        elif not (purge and check_name(name) and data.exists()):
            raise UnknownTenant.named(name)
        if purge:
            await self.launcher.destroy_data(name)
            await asyncio.to_thread(_destroy, self.paths.tenant(name).log)
        self.events.emit(EventName.TENANT_DELETED, name, purged=purge)
        self.state_db.forget_tenant(name, purged=not data.exists())

    async def _remove(self, tenant: Tenant) -> None:
        """Out of tenants.d, out of memory; its process and listener go with it."""
        (self.tenants_dir / f"{tenant.name}.yaml").unlink(missing_ok=True)
        await self.drop(tenant)

    async def _end_jobs(self, tenant: Tenant) -> None:
        """End the job processes of a tenant."""
        await self.benching.stop(tenant)
        self.reembedding.forget(tenant)

    async def drop(self, tenant: Tenant) -> None:
        await self._end_jobs(tenant)
        loop = self._loops.pop(tenant.name)
        loop.cancel()
        await asyncio.wait([loop])
        await self.operations.end_all_of(tenant.name)
        await tenant.close()
        self._release(tenant)
        self.metering.forget(tenant.name)
        del self.tenants[tenant.name]


def _give_up_start(tenant: Tenant) -> None:
    """The tenant was down, and is again; one that is up by now stays up."""
    if tenant.state is not State.READY:
        tenant.want(Goal.DOWN)


def _write_whole(path: Path, raw: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path, 0o644) as file:
        file.write(raw)


def _destroy(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)
