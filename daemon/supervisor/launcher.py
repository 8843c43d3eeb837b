"""The preparation of a start: environment, listener, GPU, and the sandbox where isolation is strict."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Collection
from dataclasses import replace

from daemon.core.config.daemon_config import DaemonConfig
from daemon.core.config.tenant_config import TenantConfig
from daemon.core.errors import StartRefused
from daemon.core.paths import Paths
from daemon.core.wire import DiskBound, Lacking
from daemon.supervisor.disk.limit import TenantDisk
from daemon.supervisor.gpu.placement import Placement
from daemon.supervisor.isolation import seccomp
from daemon.supervisor.isolation.cgroups import CgroupLimits, Cgroups
from daemon.supervisor.isolation.data_folders import DataFolder
from daemon.supervisor.isolation.environment import environment
from daemon.supervisor.isolation.linux_users import LinuxUsers
from daemon.supervisor.isolation.sandbox import Sandbox, check_host, write_accounts
from daemon.supervisor.isolation.tenant_sandbox import accounts_folder, check_uid, tenant_sandbox
from daemon.supervisor.process.job_process import JobLaunch
from daemon.supervisor.process.launch import Launch
from daemon.supervisor.process.listeners import Listeners
from daemon.supervisor.records.state_db import StateDb
from daemon.supervisor.tenants.tenant import Tenant

PlaceOnGpu = Callable[[Tenant, TenantConfig], Awaitable[Placement]]


class Launcher:
    """Prepare the processes of tenants; in `isolation: process` they run as the daemon's own user."""

    def __init__(self, paths: Paths, config: DaemonConfig, db: StateDb, place: PlaceOnGpu) -> None:
        """Make it; `place` gives a tenant its GPU, or the CPU, and raises StartRefused."""
        self._paths = paths
        self._config = config
        self._db = db
        self._place = place
        self._listeners = Listeners()
        self._cgroups = Cgroups.discover() if self.strict and os.geteuid() == 0 else Cgroups(None)
        self.disk = TenantDisk(paths, self._uid if self.strict else None)
        self._users = LinuxUsers() if self.strict and paths == Paths.system() else None

    @property
    def strict(self) -> bool:
        return self._config.isolation == "strict"

    async def launch(self, tenant: Tenant) -> Launch:
        """Prepare everything a start needs. Raises StartRefused: strict isolation is never lessened."""
        config = tenant.config
        if config is None:
            raise StartRefused(f"cannot start {tenant.name}: its file is not valid")
        sandbox = await self._make_sandbox(tenant.name, config, tenant.name)
        placement = await self._place(tenant, config)
        means = self._means(tenant, config, placement, sandbox)
        return Launch(
            tenant=tenant.name,
            data=tenant.paths.data,
            config_json=means.config_json,
            listener=self._listeners.listen(tenant.name, tenant.paths.socket),
            log=tenant.log,
            seed=tenant.file.seed,
            prefix=means.prefix,
            environment=dict(means.environment),
            pass_fds=means.pass_fds,
            out_of_memory=self._cgroups.out_of_memory(tenant.name),
        )

    async def job(self, tenant: Tenant, config: TenantConfig, placement: Placement, purpose: str) -> JobLaunch:
        """Prepare a job process with limits of its own; call `job_ended` after it. Raises StartRefused."""
        sandbox = await self._make_sandbox(tenant.name, config, _job_cgroup(tenant.name, purpose))
        return self._means(tenant, config, placement, sandbox)

    def job_ended(self, name: str, purpose: str) -> None:
        self._cgroups.remove(_job_cgroup(name, purpose))

    def _means(self, tenant: Tenant, config: TenantConfig, placement: Placement, sandbox: Sandbox | None) -> JobLaunch:
        encoder = config.encoder.model_copy(update={"device": placement.device})
        seccomp_fd = None
        if sandbox is not None:
            sandbox = replace(sandbox, devices=placement.nodes)
            seccomp_fd = seccomp.memfd() if seccomp.supported() else None
        return JobLaunch(
            tenant=tenant.name,
            data=tenant.paths.data,
            config_json=config.model_copy(update={"encoder": encoder}).model_dump_json().encode(),
            log=tenant.log,
            prefix=sandbox.prefix(seccomp_fd) if sandbox is not None else (),
            environment={**environment(tenant.paths.data), **placement.environment},
            pass_fds=() if seccomp_fd is None else (seccomp_fd,),
        )

    async def _make_sandbox(self, name: str, config: TenantConfig, cgroup: str) -> Sandbox | None:
        if not self.strict:
            await self._no_sandbox(name)
            return None
        return await self._sandbox(name, config, cgroup)

    async def _sandbox(self, name: str, config: TenantConfig, cgroup: str) -> Sandbox:
        """Hand the data folder to the tenant's uid and prepare its sandbox. Raises StartRefused."""
        check_host([self._paths.etc, self._paths.state, self._paths.log, self._paths.run])
        uid = self._uid(name)
        given = self._db.uids_given(name)
        await _to_its_end(lambda: self._ensure_user(name, uid, given))
        sandbox = tenant_sandbox(self._paths, name, uid, config)
        await _to_its_end(lambda: self._data_folder(name).give_to(uid))
        self.disk.set_bound(name, config.limits.disk_mb)
        write_accounts(sandbox.accounts, name, uid, sandbox.data)
        limits = CgroupLimits(config.limits.memory_mb, config.limits.cpus, sandbox.limits.processes)
        return replace(sandbox, cgroup=self._cgroups.make(cgroup, limits))

    def _ensure_user(self, name: str, uid: int, given: Collection[int]) -> None:
        check_uid(uid, name)
        if self._users is not None:
            self._users.ensure(name, uid, given)

    def _uid(self, name: str) -> int:
        return self._db.uid(name, *self._config.uid_range)

    async def _no_sandbox(self, name: str) -> None:
        self._paths.tenant(name).data.mkdir(parents=True, exist_ok=True, mode=0o700)
        if os.geteuid() == 0:
            await _to_its_end(self._data_folder(name).take_back)

    def _data_folder(self, name: str) -> DataFolder:
        return DataFolder(name, self._paths.tenant(name).data, accounts_folder(self._paths, name))

    async def destroy_data(self, name: str) -> None:
        """Destroy the data folder with its owner's rights, then its Linux user. Raises InternalError, OSError."""
        folder = self._data_folder(name)
        if folder.data.exists():
            self.disk.lift(name)
            await asyncio.to_thread(folder.destroy)
        if self._users is not None:
            await asyncio.to_thread(self._users.remove, name, self._db.uids_given(name))

    # --- giving back ---------------------------------------------------------------------------------

    def release(self, name: str) -> None:
        """Give back what a tenant at rest does not need: its listener and its cgroup."""
        self._listeners.close(name)
        self._cgroups.remove(name)

    def catch_up(self) -> None:
        """Remove the cgroups that were still in use when they were given back."""
        self._cgroups.sweep()

    def close(self) -> None:
        for name in self._listeners.names():
            self.release(name)

    # --- what is in force ----------------------------------------------------------------------------

    def lacking(self) -> list[Lacking]:
        """Return the parts of strict isolation that this host does not give."""
        if not self.strict:
            return []
        missing: list[Lacking] = []
        if self._cgroups.base is None:
            missing.append("cgroups")
        if not seccomp.supported():
            missing.append("seccomp")
        return missing

    def disk_bound(self) -> DiskBound:
        """Return what holds a tenant to `limits.disk_mb` when its encoder does not."""
        return "quota" if self.disk.has_quotas() else "watch"


async def _to_its_end(work: Callable[[], None]) -> None:
    """Run it in a thread, which a cancelled start waits for: two starts must not change a folder's owner at once."""
    done = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        await asyncio.shield(done)
    except asyncio.CancelledError:
        await asyncio.wait([done])
        raise


def _job_cgroup(name: str, purpose: str) -> str:
    return f"{name}.{purpose}"  # no tenant's name has a dot
