"""Writes of the daemon itself on a full disk: told, kept for later, and nothing ends."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from daemon.core.errors import DiskFull
from daemon.core.files import disk as disks
from daemon.core.wire import OperationState
from daemon.supervisor.logs.tenant_log import TenantLog
from daemon.supervisor.records.events import EventLog, EventName
from daemon.supervisor.records.operations import Handle, Operations
from daemon.supervisor.records.state_db import StateDb
from daemon.supervisor.states import Goal
from tests.support.small_disk import SmallDisk, mounted


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with mounted(tmp_path, 2) as disk:
        yield disk


@pytest.fixture
def db(disk: SmallDisk) -> Iterator[StateDb]:
    made = StateDb(disk.folder / "state.db")
    yield made
    made.close()


def fill(disk: SmallDisk, db: StateDb) -> None:
    """Fills the disk until even state.db's log, which has some pages of its own, takes nothing more."""
    disk.fill()
    while db.catch_up():
        db.keep("INSERT INTO usage VALUES (?, ?, 0, 0, 0, 0, 0)", (f"filling {id(object())} " + "x" * 3000, "day"))


def events_of(log: EventLog) -> list[tuple[str, Any]]:
    return [(event.name, event.data.get("number")) for event in log.page(0, 1000, None).events]


def test_goals_are_kept_when_there_is_room(disk: SmallDisk, db: StateDb) -> None:
    db.set_goal("acme", Goal.UP)
    fill(disk, db)
    db.set_goal("acme", Goal.DOWN)
    db.set_parked("acme", True)
    assert db.goal("acme") is Goal.UP
    disk.make_room()
    assert db.catch_up()
    assert (db.goal("acme"), db.parked("acme")) == (Goal.DOWN, True)


async def test_events_are_told_and_kept_in_their_order(disk: SmallDisk, db: StateDb) -> None:
    log = EventLog(db)
    following = log.follow(None)
    first = asyncio.ensure_future(anext(following))
    await asyncio.sleep(0)
    log.emit(EventName.GPU, "acme", number=0)
    assert (await first).data == {"number": 0}
    fill(disk, db)
    for number in range(1, 50):
        log.emit(EventName.GPU, "acme", number=number, words="x" * 3000)
    assert len(events_of(log)) < 50
    disk.make_room()
    log.emit(EventName.GPU, "acme", number=50)
    assert events_of(log) == [("gpu", number) for number in range(51)]
    assert [(await anext(following)).data["number"] for _ in range(50)] == list(range(1, 51))
    assert [event.id for event in log.page(0, 1000, None).events] == list(range(1, 52))


async def test_an_operations_end_is_known_before_it_is_kept(disk: SmallDisk, db: StateDb) -> None:
    operations = Operations(db)

    async def work(_: Handle) -> dict[str, Any]:
        fill(disk, db)
        return {"done": True}

    begun = operations.begin("start", "acme", work)
    assert (await operations.wait(begun.id, 10)).state is OperationState.DONE
    assert operations.get(begun.id).result == {"done": True}
    disk.make_room()
    assert db.catch_up()
    assert Operations(db).get(begun.id).state is OperationState.DONE


def test_log_lines_that_found_no_room_are_counted(
    disk: SmallDisk, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    log = TenantLog(disk.folder / "encoder.log")
    log.write({"event": "before"})
    disk.fill()
    with caplog.at_level(logging.ERROR):
        for number in range(20):
            log.write({"event": "lost", "number": number, "words": "x" * 3000})
    assert [record.message for record in caplog.records] == ["tenant-log-not-written"]
    assert len(log.recent(20)) == 20
    disk.make_room()
    log.write({"event": "after"})
    found = log.tail(100)
    assert found[0]["event"] == "before"
    assert found[-1]["event"] == "after"
    told = next(line for line in found if line["event"] == "log-lines-lost")
    whole = [line for line in found if line["event"] == "lost" and "number" in line]
    assert told["lines"] == 20 - len(whole)
    log.close()


def test_a_state_db_that_finds_no_room_says_so(disk: SmallDisk) -> None:
    disk.fill()
    with pytest.raises(DiskFull, match="make room"):
        StateDb(disk.folder / "state.db")
    with pytest.raises(OSError, match="No space") as caught:
        (disk.folder / "other").write_bytes(b"x" * 10_000)
    assert disks.is_full(caught.value)
    assert not disks.is_full(ValueError("a disk is full"))
