"""Clients of the encoder under test, each with a connection of its own."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from daemon.core.errors import InternalError
from daemon.core.http.pool import Pool

_MAX_ANSWER_BYTES = 1 << 26


class Client:
    """One client, which asks one thing after the other on one connection."""

    def __init__(self, socket: Path, tenant: str) -> None:
        self._pool = Pool(socket)
        self._base = f"/v1/tenants/{tenant}"

    async def ask(self, path: str, body: Any) -> bytes:
        """Post a body as JSON and return the answer's body.

        Raises:
            InternalError: the answer is a problem.
            OSError: nobody listens on the socket.
            ConnectionLost: the encoder ended.
        """
        raw = json.dumps(body).encode()
        headers = [(b"content-type", b"application/json")]
        response = await self._pool.send("POST", f"{self._base}/{path}", headers, raw)
        answer = await response.read_at_most(_MAX_ANSWER_BYTES)
        if response.status >= 400:
            raise InternalError(f"cannot go on: the encoder under test answered {response.status}: {_words(answer)}")
        return answer

    async def close(self) -> None:
        await self._pool.close()


def _words(problem: bytes) -> str:
    """Return the message of a problem document; of anything else, its beginning."""
    try:
        return str(json.loads(problem)["detail"])
    except (ValueError, TypeError, KeyError):
        return problem[:500].decode(errors="replace")


async def search(socket: Path, tenant: str, queries: Sequence[str], clients: int, seconds: float) -> list[float]:
    """Return the milliseconds of each search that `clients` made, each one after the other, for that many seconds."""
    times: list[float] = []
    endless = _endless(queries)
    end = time.perf_counter() + seconds

    async def work() -> None:
        client = Client(socket, tenant)
        try:
            while (began := time.perf_counter()) < end or not times:
                await client.ask("search", {"query": next(endless)})
                times.append((time.perf_counter() - began) * 1000)
        finally:
            await client.close()

    async with asyncio.TaskGroup() as group:
        for _ in range(clients):
            group.create_task(work())
    return times


def _endless(queries: Sequence[str]) -> Iterator[str]:
    while True:
        yield from queries
