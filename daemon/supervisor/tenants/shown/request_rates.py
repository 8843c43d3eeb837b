"""Searches, errors and latency of the last minute, per tenant: one bucket a second, a bounded sample of times."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from statistics import median

from daemon.core.wire import Rates

WINDOW_S = 60
_SAMPLE = 512


class RateWindow:
    """Searches of the last minute."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._buckets: deque[list[int]] = deque()  # [second, searches, errors]
        self._times: deque[tuple[float, float]] = deque(maxlen=_SAMPLE)  # when, milliseconds

    def record(self, milliseconds: float, *, error: bool) -> None:
        now = self._clock()
        second = int(now)
        if not self._buckets or self._buckets[-1][0] != second:
            self._buckets.append([second, 0, 0])
            self._forget(second)
        self._buckets[-1][1] += 1
        self._buckets[-1][2] += error
        self._times.append((now, milliseconds))

    def rates(self) -> Rates:
        now = self._clock()
        self._forget(int(now))
        searches = sum(bucket[1] for bucket in self._buckets)
        errors = sum(bucket[2] for bucket in self._buckets)
        recent = [ms for at, ms in self._times if now - at <= WINDOW_S]
        return Rates(
            searches_per_s=round(searches / WINDOW_S, 3),
            errors_per_s=round(errors / WINDOW_S, 3),
            p50_ms=round(median(recent), 2) if recent else None,
        )

    def _forget(self, second: int) -> None:
        while self._buckets and self._buckets[0][0] <= second - WINDOW_S:
            self._buckets.popleft()
