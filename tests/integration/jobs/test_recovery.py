"""A damaged knowledge.db: it stops its tenant alone, says the way out, and is never overwritten."""

from __future__ import annotations

import os
import random
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from daemon.client import Client
from daemon.core.errors import Conflict, TenantFailed
from daemon.core.wire import NewEntry, OperationState
from daemon.encoder.knowledge.file.schema import PAGE_SIZE
from tests.support.cli import Vecward, vecward
from tests.support.daemons import RunningDaemon, fake_tenant, running_daemon

__all__ = ["vecward"]

TEXTS = {id_: f"entry number {id_} x" + "x" * (id_ % 300) for id_ in range(1, 1501)}


@pytest.fixture(params=["process", "strict"])
def host(request: pytest.FixtureRequest) -> Iterator[RunningDaemon]:
    if request.param == "strict" and os.geteuid() != 0:
        pytest.skip("strict isolation needs root")
    with running_daemon({"acme": fake_tenant(), "other": fake_tenant()}, isolation=request.param) as daemon:
        yield daemon.ready("acme", "other")


def fill(client: Client, tenant: str = "acme") -> None:
    client.add(tenant, [NewEntry(text=text, metadata={"n": id_}) for id_, text in TEXTS.items()])


def texts_of(client: Client) -> dict[int, str]:
    found: dict[int, str] = {}
    after: int | None = 0
    while after is not None:
        page = client.entries("acme", after=after, limit=1000)
        found |= {entry.id: entry.text for entry in page.entries}
        after = page.next
    return found


def break_header(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(b"\0" * 100)


def flip_bits(path: Path) -> None:
    """Overwrites bytes in pages beyond the first ones, so that some table is hit for certain."""
    chance, raw = random.Random(7), bytearray(path.read_bytes())  # noqa: S311 - a test's dice
    for page in range(4, len(raw) // PAGE_SIZE, 5):
        raw[page * PAGE_SIZE + chance.randrange(12)] ^= 1 << chance.randrange(8)
    path.write_bytes(raw)


def cut_short(path: Path) -> None:
    os.truncate(path, path.stat().st_size * 3 // 4)


def empty(path: Path) -> None:
    os.truncate(path, 0)


DAMAGE: dict[str, tuple[Callable[[Path], None], int]] = {
    "header": (break_header, len(TEXTS)),
    "bits": (flip_bits, len(TEXTS) // 3),
    "cut": (cut_short, 1),
    "empty": (empty, 0),
}


@pytest.mark.parametrize("how", DAMAGE)
def test_recover_and_start(host: RunningDaemon, vecward: Vecward, how: str) -> None:
    damage, at_least = DAMAGE[how]
    path = host.paths.tenant("acme").knowledge_db
    with host.client() as client:
        fill(client)
        client.wait("acme", client.stop("acme").id)
        owner = path.stat().st_uid
        damage(path)
        damaged = path.read_bytes()
        started = client.wait("acme", client.start("acme").id)
        assert started.state is OperationState.FAILED
        view = host.tenant("acme")
        assert view.state == "failed"
        assert "vecward entries recover acme" in (view.reason or "")
        with pytest.raises(TenantFailed, match="vecward entries recover acme"):
            client.search("acme", "entry")
        assert path.read_bytes() == damaged
        assert client.search("other", "anything").results == []

        done = vecward("--root", host.root, "entries", "recover", "acme", "--json")
        assert done.code == 0, done.err
        result = done.json["operation"]["result"]
        kept = path.with_name(result["kept"])
        assert kept.read_bytes() == damaged
        assert path.stat().st_uid == owner
        assert client.wait("acme", client.start("acme").id).state is OperationState.DONE
        found = texts_of(client)
        assert found.items() <= TEXTS.items()
        assert len(found) == result["entries"] >= at_least
        for id_ in list(found)[:3]:
            assert client.search("acme", found[id_]).results[0].text == found[id_]
        assert client.add("acme", [NewEntry(text="new after the recovery")]).added[0] not in TEXTS or how == "empty"


def test_what_is_readable_can_be_taken_away_and_restored(host: RunningDaemon, vecward: Vecward, tmp_path: Path) -> None:
    path = host.paths.tenant("acme").knowledge_db
    with host.client() as client:
        fill(client)
        client.wait("acme", client.stop("acme").id)
        break_header(path)
        damaged = path.read_bytes()
        file = tmp_path / "salvaged.vecward"
        done = vecward("--root", host.root, "entries", "recover", "acme", "--to", file)
        assert done.code == 0, done.err
        assert f"{len(TEXTS)} entries" in done.out
        assert path.read_bytes() == damaged
        assert list(path.parent.glob(".*")) == []
        restored = vecward("--root", host.root, "restore", "other", file, "--from", "acme")
        assert restored.code == 0, restored.err
        assert client.entries("other", limit=1).total == len(TEXTS)


def test_a_log_without_its_file_is_no_empty_base(host: RunningDaemon) -> None:
    """Entries that are in the write-ahead log alone come back, too."""
    path = host.paths.tenant("acme").knowledge_db
    with host.client() as client:
        fill(client)
        client.add("acme", [NewEntry(text="the last entry before the accident")])
        owner = path.stat().st_uid
        log = Path(f"{path}-wal").read_bytes()
        assert log
        client.wait("acme", client.stop("acme").id)
        path.unlink()
        Path(f"{path}-wal").write_bytes(log)
        os.chown(f"{path}-wal", owner, owner)
        assert client.wait("acme", client.start("acme").id).state is OperationState.FAILED
        recovered = client.wait("acme", client.recover("acme").id)
        assert recovered.state is OperationState.DONE
        assert client.wait("acme", client.start("acme").id).state is OperationState.DONE
        assert "the last entry before the accident" in texts_of(client).values()


def test_what_is_sound_or_running_is_not_recovered(host: RunningDaemon) -> None:
    with host.client() as client:
        fill(client)
        with pytest.raises(Conflict, match="vecward stop acme"):
            client.recover("acme")
        with pytest.raises(Conflict, match="vecward stop acme"):
            next(client.salvage("acme"))
        client.wait("acme", client.stop("acme").id)
        refused = client.wait("acme", client.recover("acme").id)
        assert refused.state is OperationState.FAILED
        assert refused.error is not None
        assert "is sound" in refused.error["detail"]
        assert client.wait("acme", client.start("acme").id).state is OperationState.DONE
        assert client.history("acme").changes[0].kind == "add"


def test_a_newer_schema_is_no_damage(host: RunningDaemon) -> None:
    path = host.paths.tenant("acme").knowledge_db
    with host.client() as client:
        fill(client)
        client.wait("acme", client.stop("acme").id)
        with closing(sqlite3.connect(path)) as db:
            db.execute("PRAGMA user_version = 99")
        refused = client.wait("acme", client.recover("acme").id)
        assert refused.error is not None
        assert "install a newer vecward" in refused.error["detail"]
