"""What an encoder is started with: its environment, its listener, and the sandbox where isolation is strict."""

from __future__ import annotations

import asyncio
import os
import pwd
import socket
import sys
from collections.abc import Awaitable, Callable, Collection
from dataclasses import replace
from pathlib import Path

from daemon.core.config.daemon_config import DaemonConfig
from daemon.core.config.tenant_config import TenantConfig
from daemon.core.errors import StartRefused
from daemon.core.http import sockets
from daemon.core.paths import Paths, TenantPaths
from daemon.core.wire import DiskBound, Lacking
from daemon.supervisor.disk.limit import TenantDisk
from daemon.supervisor.gpu.placement import Placement
from daemon.supervisor.isolation import seccomp
from daemon.supervisor.isolation.cgroups import CgroupLimits, Cgroups
from daemon.supervisor.isolation.data_folders import DataFolder
from daemon.supervisor.isolation.linux_users import LinuxUsers
from daemon.supervisor.isolation.sandbox import SOURCE_ROOT, Limits, Sandbox, check_host, overlap, write_accounts
from daemon.supervisor.process.encoder_process import Launch
from daemon.supervisor.process.job_process import JobLaunch
from daemon.supervisor.records.state_db import StateDb
from daemon.supervisor.tenants.tenant import Tenant

_MAX_TMP_MB = 256
_NOT_MODELS = ("/", "/etc", "/root", "/home", "/var", "/dev", "/run")

PlaceOnGpu = Callable[[Tenant, TenantConfig], Awaitable[Placement]]


class Launcher:
    """Prepares starts and keeps the listeners. In `isolation: process` encoders run as the daemon's own user."""

    def __init__(self, paths: Paths, config: DaemonConfig, db: StateDb, place: PlaceOnGpu) -> None:
        """`place` gives a tenant its GPU, or the CPU; it raises StartRefused."""
        self._paths = paths
        self._config = config
        self._db = db
        self._place = place
        self._listeners: dict[str, socket.socket] = {}
        self._cgroups = Cgroups.discover() if self.strict and os.geteuid() == 0 else Cgroups(None)
        self.disk = TenantDisk(paths, self._uid if self.strict else None)
        self._users = LinuxUsers() if self.strict and paths == Paths.system() else None

    @property
    def strict(self) -> bool:
        return self._config.isolation == "strict"

    async def launch(self, tenant: Tenant) -> Launch:
        """Everything a start needs. Raises StartRefused: strict isolation is had or refused, never lessened."""
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
            listener=self._listener(tenant),
            log=tenant.log,
            seed=tenant.file.seed,
            prefix=means.prefix,
            environment=dict(means.environment),
            pass_fds=means.pass_fds,
            out_of_memory=self._cgroups.out_of_memory(tenant.name),
        )

    async def job(self, tenant: Tenant, config: TenantConfig, placement: Placement, purpose: str) -> JobLaunch:
        """The means of a job process, with limits of its own; call `job_ended` after it. Raises StartRefused."""
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
        """The tenant's sandbox, its data folder being the tenant's. Raises StartRefused."""
        check_host([self._paths.etc, self._paths.state, self._paths.log, self._paths.run])
        uid = self._uid(name)
        given = self._db.uids_given(name)
        await _to_its_end(lambda: self._have_user(name, uid, given))
        sandbox = tenant_sandbox(self._paths, name, uid, config)
        await _to_its_end(lambda: self._home(name).give_to(uid))
        self.disk.set_bound(name, config.limits.disk_mb)
        write_accounts(sandbox.accounts, name, uid, sandbox.data)
        limits = CgroupLimits(config.limits.memory_mb, config.limits.cpus, sandbox.limits.processes)
        return replace(sandbox, cgroup=self._cgroups.make(cgroup, limits))

    def _have_user(self, name: str, uid: int, given: Collection[int]) -> None:
        check_uid(uid, name)
        if self._users is not None:
            self._users.ensure(name, uid, given)

    def _uid(self, name: str) -> int:
        return self._db.uid(name, *self._config.uid_range)

    async def _no_sandbox(self, name: str) -> None:
        self._paths.tenant(name).data.mkdir(parents=True, exist_ok=True, mode=0o700)
        if os.geteuid() == 0:
            await _to_its_end(self._home(name).take_back)

    def _home(self, name: str) -> DataFolder:
        return DataFolder(name, self._paths.tenant(name).data, accounts_folder(self._paths, name))

    async def destroy_data(self, name: str) -> None:
        """Purges the tenant's data folder by its owner's hand, then its Linux user. Raises InternalError, OSError."""
        home = self._home(name)
        if home.data.exists():
            self.disk.lift(name)
            await asyncio.to_thread(home.destroy)
        if self._users is not None:
            await asyncio.to_thread(self._users.remove, name, self._db.uids_given(name))

    # --- listeners -----------------------------------------------------------------------------------

    def release(self, name: str) -> None:
        """Give back what a tenant at rest does not need: its listener and its cgroup."""
        self.close_listener(name)
        self._cgroups.remove(name)

    def catch_up(self) -> None:
        """What could not be given back at once."""
        self._cgroups.sweep()

    def close(self) -> None:
        for name in list(self._listeners):
            self.close_listener(name)
            self._cgroups.remove(name)

    def close_listener(self, name: str) -> None:
        listener = self._listeners.pop(name, None)
        if listener is not None:
            listener.close()
            self._paths.tenant(name).socket.unlink(missing_ok=True)

    def _listener(self, tenant: Tenant) -> socket.socket:
        if tenant.name not in self._listeners:
            # Only the holder of the daemon's lock binds here. Who still answers is an encoder of a killed daemon on its
            # way out; the lock in its data folder keeps it from writing beside its successor.
            tenant.paths.socket.unlink(missing_ok=True)
            self._listeners[tenant.name] = sockets.bind(tenant.paths.socket, 0o600)
        return self._listeners[tenant.name]

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
    """In a thread; a cancelled start waits for it: nothing may change owners behind the back of the next."""
    done = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        await asyncio.shield(done)
    except asyncio.CancelledError:
        await asyncio.wait([done])
        raise


