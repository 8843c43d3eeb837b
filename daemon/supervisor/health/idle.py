"""The watch that parks tenants which have been idle for `limits.park_after_s`."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection

from daemon.core.encoder_protocol.progress_page import CallKind
from daemon.supervisor.process.encoder_process import EncoderProcess
from daemon.supervisor.states import State, Trigger
from daemon.supervisor.tenants.tenant import Tenant


class IdleWatch:
    """The watch that parks idle tenants: those that are ready, have the limit, and answer nobody."""

    def __init__(self, tenants: Callable[[], Collection[Tenant]]) -> None:
        self._tenants = tenants
        self._revisions: dict[EncoderProcess, int | None] = {}

    async def look(self) -> None:
        """Look at every tenant once; those that are not ready or have no limit cost nothing."""
        seen: dict[EncoderProcess, int | None] = {}
        for tenant in self._tenants():
            after = tenant.config.limits.park_after_s if tenant.config else None
            if after is None or tenant.state is not State.READY or tenant.process is None:
                continue
            process = tenant.process
            seen[process] = tenant.facts.report.revision
            now = time.monotonic()
            if self._in_use(tenant, process):
                tenant.traffic.touch()
            elif now - max(tenant.traffic.used_at, process.ready_at or now) > after:
                tenant.post(Trigger.PARK, f"idle for {after:g} s (limits.park_after_s)")
        self._revisions = seen

    def _in_use(self, tenant: Tenant, process: EncoderProcess) -> bool:
        """Tell whether a caller waits or reads, or an import goes on by itself."""
        if tenant.traffic.has_callers:
            return True
        moved = self._revisions.get(process, tenant.facts.report.revision) != tenant.facts.report.revision
        reading = process.progress.read()
        return moved or reading.kind is CallKind.IMPORT or reading.work_moved_ns is not None
