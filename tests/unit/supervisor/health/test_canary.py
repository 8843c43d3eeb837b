"""The canary's question against encoders that answer anything: an encoder's word is a tenant's word."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from daemon.core.http.pool import Pool
from daemon.supervisor.health import canary
from daemon.supervisor.health.canary import Found

Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def encoder(path: Path, answer: Answer) -> AsyncIterator[Pool]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                await answer(writer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_unix_server(serve, path)
    pool = Pool(path)
    try:
        yield pool
    finally:
        await pool.close()
        server.close()


def http(body: bytes, status: int = 200) -> bytes:
    return b"HTTP/1.1 %d X\r\ncontent-length: %d\r\n\r\n%b" % (status, len(body), body)


def told(cosine: Any = 1.0, index: Any = 3, base: Any = 3) -> bytes:
    return http(json.dumps({"cosine": cosine, "entries_index": index, "entries_base": base}).encode())


def saying(*answers: bytes) -> Answer:
    """One after the other, the last one for ever."""
    left = list(answers)

    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(left.pop(0) if len(left) > 1 else left[0])

    return answer


async def look(path: Path, answer: Answer, *, moved: bool = False, within_s: float = 2.0) -> Found | None:
    async with encoder(path / "s", answer) as pool, asyncio.timeout(10):
        return await canary.look(pool, lambda: moved, within_s)


async def test_all_well(tmp_path: Path):
    assert await look(tmp_path, saying(told())) == Found()


async def test_another_vector(tmp_path: Path):
    found = await look(tmp_path, saying(told(cosine=0.9)))
    assert found is not None
    assert "cosine 0.9000" in str(found.canary)


async def test_an_index_that_lacks_a_row(tmp_path: Path):
    found = await look(tmp_path, saying(told(index=2)))
    assert found is not None
    assert found.canary is None
    assert "the index holds 2 entries, the base 3" in str(found.index)


async def test_a_write_in_between_is_no_difference(tmp_path: Path):
    assert await look(tmp_path, saying(told(index=2), told(index=3, base=4))) == Found()


async def test_a_full_queue_is_no_fault(tmp_path: Path):
    assert await look(tmp_path, saying(http(b"{}", 429))) is None


@pytest.mark.parametrize(
    "answer",
    [
        http(b"{}"),
        http(b"not JSON"),
        http(b"[" * 3000),
        told(cosine="1"),
        told(cosine=float("nan")),
        told(index=-1),
        told(base=True),
        http(b"", 500),
        http(b"x" * 5000),
        b"SMTP ready\r\n\r\n",
        b"HTTP/1.1 200 X\r\ncontent-length: 10\r\n\r\n",
    ],
)
async def test_an_answer_that_makes_no_sense_is_a_failure_in_words(tmp_path: Path, answer: bytes):
    found = await look(tmp_path, saying(answer), within_s=0.3)
    assert found is not None
    assert found.canary


async def test_an_endless_answer_is_cut(tmp_path: Path):
    async def endless(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 X\r\ntransfer-encoding: chunked\r\n\r\n")
        while True:
            writer.write(b"400\r\n" + b"x" * 1024 + b"\r\n")
            await writer.drain()

    found = await look(tmp_path, endless)
    assert found is not None
    assert "more than 4096 bytes" in str(found.canary)


async def test_silence_is_a_failure_unless_there_is_progress(tmp_path: Path):
    async def silent(_: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    found = await look(tmp_path, silent, within_s=0.1)
    assert found is not None
    assert "no answer" in str(found.canary)


async def test_silence_with_progress_is_work(tmp_path: Path):
    async def silent(_: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    assert await look(tmp_path, silent, moved=True, within_s=0.1) is None


async def test_nobody_there(tmp_path: Path):
    found = await canary.look(Pool(tmp_path / "none"), lambda: False, 1.0)
    assert found is not None
    assert "can't reach the encoder" in str(found.canary)