def _job_cgroup(name: str, purpose: str) -> str:
    return f"{name}.{purpose}"  # no tenant's name has a dot


def environment(data: Path) -> dict[str, str]:
    """An environment built from nothing; the daemon's own is not passed on. Threads are the encoder's affair."""
    return {
        "PATH": "/usr/bin:/bin",
        "HOME": str(data),
        "LANG": "C.UTF-8",
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
        "PYTHONPATH": str(SOURCE_ROOT),
        "PYTHONUNBUFFERED": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONSAFEPATH": "1",
        "PYTHONNOUSERSITE": "1",
        "VIRTUAL_ENV": sys.prefix,
        "TOKENIZERS_PARALLELISM": "false",
        "HF_HUB_OFFLINE": "1",
        "HF_HOME": str(data / "hf-cache"),
        "PYTORCH_CUDA_ALLOC_CONF": "max_split_size_mb:512",
        "CUDA_VISIBLE_DEVICES": "",
        **{name: os.environ[name] for name in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE") if name in os.environ},
    }


def accounts_folder(paths: Paths, name: str) -> Path:
    return paths.run / "sandbox" / name


def tenant_sandbox(paths: Paths, name: str, uid: int, config: TenantConfig) -> Sandbox:
    """The sandbox of a tenant's encoder. Raises StartRefused for a model folder that is not the tenant's to see."""
    cpus = os.cpu_count() or 1
    tmp_mb = min(_MAX_TMP_MB, (config.limits.memory_mb or 4 * _MAX_TMP_MB) // 4)
    limits = Limits(processes=256 + 8 * cpus, tmp_mb=tmp_mb)
    if config.limits.disk_mb is not None:  # one file alone; the encoder itself minds the sum
        limits = replace(limits, file_mb=config.limits.disk_mb + 64)
    tenant = paths.tenant(name)
    readable = model_folders(paths, tenant, config)
    return Sandbox(uid, tenant.data, accounts_folder(paths, name), readable=readable, limits=limits)


def model_folders(paths: Paths, tenant: TenantPaths, config: TenantConfig) -> tuple[Path, ...]:
    """The folder that `encoder.model` names by path, to be shown read-only; none for an id, or a folder of its own."""
    named = config.encoder.model
    if named is None or not named.startswith("/") or os.path.normpath(named).startswith(f"{tenant.data}/"):
        return ()
    ours = (paths.etc, paths.log, paths.run, paths.state / "tenants", paths.state_db, Path("/proc"), Path("/sys"))
    try:
        folder = Path(named).resolve()
        hidden = any(folder == Path(path) for path in _NOT_MODELS) or any(overlap(folder, p.resolve()) for p in ours)
    except OSError:  # a link in /proc, or one that leads in circles
        folder, hidden = Path(named), True
    if hidden:
        raise StartRefused(
            f"cannot start {tenant.data.name}: encoder.model {named} leads to {folder}, which no encoder may see; "
            "name a folder that holds a model and nothing else"
        )
    if not folder.is_dir():
        raise StartRefused(f"cannot start {tenant.data.name}: there is no folder {named} (encoder.model)")
    return (Path(named), folder) if Path(named) != folder else (folder,)


def check_uid(uid: int, tenant: str) -> None:
    """Raises StartRefused when the uid is somebody's already."""
    try:
        owner = pwd.getpwuid(uid).pw_name
    except KeyError:
        return
    if owner != f"vw-{tenant}":
        raise StartRefused(
            f"cannot start {tenant}: its uid {uid} is the host's user {owner}; set uid_range in daemon.yaml to uids "
            "that nobody has"
        )
