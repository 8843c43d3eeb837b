"""The inbox of a tenant's run loop, and the sign that it has taken something out of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple

from daemon.supervisor.process.encoder_process import EncoderProcess
from daemon.supervisor.states import Trigger


class Posted(NamedTuple):
    """A trigger with its reason; `source` is the process that it comes from, if any."""

    trigger: Trigger
    reason: str | None = None
    source: EncoderProcess | None = None


class Inbox:
    """Triggers in their order; whoever waits for a change of the tenant waits here."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[Posted] = asyncio.Queue()
        self._changed = asyncio.Event()
        self._taking = False

    def post(self, posted: Posted) -> None:
        self._queue.put_nowait(posted)

    @asynccontextmanager
    async def next(self) -> AsyncIterator[Posted]:
        """Wait for a trigger; when the block ends it counts as taken, and all who wait for a change go on."""
        posted = await self._queue.get()
        self._taking = True
        try:
            yield posted
        finally:
            self._taking = False
            self.announce()

    def announce(self) -> None:
        """Wake everybody who waits for a change."""
        self._changed.set()
        self._changed = asyncio.Event()

    async def next_change(self) -> None:
        await self._changed.wait()

    async def until_taken(self) -> None:
        """Wait until everything posted so far has been taken."""
        while not self._queue.empty() or self._taking:
            await self._changed.wait()
