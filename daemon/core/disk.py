"""Whether an error means that a disk is full."""

from __future__ import annotations

import errno
import sqlite3

from daemon.core.errors import DiskFull

# A write that finds no room is SQLITE_FULL; the file of locks beside a database has a code of its own.
_CODES = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_SHMSIZE)


def is_full(error: BaseException) -> bool:
    if isinstance(error, OSError):
        return error.errno in (errno.ENOSPC, errno.EDQUOT)
    if isinstance(error, sqlite3.Error):
        return getattr(error, "sqlite_errorcode", 0) in _CODES
    return isinstance(error, DiskFull)
