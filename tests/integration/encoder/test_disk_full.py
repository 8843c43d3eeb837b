"""Full disks and limits.disk_mb: 507, nothing acknowledged is lost, and service goes on when there is room again."""

from __future__ import annotations

import io
import os
import signal
from collections.abc import Iterator

import pytest

from daemon.client import Client
from daemon.core.errors import DiskFull, TenantStarting, VecwardError
from daemon.core.wire import NewEntry, OperationState
from tests.conftest import StartDaemon
from tests.support.daemons import RunningDaemon, fake_tenant, running_daemon, wait_for
from tests.support.small_disk import SmallDisk, small_root

DISK_MB = 24


@pytest.fixture
def disk() -> Iterator[SmallDisk]:
    with small_root(DISK_MB) as disk:
        yield disk


@pytest.fixture
def daemon(disk: SmallDisk, request: pytest.FixtureRequest) -> Iterator[RunningDaemon]:
    config = {"isolation": getattr(request, "param", "process"), "health": {"every_s": 1}}
    with running_daemon({"acme": fake_tenant(), "other": fake_tenant()}, root=disk.folder, **config) as daemon:
        yield daemon.ready("acme", "other")


def fill(client: Client, name: str, tenant: str = "acme") -> dict[int, str]:
    """Adds until the disk is full; what was acknowledged."""
    acknowledged: dict[int, str] = {}
    for number in range(5000):
        texts = [f"{name} {number} {part} " + "x" * 300 for part in range(10)]
        try:
            done = client.add(tenant, [NewEntry(text=text) for text in texts])
        except DiskFull as error:
            assert "nothing acknowledged is lost" in error.message
            return acknowledged
        acknowledged |= dict(zip(done.added, (text.strip() for text in texts), strict=True))
    raise AssertionError("the disk was never full")


def texts_of(client: Client, tenant: str = "acme") -> dict[int, str]:
    found: dict[int, str] = {}
    after: int | None = 0
    while after is not None:
        page = client.entries(tenant, after=after, limit=1000)
        found |= {entry.id: entry.text for entry in page.entries}
        after = page.next
    return found


def test_a_full_disk_under_everything(daemon: RunningDaemon, disk: SmallDisk) -> None:
    assert daemon.process is not None
    with daemon.client() as client:
        client.add("acme", [NewEntry(text="an entry from before")])
        expected = texts_of(client)
        disk.fill()
        expected |= fill(client, "filling")
        assert texts_of(client) == expected
        assert client.search("acme", "an entry from before").results[0].score == pytest.approx(1, abs=1e-5)
        with pytest.raises(DiskFull):
            client.set_texts("acme", ["a new list"] * 2)
        with pytest.raises(DiskFull):
            client.add("other", [NewEntry(text=f"{i} " + "y" * 60_000) for i in range(40)])  # the body is spooled
        with pytest.raises(DiskFull):
            next(client.backup("acme"))
        with pytest.raises(DiskFull):
            client.put_tenant("third", b"encoder: {backend: fake}\n# " + b"x" * 100_000)
        assert client.tenants().total == 2
        assert texts_of(client) == expected
        disk.make_room()
        expected |= wait_for(lambda: _add(client, "there is room again"), what="a write")
        assert texts_of(client) == expected
    assert daemon.process.poll() is None
    assert "Traceback" not in daemon.output()


def _add(client: Client, text: str) -> dict[int, str] | None:
    try:
        return dict.fromkeys(client.add("acme", [NewEntry(text=text)]).added, text)
    except (DiskFull, TenantStarting):
        return None


@pytest.mark.parametrize("daemon", ["process", "strict"], indirect=True)
def test_kills_stops_and_starts_on_a_full_disk(daemon: RunningDaemon, disk: SmallDisk) -> None:
    assert daemon.process is not None
    with daemon.client() as client:
        disk.fill()
        expected = fill(client, "filling")
        for _ in range(2):
            pid = daemon.tenant("acme").pid
            assert pid is not None
            os.kill(pid, signal.SIGKILL)
            wait_for(lambda pid=pid: daemon.tenant("acme").pid not in (None, pid), what="another encoder")
        stopped = client.wait("acme", client.stop("acme").id)
        assert stopped.state is OperationState.DONE
        assert client.operation("acme", stopped.id) == stopped
        disk.fill()  # what the stop gave back
        client.start("acme")
        view = wait_for(lambda: (v := daemon.tenant("acme")).state in ("ready", "backoff") and v, what="an outcome")
        if view.state == "backoff":
            assert "full" in (view.reason or "")
        disk.make_room()
        daemon.wait_state("acme", "ready")
        assert texts_of(client) == expected
        wait_for(lambda: _add(client, "there is room again"), what="a write")
        wait_for(lambda: "stopped" in _states(client), what="the event that found no room")
    assert daemon.process.poll() is None


