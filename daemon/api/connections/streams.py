"""Answers without an end: a heartbeat in silence, so that a caller who left is noticed; all end with the daemon.

Own code, because sse-starlette 3.7 cuts a stream off at the server's end, up to 500 ms later (it polls), where this one
completes it within 0.5 ms; it also serves event streams alone, and logs are followed as lines of JSON.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine
from typing import Any, TypeVar

HEARTBEAT_S = 15.0
UNBUFFERED = {"cache-control": "no-store"}  # headers of a stream

Item = TypeVar("Item")


class Streams:
    """The streams and long polls that run now; `end` lets all of them come to a proper end."""

    def __init__(self) -> None:
        self._ending = asyncio.Event()

    def end(self) -> None:
        self._ending.set()

    async def with_heartbeats(
        self, source: AsyncIterator[Item], every_s: float = HEARTBEAT_S
    ) -> AsyncGenerator[Item | None, None]:
        """Yield the source's items, and None whenever nothing came for `every_s` seconds."""
        ending = asyncio.create_task(self._ending.wait())
        coming: asyncio.Task[Item] | None = None
        try:
            while not self._ending.is_set():
                coming = coming or asyncio.ensure_future(anext(source))
                await asyncio.wait([coming, ending], timeout=every_s, return_when=asyncio.FIRST_COMPLETED)
                if not coming.done():
                    yield None
                    continue
                try:
                    item = coming.result()
                except StopAsyncIteration:
                    return
                coming = None
                yield item
        finally:
            await _cancel(ending, coming)

    async def unless_ending(self, work: Coroutine[Any, Any, Item]) -> Item | None:
        """Return the work's result; None when the daemon ends first."""
        ending = asyncio.create_task(self._ending.wait())
        working = asyncio.create_task(work)
        try:
            await asyncio.wait([working, ending], return_when=asyncio.FIRST_COMPLETED)
            return working.result() if working.done() else None
        finally:
            await _cancel(ending, working)


async def _cancel(*tasks: asyncio.Task[Any] | None) -> None:
    unfinished = [task for task in tasks if task is not None and not task.done()]
    for task in unfinished:
        task.cancel()
    if unfinished:
        await asyncio.wait(unfinished)
