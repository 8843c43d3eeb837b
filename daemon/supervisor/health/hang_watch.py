"""The hang watch: ten times a second, each encoder's progress page against the requests it owes an answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from daemon.supervisor.tenants.tenant import Tenant

LOOK_EVERY_S = 0.1


class HangWatch:
    """One task for all tenants; `live` names those with a ready process."""

    def __init__(self, live: Callable[[], Iterable[Tenant]]) -> None:
        self._live = live

    async def run(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            for tenant in list(self._live()):
                tenant.look_for_hang()
