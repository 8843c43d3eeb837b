"""Backup and restore while the tenant serves: whole or not at all, whatever happens meanwhile."""

from __future__ import annotations

import hashlib
import io
import json
import os
import random
import signal
import tarfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from daemon.client import Client
from daemon.core.errors import BadBackup, BodyTooLarge, DiskFull, NothingToUndo, RevisionChanged, VecwardError
from daemon.core.wire import BackupManifest, NewEntry, Operation, OperationState
from tests.conftest import StartDaemon
from tests.storms import dice, limit, rounds, storm
from tests.support.cli import Vecward, vecward
from tests.support.daemons import RunningDaemon, after_steps, fake_tenant, wait_for

__all__ = ["vecward"]

KILLS = rounds(4)
MOST_STEPS = 18  # of a restore


def add(client: Client, *texts: str, tenant: str = "acme") -> list[int]:
    return client.add(tenant, [NewEntry(text=text) for text in texts]).added


def texts_of(client: Client, tenant: str = "acme") -> dict[int, str]:
    page = client.entries(tenant, limit=1000)
    found = {entry.id: entry.text for entry in page.entries}
    while page.next is not None:
        page = client.entries(tenant, after=page.next, limit=1000)
        found |= {entry.id: entry.text for entry in page.entries}
    return found


def backup_of(client: Client, tenant: str = "acme") -> bytes:
    return b"".join(client.backup(tenant))


def restore(client: Client, raw: bytes, tenant: str = "acme", **more: Any) -> Operation:
    return client.wait(tenant, client.restore(tenant, io.BytesIO(raw), **more).id)


def manifest_of(raw: bytes) -> BackupManifest:
    with tarfile.open(fileobj=io.BytesIO(raw)) as tar:
        member = tar.extractfile("manifest.json")
        assert member is not None
        return BackupManifest.model_validate_json(member.read())


@pytest.fixture
def client(daemon: RunningDaemon) -> Iterator[Client]:
    with daemon.client() as client:
        yield client


# --- the file -------------------------------------------------------------------------------------


def test_a_backup_is_a_tar_that_tells_what_it_holds(daemon: RunningDaemon, client: Client) -> None:
    add(client, "the first entry", "the second entry")
    raw = backup_of(client)
    manifest = manifest_of(raw)
    assert (manifest.tenant, manifest.revision, manifest.entries) == ("acme", 1, 2)
    assert manifest.fingerprint == daemon.tenant("acme").fingerprint
    with tarfile.open(fileobj=io.BytesIO(raw)) as tar:
        assert tar.getnames() == ["manifest.json", "knowledge.db"]
        database = tar.extractfile("knowledge.db")
        assert database is not None
        content = database.read()
    assert (len(content), hashlib.sha256(content).hexdigest()) == (manifest.database.bytes, manifest.database.sha256)
    assert [path.name for path in daemon.paths.tenant("acme").data.glob(".*")] == []


def test_a_backup_among_writers_is_one_moment(client: Client, daemon: RunningDaemon) -> None:
    stop, by_revision = threading.Event(), {0: 0}

    def write(worker: int) -> None:
        with daemon.client() as own:
            number = 0
            while not stop.is_set():
                answer = own.add("acme", [NewEntry(text=f"writer {worker} entry {number} part {i}") for i in range(3)])
                by_revision[answer.revision] = 3
                number += 1

    with ThreadPoolExecutor(3) as pool:
        futures = [pool.submit(write, worker) for worker in range(3)]
        wait_for(lambda: len(by_revision) > 5, what="writes before the backups")
        backups = [backup_of(client) for _ in range(4)]
        stop.set()
        for future in futures:
            future.result()
    for raw in backups:
        manifest = manifest_of(raw)
        assert manifest.entries == 3 * manifest.revision
        assert restore(client, raw).state is OperationState.DONE
        found = texts_of(client)
        assert len(found) == manifest.entries
        assert len({text.rpartition(" part")[0] for text in found.values()}) == manifest.revision


# --- going live -----------------------------------------------------------------------------------


