"""Disk quotas by uid, where the file system of the tenants' folders has them in force (ext4, XFS; Linux 5.14).

The daemon switches no quotas on: that is the host's own affair. It sets limits for its tenants' uids where the kernel
says that limits are enforced, and takes them away when a tenant's data is destroyed.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from daemon.core.errors import StartRefused
from daemon.supervisor.disk.bound import Bound

_QUOTACTL_FD = 443  # the same on all of Linux's processors
_USRQUOTA = 0
# linux/quota.h, linux/dqblk_xfs.h; the state by XFS's call, which other file systems answer, too
_Q_GETQUOTA, _Q_SETQUOTA, _Q_XGETQSTAT = 0x800007, 0x800008, 0x5805
_USER_LIMITS_ENFORCED = 1 << 1  # FS_QUOTA_UDQ_ENFD
_VALID_LIMITS = 1 | 4  # QIF_BLIMITS | QIF_ILIMITS
_KIB_IN_MIB = 1024

_libc = ctypes.CDLL(None, use_errno=True)


class _Block(ctypes.Structure):
    """`struct if_dqblk`: limits of space in KiB, space in use in bytes."""

    _fields_ = (
        *((name, ctypes.c_uint64) for name in ("hard", "soft", "used", "files_hard", "files_soft", "files")),
        *((name, ctypes.c_uint64) for name in ("until", "files_until")),
        ("valid", ctypes.c_uint32),
    )


class _State(ctypes.Structure):
    """The beginning of `struct fs_quota_stat`."""

    _fields_ = (("version", ctypes.c_int8), ("flags", ctypes.c_uint16), ("rest", ctypes.c_char * 128))


@dataclass(frozen=True)
class Quota:
    """The quota of a uid and its use; `bound` None: no limit."""

    bound: Bound | None
    used_bytes: int
    files: int


def in_force(folder: Path) -> bool:
    """True where the kernel enforces limits of uids on this folder's file system."""
    state = _State()
    try:
        with _opened(folder) as fd:
            _call(fd, _Q_XGETQSTAT, 0, state)
    except OSError:  # each file system says in its own way that it has none
        return False
    return bool(state.flags & _USER_LIMITS_ENFORCED)


def set_bound(folder: Path, uid: int, bound: Bound | None) -> None:
    """Set or remove the limit of a uid. Raises StartRefused where the kernel does not take it."""
    megabytes, files = (bound.megabytes, bound.files) if bound else (0, 0)
    wanted = _Block(hard=megabytes * _KIB_IN_MIB, files_hard=files, valid=_VALID_LIMITS)
    try:
        with _opened(folder) as fd:
            _call(fd, _Q_SETQUOTA, uid, wanted)
        done = quota(folder, uid).bound == bound
    except OSError as error:
        raise _refused(folder, uid, error.strerror or str(error)) from error
    if not done:
        raise _refused(folder, uid, "the kernel took it and did not keep it")


def quota(folder: Path, uid: int) -> Quota:
    """The quota of a uid and its use. Raises OSError."""
    found = _Block()
    with _opened(folder) as fd:
        _call(fd, _Q_GETQUOTA, uid, found)
    bound = Bound(found.hard // _KIB_IN_MIB, found.files_hard) if found.hard or found.files_hard else None
    return Quota(bound, found.used, found.files)


@contextmanager
def _opened(folder: Path) -> Iterator[int]:
    fd = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        yield fd
    finally:
        os.close(fd)


def _call(fd: int, command: int, uid: int, about: ctypes.Structure) -> None:
    code = ctypes.c_long(command << 8 | _USRQUOTA)
    if _libc.syscall(ctypes.c_long(_QUOTACTL_FD), ctypes.c_long(fd), code, ctypes.c_long(uid), ctypes.byref(about)):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _refused(folder: Path, uid: int, why: str) -> StartRefused:
    return StartRefused(
        f"cannot bound the disk space of uid {uid} in {folder}: {why}; quotas are in force on its file system, so look "
        "at them (quotaon -p), or switch them off there to have limits.disk_mb watched instead"
    )
