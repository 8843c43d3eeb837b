"""Events: kept within a bound, read by page and by tenant, and followed."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from pathlib import Path

import pytest

from daemon.core.wire import Event
from daemon.supervisor.records import events
from daemon.supervisor.records.events import EventLog, EventName
from daemon.supervisor.records.state_db import StateDb

WORDS = "x" * 3000  # more than half of a page of SQLite's


@pytest.fixture
def db(tmp_path: Path) -> Iterator[StateDb]:
    made = StateDb(tmp_path / "state.db")
    yield made
    made.close()


@pytest.fixture
def log(db: StateDb) -> EventLog:
    return EventLog(db)


def emit(log: EventLog, count: int, tenant: str | None = None, **data: object) -> None:
    for _ in range(count):
        log.emit(EventName.GPU, tenant, **data)


def ids(found: list[Event]) -> list[int]:
    return [event.id for event in found]


async def taken(following: AsyncIterator[Event], count: int) -> list[int]:
    return [(await anext(following)).id for _ in range(count)]


def hold_size(db: StateDb) -> None:
    """Let state.db grow no more; SQLite says then what it says on a full disk."""
    pages = db.connection.execute("PRAGMA page_count").fetchone()[0]
    db.connection.execute(f"PRAGMA max_page_count = {pages}")


def let_grow(db: StateDb) -> None:
    db.connection.execute("PRAGMA max_page_count = 1000000")


# --- pages ----------------------------------------------------------------------------------------------------


def test_a_page_is_what_follows_an_id_or_the_newest(log: EventLog) -> None:
    emit(log, 5)
    assert ids(log.page(2, 2, None).events) == [3, 4]
    assert ids(log.page(None, 2, None).events) == [4, 5]
    assert log.page(2, 2, None).next == 4


def test_an_empty_page_goes_on_where_it_was_asked(log: EventLog) -> None:
    emit(log, 2)
    assert (log.page(2, 10, None).events, log.page(2, 10, None).next) == ([], 2)
    assert log.page(None, 10, {"nobody"}).next is None


def test_a_page_is_of_the_named_tenants_alone(log: EventLog) -> None:
    for tenant in ("acme", "globex", None, "initech"):
        log.emit(EventName.GPU, tenant, words="für alle")
    found = log.page(0, 10, {"acme", "initech"}).events
    assert [(event.tenant, event.data) for event in found] == [
        ("acme", {"words": "für alle"}),
        ("initech", {"words": "für alle"}),
    ]
    assert log.page(0, 10, set()).events == []


def test_the_oldest_go_where_too_many_are_kept(log: EventLog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "KEPT", 400)
    emit(log, 999)
    assert len(log.page(0, 2000, None).events) == 999
    emit(log, 1)
    assert ids(log.page(0, 2000, None).events) == list(range(601, 1001))


# --- followers ------------------------------------------------------------------------------------------------


async def test_who_follows_from_an_id_gets_what_was_missed_and_what_happens(log: EventLog) -> None:
    emit(log, 1203)  # more than two pages
    async with aclosing(log.follow(3)) as following:
        assert await taken(following, 1200) == list(range(4, 1204))
        emit(log, 2)
        assert await taken(following, 2) == [1204, 1205]


async def test_what_happens_while_the_past_is_read_comes_once(log: EventLog) -> None:
    emit(log, 2)
    async with aclosing(log.follow(0)) as following:
        assert await taken(following, 1) == [1]
        emit(log, 500)  # on the queue, and in the next page too where one is read
        assert await taken(following, 501) == list(range(2, 503))


async def test_a_page_that_was_full_is_followed_by_another_without_repeats(log: EventLog) -> None:
    emit(log, 500)
    async with aclosing(log.follow(0)) as following:
        await taken(following, 499)
        emit(log, 3)
        assert await taken(following, 4) == [500, 501, 502, 503]
        emit(log, 1)
        assert await taken(following, 1) == [504]


async def test_a_follower_that_does_not_keep_up_is_cut_off(log: EventLog, caplog: pytest.LogCaptureFixture) -> None:
    emit(log, 1)
    async with aclosing(log.follow(0)) as following:
        await taken(following, 1)  # it follows now, and reads no further
        with caplog.at_level(logging.WARNING):
            emit(log, 1005)
        assert ids([event async for event in following]) == list(range(2, 1002))
    assert [record.message for record in caplog.records] == ["event-follower-cut-off"]
    assert log.page(None, 1, None).next == 1006


async def test_an_end_of_the_daemon_ends_all_streams(log: EventLog) -> None:
    emit(log, 1)
    async with aclosing(log.follow(0)) as first, aclosing(log.follow(0)) as second:
        assert await taken(first, 1) == await taken(second, 1) == [1]
        log.close()
        assert [event async for event in first] == [event async for event in second] == []


# --- a file that takes nothing --------------------------------------------------------------------------------


async def test_events_wait_for_room_and_come_in_their_order(
    log: EventLog, db: StateDb, caplog: pytest.LogCaptureFixture
) -> None:
    emit(log, 1, words=WORDS)
    async with aclosing(log.follow(0)) as following:
        await taken(following, 1)
        hold_size(db)
        with caplog.at_level(logging.ERROR):
            emit(log, 10, "acme", words=WORDS)
        kept = len(log.page(0, 100, None).events)
        assert kept < 11
        assert {record.message for record in caplog.records} == {"event-not-kept"}
        let_grow(db)
        log.catch_up()
        assert ids(log.page(0, 100, None).events) == list(range(1, 12))
        assert await taken(following, 10) == list(range(2, 12))


def test_an_event_that_cannot_be_kept_at_all_stands_in_no_others_way(log: EventLog, db: StateDb) -> None:
    db.connection.execute(
        "CREATE TRIGGER refusal BEFORE INSERT ON events WHEN NEW.tenant = 'acme' BEGIN SELECT RAISE(ABORT, 'no'); END"
    )
    with pytest.raises(sqlite3.IntegrityError, match="no"):
        emit(log, 1, "acme")
    emit(log, 1, "globex")
    assert [event.tenant for event in log.page(0, 10, None).events] == ["globex"]
