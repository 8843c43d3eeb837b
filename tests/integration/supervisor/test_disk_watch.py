"""Warnings when little is left on the disk of all tenants; and a limit in `isolation: process`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from daemon.core.wire import Event
from tests.support.daemons import RunningDaemon, fake_tenant, running_daemon, wait_for
from tests.support.small_disk import SmallDisk, small_root

DISK_MB, FLOOR_MB = 160, 100


@pytest.fixture
def disk() -> Iterator[SmallDisk]:
    with small_root(DISK_MB) as disk:
        yield disk


@pytest.fixture
def daemon(disk: SmallDisk) -> Iterator[RunningDaemon]:
    tenants = {"acme": fake_tenant(), "calm": fake_tenant(), "limited": fake_tenant(limits={"disk_mb": 1})}
    with running_daemon(tenants, root=disk.folder, health={"every_s": 0.2, "disk_floor_mb": FLOOR_MB}) as daemon:
        yield daemon.ready("acme", "calm", "limited")


def warning(daemon: RunningDaemon, tenant: str = "acme") -> str | None:
    return daemon.tenant(tenant).warnings.get("disk")


def events(daemon: RunningDaemon, name: str) -> list[Event]:
    with daemon.client() as client:
        return [event for event in client.events(after=0, limit=1000).events if event.name == name]


def grow(folder: Path) -> None:
    with (folder / "planted").open("ab") as file:
        file.write(bytes(1 << 20))


def test_who_grew_most_is_named_when_little_is_left(daemon: RunningDaemon) -> None:
    assert warning(daemon) is None
    data = daemon.paths.tenant("acme").data
    words = wait_for(lambda: warning(daemon) or grow(data), what="the warning")
    assert f"below the floor of {FLOOR_MB} MB (health.disk_floor_mb); this tenant grew most, by " in str(words)
    assert warning(daemon, "calm") is None
    told = events(daemon, "disk")
    assert {event.tenant for event in told} - {None} == {"acme"}
    assert told[-1].data["free_mb"] < FLOOR_MB
    (data / "planted").unlink()
    wait_for(lambda: warning(daemon) is None, what="the warning's end")


def test_what_no_tenant_did_is_told_as_that(daemon: RunningDaemon, disk: SmallDisk) -> None:
    ballast = disk.folder / "ballast"
    ballast.write_bytes(bytes((DISK_MB - FLOOR_MB // 2) << 20))
    (event,) = wait_for(lambda: events(daemon, "disk"), what="the event")
    assert event.tenant is None
    assert "below the floor" in event.data["reason"]
    assert "no tenant grew" in event.data["reason"]
    assert warning(daemon) is None


def test_past_its_bound_a_tenant_is_ended_in_a_process_of_its_own(daemon: RunningDaemon) -> None:
    planted = daemon.paths.tenant("limited").data / "planted"
    with planted.open("wb") as file:
        for _ in range(70):
            file.write(bytes(1 << 20))
    failed = wait_for(lambda: (view := daemon.tenant("limited")).state == "failed" and view, what="the end")
    assert "the limit is 66 MB (2 × limits.disk_mb + 64 MB)" in str(failed.reason)
    planted.unlink()
    with daemon.client() as client:
        client.wait("limited", client.start("limited").id)
    daemon.ready("limited")
