"""Whose encoder may start now: a daemon with a thousand tenants must not start a thousand models at once.

A turn is held until the start is over, `HOLD_S` at most: one slow start (a large model, a base that is encoded
anew) does not keep the others waiting.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count

HOLD_S = 5.0

Urgency = Callable[[], int]  # lower goes first; asked each time a turn is free


def at_once() -> int:
    """Twice the processors, four at least."""
    return max(4, 2 * (os.cpu_count() or 1))


@dataclass(eq=False)
class Turn:
    """Held from `take` on; `release` may be called more than once."""

    _turns: Turns
    _timer: asyncio.TimerHandle | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(HOLD_S, self.release)

    def release(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            self._turns._released()


class Turns:
    def __init__(self, limit: int | None = None) -> None:
        self._free = limit or at_once()
        self._waiting: dict[int, tuple[Urgency, asyncio.Future[None]]] = {}
        self._numbers = count()

    @property
    def free(self) -> bool:
        return self._free > 0

    async def take(self, urgency: Urgency) -> Turn:
        """Waits for a turn; of those that wait, the most urgent is next, then the one that has waited longest."""
        if self._free > 0:
            self._free -= 1
            return Turn(self)
        number = next(self._numbers)
        granted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[number] = (urgency, granted)
        try:
            await granted
        except asyncio.CancelledError:
            self._waiting.pop(number, None)
            if granted.done() and not granted.cancelled():
                self._released()
            raise
        return Turn(self)

    def _released(self) -> None:
        self._free += 1
        waiting = [number for number, (_, granted) in self._waiting.items() if not granted.done()]  # some gave up
        if waiting:
            number = min(waiting, key=lambda each: (self._waiting[each][0](), each))
            _, granted = self._waiting.pop(number)
            self._free -= 1
            granted.set_result(None)
