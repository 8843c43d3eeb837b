"""The bound of a tenant on the disk: a quota where the kernel has quotas in force, else measured for the watch."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

from daemon.core.paths import Paths
from daemon.core.units import MIB
from daemon.supervisor.disk import quotas
from daemon.supervisor.disk.bound import Bound, bound_of
from daemon.supervisor.disk.usage import Counted, Usage
from daemon.supervisor.tenants.tenant import Tenant


class TenantDisk:
    """Bounds and sizes of tenants' data folders."""

    def __init__(self, paths: Paths, uid: Callable[[str], int] | None) -> None:
        """Take the function `uid` from a tenant to its uid; None where tenants have none (`isolation: process`)."""
        self._paths = paths
        self._uid = uid

    def has_quotas(self, data: Path | None = None) -> bool:
        """True where quotas bound a tenant's folder; without `data`, the folder that holds them all."""
        return self._uid is not None and quotas.in_force(data or self._paths.state / "tenants")

    def set_bound(self, name: str, disk_mb: int | None) -> None:
        """Set the tenant's quota, before a start. Raises StartRefused."""
        data = self._paths.tenant(name).data
        if self._uid is not None and self.has_quotas(data):
            quotas.set_bound(data, self._uid(name), bound_of(disk_mb))

    def lift(self, name: str) -> None:
        """Take the quota away from a tenant whose data is destroyed. Raises StartRefused."""
        data = self._paths.tenant(name).data
        if self.has_quotas(data):
            quotas.set_bound(data, os.stat(data, follow_symlinks=False).st_uid, None)  # noqa: PTH116

    async def measure(self, tenant: Tenant, bound: Bound) -> Usage:
        """The size of the tenant's folder, counted no further than `bound`. Raises InternalError, OSError."""
        data = tenant.paths.data
        uid = self._uid(tenant.name) if self._uid is not None else None
        if uid is not None and self.has_quotas(data):
            found = quotas.quota(data, uid)
            return Usage(found.used_bytes / MIB, found.files)
        accounts = self._paths.run / "sandbox" / f"{tenant.name}.disk"  # no tenant's name has a dot
        return await asyncio.to_thread(Counted(tenant.name, data, accounts, uid).usage, bound)
