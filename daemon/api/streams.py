"""Answers without an end: a heartbeat in silence, so that a caller who left is noticed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from typing import TypeVar

HEARTBEAT_S = 15.0

I = TypeVar("I")  # noqa: E741


async def with_heartbeats(source: AsyncIterator[I], every_s: float = HEARTBEAT_S) -> AsyncGenerator[I | None, None]:
    """The source's items, and None whenever nothing came for `every_s` seconds."""
    coming: asyncio.Task[I] | None = None
    try:
        while True:
            coming = coming or asyncio.ensure_future(anext(source))
            done, _ = await asyncio.wait([coming], timeout=every_s)
            if not done:
                yield None
                continue
            try:
                item = coming.result()
            except StopAsyncIteration:
                return
            coming = None
            yield item
    finally:
        if coming is not None and not coming.done():
            coming.cancel()
            await asyncio.wait([coming])