def test_a_restore_brings_back_what_was_and_counts_on(daemon: RunningDaemon, client: Client) -> None:
    kept = add(client, "an entry to keep", "an entry to edit")
    client.edit("acme", kept[1], "an entry that was edited")
    raw = backup_of(client)
    before = texts_of(client)
    last = add(client, "an entry that came later")[0]
    client.delete("acme", [kept[0]])
    revision = client.entries("acme").revision
    done = restore(client, raw)
    assert (done.state, done.kind) == (OperationState.DONE, "restore")
    assert done.result is not None
    assert (done.result["entries"], done.result["replaced"], done.result["encoded"]) == (2, 2, 0)
    assert texts_of(client) == before
    assert client.entries("acme").revision == done.result["revision"] == revision + 1
    assert wait_for(lambda: daemon.tenant("acme").revision == revision + 1, what="the figures in the list")
    assert client.search("acme", "an entry to keep").results[0].score == pytest.approx(1, abs=1e-5)
    assert last not in [hit.id for hit in client.search("acme", "an entry that came later").results]
    changes = client.history("acme").changes
    assert [(change.kind, change.revision) for change in changes] == [
        ("restore", revision + 1),
        ("edit", 2),
        ("add", 1),
    ]
    assert changes[0].actor == f"uid:{os.geteuid()}"
    with pytest.raises(NothingToUndo, match="restore another backup"):
        client.undo("acme")
    assert add(client, "ids are never given twice") == [last + 1]
    client.undo("acme")
    assert texts_of(client) == before
    assert client.operation("acme", done.id).state is OperationState.DONE
    client.wait("acme", client.restart("acme").id)
    assert texts_of(client) == before
    assert client.search("acme", "an entry to keep").results[0].id == kept[0]
    assert client.operation("acme", done.id).state is OperationState.DONE


def test_searches_see_the_one_base_or_the_other(daemon: RunningDaemon, client: Client) -> None:
    names = ("apple", "plum")
    backups = {}
    for name in names:
        client.set_texts("acme", [f"{name} number {i}" for i in range(300)])
        backups[name] = backup_of(client)
    stop, errors, searches = threading.Event(), [], [0]

    def search() -> None:
        with daemon.client() as own:
            while not stop.is_set():
                try:
                    hits = own.search("acme", "number 7", k=50).results
                except VecwardError as error:
                    errors.append(error.message)
                    continue
                if len({hit.text.split()[0] for hit in hits}) != 1 or len(hits) != 50:
                    errors.append(f"{len(hits)} hits: {sorted({hit.text for hit in hits})[:4]}")
                searches[0] += 1

    with ThreadPoolExecutor(3) as pool:
        futures = [pool.submit(search) for _ in range(3)]
        for name in (*names, *names):
            wait_for(lambda at=searches[0]: searches[0] > at + 20, what="searches in between")
            assert restore(client, backups[name]).state is OperationState.DONE
            assert set(texts_of(client).values()) == {f"{name} number {i}" for i in range(300)}
        stop.set()
        for future in futures:
            future.result()
    assert errors == []


def test_if_match_holds_until_the_exchange(client: Client) -> None:
    add(client, "an entry in the backup")
    raw = backup_of(client)
    add(client, "a later entry")
    with pytest.raises(RevisionChanged):
        client.restore("acme", io.BytesIO(raw), if_match=1)
    assert restore(client, raw, if_match=2).state is OperationState.DONE
    with pytest.raises(RevisionChanged):
        client.delete("acme", [1], if_match=2)


def test_a_backup_of_another_tenant_or_model(start_daemon: StartDaemon) -> None:
    wide = fake_tenant(encoder={"fake": {"dimension": 96}})
    daemon = start_daemon({"acme": fake_tenant(), "wide": wide}).ready("acme", "wide")
    with daemon.client() as client:
        add(client, *(f"entry number {i}" for i in range(700)))
        raw = backup_of(client)
        with pytest.raises(BadBackup, match=r"say from=acme"):
            client.restore("wide", io.BytesIO(raw))
        done = restore(client, raw, "wide", source="acme")
        assert done.result is not None
        assert done.result["encoded"] == 700
        found = client.search("wide", "entry number 77").results[0]
        assert (found.text, found.score) == ("entry number 77", pytest.approx(1, abs=1e-5))
        assert client.entry_vector("wide", found.id).dimension == 96


