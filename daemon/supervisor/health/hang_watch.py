"""The hang watch: ten times a second, each encoder's progress page against the requests it owes an answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable

from daemon.supervisor.process.hang import Deadlines, verdict
from daemon.supervisor.tenants.tenant import Tenant

LOOK_EVERY_S = 0.1


class HangWatch:
    """One task for all tenants."""

    def __init__(self, live: Callable[[], Iterable[Tenant]]) -> None:
        """Make it; `live` returns the tenants whose encoder is ready."""
        self._live = live

    async def run(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            for tenant in list(self._live()):
                look_at(tenant)


def look_at(tenant: Tenant) -> None:
    """Kill the tenant's encoder if it makes no progress."""
    process, calls = tenant.process, tenant.traffic.calls
    if process is None or process.hung or tenant.config is None:
        return
    reading = process.progress.read()
    calls.saw(reading.counter)
    search = tenant.config.search
    why = verdict(reading, calls, Deadlines(search.deadline_s, search.chunk_deadline_s), time.monotonic())
    if why is not None:
        tenant.encoder.kill_hung(process, reading.started_ns / 1e9, why)
