"""Exports, logs and events as they come: cut anywhere, left early, lost on the way."""

from __future__ import annotations

import json
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.client import AsyncClient, DaemonUnreachable
from daemon.client.lines import MAX_LINE_BYTES, lines, server_sent
from daemon.core import errors
from tests.support.http import answers
from tests.support.http.api_stub import Canned, Stub, problem, serving

EXPORT = "GET /v1/tenants/acme/export"
LOGS = "GET /v1/tenants/acme/logs"


@pytest.fixture
async def stub() -> AsyncIterator[Stub]:
    with tempfile.TemporaryDirectory(prefix="vw-") as folder:
        async with serving(Stub(Path(folder) / "s")) as stub:
            yield stub


async def cut(data: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


@given(st.lists(st.binary(max_size=9).filter(lambda b: b"\n" not in b and b"\r" not in b)), st.integers(1, 7))
async def test_lines_are_the_same_wherever_chunks_end(wanted: list[bytes], size: int) -> None:
    data = b"".join(line + b"\r\n" for line in wanted)
    assert [line async for line in lines(cut(data, size))] == wanted


@pytest.mark.parametrize("name", ["backup", "salvage"])
async def test_a_whole_base_comes_in_chunks_or_is_known_to_be_cut_off(stub: Stub, name: str) -> None:
    route = f"GET /v1/tenants/acme/{name}"
    async with AsyncClient(stub.socket) as client:
        stub.answers[route] = Canned([b"first", b"second"])
        assert b"".join([chunk async for chunk in getattr(client, name)("acme")]) == b"firstsecond"
        stub.answers[route] = Canned(problem("forbidden", "cannot back up"), 403)
        with pytest.raises(errors.Forbidden):
            await anext(getattr(client, name)("acme"))


async def test_a_last_line_without_an_end() -> None:
    assert [line async for line in lines(cut(b"a\nb", 2))] == [b"a", b"b"]


async def test_a_line_without_end_is_not_kept_for_ever() -> None:
    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield bytes(MAX_LINE_BYTES // 4)

    with pytest.raises(ValueError, match="more than"):
        async for _ in lines(endless()):
            pass


@pytest.mark.parametrize("size", [1, 2, 3, 1000])
async def test_server_sent_events(size: int) -> None:
    data = b': beat\n\nid: 1\nevent: x\ndata: {"a":\ndata:1}\n\n:\n\ndata: 2\r\n\r\ndata: unfinished\n'
    assert [found async for found in server_sent(cut(data, size))] == [b'{"a":\n1}', b"2"]


async def test_an_export_comes_in_chunks(stub: Stub) -> None:
    stub.answers[EXPORT] = Canned([b"id,text\n", "1,苹果\n".encode()])
    async with AsyncClient(stub.socket) as client:
        chunks = [chunk async for chunk in client.export("acme", "csv")]
    assert b"".join(chunks).decode() == "id,text\n1,苹果\n"
    assert stub.asked[0].target.endswith("/export?format=csv")


async def test_a_refused_stream_raises(stub: Stub) -> None:
    stub.answers[EXPORT] = Canned(problem("forbidden", "cannot export"), 403)
    async with AsyncClient(stub.socket) as client:
        with pytest.raises(errors.Forbidden):
            await anext(client.export("acme"))


async def test_log_lines_follow(stub: Stub) -> None:
    line = json.dumps(answers.LOG_LINE).encode()
    stub.answers[LOGS] = Canned([line[:9], line[9:] + b"\n\n" + line + b"\n"])
    async with AsyncClient(stub.socket) as client:
        assert [found async for found in client.follow_logs("acme", 5)] == [answers.LOG_LINE] * 2
    assert stub.asked[0].target.endswith("/logs?follow=true&tail=5")


async def test_events_follow_from_an_id(stub: Stub) -> None:
    sent = f"id: 1\nevent: tenant-ready\ndata: {json.dumps(answers.EVENT)}\n\n: beat\n\n".encode()
    stub.answers["GET /v1/events"] = Canned([sent], media_type="text/event-stream", hold=True)
    async with AsyncClient(stub.socket) as client:
        event = await anext(client.follow_events(0))
    assert (event.name, event.tenant, event.data) == ("tenant-ready", "acme", {"entries": 12})
    assert stub.asked[0].target == "/v1/events?follow=true&after=0"


async def test_a_stream_left_early_gives_its_connection_up(stub: Stub) -> None:
    stub.answers[LOGS] = Canned([b"{}\n"], hold=True)
    stub.answers["GET /v1/health"] = Canned(answers.HEALTH)
    async with AsyncClient(stub.socket) as client:
        following = client.follow_logs("acme")
        assert await anext(following) == {}
        await following.aclose()  # type: ignore[attr-defined]
        await client.health()  # on another connection, and the first one is closed by then
    assert stub.gone == 1


async def test_a_stream_that_breaks_off(tmp_path: Path) -> None:
    import asyncio

    async def break_off(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\n{}\n\r\n")
        writer.close()

    async with await asyncio.start_unix_server(break_off, tmp_path / "s"), AsyncClient(tmp_path / "s") as client:
        following = client.follow_logs("acme")
        assert await anext(following) == {}
        with pytest.raises(DaemonUnreachable, match="during the answer"):
            await anext(following)