@pytest.mark.skipif(os.geteuid() != 0, reason="strict isolation needs root")
def test_in_a_sandbox(start_daemon: StartDaemon) -> None:
    daemon = start_daemon({"acme": fake_tenant()}, isolation="strict").ready("acme")
    with daemon.client() as client:
        add(client, "an entry in the backup")
        raw = backup_of(client)
        add(client, "an entry that came later")
        assert restore(client, raw).state is OperationState.DONE
        assert list(texts_of(client).values()) == ["an entry in the backup"]


@pytest.mark.timeout(300)
def test_a_large_base_passes_where_other_bodies_do_not(start_daemon: StartDaemon) -> None:
    tenant = fake_tenant(encoder={"max_tokens": 16})  # only so much of each text is encoded
    daemon = start_daemon({"acme": tenant, "small": fake_tenant(limits={"disk_mb": 8})}).ready("acme", "small")
    with daemon.client() as client:
        for part in range(3):
            add(client, *(f"{part} {i} " + chr(97 + part) * 60_000 for i in range(400)))
        raw = backup_of(client)
        assert len(raw) > 64 << 20
        add(client, "an entry that came later")
        assert restore(client, raw).state is OperationState.DONE
        assert client.entries("acme", limit=1).total == 1200
        with pytest.raises(BodyTooLarge):
            client.restore("small", io.BytesIO(raw), source="acme")
        with pytest.raises(BodyTooLarge):
            client.import_entries("acme", raw, "text/plain")


# --- what must not go live ------------------------------------------------------------------------


def damaged(raw: bytes) -> Iterator[tuple[str, bytes]]:
    with tarfile.open(fileobj=io.BytesIO(raw)) as tar:
        member = tar.getmember("knowledge.db")
    at = member.offset_data
    yield "it ends before its database begins", b""
    yield "it is no backup", b"an entry a line\n" * 200
    yield "cut short", raw[: at + 100]
    yield "cut short", raw[: at + member.size - 1]
    yield "checksum", raw[: at + 5000] + bytes([raw[at + 5000] ^ 4]) + raw[at + 5001 :]
    yield "made by a newer vecward", remade(raw, format_version=2)
    yield "install a newer vecward", remade(raw, schema_version=99)
    yield "manifest can't be read: tenant", remade(raw, tenant=None)
    yield "size of its database", raw[: at - 512] + tarfile.TarInfo("knowledge.db").tobuf() + raw[at:]
    renamed = tarfile.TarInfo("../../../etc/passwd")
    yield "stands where knowledge.db should", raw[: at - 512] + renamed.tobuf() + raw[at:]


