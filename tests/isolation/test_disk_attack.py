"""An encoder that fills the disk: without limits.disk_mb it can; with it the watch ends it, whatever way it takes.

Where quotas are in force the kernel refuses instead: test_quotas.py.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from daemon.supervisor.disk.bound import bound_of
from tests.isolation.conftest import needs_root
from tests.stubs.filling_encoder import EMPTY_FILES, FILES, WAYS
from tests.support.daemons import RunningDaemon, fake_tenant, running_daemon, wait_for
from tests.support.small_disk import mounted

pytestmark = needs_root

DISK_MB = 1024
LAID_MB = {way: 0 if way == "empty files" else 4 * FILES for way in WAYS}
ENTRY = "an entry of the other tenant"


def filler(way: str, **limits: Any) -> dict[str, Any]:
    return fake_tenant(title={"en": way}, limits=limits)


def name_of(way: str) -> str:
    return f"evil-filler-{way.replace(' ', '-')}"[:28]


@pytest.fixture(scope="module")
def host() -> Iterator[RunningDaemon]:
    """One daemon on a disk of its own, with one tenant for each way, stopped."""
    folder = Path(tempfile.mkdtemp(prefix="vw-"))
    with (
        mounted(folder, DISK_MB),
        running_daemon({"good": fake_tenant()}, start=False, root=folder, isolation="strict") as daemon,
    ):
        daemon.module = "tests.stubs.hostile_daemon"
        daemon.start().ready("good")
        with daemon.client() as client:
            client.set_texts("good", [ENTRY])
        yield daemon
    folder.rmdir()


@pytest.fixture
def play(host: RunningDaemon) -> Iterator[Any]:
    """Makes a tenant that fills the disk in this way; its name. Afterwards it is gone, and what it laid down, too."""
    made = []

    def start(way: str, **limits: Any) -> str:
        made.append(name_of(way))
        with host.client() as client:
            client.put_tenant(made[-1], json.dumps(filler(way, **limits)).encode())
        return made[-1]

    yield start
    with host.client() as client:
        for name in made:
            client.delete_tenant(name, purge=name)
            assert not host.paths.tenant(name).data.exists()


def used_mb(host: RunningDaemon) -> float:
    return shutil.disk_usage(host.root).used / (1 << 20)


def processes_of(name: str) -> list[psutil.Process]:
    return [
        process
        for process in psutil.process_iter(["cmdline"])
        if any(part.endswith(f"/{name}") for part in process.info["cmdline"] or [])
    ]


@pytest.mark.parametrize("way", WAYS)
def test_without_a_limit_the_disk_fills(host: RunningDaemon, play: Any, way: str) -> None:
    before = used_mb(host)
    name = play(way)
    wait_for(lambda: '"filled"' in host.encoder_log(name), what="the encoder's end of filling")
    assert "all of it was written" in host.encoder_log(name)
    bound = bound_of(1)
    assert bound is not None
    if way == "empty files":
        assert bound.files < EMPTY_FILES
    else:
        assert used_mb(host) - before >= LAID_MB[way] > bound.megabytes
    assert host.tenant(name).state == "ready"


@pytest.mark.parametrize("way", WAYS)
def test_past_its_limit_an_encoder_is_ended(host: RunningDaemon, play: Any, way: str) -> None:
    name = play(way, disk_mb=1)
    failed = wait_for(lambda: (view := host.tenant(name)).state == "failed" and view, what="the end of the encoder")
    reason = str(failed.reason)
    assert reason.startswith("stopped: its folder holds ")
    assert ("more files than the limit of 10,016 " in reason) is (way == "empty files")
    assert ("the limit is 66 MB (2 × limits.disk_mb + 64 MB)" in reason) is (way != "empty files")
    assert "raise the limit" in reason
    assert str(host.paths.tenant(name).data) in reason
    assert psutil.wait_procs(processes_of(name), timeout=10)[1] == []
    with host.client() as client:
        crossed = [event for event in client.events(after=0, limit=1000).events if event.name == "limit-crossed"]
        assert [(event.tenant, event.data["limit"]) for event in crossed][-1] == (name, "disk_mb")
        assert client.search("good", ENTRY).results[0].text == ENTRY


def test_what_is_in_force_is_said(host: RunningDaemon) -> None:
    with host.client() as client:
        assert client.info().disk == "watch"
