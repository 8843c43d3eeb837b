"""The pooled HTTP client against a real server on a real socket that answers as each test wants."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from daemon.core.http.pool import Pool
from daemon.core.http.response import ConnectionLost

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def serving(path: Path, handler: Handler) -> AsyncIterator[Pool]:
    writers: list[asyncio.StreamWriter] = []

    async def guarded(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        await handler(reader, writer)

    server = await asyncio.start_unix_server(guarded, path)
    pool = Pool(path)
    try:
        yield pool
    finally:
        await pool.close()
        for writer in writers:
            writer.close()
        server.close()


async def read_request(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    length = next((int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.startswith(b"content-length")), 0)
    return head + await reader.readexactly(length)


def answers(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)


async def test_connections_are_kept_and_used_again(tmp_path: Path):
    connections = 0

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        while not reader.at_eof():
            try:
                request = await read_request(reader)
            except asyncio.IncompleteReadError:
                break
            writer.write(answers(request.split(b"\r\n\r\n", 1)[1]))

    async with serving(tmp_path / "s", echo) as pool:
        for number in range(5):
            response = await pool.send("POST", "/x", [], b"%d" % number)
            assert (response.status, await response.read()) == (200, b"%d" % number)
        assert connections == 1


async def test_a_chunked_stream_comes_whole(tmp_path: Path):
    async def stream(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        for _ in range(64):
            writer.write(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")
            await writer.drain()
        writer.write(b"0\r\n\r\n")

    async with serving(tmp_path / "s", stream) as pool:
        response = await pool.send("GET", "/x", [], b"")
        assert sum([len(chunk) async for chunk in response.chunks()]) == 64 * 0x10000


async def test_an_answer_before_the_body_has_gone_ends_the_sending(tmp_path: Path):
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += 1
            yield bytes(0x10000)

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(0x100000)
        writer.write(b"HTTP/1.1 413 -\r\ncontent-length: 2\r\n\r\nno")
        await writer.drain()

    connections = 0

    async def counted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await refuse(reader, writer)

    async with serving(tmp_path / "s", counted) as pool:
        for number in (1, 2):
            async with asyncio.timeout(20):
                response = await pool.send("POST", "/x", [], endless())
                assert (response.status, await response.read()) == (413, b"no")
            assert connections == number, "what is left of a body must not be taken for a request"


async def test_a_peer_that_goes_before_the_head(tmp_path: Path):
    async def leave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.close()

    async with serving(tmp_path / "s", leave) as pool:
        with pytest.raises(ConnectionLost) as caught:
            await pool.send("GET", "/x", [], b"")
        assert caught.value.before_response


async def test_a_peer_that_goes_within_the_body(tmp_path: Path):
    async def leave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf")
        await writer.drain()
        writer.close()

    async with serving(tmp_path / "s", leave) as pool:
        response = await pool.send("GET", "/x", [], b"")
        with pytest.raises(ConnectionLost) as caught:
            await response.read()
        assert not caught.value.before_response


@pytest.mark.parametrize(
    "junk",
    [
        b"hello\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nx: " + b"y" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nx: " + b"y" * 1_000_000,
        b"HTTP/1.1 200 OK\r\n" + b"y" * 1_000_000,
        b"HTTP/1.1 100 Continue\r\n\r\n" * 50_000,
        b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n" + b"z" * 1000,
        b"HTTP/1.1 999 OK\r\ncontent-length: 0\r\n\r\n",
    ],
)
async def test_an_answer_that_is_not_http(tmp_path: Path, junk: bytes):
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(junk)

    async with serving(tmp_path / "s", talk) as pool:
        with pytest.raises(ConnectionLost):
            await pool.send("GET", "/x", [], b"")


async def test_dropping_the_pool_frees_who_waits(tmp_path: Path):
    asked = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        asked.set()

    async with serving(tmp_path / "s", silent) as pool:
        waiting = asyncio.create_task(pool.send("GET", "/x", [], b""))
        await asked.wait()
        pool.drop()
        with pytest.raises(ConnectionLost):
            await waiting


async def test_nobody_listens(tmp_path: Path):
    with pytest.raises(OSError, match="No such file"):
        await Pool(tmp_path / "none").send("GET", "/", [], b"")


@pytest.mark.parametrize("trailer", [b"x: " + b"y" * 1_000_000, b"x: y\r\n" * 100_000])
async def test_a_body_that_ends_in_endless_trailers(tmp_path: Path, trailer: bytes):
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n" + trailer)

    async with serving(tmp_path / "s", talk) as pool:
        response = await pool.send("GET", "/x", [], b"")
        with pytest.raises(ConnectionLost):
            await response.read()


async def test_an_endless_body_is_given_up(tmp_path: Path):
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            while True:
                writer.write(b"10\r\n0123456789abcdef\r\n")
                await writer.drain()

    async with serving(tmp_path / "s", talk) as pool:
        response = await pool.send("GET", "/x", [], b"")
        with pytest.raises(ConnectionLost, match="more than 4096 bytes"):
            await response.read_at_most(4096)
