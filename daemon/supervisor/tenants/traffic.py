"""Requests to a tenant's encoder: connections, answers that it owes, and requests that wait for it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from daemon.core.http.pool import Pool
from daemon.supervisor.process.hang import Calls
from daemon.supervisor.tenants.shown.request_rates import RateWindow


class Traffic:
    """Traffic of one tenant, its callers' and the daemon's own."""

    def __init__(self, socket: Path) -> None:
        self.pool = Pool(socket)
        self.calls = Calls.none()
        self.rates = RateWindow()
        self.waiting = 0  # requests that wait for a ready encoder
        self.used_at = time.monotonic()
        self._daemons_own = 0

    def touch(self) -> None:
        """Note that a caller uses the tenant now."""
        self.used_at = time.monotonic()

    @contextmanager
    def one_waits(self) -> Iterator[None]:
        """Count a request that waits for a ready encoder."""
        self.waiting += 1
        try:
            yield
        finally:
            self.waiting -= 1

    @contextmanager
    def daemons_own_request(self) -> Iterator[None]:
        """Mark a request of the daemon itself (health, metering), which is no use of the tenant."""
        self._daemons_own += 1
        try:
            yield
        finally:
            self._daemons_own -= 1

    @property
    def has_callers(self) -> bool:
        """Tell whether a caller waits for an answer or reads a stream."""
        return bool(self.calls.oldest_first) or self.pool.busy > self._daemons_own

    def new_encoder(self) -> None:
        """Forget the answers that the encoder before owed."""
        self.calls = Calls.none()

    def drop(self) -> None:
        """Close the connections to an encoder that has ended, so that those who wait for it learn it now."""
        self.pool.drop()

    async def close(self) -> None:
        await self.pool.close()
