"""The HTTP protocol on a Unix socket: requests that do not go on are ended, those that do are not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from uvicorn.config import Config
from uvicorn.server import ServerState

from daemon.api.connections import protocol
from daemon.api.rights.connection import SCOPE_KEY
from daemon.core.http import bounded

waits_for_its_end: list[tuple[asyncio.Event, asyncio.Event]] = []
holds_up: list[asyncio.Event] = []  # what the next requests of /slow wait for, each for one


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Answer with the socket of the request; /slow first waits to be let go, /upload reads its body."""
    if scope["path"] == "/until-gone":
        waiting, told = waits_for_its_end.pop()
        waiting.set()
        await receive()
        while (await receive())["type"] != "http.disconnect":
            pass
        told.set()
        return
    if scope["path"] == "/half":
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"99")]})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        while (await receive())["type"] != "http.disconnect":
            pass
        return
    if scope["path"] == "/slow":
        await holds_up.pop().wait()
    while scope["path"] == "/upload" and (await receive()).get("more_body"):
        pass
    body = scope[SCOPE_KEY].socket.encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})


@pytest.fixture
async def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Path]:
    monkeypatch.setattr(bounded, "LOOK_EVERY_S", 0.02)
    monkeypatch.setattr(bounded, "STALLED_S", 0.1)
    config = Config(app, http=protocol.ServerProtocol, ws="none", lifespan="off", log_config=None, access_log=False)
    config.load()
    loop = asyncio.get_running_loop()
    servers = [
        await loop.create_unix_server(
            lambda: protocol.ServerProtocol(config, ServerState(), {}), tmp_path / f"{name}.sock"
        )
        for name in ("daemon", "console")
    ]
    yield tmp_path
    for server in servers:
        server.close()


@pytest.fixture
def looked_late(monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Set once a connection was looked at that had been silent for too long, and was not closed."""
    looked, look = asyncio.Event(), protocol.ServerProtocol._close_if_stalled

    def watched(connection: protocol.ServerProtocol) -> None:
        look(connection)
        silent_s = connection.loop.time() - connection._heard_at
        if silent_s > bounded.STALLED_S and not connection.transport.is_closing():
            looked.set()

    monkeypatch.setattr(protocol.ServerProtocol, "_close_if_stalled", watched)
    return looked


async def talk(path: Path, *parts: bytes) -> bytes:
    """Send the parts, and return all that comes back until the other side closes."""
    reader, writer = await asyncio.open_unix_connection(path)
    try:
        for part in parts:
            writer.write(part)
            await writer.drain()
        async with asyncio.timeout(5):
            return await reader.read()
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


@pytest.mark.parametrize("name", ["daemon", "console"])
async def test_a_request_knows_its_socket(folder: Path, name: str) -> None:
    answer = await talk(folder / f"{name}.sock", b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n")
    assert answer.endswith(name.encode())


@pytest.mark.parametrize(
    "start", [b"", b"GET /", b"GET / HTTP/1.1\r\nX: y", b"POST /upload HTTP/1.1\r\nContent-Length: 9\r\n\r\nabc"]
)
async def test_what_does_not_go_on_is_closed(folder: Path, start: bytes) -> None:
    assert await talk(folder / "daemon.sock", start) == b""


async def test_a_slow_answer_is_not_the_callers_fault(folder: Path, looked_late: asyncio.Event) -> None:
    holds_up.append(looked_late)
    answer = await talk(folder / "daemon.sock", b"GET /slow HTTP/1.1\r\nConnection: close\r\n\r\n")
    assert answer.endswith(b"daemon")


async def test_connections_are_counted_until_they_close(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "MAX_CONNECTIONS_PER_UID", 1)
    _, held = await asyncio.open_unix_connection(folder / "daemon.sock")
    assert (await talk(folder / "daemon.sock", b"GET / HTTP/1.1\r\n\r\n")).startswith(b"HTTP/1.1 503 ")
    held.close()
    await held.wait_closed()
    async with asyncio.timeout(5):
        while not (await talk(folder / "daemon.sock", b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n")).endswith(
            b"daemon"
        ):
            pass
    assert not protocol.ServerProtocol._open


# --- what has no end --------------------------------------------------------------------------------

_CHUNKED = b"POST /upload HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("start", "more"),
    [
        (b"GET / HTTP/1.1\r\nX: ", b"y"),
        (b"GET / HTTP/1.1\r\n", b"X: y\r\n"),
        (b"GET /", b"x"),
        (_CHUNKED + b"1\r\nx\r\n0\r\n", b"X: y\r\n"),
        (_CHUNKED + b"1\r\nx\r\n0\r\n", b"X"),
        (_CHUNKED + b"1;", b"x"),
        (_CHUNKED + b"0\r\nX: ", b"y"),
    ],
    ids=["value", "headers", "path", "trailers", "trailer-name", "chunk-extension", "trailer-value"],
)
async def test_what_has_no_end_is_refused(folder: Path, start: bytes, more: bytes) -> None:
    answer = await talk(folder / "daemon.sock", start + more * (200_000 // len(more)))
    assert answer.startswith(b"HTTP/1.1 400 ")


async def test_a_body_in_the_smallest_chunks_is_taken(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded, "STALLED_S", 30)  # a busy machine may pause within the body
    end = b"POST /upload HTTP/1.1\r\nConnection: close\r\n" + _CHUNKED.split(b"\r\n", 1)[1]
    answer = await talk(folder / "daemon.sock", end + b"1\r\nx\r\n" * 100_000 + b"0\r\n\r\n")
    assert answer.endswith(b"daemon")


async def test_requests_sent_ahead_are_few(folder: Path, looked_late: asyncio.Event) -> None:
    few = b"GET /slow HTTP/1.1\r\n\r\n" + b"GET / HTTP/1.1\r\n\r\n" * 2 + b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n"
    holds_up.append(looked_late)
    assert (await talk(folder / "daemon.sock", few)).count(b"HTTP/1.1 200") == 4
    holds_up.append(asyncio.Event())
    many = b"GET /slow HTTP/1.1\r\n\r\n" + b"GET / HTTP/1.1\r\n\r\n" * 1000
    assert (await talk(folder / "daemon.sock", many)).startswith(b"HTTP/1.1 400 ")


async def test_all_requests_of_a_lost_connection_are_told(folder: Path) -> None:
    """uvicorn tells the last one alone; a followed log would go on for nobody."""
    waiting, told = asyncio.Event(), asyncio.Event()
    waits_for_its_end.append((waiting, told))
    _, writer = await asyncio.open_unix_connection(folder / "daemon.sock")
    writer.write(b"GET /until-gone HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n\r\n")
    async with asyncio.timeout(5):
        await waiting.wait()
        writer.close()
        assert await told.wait()


async def test_nothing_follows_an_answer_that_is_cut_off(folder: Path) -> None:
    start = b"POST /half HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
    reader, writer = await asyncio.open_unix_connection(folder / "daemon.sock")
    writer.write(start)
    async with asyncio.timeout(5):
        await reader.readuntil(b"half")
        writer.write(b"no size of a chunk\r\n")
        assert await reader.read() == b""
    writer.close()
