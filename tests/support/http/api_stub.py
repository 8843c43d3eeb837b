"""A real HTTP server on a Unix socket that gives a test's canned answers, and remembers the requests."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Asked:
    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]


@dataclass(frozen=True)
class Canned:
    """A canned answer.

    Bytes are sent as they are, a list as chunks (never ended when `hold`), anything else as JSON.
    """

    body: Any = b""
    status: int = 200
    media_type: str = "application/json"
    hold: bool = False
    drop: bool = False  # closes the connection instead of answering


Script = Callable[[Asked], Canned] | Canned


@dataclass
class Stub:
    """The server; its `answers` are by "METHOD /path" (without the query), and a function sees the request."""

    socket: Path
    answers: dict[str, Script] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    gone: int = 0  # connections that the client closed

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await self._one(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError):
            self.gone += 1
        finally:
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, target, _ = head[0].split(" ")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
        asked = Asked(method, target, headers, await _body(headers, reader))
        self.asked.append(asked)
        found = self.answers.get(f"{method} {asked.path}", Canned(problem("not-found", "cannot find it"), 404))
        canned = found if isinstance(found, Canned) else found(asked)
        if canned.drop:
            return False
        await _answer(canned, reader, writer)
        return True


async def _body(headers: dict[str, str], reader: asyncio.StreamReader) -> bytes:
    if headers.get("transfer-encoding") != "chunked":
        return await reader.readexactly(int(headers.get("content-length", 0)))
    body = b""
    while size := int(await reader.readline(), 16):
        body += await reader.readexactly(size)
        await reader.readexactly(2)
    await reader.readexactly(2)
    return body


def problem(kind: str, detail: str, **details: Any) -> dict[str, Any]:
    return {"type": f"urn:vecward:{kind}", "kind": kind, "detail": detail, **details}


async def _answer(canned: Canned, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    media_type = (
        "application/problem+json" if canned.status >= 400 and isinstance(canned.body, dict) else canned.media_type
    )
    head = f"HTTP/1.1 {canned.status} -\r\ncontent-type: {media_type}\r\n"
    if isinstance(canned.body, list):
        writer.write(f"{head}transfer-encoding: chunked\r\n\r\n".encode())
        for chunk in canned.body:
            writer.write(b"%x\r\n%b\r\n" % (len(chunk), chunk))
            await writer.drain()
        if canned.hold:
            await reader.readexactly(1)  # until the client goes away
        writer.write(b"0\r\n\r\n")
        return
    body = canned.body if isinstance(canned.body, bytes) else json.dumps(canned.body).encode()
    writer.write(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)


@asynccontextmanager
async def serving(stub: Stub) -> AsyncIterator[Stub]:
    stub.socket.parent.mkdir(parents=True, exist_ok=True)
    server = await asyncio.start_unix_server(stub.serve, stub.socket)
    try:
        yield stub
    finally:
        server.close()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            if getattr(task.get_coro(), "__qualname__", "") == "Stub.serve":
                task.cancel()
                await asyncio.wait([task])


@contextmanager
def serving_in_thread(stub: Stub) -> Iterator[Stub]:
    """Serve in a thread, for tests that are not async."""
    ready, end = threading.Event(), asyncio.Event()
    loop = asyncio.new_event_loop()

    async def run() -> None:
        async with serving(stub):
            ready.set()
            await end.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(run(),))
    thread.start()
    ready.wait(10)
    try:
        yield stub
    finally:
        loop.call_soon_threadsafe(end.set)
        thread.join(10)
        loop.close()
