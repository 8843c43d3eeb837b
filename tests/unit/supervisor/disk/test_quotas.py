"""Quotas through a stand-in for the kernel's call; a real file system's are in tests/isolation/test_quotas.py."""

from __future__ import annotations

import ctypes
import errno
import os
from pathlib import Path
from typing import Any

import pytest

from daemon.core.errors import StartRefused
from daemon.core.paths import Paths
from daemon.supervisor.disk import quotas
from daemon.supervisor.disk.bound import Bound, bound_of
from daemon.supervisor.disk.limit import TenantDisk
from daemon.supervisor.disk.usage import Usage
from tests.support.scripted_tenant import World

UID = 20_000
ENFORCED, SET, GET = 0x5805, 0x800008, 0x800007
BOUND = Bound(66, 10_016)


class Kernel:
    """The kernel's quotactl_fd, with the limits of each uid in KiB and files."""

    def __init__(self) -> None:
        self.limits: dict[int, tuple[int, int]] = {}
        self.enforced = True
        self.forgets = False
        self.error = 0
        self.fd = -1

    def syscall(self, number: Any, fd: Any, command: Any, uid: Any, about: Any) -> int:
        assert number.value == 443
        self.fd = fd.value
        os.fstat(self.fd)  # the folder is open
        if self.error:
            ctypes.set_errno(self.error)
            return -1
        found, operation = about._obj, command.value >> 8
        if operation == ENFORCED:
            found.flags = 2 if self.enforced else 1  # it counts, and enforces nothing
        elif operation == SET and not self.forgets:
            self.limits[uid.value] = (found.hard, found.files_hard)
        elif operation == GET:
            found.hard, found.files_hard = self.limits.get(uid.value, (0, 0))
            found.used, found.files = 3 << 20, 7
        return 0


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Kernel:
    made = Kernel()
    monkeypatch.setattr(quotas, "_libc", made)
    return made


def test_no_folder_stays_open(kernel: Kernel, tmp_path: Path) -> None:
    for kernel.error in (0, errno.EPERM):
        quotas.in_force(tmp_path)
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(kernel.fd)


def test_a_limit_is_set_and_removed(kernel: Kernel, tmp_path: Path) -> None:
    quotas.set_bound(tmp_path, UID, BOUND)
    assert kernel.limits == {UID: (66 * 1024, 10_016)}
    assert quotas.quota(tmp_path, UID) == quotas.Quota(BOUND, 3 << 20, 7)
    quotas.set_bound(tmp_path, UID, None)
    assert quotas.quota(tmp_path, UID).bound is None


def test_quotas_are_in_force_where_they_are_enforced(kernel: Kernel, tmp_path: Path) -> None:
    assert quotas.in_force(tmp_path)
    kernel.enforced = False
    assert not quotas.in_force(tmp_path)
    kernel.error = errno.ENOSYS
    assert not quotas.in_force(tmp_path)
    assert not quotas.in_force(tmp_path / "missing")


def test_a_limit_that_is_not_taken_or_not_kept_is_refused(kernel: Kernel, tmp_path: Path) -> None:
    kernel.forgets = True
    with pytest.raises(StartRefused, match=r"cannot bound the disk space of uid 20000 .* did not keep it"):
        quotas.set_bound(tmp_path, UID, BOUND)
    kernel.error = errno.EPERM
    with pytest.raises(StartRefused, match=r"Operation not permitted; .*quotaon -p"):
        quotas.set_bound(tmp_path, UID, BOUND)


def test_a_link_in_the_place_of_a_folder_is_refused(kernel: Kernel, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    with pytest.raises(StartRefused, match="cannot bound"):
        quotas.set_bound(tmp_path / "link", UID, BOUND)
    assert kernel.limits == {}


# --- a tenant's disk ------------------------------------------------------------------------------------------


def data_of(folder: Path) -> Path:
    data = Paths.under(folder).tenant("acme").data
    data.mkdir(parents=True)
    return data


def test_a_tenants_quota_comes_with_its_limit_and_goes_with_its_data(kernel: Kernel, tmp_path: Path) -> None:
    owner = data_of(tmp_path).stat().st_uid
    disk = TenantDisk(Paths.under(tmp_path), lambda _: UID)
    assert disk.has_quotas()
    disk.set_bound("acme", 1)
    assert kernel.limits == {UID: (66 * 1024, 10_016)}
    kernel.limits[owner] = (1, 1)
    disk.lift("acme")
    assert kernel.limits[owner] == (0, 0)


@pytest.mark.parametrize("strict", [True, False])
def test_without_quotas_or_uids_nothing_is_set(kernel: Kernel, tmp_path: Path, strict: bool) -> None:
    data_of(tmp_path)
    kernel.enforced = not strict
    disk = TenantDisk(Paths.under(tmp_path), (lambda _: UID) if strict else None)
    assert not disk.has_quotas()
    disk.set_bound("acme", 1)
    disk.lift("acme")
    assert kernel.limits == {}


@pytest.mark.parametrize("strict", [True, False])
async def test_a_folder_is_measured_by_its_quota_or_counted(kernel: Kernel, tmp_path: Path, strict: bool) -> None:
    world = World(tmp_path)
    (data_of(tmp_path) / "file").write_bytes(b"x" * 10_000)
    bound = bound_of(1)
    assert bound is not None
    found = await TenantDisk(Paths.under(tmp_path), (lambda _: UID) if strict else None).measure(world.tenant, bound)
    if strict:
        assert found == Usage(3.0, 7)
    else:
        assert 0 < found.megabytes < 1
    await world.close()
