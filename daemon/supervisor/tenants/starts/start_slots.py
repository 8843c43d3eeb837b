"""Slots for starts: a daemon with a thousand tenants must not start a thousand models at once.

A slot is held until the start is over, `HOLD_S` at most, so that one slow start (a large model, a base that is encoded
anew) does not keep the others waiting.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count

HOLD_S = 5.0

Urgency = Callable[[], int]  # lower goes first; asked each time a slot is free


def at_once() -> int:
    """Return how many starts may run at once: twice the processors, four at least."""
    return max(4, 2 * (os.cpu_count() or 1))


@dataclass(eq=False)
class Slot:
    """A slot that is held from `take` on; `release` may be called more than once."""

    _slots: StartSlots
    _timer: asyncio.TimerHandle | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(HOLD_S, self.release)

    def release(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            self._slots._released()


class StartSlots:
    """All slots of this daemon, and the starts that wait for one."""

    def __init__(self, limit: int | None = None) -> None:
        self._free = limit or at_once()
        self._waiting: dict[int, tuple[Urgency, asyncio.Future[None]]] = {}
        self._numbers = count()

    @property
    def free(self) -> bool:
        return self._free > 0

    async def take(self, urgency: Urgency) -> Slot:
        """Wait for a slot; of those that wait, the most urgent is next, then the one that has waited longest."""
        if self._free > 0:
            self._free -= 1
            return Slot(self)
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
        return Slot(self)

    def _released(self) -> None:
        self._free += 1
        waiting = [number for number, (_, granted) in self._waiting.items() if not granted.done()]  # some gave up
        if waiting:
            number = min(waiting, key=lambda each: (self._waiting[each][0](), each))
            _, granted = self._waiting.pop(number)
            self._free -= 1
            granted.set_result(None)
