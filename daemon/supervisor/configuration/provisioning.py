"""Tenants through the API: what a file would do, its creation or change, and the end of a tenant."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

from daemon.core.config.tenant_file import TenantFile, check_name, check_seed, parse_tenant
from daemon.core.config.tenant_files import check_beside
from daemon.core.encoder_protocol.reembed import Plan
from daemon.core.errors import DataExists, UnknownTenant
from daemon.core.files.replace import replacing
from daemon.core.paths import Paths
from daemon.supervisor.configuration.plan import plan as plan_change
from daemon.supervisor.configuration.reload import Reload
from daemon.supervisor.jobs.reembed import ReEmbedding
from daemon.supervisor.launcher import Launcher
from daemon.supervisor.records.events import EventLog, EventName
from daemon.supervisor.records.state_db import StateDb
from daemon.supervisor.states import Goal
from daemon.supervisor.tenants.registry import Registry
from daemon.supervisor.tenants.tenant import Tenant


class Provisioning:
    """Tenants by name, with their files in `folder` (tenants.d)."""

    def __init__(
        self,
        paths: Paths,
        folder: Path,
        tenants: Registry,
        *,
        db: StateDb,
        events: EventLog,
        launcher: Launcher,
        reload: Reload,
        reembedding: ReEmbedding,
    ) -> None:
        self._paths = paths
        self._folder = folder
        self._tenants = tenants
        self._db = db
        self._events = events
        self._launcher = launcher
        self._reload = reload
        self._reembedding = reembedding

    async def plan(self, name: str, raw: bytes) -> Plan:
        """Say what `put` would do, and change nothing. Raises InvalidConfig, StartRefused, InternalError."""
        file = await self._parse(name, raw)
        check_beside(file, self._tenants.files_beside(name))
        assert file.config is not None
        return await plan_change(name, self._tenants.get(name), file.config, self._reembedding)

    async def put(self, name: str, raw: bytes, adopt: bool, offline: bool = False) -> Tenant:
        """Create or change a tenant from YAML; the file is written whole or not at all.

        Args:
            adopt: take over the data that a deleted tenant of this name has left.
            offline: put another model in force at once; the tenant answers when its entries are encoded.

        Raises:
            InvalidConfig, DataExists; Conflict where another model does not fit beside the old one.
        """
        file = await self._parse(name, raw)
        check_seed(file)
        check_beside(file, self._tenants.files_beside(name))
        tenant = self._tenants.get(name)
        if tenant is None:
            return await self._create(file, raw, adopt)
        await self._change(tenant, file, raw, offline)
        return tenant

    async def _parse(self, name: str, raw: bytes) -> TenantFile:
        check_name(name)
        return await asyncio.to_thread(parse_tenant, raw, self._file(name))  # a large file takes seconds

    def _file(self, name: str) -> Path:
        return self._folder / f"{name}.yaml"

    async def _create(self, file: TenantFile, raw: bytes, adopt: bool) -> Tenant:
        name = file.name
        if not adopt and self._paths.tenant(name).data.exists():
            raise DataExists(
                f"cannot create tenant {name}: data of a deleted tenant of this name is still there; "
                f"adopt it (?adopt=true), or destroy it first (DELETE /v1/tenants/{name}?purge={name})",
                tenant=name,
            )
        _write(self._file(name), raw)
        self._db.set_goal(name, Goal.UP)
        self._events.emit(EventName.TENANT_CREATED, name)
        return self._tenants.add(file)

    async def _change(self, tenant: Tenant, file: TenantFile, raw: bytes, offline: bool) -> None:
        if not offline and file.config is not None:
            await self._reembedding.check(tenant, file.config)
            check_beside(file, self._tenants.files_beside(tenant.name))  # that took a while
        _write(self._file(tenant.name), raw)
        self._reload.change(tenant, file, offline=offline)

    async def delete(self, name: str, purge: bool) -> None:
        """Remove a tenant, or purge what a removed one has left; its data stay unless `purge`. Raises UnknownTenant."""
        data = self._paths.tenant(name).data
        if name in self._tenants:
            self._file(name).unlink(missing_ok=True)
            await self._tenants.drop(self._tenants[name])
        elif not (purge and check_name(name) and data.exists()):
            raise UnknownTenant.named(name)
        if purge:
            await self._launcher.destroy_data(name)
            await asyncio.to_thread(_destroy, self._paths.tenant(name).log)
        self._events.emit(EventName.TENANT_DELETED, name, purged=purge)
        self._db.forget_tenant(name, purged=not data.exists())


def _write(path: Path, raw: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path, 0o644) as file:
        file.write(raw)


def _destroy(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)
