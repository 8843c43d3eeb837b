"""tenants.d as it changes: SIGHUP, or a file that was written, applies what is new, each tenant alone.

A file that became bad keeps its running tenant on the old configuration, and says so in the tenant's warnings.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from daemon.core.config.effects import needs_restart
from daemon.core.config.tenant_config import TenantConfig
from daemon.core.config.tenant_file import TenantFile
from daemon.supervisor.records.events import EventName
from daemon.supervisor.states import Goal, Trigger

if TYPE_CHECKING:
    from daemon.supervisor.manager import Manager
    from daemon.supervisor.tenants.tenant import Tenant

LOOK_EVERY_S = 1.0
WARNING = "config"

log = logging.getLogger(__name__)


Told = Callable[[str, str, str, str], None]  # tenant, what was done to its file, outcome, what changed


class Reload:
    """`on_file` is told of each file that was created, changed or removed past the API: it is audited there."""

    def __init__(self, manager: Manager) -> None:
        self._manager = manager
        self.on_file: Told = lambda tenant, done, outcome, detail: None  # noqa: ARG005
        self._asked = asyncio.Event()

    def ask(self) -> None:
        """Reads everything again soon (SIGHUP)."""
        self._asked.set()

    async def run(self) -> None:
        folder = self._manager.folder
        while True:
            asked = await self._asked_within(LOOK_EVERY_S)
            if asked or await asyncio.to_thread(folder.changed):
                await self.apply(await asyncio.to_thread(folder.read, everything=asked))

    async def _asked_within(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await self._asked.wait()
        except TimeoutError:
            return False
        self._asked.clear()
        return True

    async def apply(self, files: Mapping[str, TenantFile]) -> None:
        manager = self._manager
        files = manager.settled(files)
        for name in [name for name in manager.tenants if name not in files]:
            if (manager.tenants_dir / f"{name}.yaml").exists():  # created by PUT since the folder was read
                continue
            await manager.drop(manager.tenants[name])
            manager.events.emit(EventName.TENANT_DELETED, name, purged=False)
            self.on_file(name, "removed", "done", "")
        for name, file in files.items():
            tenant = manager.tenants.get(name)
            if tenant is None:
                manager.add(file)
                manager.events.emit(EventName.TENANT_CREATED, name)
                self.on_file(name, "created", *_outcome(None, file))
                continue
            before = tenant.config
            if self.change(tenant, file):
                self.on_file(name, "changed", *_outcome(before, file))

    def change(self, tenant: Tenant, file: TenantFile, *, offline: bool = False) -> bool:
        """Applies a changed file to a known tenant; what runs well goes on where the file is bad.

        One with another model is applied when its vectors are there, or at once if `offline`. False: there was nothing
        new in it.
        """
        if file.error is not None:
            return self._refuse(tenant, file)
        mended = tenant.warnings.pop(WARNING, None) is not None
        reembedding = self._manager.reembedding
        if offline:
            reembedding.forget(tenant)
        elif reembedding.is_pending(tenant, file):
            return mended
        elif reembedding.take_over(tenant, file):
            return True
        return self.switch(tenant, file) or mended

    def switch(self, tenant: Tenant, file: TenantFile) -> bool:
        """Puts a good file in force. False: it was already."""
        before, tenant.file = tenant.file, file
        if before.config == file.config:
            return False
        self._manager.events.emit(EventName.TENANT_CHANGED, tenant.name)
        restart = before.config is None or (file.config is not None and needs_restart(before.config, file.config))
        if tenant.goal is Goal.UP and restart:
            tenant.tell(Trigger.RESTART if before.config is not None else Trigger.START, "its file changed")
        return True

    def _refuse(self, tenant: Tenant, file: TenantFile) -> bool:
        assert file.error is not None
        reason = file.error.message
        warning = f"runs on its old configuration: {reason}"
        if tenant.config is None:
            before, tenant.file = tenant.file, file
            tenant.tell(Trigger.REFUSED, reason)
            return before.error is None or before.error.message != reason
        if tenant.warnings.get(WARNING) == warning:
            return False
        tenant.warnings[WARNING] = warning
        log.warning("config-refused", extra={"tenant": tenant.name, "reason": reason})
        self._manager.events.emit(EventName.CONFIG_REFUSED, tenant.name, reason=reason)
        return True


def _outcome(before: TenantConfig | None, file: TenantFile) -> tuple[str, str]:
    """For the audit log: done, and which fields changed; or the refusal's kind and words."""
    if file.error is not None:
        return file.error.kind, file.error.message
    if before is None or file.config is None:
        return "done", ""
    old, new = before.model_dump(), file.config.model_dump()
    return "done", ", ".join(_changed(old, new))


def _changed(old: dict[str, Any], new: dict[str, Any], at: str = "") -> Iterator[str]:
    for key in new:
        if isinstance(old[key], dict) and isinstance(new[key], dict):
            yield from _changed(old[key], new[key], f"{at}{key}.")
        elif old[key] != new[key]:
            yield f"{at}{key}"
