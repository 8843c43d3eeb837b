"""Limits of memory, processes and CPU by the kernel's own cgroups, where they are delegated to who runs this.

Where they are not, a guest's are (test_in_guest.py). What is set in which file stands in test_sandbox.py.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from daemon.core.wire import Event
from daemon.supervisor.isolation.cgroups import CgroupLimits, Cgroups
from daemon.supervisor.isolation.data_folders import DataFolder, as_tenant
from daemon.supervisor.isolation.sandbox import Limits, Sandbox, write_accounts
from tests.isolation.conftest import needs_root
from tests.stubs.filling_encoder import MEMORY_MB
from tests.support.daemons import RunningDaemon, fake_tenant, running_daemon, wait_for

pytestmark = needs_root

UID = 29_994
ENTRY = "an entry of the other tenant"
FORK = """
import os, sys
reader, writer = os.pipe()
for number in range(100):
    try:
        child = os.fork()
    except OSError as error:
        print(error.strerror)
        break
    if child == 0:
        os.close(writer)
        os.read(reader, 1)
        os._exit(0)
"""
SPIN = "import time\nwhile time.process_time() < 1: pass"


@pytest.fixture(scope="module")
def cgroups() -> Cgroups:
    found = Cgroups.discover()
    if found.base is None:
        pytest.skip("no cgroup here is delegated to the tests; test_in_guest.py runs this where one is")
    return found


@pytest.fixture
def joined(cgroups: Cgroups, tmp_path: Path) -> Iterator[tuple[Sandbox, Cgroups]]:
    home = DataFolder("limited", tmp_path / "tenants" / "limited", tmp_path / "accounts")
    home.give_to(UID)
    write_accounts(home.accounts, "limited", UID, home.data)
    cgroup = cgroups.make("limited", CgroupLimits(None, None, 1000))
    assert cgroup is not None
    yield Sandbox(UID, home.data, home.accounts, limits=Limits(processes=2000), cgroup=cgroup), cgroups
    cgroups.remove("limited")
    wait_for(lambda: cgroups.sweep() or not cgroup.exists(), what="the end of the cgroup")


def stat(sandbox: Sandbox, name: str) -> int:
    assert sandbox.cgroup is not None
    lines = (sandbox.cgroup / "cpu.stat").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name} "))


def test_processes_are_bounded(joined: tuple[Sandbox, Cgroups]) -> None:
    sandbox, cgroups = joined
    fork = [sys.executable, "-I", "-c", FORK]
    assert as_tenant(sandbox, fork) == ""  # the control: a hundred are nothing to the other limits
    cgroups.make("limited", CgroupLimits(None, None, processes=50))
    assert as_tenant(sandbox, fork).strip() == "Resource temporarily unavailable"


def test_the_processor_is_bounded(joined: tuple[Sandbox, Cgroups]) -> None:
    sandbox, cgroups = joined
    spin = [sys.executable, "-I", "-c", SPIN]
    as_tenant(sandbox, spin)
    assert stat(sandbox, "nr_throttled") == 0  # the control
    cgroups.make("limited", CgroupLimits(None, 0.5, 1000))
    as_tenant(sandbox, spin)
    assert stat(sandbox, "nr_throttled") > 0


def test_memory_is_bounded(joined: tuple[Sandbox, Cgroups]) -> None:
    sandbox, cgroups = joined
    eat = [sys.executable, "-I", "-c", f"kept = b'x' * ({MEMORY_MB} << 20); print('eaten')"]
    assert as_tenant(sandbox, eat) == "eaten\n"  # the control
    cgroups.make("limited", CgroupLimits(MEMORY_MB // 2, None, 1000))
    why = cgroups.out_of_memory("limited")
    assert why() is None
    assert as_tenant(sandbox, eat, check=False) == ""
    assert why() == "it reached limits.memory_mb"
    assert cgroups.out_of_memory("limited")() is None


# --- a daemon -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def host(cgroups: Cgroups) -> Iterator[RunningDaemon]:
    with running_daemon({"good": fake_tenant()}, start=False, isolation="strict") as daemon:
        daemon.module = "tests.stubs.hostile_daemon"
        daemon.start().ready("good")
        with daemon.client() as client:
            client.set_texts("good", [ENTRY])
        yield daemon


def play(host: RunningDaemon, name: str, way: str, **limits: int) -> None:
    with host.client() as client:
        client.put_tenant(name, json.dumps(fake_tenant(title={"en": way}, limits=limits)).encode())


def until_said(host: RunningDaemon, tenant: str) -> str:
    wait_for(lambda: '"filled"' in host.encoder_log(tenant), 60, what="its last word")
    return host.encoder_log(tenant)


def crashes(host: RunningDaemon, tenant: str) -> list[Event]:
    with host.client() as client:
        found = client.events(after=0, limit=1000).events
    return [event for event in found if event.name == "tenant-crashed" and event.tenant == tenant]


def finds(host: RunningDaemon) -> str:
    with host.client() as client:
        return client.search("good", ENTRY).results[0].text


def stop(host: RunningDaemon, name: str) -> None:
    with host.client() as client:
        client.wait(name, client.stop(name).id)


def test_an_encoder_that_eats_memory_is_ended_and_told_why(host: RunningDaemon) -> None:
    before = host.tenant("good").pid
    play(host, "evil-filler-free", "memory")
    assert "all of it was written" in until_said(host, "evil-filler-free")  # the control
    play(host, "evil-filler-eats", "memory", memory_mb=MEMORY_MB // 2)
    crash = wait_for(lambda: crashes(host, "evil-filler-eats"), 60, what="the end of the one that eats")[0]
    reason = "the encoder was ended by the kernel, out of memory: it reached limits.memory_mb"
    assert crash.data["reason"] == reason
    assert reason in str(host.tenant("evil-filler-eats").reason)
    stop(host, "evil-filler-eats")
    assert crashes(host, "evil-filler-free") == crashes(host, "good") == []
    assert finds(host) == ENTRY
    assert host.tenant("good").pid == before


def test_an_encoder_that_forks_without_end_is_refused_and_leaves_nothing(host: RunningDaemon, cgroups: Cgroups) -> None:
    assert cgroups.base is not None
    play(host, "evil-filler-forks", "processes")
    assert "Resource temporarily unavailable after " in until_said(host, "evil-filler-forks")
    assert finds(host) == ENTRY
    cgroup = cgroups.base / "tenant-evil-filler-forks"
    assert len((cgroup / "cgroup.procs").read_text().split()) > 200
    stop(host, "evil-filler-forks")
    wait_for(lambda: not cgroup.exists(), 60, what="the end of the cgroup")


def test_what_is_in_force_is_said(host: RunningDaemon) -> None:
    with host.client() as client:
        assert "cgroups" not in client.info().lacking