def _states(client: Client) -> list[str]:
    return [event.data["state"] for event in client.events(after=0, limit=1000).events if event.name == "tenant-state"]


def test_a_daemon_that_ends_on_a_full_disk_comes_back(daemon: RunningDaemon, disk: SmallDisk) -> None:
    with daemon.client() as client:
        client.wait("other", client.stop("other").id)
        disk.fill()
        expected = fill(client, "filling")
    daemon.kill()
    disk.make_room()
    daemon.start().ready("acme")
    with daemon.client() as client:
        assert texts_of(client) == expected
        assert daemon.tenant("other").state == "stopped"


def test_an_import_into_a_full_disk_ends_with_what_is_there(daemon: RunningDaemon, disk: SmallDisk) -> None:
    lines = [f"line {number} " + "z" * 500 for number in range(20_000)]
    with daemon.client() as client:
        started = client.import_entries("acme", "\n".join(lines).encode(), "text/plain")
        ended = client.wait("acme", started.id, timeout=100)
        assert ended.state is OperationState.FAILED
        assert ended.error is not None
        assert ended.error["kind"] == "disk-full"
        assert ended.result is not None
        assert list(texts_of(client).values()) == lines[: ended.result["added"]]


def test_a_restore_into_a_full_disk_changes_nothing(daemon: RunningDaemon, disk: SmallDisk) -> None:
    with daemon.client() as client:
        client.add("acme", [NewEntry(text=f"{number} " + "x" * 3000) for number in range(300)])
        raw = b"".join(client.backup("acme"))
        client.add("acme", [NewEntry(text="an entry that came later")])
        expected = texts_of(client)
        disk.fill()
        with pytest.raises(VecwardError) as caught:
            client.wait("acme", client.restore("acme", io.BytesIO(raw)).id)
        assert isinstance(caught.value, DiskFull)
        assert texts_of(client) == expected
        disk.make_room()
        assert client.wait("acme", client.restore("acme", io.BytesIO(raw)).id).state is OperationState.DONE
        assert len(texts_of(client)) == 300


def test_disk_mb(start_daemon: StartDaemon) -> None:
    daemon = start_daemon({"acme": fake_tenant(limits={"disk_mb": 4}), "other": fake_tenant()}).ready("acme", "other")
    with daemon.client() as client:
        expected = fill(client, "filling")
        data = daemon.paths.tenant("acme").data
        used = sum(path.stat().st_size for path in data.glob("knowledge.db*") if not path.name.endswith("-shm"))
        assert len(expected) > 1000
        assert used <= 4 << 20
        assert texts_of(client) == expected
        assert client.add("other", [NewEntry(text="another tenant goes on")]).added == [1]
        gone = sorted(expected)[: len(expected) // 2]
        client.delete("acme", gone, forget=True)
        expected = {id_: text for id_, text in expected.items() if id_ not in gone}
        expected |= wait_for(lambda: _add(client, "there is room again"), what="a write")
        assert texts_of(client) == expected
        expected |= fill(client, "again")
        pid = daemon.tenant("acme").pid
        daemon.write_tenant("acme", fake_tenant(limits={"disk_mb": 12}))
        wait_for(lambda: daemon.tenant("acme").pid not in (None, pid), what="a restart with the new limit")
        daemon.ready("acme")
        expected |= fill(client, "larger")
        assert texts_of(client) == expected
        with pytest.raises(DiskFull, match=r"limits\.disk_mb \(12 MB\)"):
            client.add("acme", [NewEntry(text="w" * 60_000 + str(i)) for i in range(30)])
