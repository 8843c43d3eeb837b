"""Rotation of the logs of tenants that write nothing: stopped, parked or removed ones.

The log of a tenant that writes is rotated by its writer. To rotate it here too does no harm.
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
    """The rotation of all tenants' logs; `now` is the clock, which a test moves."""

    def __init__(self, paths: Paths, now: Callable[[], datetime] = utc_now) -> None:
        self._paths = paths
        self._now = now

    async def run(self) -> None:
        """Rotate all logs, now and every hour."""
        while True:
            await self.sweep()
            await asyncio.sleep(EVERY_S)

    async def sweep(self) -> None:
        """Rotate all logs once.

        It runs on the event loop, where the writers are, and leaves others their turn between two tenants.
        """
        for folder in sorted(self._paths.log.iterdir()):
            if folder.is_dir():
                self._tidy(folder.name)
                await asyncio.sleep(0)

    def _tidy(self, tenant: str) -> None:
        try:
            rotation.rotate(self._paths.tenant(tenant).encoder_log, self._now().date(), KEPT_DAYS)
        except OSError as error:
            log.warning("log-not-rotated", extra={"tenant": tenant, "reason": str(error)})
