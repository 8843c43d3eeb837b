"""tenants.d as it changes: on SIGHUP, or when a file was written, what is new is applied to each tenant alone.

A file that became bad leaves its tenant running on the old configuration, with a warning that says so.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from daemon.core.config.tenant_config import TenantConfig
from daemon.core.config.tenant_file import TenantFile
from daemon.core.config.tenant_files import TenantFolder
from daemon.supervisor.configuration.in_force import put_in_force
from daemon.supervisor.jobs.reembed import ReEmbedding
from daemon.supervisor.records.events import EventLog, EventName
from daemon.supervisor.states import Trigger
from daemon.supervisor.tenants.registry import Registry
from daemon.supervisor.tenants.shown.warnings import WarningKey
from daemon.supervisor.tenants.tenant import Tenant

LOOK_EVERY_S = 1.0

log = logging.getLogger(__name__)

OnFile = Callable[[str, str, str, str], None]  # tenant, what was done to its file, outcome, what changed


class Reload:
    """The watch of tenants.d; `on_file` is called for each file that came, changed or went past the API."""

    def __init__(self, folder: TenantFolder, tenants: Registry, events: EventLog, reembedding: ReEmbedding) -> None:
        self._folder = folder
        self._tenants = tenants
        self._events = events
        self._reembedding = reembedding
        self.on_file: OnFile = lambda tenant, done, outcome, detail: None  # noqa: ARG005
        self._asked = asyncio.Event()

    def ask(self) -> None:
        """Read everything again soon (SIGHUP)."""
        self._asked.set()

    async def run(self) -> None:
        while True:
            asked = await self._asked_within(LOOK_EVERY_S)
            if asked or await asyncio.to_thread(self._folder.changed):
                await self._apply(await asyncio.to_thread(self._folder.read, everything=asked))

    async def _asked_within(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await self._asked.wait()
        except TimeoutError:
            return False
        self._asked.clear()
        return True

    async def _apply(self, files: Mapping[str, TenantFile]) -> None:
        files = self._tenants.settled(files)
        for name in [name for name in self._tenants if name not in files]:
            await self._drop_unless_back(name)
        for name, file in files.items():
            tenant = self._tenants.get(name)
            if tenant is None:
                self._add(file)
                continue
            before = tenant.config
            if self.change(tenant, file):
                self.on_file(name, "changed", *_outcome(before, file))

    async def _drop_unless_back(self, name: str) -> None:
        """Drop a tenant without a file, unless PUT has created the file since the folder was read."""
        if (self._folder.path / f"{name}.yaml").exists():
            return
        await self._tenants.drop(self._tenants[name])
        self._events.emit(EventName.TENANT_DELETED, name, purged=False)
        self.on_file(name, "removed", "done", "")

    def _add(self, file: TenantFile) -> None:
        self._tenants.add(file)
        self._events.emit(EventName.TENANT_CREATED, file.name)
        self.on_file(file.name, "created", *_outcome(None, file))

    # --- a known tenant ------------------------------------------------------------------------------

    def change(self, tenant: Tenant, file: TenantFile, *, offline: bool = False) -> bool:
        """Apply a changed file to a known tenant; where the file is bad, a running encoder goes on.

        A file with another model is applied when its vectors are there, or at once if `offline`. False where nothing in
        it was new.
        """
        if file.error is not None:
            return self._refuse(tenant, file)
        mended = tenant.warnings.clear(WarningKey.CONFIG)
        if offline:
            self._reembedding.forget(tenant)
        elif self._reembedding.is_pending(tenant, file):
            return mended
        elif self._reembedding.take_over(tenant, file):
            return True
        return put_in_force(self._events, tenant, file) or mended

    def _refuse(self, tenant: Tenant, file: TenantFile) -> bool:
        assert file.error is not None
        reason = file.error.message
        if tenant.config is None:
            before = tenant.put_in_force(file)
            tenant.post(Trigger.REFUSED, reason)
            return before.error is None or before.error.message != reason
        words = f"runs on its old configuration: {reason}"
        if tenant.warnings.get(WarningKey.CONFIG) == words:
            return False
        tenant.warnings.warn(WarningKey.CONFIG, words)
        log.warning("config-refused", extra={"tenant": tenant.name, "reason": reason})
        self._events.emit(EventName.CONFIG_REFUSED, tenant.name, reason=reason)
        return True


def _outcome(before: TenantConfig | None, file: TenantFile) -> tuple[str, str]:
    """Return outcome and detail for the audit log: "done" and the changed fields, or the refusal's kind and words."""
    if file.error is not None:
        return file.error.kind, file.error.message
    if before is None or file.config is None:
        return "done", ""
    return "done", ", ".join(_changed(before.model_dump(), file.config.model_dump()))


def _changed(old: dict[str, Any], new: dict[str, Any], at: str = "") -> Iterator[str]:
    for key in new:
        if isinstance(old[key], dict) and isinstance(new[key], dict):
            yield from _changed(old[key], new[key], f"{at}{key}.")
        elif old[key] != new[key]:
            yield f"{at}{key}"
