"""Whether an error means that a disk is full, and what a tenant may lay on it."""

from __future__ import annotations

import errno
import sqlite3
from dataclasses import dataclass

from daemon.core.errors import DiskFull

# A write that finds no room is SQLITE_FULL; the file of locks beside a database has a code of its own.
_CODES = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_SHMSIZE)


@dataclass(frozen=True)
class Bound:
    """What may lie in a tenant's folder at most, whatever its encoder does."""

    megabytes: int
    files: int


def bound_of(disk_mb: int | None) -> Bound | None:
    """An encoder keeps to `limits.disk_mb` by itself; this is where it is kept from more.

    For a while a second copy may lie beside the first: a backup that is restored, a schema that is migrated, an index
    that is written.
    """
    return None if disk_mb is None else Bound(2 * disk_mb + 64, 10_000 + 16 * disk_mb)


def is_full(error: BaseException) -> bool:
    if isinstance(error, OSError):
        return error.errno in (errno.ENOSPC, errno.EDQUOT)
    if isinstance(error, sqlite3.Error):
        return getattr(error, "sqlite_errorcode", 0) in _CODES
    return isinstance(error, DiskFull)
