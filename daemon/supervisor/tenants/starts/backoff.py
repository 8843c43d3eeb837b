"""Delays before the next start after a crash (daemon/README.md, "Tenant states")."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import random

HEALTHY_S = 30.0  # ready for this long, and the past is forgotten


@dataclass(frozen=True)
class Ladder:
    """Delays from `first_s`, doubling to at most `last_s`; `jitter` is the share added at random."""

    first_s: float
    last_s: float
    jitter: float = 0.0

    def delay(self, crashes: int, chance: Callable[[], float] = random) -> float:
        """Return the seconds to wait after the `crashes`-th crash in a row (from 1)."""
        base = min(self.first_s * 2.0 ** min(crashes - 1, 30), self.last_s)
        return min(base * (1 + self.jitter * chance()), self.last_s)


BEFORE_READY = Ladder(first_s=0.5, last_s=30.0, jitter=0.2)
AFTER_READY = Ladder(first_s=0.1, last_s=2.0)


class Crashes:
    """Crashes in a row, those before and those after `ready` counted apart.

    An encoder that runs well and is killed now and then need not wait long when a kill meets one of its starts.
    """

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        self._in_a_row = {BEFORE_READY: 0, AFTER_READY: 0}

    def delay_after(self, *, ready: bool) -> float:
        """Count a crash before or after `ready`, and return the seconds to wait before the next start."""
        ladder = AFTER_READY if ready else BEFORE_READY
        self._in_a_row[ladder] += 1
        return ladder.delay(self._in_a_row[ladder])
