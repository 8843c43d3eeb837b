"""Bodies on their way to an encoder: one caller's share of memory and disk is bounded, and given back."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from daemon.api.connections import bodies
from daemon.api.connections.bodies import Body, ClientGone, read_body
from daemon.core.errors import BadRequest, BodyTooLarge, DiskFull, QueueFull
from tests.support.small_disk import mounted

KIB = 1024


def receiving(chunks: Iterable[bytes | None]) -> Any:
    """Make an ASGI `receive`; None among the chunks: the caller goes."""
    coming = iter(chunks)

    async def receive() -> dict[str, Any]:
        chunk = next(coming, b"")
        if chunk is None:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": chunk, "more_body": chunk != b""}

    return receive


async def read(chunks: Iterable[bytes | None], whose: str = "uid:7", limit: int = 64 * KIB * KIB) -> Body:
    return await read_body({"headers": []}, receiving(chunks), limit, Path(tempfile.gettempdir()), whose)


@pytest.fixture(autouse=True)
def bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "MAX_HELD_BYTES", 1024 * KIB)
    monkeypatch.setattr(bodies, "IN_MEMORY_BYTES", 64 * KIB)


async def test_small_ones_stay_in_memory_and_large_ones_wait_in_a_file() -> None:
    small, large = await read([b"ab", b"cd"]), await read([b"x" * KIB] * 100)
    assert (small.to_send(lambda: None), small.large) == (b"abcd", None)
    sent = large.to_send(lambda: None)
    assert not isinstance(sent, bytes)
    assert b"".join([chunk async for chunk in sent]) == b"x" * 100 * KIB
    small.close()
    large.close()
    assert not bodies._HELD


async def test_one_callers_share_is_bounded_and_the_others_have_theirs() -> None:
    held = [await read([b"x" * 250 * KIB]) for _ in range(4)]
    with pytest.raises(QueueFull, match="uid:7 already hold"):
        await read([b"x" * 250 * KIB])
    other = await read([b"x" * 250 * KIB], "user:demo")
    held.pop().close()
    held.append(await read([b"x" * 250 * KIB]))
    for body in [*held, other, other]:
        body.close()
    assert not bodies._HELD


async def test_what_comes_to_nothing_holds_nothing() -> None:
    with pytest.raises(ClientGone):
        await read([b"x" * 100 * KIB, None])
    with pytest.raises(BodyTooLarge):
        await read([b"x" * 100 * KIB] * 3, limit=250 * KIB)
    assert not bodies._HELD


async def test_a_body_of_any_size_leaves_room_to_the_others(tmp_path: Path) -> None:
    with mounted(tmp_path, 4):
        declared = {"headers": [(b"content-length", b"4100000")]}
        with pytest.raises(DiskFull, match="no room"):
            await read_body(declared, receiving([b"x" * KIB]), None, tmp_path)
        with pytest.raises(DiskFull, match="no room"):
            await read_body({"headers": []}, receiving([b"x" * 64 * KIB] * 100), None, tmp_path)
        assert shutil.disk_usage(tmp_path).free == 4 << 20
        body = await read_body({"headers": []}, receiving([b"x" * 64 * KIB] * 50), None, tmp_path)
        assert body.size == 3200 * KIB
        body.close()


@pytest.mark.parametrize("declared", [b"", b"-1", b"+5", b"1_000", b"0x10", "١".encode(), b"9" * 5000])
async def test_a_length_that_is_no_number_is_refused_by_both_ways_to_a_body(declared: bytes) -> None:
    headers = [(b"content-length", declared)]
    with pytest.raises(BadRequest, match="content-length"):
        await read_body({"headers": headers}, receiving([b"x"]), None, Path(tempfile.gettempdir()))
    with pytest.raises(BadRequest, match="content-length"):
        bodies.bounded(receiving([b"x"]), headers, KIB)


async def test_the_daemons_own_handlers_get_no_more_than_the_limit() -> None:
    with pytest.raises(BodyTooLarge):
        bodies.bounded(receiving([]), [(b"content-length", b"%d" % (KIB + 1))], KIB)
    receive = bodies.bounded(receiving([b"x" * KIB, b"x"]), [], KIB)
    assert len((await receive())["body"]) == KIB
    with pytest.raises(BodyTooLarge):
        await receive()
