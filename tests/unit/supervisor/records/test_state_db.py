"""Memories of a tenant that has gone, of which a later one of its name learns nothing."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from daemon.core.errors import QueueFull, StartRefused
from daemon.core.wire import OperationState
from daemon.supervisor.records import operations
from daemon.supervisor.records.events import EventLog, EventName
from daemon.supervisor.records.operations import Handle, Operations
from daemon.supervisor.records.state_db import StateDb
from daemon.supervisor.states import Goal
from daemon.supervisor.tenants.metering import Metering

PAGE = 4096  # SQLite's default


@pytest.fixture
def db(tmp_path: Path) -> Iterator[StateDb]:
    made = StateDb(tmp_path / "state.db")
    yield made
    made.close()


async def never(_: Handle) -> dict[str, Any] | None:
    await asyncio.Event().wait()
    return None


async def at_once(_: Handle) -> dict[str, Any] | None:
    return {}


async def test_a_destroyed_tenant_leaves_nothing_under_its_name(db: StateDb) -> None:
    events, operations_, metering = EventLog(db), Operations(db), Metering(db, list)
    for name in ("acme", "globex"):
        events.emit(EventName.TENANT_CHANGED, name)
        started = operations_.begin("start", name, at_once)
        await operations_.wait(started.id, 5)
        db.connection.execute("INSERT INTO usage VALUES (?, '2026-11-22', 1, 1, 1, 1, 1)", (name,))
    for _ in range(2):  # twice on one day
        db.forget_tenant("acme", purged=True)
        db.connection.execute("INSERT INTO usage VALUES ('acme', '2026-11-22', 1, 1, 1, 1, 1)")
    db.forget_tenant("acme", purged=True)
    assert events.page(0, 100, {"acme"}).events == []
    assert metering.page(["acme"]).usage == []
    assert [event.tenant for event in events.page(0, 100, {"globex"}).events] == ["globex"]
    everything = events.page(0, 100, None).events
    assert str(everything[0].tenant).startswith("acme (destroyed 20")
    assert db.connection.execute("SELECT tenant FROM operations").fetchall() == [("globex",)]


def test_what_is_kept_of_a_tenant_whose_data_stay_waits_for_its_return(db: StateDb) -> None:
    events = EventLog(db)
    events.emit(EventName.TENANT_CHANGED, "acme")
    db.forget_tenant("acme", purged=False)
    assert len(events.page(0, 100, {"acme"}).events) == 1


def test_a_uid_is_never_handed_out_again(db: StateDb) -> None:
    seen = []
    for purged in (True, False, True):
        seen.append(db.uid("acme", 20_000, 20_010))
        db.forget_tenant("acme", purged=purged)
    assert seen == [20_000, 20_001, 20_002]
    assert db.uid("globex", 20_000, 20_010) == 20_003


async def test_operations_that_never_end_are_bounded(db: StateDb) -> None:
    made = Operations(db)
    for _ in range(operations.MAX_RUNNING):
        made.begin("park", "acme", never)
    with pytest.raises(QueueFull, match="have not ended"):
        made.begin("park", "acme", never)
    other = made.begin("park", "globex", never)
    await made.end_all_of("acme")
    again = made.begin("start", "acme", at_once)
    assert (await made.wait(again.id, 5)).state is OperationState.DONE
    assert made.get(other.id).state is OperationState.RUNNING
    await made.close()


async def test_ended_operations_are_bounded(db: StateDb, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operations, "MAX_KEPT", 3)
    made = Operations(db)
    ids = []
    for _ in range(10):
        ids.append(made.begin("start", "acme", at_once).id)
        await made.wait(ids[-1], 5)
    kept = {row[0] for row in db.connection.execute("SELECT id FROM operations")}
    assert kept == set(ids[-4:])


def flip_bits(raw: bytes) -> bytes:
    """Damages the header of every page but the first, so that whichever is read is hit."""
    flipped = bytearray(raw)
    for page in range(1, len(raw) // PAGE):
        flipped[page * PAGE] ^= 0xFF
    return bytes(flipped)


@pytest.mark.parametrize(
    "damage",
    [lambda raw: b"\0" * 100 + raw[100:], lambda raw: raw[: len(raw) // 2 // PAGE * PAGE], flip_bits],
    ids=["header", "cut", "bits"],
)
def test_a_damaged_file_is_refused_with_the_way_out_and_left_alone(tmp_path: Path, damage: Callable[[bytes], bytes]):
    path = tmp_path / "state.db"
    db = StateDb(path)
    for number in range(200):
        db.set_goal(f"tenant-{number}", Goal.DOWN)
    db.close()
    path.write_bytes(damage(path.read_bytes()))
    damaged = path.read_bytes()
    with pytest.raises(StartRefused, match="move it away"):
        StateDb(path)
    assert path.read_bytes() == damaged


def test_the_file_of_a_newer_vecward_is_refused(tmp_path: Path) -> None:
    StateDb(tmp_path / "state.db").close()
    with closing(sqlite3.connect(tmp_path / "state.db")) as raw:
        raw.execute("PRAGMA user_version = 99")
    with pytest.raises(StartRefused, match="its schema version 99 is newer than this vecward's"):
        StateDb(tmp_path / "state.db")


def test_the_file_of_the_first_version_is_brought_up_to_date(tmp_path: Path) -> None:
    with closing(StateDb(tmp_path / "state.db")) as db:
        db.set_goal("acme", Goal.DOWN)
        db.connection.execute("ALTER TABLE tenants DROP COLUMN parked")
        db.connection.execute("ALTER TABLE tenants DROP COLUMN gpu")
        db.connection.execute("ALTER TABLE usage DROP COLUMN encoder_s")
        db.connection.execute("PRAGMA user_version = 1")
    with closing(StateDb(tmp_path / "state.db")) as db:
        assert (db.goal("acme"), db.parked("acme"), db.gpu("acme")) == (Goal.DOWN, None, None)
        db.set_gpu("acme", "cuda:0")
        assert db.gpu("acme") == "cuda:0"
        db.connection.execute("SELECT encoder_s FROM usage")


def test_a_write_that_is_no_write_stands_in_no_others_way(db: StateDb) -> None:
    with pytest.raises(sqlite3.OperationalError):
        db.keep("nonsense")
    db.set_goal("acme", Goal.DOWN)
    assert db.goal("acme") is Goal.DOWN


def test_uids_that_are_used_up_or_somebodys(db: StateDb) -> None:
    """The range begins with root's number, which is never a tenant's."""
    assert db.uid("acme", 0, 0 + 20_000) > 0
    assert db.uid("globex", 29_999, 29_999) == 29_999
    assert db.uids_given("globex") == {29_999}
    with pytest.raises(StartRefused, match=r"uid_range \[29999, 29999\] is used up; widen it in daemon.yaml"):
        db.uid("initech", 29_999, 29_999)
