"""Browsers' connections: one address of the network can't take all of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import pytest
from uvicorn.config import Config
from uvicorn.server import ServerState

from console.web import protocol
from console.web.protocol import BrowserProtocol


async def app(_scope: Any, _receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body"})


@pytest.fixture
async def port() -> AsyncIterator[int]:
    config = Config(app, http=BrowserProtocol, ws="none", lifespan="off", log_config=None, access_log=False)
    config.load()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: BrowserProtocol(config, ServerState(), {}), "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()


async def first_line(port: int, raw: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(raw)
    async with asyncio.timeout(5):
        line = await reader.readline()
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()
    return line


async def test_connections_of_an_address_are_bounded(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "MAX_CONNECTIONS", 1)
    _, held = await asyncio.open_connection("127.0.0.1", port)
    assert await first_line(port, b"GET / HTTP/1.1\r\n\r\n") == b"HTTP/1.1 503 Service Unavailable\r\n"
    held.close()
    await held.wait_closed()
    async with asyncio.timeout(5):
        while await first_line(port, b"GET / HTTP/1.1\r\n\r\n") != b"HTTP/1.1 200 OK\r\n":
            pass


async def test_a_head_without_end_is_refused(port: int) -> None:
    assert (await first_line(port, b"GET / HTTP/1.1\r\nX: " + b"y" * 200_000)).startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize(
    ("address", "limit"), [("127.0.0.1", 2000), ("::1", 2000), ("192.0.2.7", 512), ("fe80::1%eth0", 512)]
)
async def test_a_proxy_on_this_host_stands_for_everybody(address: str, limit: int) -> None:
    class Transport(asyncio.Transport):
        def get_extra_info(self, name: str, default: Any = None) -> Any:
            return (address, 1) if name == "peername" else default

    assert BrowserProtocol.share_of(None, Transport())[1] == limit  # type: ignore[arg-type]
