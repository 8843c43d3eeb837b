"""Following a log: no line lost or twice between the tail and what comes, and nothing left behind."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from types import SimpleNamespace
from typing import Any

import pytest

from daemon.api.connections.streams import Streams
from daemon.api.handlers.logs import logs
from daemon.core.roles import Role

Line = dict[str, Any]


class Log:
    """A tenant's log in memory; `following` counts its subscribers."""

    def __init__(self) -> None:
        self.lines: list[Line] = [{"n": 1}, {"n": 2}]
        self.following = 0
        self._new: asyncio.Queue[Line] = asyncio.Queue()

    def write(self, line: Line) -> None:
        self.lines.append(line)
        self._new.put_nowait(line)

    def tail(self, count: int) -> list[Line]:
        return self.lines[-count:] if count else []

    async def follow(self) -> AsyncIterator[Line]:
        self.following += 1
        try:
            while True:
                yield await self._new.get()
        finally:
            self.following -= 1


class Rights:
    role: Role | None = Role.TENANT_ADMIN

    def role_on(self, _caller: object, _tenant: object) -> Role | None:
        return self.role


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
def rights() -> Rights:
    return Rights()


async def followed(log: Log, rights: Rights, tail: int = 100) -> AsyncGenerator[bytes, None]:
    services: Any = SimpleNamespace(access=rights, streams=Streams())
    call: Any = SimpleNamespace(known_caller=None)
    tenant: Any = SimpleNamespace(log=log)
    response = await logs(services, call, tenant, tail, follow=True)
    body: AsyncGenerator[bytes, None] = response.body_iterator
    return body


async def test_lines_written_while_the_tail_is_read_come_once(log: Log, rights: Rights) -> None:
    read = log.tail

    def tail(count: int) -> list[Line]:
        log.write({"n": 3})
        return read(count)

    log.tail = tail  # type: ignore[method-assign]
    async with aclosing(await followed(log, rights)) as stream:
        seen = [json.loads(await anext(stream)) for _ in range(3)]
        log.write({"n": 4})
        seen.append(json.loads(await anext(stream)))
    assert [line["n"] for line in seen] == [1, 2, 3, 4]


async def test_a_caller_who_leaves_in_the_tail_leaves_no_subscriber(log: Log, rights: Rights) -> None:
    stream = await followed(log, rights)
    assert json.loads(await anext(stream)) == {"n": 1}
    assert log.following == 1
    await stream.aclose()
    await asyncio.sleep(0)
    assert log.following == 0


async def test_a_right_that_is_taken_away_ends_the_stream(log: Log, rights: Rights) -> None:
    stream = await followed(log, rights, tail=0)
    first = asyncio.ensure_future(anext(stream))
    await asyncio.sleep(0)
    log.write({"n": 3})
    assert json.loads(await first) == {"n": 3}
    rights.role = Role.EDITOR
    log.write({"n": 4})
    assert [line async for line in stream] == []
