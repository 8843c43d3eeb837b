"""A bound on how fast the daemon reads what a tenant sends: one event loop serves all tenants."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable


class Throttle:
    """A leaky bucket: `rate` a second in the long run, `burst` at once."""

    def __init__(self, rate: float, burst: float, now: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._burst = burst
        self._now = now
        self._level = 0.0
        self._at = now()

    def spend(self, cost: float) -> float:
        """Count a cost, and return the seconds to wait before more is taken; 0 within the burst."""
        now = self._now()
        self._level = max(0.0, self._level - (now - self._at) * self._rate) + cost
        self._at = now
        return max(0.0, self._level - self._burst) / self._rate


class ThrottledReader:
    """A reader that calls `read`, which returns its cost, while there is something to read and no pause."""

    def __init__(self, fd: int, read: Callable[[], float], throttle: Throttle) -> None:
        self._fd = fd
        self._read = read
        self._throttle = throttle
        self._loop = asyncio.get_running_loop()
        self._pause: asyncio.TimerHandle | None = None
        self._stopped = False
        self._loop.add_reader(fd, self._on_readable)

    def stop(self) -> None:
        """Stop reading, before the descriptor is closed; a second call does nothing."""
        if self._stopped:
            return
        self._stopped = True
        if self._pause is not None:
            self._pause.cancel()
        self._loop.remove_reader(self._fd)

    def _on_readable(self) -> None:
        wait = self._throttle.spend(self._read())
        if wait and not self._stopped:
            self._loop.remove_reader(self._fd)
            self._pause = self._loop.call_later(wait, self._go_on)

    def _go_on(self) -> None:
        self._pause = None
        self._loop.add_reader(self._fd, self._on_readable)