def remade(raw: bytes, database: bytes | None = None, **changes: Any) -> bytes:
    """The backup with another manifest, and another database where one is given."""
    made = io.BytesIO()
    with (
        tarfile.open(fileobj=io.BytesIO(raw)) as old,
        tarfile.open(fileobj=made, mode="w", format=tarfile.GNU_FORMAT) as new,
    ):
        manifest = json.loads(_member(old, "manifest.json")) | changes
        content = _member(old, "knowledge.db") if database is None else database
        manifest["database"] |= {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for name, data in (("manifest.json", json.dumps(manifest).encode()), ("knowledge.db", content)):
            member = tarfile.TarInfo(name)
            member.size = len(data)
            new.addfile(member, io.BytesIO(data))
    return made.getvalue()


def _member(tar: tarfile.TarFile, name: str) -> bytes:
    file = tar.extractfile(name)
    assert file is not None
    return file.read()


def test_a_bad_file_is_refused_and_nothing_is_lost(daemon: RunningDaemon, client: Client) -> None:
    add(client, *(f"entry number {i}" for i in range(50)))
    raw = backup_of(client)
    add(client, "an entry that came later")
    before = client.entries("acme", limit=1000)
    for why, bad in damaged(raw):
        with pytest.raises(BadBackup) as caught:
            client.restore("acme", io.BytesIO(bad))
        assert why in caught.value.message
        assert "nothing was changed" in caught.value.message
    assert client.entries("acme", limit=1000) == before
    assert [path.name for path in daemon.paths.tenant("acme").data.glob(".*")] == []


def test_a_damaged_base_with_a_right_checksum_is_refused_by_the_operation(client: Client) -> None:
    add(client, *(f"entry number {i}" for i in range(300)))
    raw = backup_of(client)
    before = client.entries("acme", limit=1000)
    with tarfile.open(fileobj=io.BytesIO(raw)) as tar:
        content = _member(tar, "knowledge.db").replace(b"entry number 77", b"entry numbEr 77")
    for bad in (content, b"SQLite format 3\0" + bytes(200_000), b"x" * 5000):
        ended = restore(client, remade(raw, bad))
        assert ended.state is OperationState.FAILED
        assert ended.error is not None
        assert ended.error["kind"] == "bad-backup"
    assert client.entries("acme", limit=1000) == before
    assert restore(client, remade(raw)).state is OperationState.DONE


def test_a_base_larger_than_disk_mb_is_refused(start_daemon: StartDaemon) -> None:
    tight = fake_tenant(limits={"disk_mb": 1})
    daemon = start_daemon({"acme": fake_tenant(), "tight": tight}).ready("acme", "tight")
    with daemon.client() as client:
        add(client, *(f"{i} " + "x" * 900 for i in range(1500)))
        raw = backup_of(client)
        with pytest.raises(DiskFull, match=r"limits\.disk_mb is 1 MB"):
            client.restore("tight", io.BytesIO(raw), source="acme")
        assert add(client, "goes on", tenant="tight") == [1]


# --- kills ----------------------------------------------------------------------------------------


def kill_after(pid: int, steps: int, deadline_s: float) -> None:
    after_steps(pid, steps, deadline_s)
    os.kill(pid, signal.SIGKILL)


@storm
@limit(300)
def test_a_kill_leaves_the_old_base_or_the_new_one(daemon: RunningDaemon, client: Client) -> None:
    bases, backups = {}, {}
    for name in ("apple", "plum"):
        client.set_texts("acme", [f"{name} number {i}" for i in range(5000)])
        bases[name], backups[name] = set(texts_of(client).values()), backup_of(client)
    chance = random.Random(dice(11))  # noqa: S311 - a test's dice
    live = "plum"
    for _ in range(KILLS):
        wanted = "apple" if live == "plum" else "plum"
        revision = client.entries("acme", limit=1).revision
        pid = daemon.wait_state("acme", "ready").pid
        assert pid is not None
        killer = threading.Thread(
            target=kill_after, args=(pid, chance.randrange(MOST_STEPS), chance.uniform(0.05, 0.5))
        )
        killer.start()
        ended = client.wait("acme", client.restore("acme", io.BytesIO(backups[wanted])).id, timeout=60)
        killer.join()
        daemon.wait_state("acme", "ready")
        ended = client.operation("acme", ended.id)
        assert ended.state in (OperationState.DONE, OperationState.INTERRUPTED)
        live = wanted if ended.state is OperationState.DONE else live
        assert set(texts_of(client).values()) == bases[live]
        assert client.entries("acme", limit=1).revision >= revision
        assert client.search("acme", f"{live} number 77").results[0].text == f"{live} number 77"
    wait_for(lambda: not list(daemon.paths.tenant("acme").data.glob(".*")), what="an end of what the kills left")


# --- the command line -----------------------------------------------------------------------------


def test_backup_and_restore_on_the_command_line(
    daemon: RunningDaemon, client: Client, vecward: Vecward, tmp_path: Path
) -> None:
    add(client, "an entry in the backup")
    file = tmp_path / "acme.vecward"
    made = vecward("--root", daemon.root, "backup", "acme", file)
    assert made.code == 0, made.err
    assert "1 entry, revision 1" in made.out
    assert file.stat().st_mode & 0o777 == 0o600
    add(client, "an entry that came later")
    put_back = vecward("--root", daemon.root, "restore", "acme", file, "--json")
    assert put_back.code == 0, put_back.err
    assert put_back.json["operation"]["result"]["entries"] == 1
    assert list(texts_of(client).values()) == ["an entry in the backup"]
    raw = bytearray(file.read_bytes())
    raw[9000] ^= 1
    file.write_bytes(raw)
    refused = vecward("--root", daemon.root, "restore", "acme", file)
    assert (refused.code, "bad-backup" in refused.err) == (1, True)
    assert vecward("--root", daemon.root, "restore", "acme", tmp_path / "none").code == 1
    assert vecward("--root", daemon.root, "backup", "nowhere", tmp_path / "none").code == 1
    assert not (tmp_path / "none").exists()
