"""The tenants of this daemon by name, each with its run loop."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping

from daemon.core.config.tenant_file import TenantFile
from daemon.core.config.tenant_files import settle
from daemon.core.errors import UnknownTenant
from daemon.core.paths import Paths
from daemon.supervisor.records.events import EventName
from daemon.supervisor.states import State
from daemon.supervisor.tenants.services import TenantServices
from daemon.supervisor.tenants.tenant import Tenant


class Registry(Mapping[str, Tenant]):
    """A mapping from names to tenants; `add` and `drop` change it."""

    def __init__(
        self,
        paths: Paths,
        services: TenantServices,
        leaving: Callable[[Tenant], Awaitable[None]],
        gone: Callable[[str], None],
    ) -> None:
        """Make an empty registry.

        Args:
            leaving: ends what runs for a tenant beside its encoder, before it is dropped.
            gone: forgets the name of a tenant whose encoder has ended.
        """
        self._paths = paths
        self._services = services
        self._leaving = leaving
        self._gone = gone
        self._tenants: dict[str, Tenant] = {}
        self._loops: dict[str, asyncio.Task[None]] = {}

    def __getitem__(self, name: str) -> Tenant:
        return self._tenants[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._tenants)

    def __len__(self) -> int:
        return len(self._tenants)

    def named(self, name: str) -> Tenant:
        """Return the tenant of this name. Raises UnknownTenant."""
        if name not in self._tenants:
            raise UnknownTenant.named(name)
        return self._tenants[name]

    def live(self) -> list[Tenant]:
        """Return the tenants whose encoder is ready."""
        return [tenant for tenant in self._tenants.values() if tenant.state is State.READY]

    def encoder_pids(self) -> dict[int, str]:
        """Return the pid of each encoder that runs, with its tenant."""
        running = ((tenant.process, tenant.name) for tenant in self._tenants.values())
        return {process.pid: name for process, name in running if process is not None and process.pid is not None}

    # --- files beside each other ---------------------------------------------------------------------

    def files_beside(self, name: str) -> list[TenantFile]:
        """Return the files in force of all other tenants."""
        return [tenant.file for tenant in self._tenants.values() if tenant.name != name]

    def settled(self, files: Mapping[str, TenantFile]) -> dict[str, TenantFile]:
        """Check the files beside each other and beside those in force: see `tenant_files.settle`."""
        in_force = {tenant.name: tenant.file for tenant in self._tenants.values() if tenant.config is not None}
        return settle(files, in_force, self._last_gpu)

    def _last_gpu(self, name: str) -> str | None:
        """Return the GPU that its configuration in force names; at the daemon's start, the one it was last up with."""
        return self._tenants[name].file.gpu if name in self._tenants else self._services.db.gpu(name)

    # --- coming and going ----------------------------------------------------------------------------

    def open(self, files: Mapping[str, TenantFile]) -> None:
        """Set all tenants off at the daemon's start; what was parked stays so until somebody asks for it."""
        for file in self.settled(files).values():
            self.add(file, self._rests(file))

    def _rests(self, file: TenantFile) -> str | None:
        """Return why a tenant begins parked; None where it starts with the daemon."""
        parked = self._services.db.parked(file.name)
        if parked:
            return "parked when the daemon was last up"
        if parked is None and file.config is not None and file.config.limits.park_after_s is not None:
            return "not asked for yet (limits.park_after_s)"
        return None

    def add(self, file: TenantFile, rests: str | None = None) -> Tenant:
        """Set a tenant off; `rests` says why it begins parked instead of starting."""
        tenant = Tenant(file, self._paths.tenant(file.name), self._services, rests)
        self._tenants[file.name] = tenant
        if file.error is not None:
            self._services.events.emit(EventName.CONFIG_REFUSED, file.name, reason=file.error.message)
        self._loops[file.name] = asyncio.create_task(tenant.run(), name=f"tenant {file.name}")
        return tenant

    async def drop(self, tenant: Tenant) -> None:
        """Stop the tenant and all that runs for it, and forget it; its data stay."""
        await self._leaving(tenant)
        loop = self._loops.pop(tenant.name)
        loop.cancel()
        await asyncio.wait([loop])
        await tenant.close()
        self._services.release(tenant.name)
        self._gone(tenant.name)
        del self._tenants[tenant.name]

    async def close(self) -> None:
        """Stop every encoder, all at once: the daemon ends, and the goals stay."""
        for loop in self._loops.values():
            loop.cancel()
        await asyncio.gather(*(tenant.close() for tenant in self._tenants.values()))
