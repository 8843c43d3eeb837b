"""Upkeep of the base: history that is too old goes, and so do vectors of a model that was used before."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar

from daemon.core.errors import VecwardError
from daemon.encoder.changes.threads import Threads
from daemon.encoder.knowledge import Knowledge

log = logging.getLogger(__name__)

T = TypeVar("T")
_DAY_S = 86_400.0
_LOOK_S = 600.0  # for old vectors, at once at first: the vectors of a tenant that is parked most of the time go, too


class Upkeep:
    def __init__(self, threads: Threads, knowledge: Knowledge, fingerprint: str, old_vectors_hours: int) -> None:
        self._threads = threads
        self._knowledge = knowledge
        self._fingerprint = fingerprint
        self._hours = old_vectors_hours

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(_again("purge-failed", self._purge, _DAY_S))
            group.create_task(_again("old-vectors-not-removed", self._remove_old_vectors, _LOOK_S))

    async def _purge(self) -> None:
        await self._threads.write(self._knowledge.writes.purge_history)

    async def _remove_old_vectors(self) -> None:
        old = self._knowledge.old_vectors
        await self._threads.write(lambda: old.in_force(self._fingerprint))
        parts = await self._threads.read(lambda: old.parts(self._hours))
        for part in parts:
            await self._in_turn(partial(old.drop, part))
        while await self._in_turn(old.give_back):
            pass
        if parts:
            log.info("old-vectors-removed", extra={"vectors": sum(len(part.rows) for part in parts)})

    async def _in_turn(self, step: Callable[[], T]) -> T:
        """Take a step, then leave as much time to changes and to all others who use the disk."""
        started = time.monotonic()
        outcome = await self._threads.write(step)
        await asyncio.sleep(time.monotonic() - started)
        return outcome


async def _again(failed: str, work: Callable[[], Awaitable[None]], every_s: float) -> None:
    while True:
        try:
            await work()
        except VecwardError as error:
            log.warning(failed, extra={"kind": error.kind, "reason": error.message})
        await asyncio.sleep(every_s)
