"""Quotas of a real file system: set, in force, lifted. Where this kernel has none, a guest's has (test_in_guest.py)."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from daemon.client import Client
from daemon.core.errors import DiskFull
from daemon.core.wire import NewEntry
from daemon.supervisor.disk import quotas
from daemon.supervisor.disk.bound import Bound, bound_of
from tests.guest import IN_GUEST, QUOTA_FOLDER
from tests.isolation.conftest import needs_root
from tests.support.daemons import fake_tenant, running_daemon, wait_for

pytestmark = needs_root

UID = 29_993
SMALL = Bound(megabytes=4, files=20)


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A file system with quotas by uid in force."""
    if IN_GUEST in os.environ:
        yield QUOTA_FOLDER
        return
    image, folder = tmp_path_factory.mktemp("quota") / "disk", tmp_path_factory.mktemp("mounted")
    with image.open("wb") as file:
        file.truncate(256 << 20)
    subprocess.run(["mkfs.ext4", "-q", "-O", "quota", str(image)], check=True)
    mount = ["mount", "-o", "loop,usrquota", str(image), str(folder)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"this kernel has no quotas to try, test_in_guest.py runs this in one that has: {done.stderr}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture
def root(disk: Path) -> Iterator[Path]:
    folder = disk / "vw"
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def as_uid(script: str, folder: Path) -> subprocess.CompletedProcess[str]:
    become = ["setpriv", "--reuid", str(UID), "--regid", str(UID), "--clear-groups", "--inh-caps=-all"]
    return subprocess.run([*become, "sh", "-c", script], cwd=folder, capture_output=True, text=True, check=False)


@pytest.fixture
def folder(root: Path) -> Path:
    root.mkdir()
    os.chown(root, UID, UID)
    return root


def test_it_is_known_where_quotas_are_in_force(disk: Path) -> None:
    assert quotas.in_force(disk)
    assert not quotas.in_force(Path("/proc"))
    assert not quotas.in_force(Path("/dev/shm"))  # noqa: S108
    assert not quotas.in_force(disk / "nowhere")


def test_space_and_files_are_bounded(folder: Path) -> None:
    fill, touch = "head -c 8M /dev/zero >f", "for i in $(seq 30); do : >e$i || exit 1; done"
    assert as_uid(f"{fill} && rm f && {touch} && rm e*", folder).returncode == 0  # the control
    quotas.set_bound(folder, UID, SMALL)
    assert "quota exceeded" in as_uid(fill, folder).stderr
    assert "quota exceeded" in as_uid(touch, folder).stderr
    found = quotas.quota(folder, UID)
    assert found.bound == SMALL
    assert found.used_bytes <= SMALL.megabytes << 20
    assert found.files <= SMALL.files
    quotas.set_bound(folder, UID, None)
    assert quotas.quota(folder, UID).bound is None
    assert as_uid(fill, folder).returncode == 0


# --- a daemon -----------------------------------------------------------------------------------------------


def test_an_encoder_that_fills_the_disk_is_refused_by_the_kernel(root: Path) -> None:
    bound = bound_of(1)
    assert bound is not None
    ways = {"evil-filler-space": "many files", "evil-filler-files": "empty files", "evil-filler-held": "deleted files"}
    fillers = {name: fake_tenant(title={"en": way}, limits={"disk_mb": 1}) for name, way in ways.items()}
    with running_daemon(fillers, start=False, root=root, isolation="strict") as daemon:
        daemon.module = "tests.stubs.hostile_daemon"
        daemon.start()
        for name in ways:
            wait_for(lambda name=name: '"filled"' in daemon.encoder_log(name), 60, what=f"the end of {name}'s filling")
            assert "quota exceeded" in daemon.encoder_log(name)
            data = daemon.paths.tenant(name).data
            uid = data.stat().st_uid
            found = quotas.quota(data, uid)
            assert found.bound == bound
            assert found.used_bytes <= bound.megabytes << 20
            assert daemon.tenant(name).state == "ready"
            with daemon.client() as client:
                assert client.info().disk == "quota"
                client.delete_tenant(name, purge=name)
            assert quotas.quota(root, uid).bound is None


def test_a_changed_limit_is_a_changed_quota(root: Path) -> None:
    with running_daemon({"acme": fake_tenant(limits={"disk_mb": 10})}, root=root, isolation="strict") as daemon:
        daemon.ready("acme")
        data = daemon.paths.tenant("acme").data
        uid = data.stat().st_uid
        for limit in (20, None):
            with daemon.client() as client:
                client.put_tenant("acme", json.dumps(fake_tenant(limits={"disk_mb": limit})).encode())
            wait_for(lambda limit=limit: quotas.quota(data, uid).bound == bound_of(limit), what="the new quota")
        daemon.ready("acme")


def fill(client: Client) -> tuple[int, str]:
    """The number of acknowledged entries, and the refusal of the next one."""
    for number in range(1000):
        try:
            client.add("acme", [NewEntry(text=f"{number} " + "x" * 30_000)])
        except DiskFull as error:
            return number, error.message
    raise AssertionError("the quota was never reached")


def test_an_encoder_at_its_quota_refuses_writes_and_loses_nothing(root: Path) -> None:
    """The kernel's refusal is understood too, should the encoder's own count be wrong."""
    with running_daemon({"acme": fake_tenant(limits={"disk_mb": 50})}, root=root, isolation="strict") as daemon:
        daemon.ready("acme")
        data = daemon.paths.tenant("acme").data
        quotas.set_bound(data, data.stat().st_uid, Bound(2, 1000))
        with daemon.client() as client:
            kept, refused = fill(client)
            assert "nothing acknowledged is lost" in refused
            assert client.entries("acme").total == kept > 0
            quotas.set_bound(data, data.stat().st_uid, bound_of(50))
            assert client.add("acme", [NewEntry(text="room again")]).added
