"""As many clients as asked for, each with a connection of its own to the encoder under test."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from daemon.core.errors import InternalError

_LIMIT = 1 << 26  # bytes of an answer


class Connection:
    def __init__(self, socket: Path, tenant: str) -> None:
        self._socket = socket
        self._base = f"/v1/tenants/{tenant}"
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, path: str, body: Any) -> bytes:
        """The answer's body. Raises InternalError for a problem, EOFError where the encoder ended."""
        if self._streams is None:
            self._streams = await asyncio.open_unix_connection(str(self._socket), limit=_LIMIT)
        reader, writer = self._streams
        raw = json.dumps(body).encode()
        head = (
            f"POST {self._base}/{path} HTTP/1.1\r\nHost: encoder\r\nContent-Type: application/json\r\nContent-Length: "
        )
        writer.write(f"{head}{len(raw)}\r\n\r\n".encode() + raw)
        await writer.drain()
        status, length = _read_head(await reader.readuntil(b"\r\n\r\n"))
        answer = await reader.readexactly(length)
        if status >= 400:
            raise InternalError(f"cannot go on: the encoder under test answered {status}: {_words(answer)}")
        return answer

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()


def _read_head(head: bytes) -> tuple[int, int]:
    """Status and content length: an encoder sends both, always."""
    lines = head.decode("latin-1").lower().split("\r\n")
    lengths = [line.partition(":")[2] for line in lines if line.startswith("content-length:")]
    return int(lines[0].split()[1]), int(lengths[0])


def _words(problem: bytes) -> str:
    """What a problem says to people; of anything else, its beginning."""
    try:
        return str(json.loads(problem)["detail"])
    except (ValueError, TypeError, KeyError):
        return problem[:500].decode(errors="replace")


async def search(socket: Path, tenant: str, queries: Sequence[str], clients: int, seconds: float) -> list[float]:
    """Milliseconds of each search that `clients` made one after the other for that long."""
    times: list[float] = []
    endless = _endless(queries)
    end = time.perf_counter() + seconds

    async def client() -> None:
        connection = Connection(socket, tenant)
        try:
            while (began := time.perf_counter()) < end or not times:
                await connection.ask("search", {"query": next(endless)})
                times.append((time.perf_counter() - began) * 1000)
        finally:
            connection.close()

    async with asyncio.TaskGroup() as group:
        for _ in range(clients):
            group.create_task(client())
    return times


def _endless(queries: Sequence[str]) -> Iterator[str]:
    while True:
        yield from queries
