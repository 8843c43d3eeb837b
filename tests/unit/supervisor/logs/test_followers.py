"""Logs that are followed, and logs that take no more."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from daemon.supervisor.logs import tenant_log as module
from daemon.supervisor.logs.tenant_log import TenantLog


class Clock:
    now = datetime(2026, 11, 1, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def log(tmp_path: Path, clock: Clock) -> Iterator[TenantLog]:
    made = TenantLog(tmp_path / "encoder.log", now=clock)
    yield made
    made.close()


async def begun(log: TenantLog, following: AsyncIterator[dict[str, Any]]) -> dict[str, Any]:
    """Return the first line that a new follower gets, which is written once it follows."""
    first = asyncio.ensure_future(anext(following))
    await asyncio.sleep(0)
    log.write({"event": "first"})
    return await first


async def test_followers_get_lines_as_they_are_written(log: TenantLog) -> None:
    async with aclosing(log.follow()) as following:
        assert await begun(log, following) == {"event": "first"}
        log.write({"event": "second"})
        assert await anext(following) == {"event": "second"}


async def test_a_follower_that_does_not_keep_up_is_cut_off(log: TenantLog) -> None:
    async with aclosing(log.follow()) as slow:
        await begun(log, slow)
        for number in range(10_002):
            log.write({"number": number})
        assert [line["number"] async for line in slow] == list(range(10_000))
    assert log.tail(1) == [{"number": 10_001}]


def test_a_day_has_so_many_bytes_and_the_next_day_has_them_again(
    log: TenantLog, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_DAY_BYTES", 100)
    for number in range(10):
        log.write({"number": number, "words": "x" * 20})
    events = [line.get("event", line.get("number")) for line in log.tail(20)]
    assert events == [0, 1, "log-full"]
    assert len(log.recent(10)) == 10  # a crash still shows what was said last
    clock.now += timedelta(days=1)
    log.write({"number": 10})
    assert log.tail(1) == [{"number": 10}]


@pytest.mark.parametrize("raw", [b'{"number": NaN}', b'{"number": ', b'{"a":' * 100_000 + b"}" * 100_000])
def test_what_is_no_json_is_kept_as_text(log: TenantLog, raw: bytes) -> None:
    log.write_raw(raw)
    (line,) = log.tail(1)
    assert line["event"] == "stderr"
    assert raw.decode().startswith(line["text"])


def test_a_tail_of_a_large_file_begins_with_a_whole_line(log: TenantLog, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(20):
        log.write({"number": number})
    monkeypatch.setattr(module, "_TAIL_BYTES", 50)
    assert [line["number"] for line in log.tail(100)] == [17, 18, 19]
