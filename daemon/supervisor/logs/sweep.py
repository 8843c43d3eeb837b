"""Logs of tenants that write nothing (any more): stopped, parked or removed. What is too old goes there, too.

A log that is written is put aside by its writer; here it would only be early by a line.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime

from daemon.core.files import rotation
from daemon.core.paths import Paths
from daemon.supervisor.logs.tenant_log import KEPT_DAYS, utc_now

log = logging.getLogger(__name__)

EVERY_S = 3600.0


class LogSweep:
    """`now` is the clock; a test moves it."""

    def __init__(self, paths: Paths, now: Callable[[], datetime] = utc_now) -> None:
        self._paths = paths
        self._now = now

    async def run(self) -> None:
        while True:
            await self.sweep()
            await asyncio.sleep(EVERY_S)

    async def sweep(self) -> None:
        """On the event loop, where the writers are, and with room for others between two tenants."""
        for folder in sorted(self._paths.log.iterdir()):
            if folder.is_dir():
                self._tidy(folder.name)
                await asyncio.sleep(0)

    def _tidy(self, tenant: str) -> None:
        try:
            rotation.rotate(self._paths.tenant(tenant).encoder_log, self._now().date(), KEPT_DAYS)
        except OSError as error:
            log.warning("log-not-put-aside", extra={"tenant": tenant, "reason": str(error)})
