"""The timer of a tenant's present state: at most one runs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Timer:
    """A call that comes after a while, unless another one is set or the state ends before."""

    def __init__(self) -> None:
        self._handle: asyncio.TimerHandle | None = None

    def set(self, seconds: float, then: Callable[[], None]) -> None:
        """Call `then` after so many seconds; whatever was set before is cancelled."""
        self.clear()
        self._handle = asyncio.get_running_loop().call_later(seconds, then)

    def clear(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    @property
    def due_at(self) -> float | None:
        """Return the event loop's time of the call; None where none is set."""
        return self._handle.when() if self._handle is not None else None
