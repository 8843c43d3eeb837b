"""Answers without an end: heartbeats, and a proper end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from daemon.api.connections.streams import Streams


class Source:
    """Yields what is put in; None ends it. Knows whether it was closed."""

    def __init__(self) -> None:
        self.items: asyncio.Queue[int | None] = asyncio.Queue()
        self.cancelled = False

    async def follow(self) -> AsyncIterator[int]:
        try:
            while (item := await self.items.get()) is not None:
                yield item
        except asyncio.CancelledError:
            self.cancelled = True
            raise


@pytest.fixture
def source() -> Source:
    return Source()


async def test_items_come_as_they_are_and_silence_is_a_heartbeat(source: Source) -> None:
    stream = Streams().with_heartbeats(source.follow(), every_s=0.01)
    source.items.put_nowait(1)
    assert await anext(stream) == 1
    assert await anext(stream) is None
    assert await anext(stream) is None
    source.items.put_nowait(2)
    found = [await anext(stream)]
    while found[-1] is None:
        found.append(await anext(stream))
    assert found[-1] == 2
    source.items.put_nowait(None)
    assert [item async for item in stream if item is not None] == []


async def test_a_caller_who_leaves_ends_the_source(source: Source) -> None:
    stream = Streams().with_heartbeats(source.follow(), every_s=0.01)
    assert await anext(stream) is None
    await stream.aclose()
    assert source.cancelled


async def test_all_streams_end_with_the_daemon(source: Source) -> None:
    streams = Streams()
    reading = [asyncio.ensure_future(anext(streams.with_heartbeats(Source().follow()), "end")) for _ in range(3)]
    await asyncio.sleep(0)
    streams.end()
    async with asyncio.timeout(5):
        await asyncio.wait(reading)
        rest = [item async for item in streams.with_heartbeats(source.follow())]
    assert rest == []


async def test_waiting_ends_with_the_daemon() -> None:
    streams = Streams()
    never = asyncio.ensure_future(streams.unless_ending(asyncio.sleep(3600, "slept")))
    assert await streams.unless_ending(asyncio.sleep(0, "slept")) == "slept"
    streams.end()
    async with asyncio.timeout(5):
        assert await never is None
