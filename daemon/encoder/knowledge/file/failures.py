"""Errors of SQLite and of the disk, turned into those that a caller is told."""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from daemon.core.errors import DiskFull, InternalError, VecwardError
from daemon.core.files import disk
from daemon.core.units import MIB
from daemon.encoder.knowledge.file import schema

_FULL, _IOERR, _CORRUPT, _NOTADB, _CANTOPEN = 13, 10, 11, 26, 14


class Failures:
    """The errors of one base; `limit` is disk_mb in bytes."""

    def __init__(self, path: Path, limit: int | None) -> None:
        self._path = path
        self._limit = limit

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Turn errors of SQLite and of a full disk into a VecwardError."""
        try:
            yield
        except sqlite3.Error as error:
            raise self._translate(error) from error
        except OSError as error:
            if disk.is_full(error):
                raise self.disk_full() from error
            raise

    def _translate(self, error: sqlite3.Error) -> VecwardError:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if "Could not decode" in str(error):  # the message quotes the text: it must not reach a log
            return schema.damaged(self._path, "a text in it is not UTF-8")
        if code == _FULL or (code in (_IOERR, _CANTOPEN) and self._no_space()):
            return self.disk_full()
        if code in (_CORRUPT, _NOTADB):
            return schema.damaged(self._path, error)
        return InternalError(f"cannot use the knowledge base {self._path}: {error}; see the tenant's log")

    def _no_space(self) -> bool:
        """Try to write a little: SQLite does not say what failed, and a disk does not tell of a quota."""
        try:
            with tempfile.TemporaryFile(dir=self._path.parent) as file:
                os.posix_fallocate(file.fileno(), 0, MIB)
        except OSError as error:
            return disk.is_full(error)
        return False

    def disk_full(self) -> DiskFull:
        """Say whether the disk is full or the tenant's own limit is reached."""
        if self._limit is not None and not self._no_space():
            return DiskFull(
                f"cannot write: knowledge base, index and models reached limits.disk_mb ({self._limit // MIB} MB); "
                "nothing acknowledged is lost. Delete entries with --forget, shorten "
                "knowledge.history_days, or raise the limit",
                file=str(self._path),
                disk_mb=self._limit // MIB,
            )
        return DiskFull(
            f"cannot write: the disk that holds {self._path} is full; nothing acknowledged is lost. "
            "Make room on it, then try again",
            file=str(self._path),
        )
