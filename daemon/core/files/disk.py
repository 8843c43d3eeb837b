"""Errors that mean: the disk is full, or a quota on it is used up."""

from __future__ import annotations

import errno
import sqlite3

from daemon.core.errors import DiskFull

# A write that finds no room is SQLITE_FULL; the file of locks beside a database has a code of its own.
_SQLITE_CODES = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_SHMSIZE)


def is_full(error: BaseException) -> bool:
    """Tell a full disk from other errors: an OSError's number, an sqlite3.Error's code, or our own DiskFull."""
    if isinstance(error, OSError):
        return error.errno in (errno.ENOSPC, errno.EDQUOT)
    if isinstance(error, sqlite3.Error):
        return getattr(error, "sqlite_errorcode", 0) in _SQLITE_CODES
    return isinstance(error, DiskFull)
