"""The open file: one writer behind a lock, a pool of readers, a bound on its size."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from daemon.core.errors import InternalError
from daemon.core.files import disk, replace
from daemon.core.units import MIB
from daemon.encoder.knowledge.file import connections, schema, sharing, swap_names
from daemon.encoder.knowledge.file.failures import Failures
from daemon.encoder.knowledge.file.other_files import OtherFiles
from daemon.encoder.knowledge.file.readers import Readers

_LOG_KEPT = 4 * MIB  # this much of the log stays allocated: on a full disk a small delete can still be written
_SPARE = 16  # a sixteenth of disk_mb is kept for deletes, undo and operations


class Database:
    """The open base. Every SQLite error leaves this class as a VecwardError."""

    def __init__(self, path: Path, disk_mb: int | None, *, beside: bool = False) -> None:
        """Open the file, or create it; `beside`: another process serves it. Raises StartRefused."""
        self.path = path
        self._shared = sharing.share(path) if beside else None
        self._limit = None if disk_mb is None else disk_mb * MIB
        self._failures = Failures(path, self._limit)
        self._other_files = OtherFiles(path.parent)
        self._log_kept = _LOG_KEPT if self._limit is None else min(_LOG_KEPT, self._limit // 8)
        self.lock = threading.RLock()
        self._readers = Readers(path)
        self._closed = False
        self._moved: Callable[[], None] | None = None
        self._truncate_due = False
        with self._failures.translated():
            schema.ensure(path)
            connections.inspect(path)
            self._open: sqlite3.Connection | None = self._open_writer()

    @property
    def _writer(self) -> sqlite3.Connection:
        """The one connection that writes, opened anew after a swap of files that failed."""
        if self._open is None:
            self._open = self._open_writer()
        return self._open

    def _open_writer(self) -> sqlite3.Connection:
        return connections.writer(self.path, self._log_kept, self._moved)

    # --- reading ---

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """Give a read-only connection inside one snapshot."""
        with self._failures.translated(), self._readers.connection() as db:
            db.execute("BEGIN")
            try:
                yield db
            finally:
                if db.in_transaction:
                    db.execute("ROLLBACK")

    def backup(self, target: Path) -> None:
        """Copy the base as of now into one file, complete or not at all, while it serves."""
        with self._failures.translated(), self._readers.connection() as db:
            schema.copy_to(db, target)

    # --- writing ---

    def watch(self, moved: Callable[[], None]) -> None:
        """Call `moved` after every so many steps of SQLite's, which tells a long write from a hung one."""
        self._moved = moved
        self._writer.set_progress_handler(moved, connections.STEPS)

    @contextmanager
    def write(self, *, spare: bool = False) -> Iterator[sqlite3.Connection]:
        """Give the writer inside one transaction: committed at the end, rolled back on any exception.

        `spare` opens the reserve of disk_mb: for changes that free space or must be recorded.
        """
        with self.lock, self._failures.translated():
            if self._closed:
                raise InternalError(f"cannot write {self.path}: it is closed")
            self._allow(spare=spare)
            db = self._writer
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
                db.execute("COMMIT")
            except BaseException:
                if db.in_transaction:
                    db.execute("ROLLBACK")
                raise
            if self._truncate_due:
                self.truncate_log(wait=False)

    def truncate_log(self, *, wait: bool = True) -> bool:
        """Empty the write-ahead log, so that no file holds removed text; says whether it is empty.

        A reader in the way (a backup, say) is waited for a moment; then each later write tries again.
        """
        with self.lock, self._failures.translated():
            self._writer.execute(f"PRAGMA busy_timeout = {connections.BUSY_MS if wait else 0}")
            busy, _, _ = self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            self._writer.execute(f"PRAGMA busy_timeout = {connections.BUSY_MS}")
            self._truncate_due = bool(busy)
            return not busy

    @property
    def log_pending(self) -> bool:
        """True while removed text may still be in the write-ahead log."""
        return self._truncate_due

    # --- the bound on its size ---

    def _allow(self, *, spare: bool) -> None:
        if self._limit is not None:
            allowed = self._limit if spare else self._limit - self._limit // _SPARE - self._other_files.size()
            self._writer.execute(f"PRAGMA max_page_count = {max(allowed // schema.PAGE_SIZE, 1)}")

    def check_room(self) -> None:
        """Refuse a write that brings file, log and other files past disk_mb: SQLite bounds the file alone.

        Raises DiskFull.
        """
        if self._limit is None:
            return
        pages = int(self._writer.execute("PRAGMA page_count").fetchone()[0])
        if pages * schema.PAGE_SIZE + self.log_size() + self._other_files.size() > self._limit:
            raise self._failures.disk_full()

    def room(self) -> int:
        """Count the bytes that may still be written: by disk_mb less its reserve, and on this disk."""
        with self.lock, self._failures.translated():
            inside = int(self._writer.execute("PRAGMA freelist_count").fetchone()[0]) * schema.PAGE_SIZE
        state = os.statvfs(self.path.parent)
        free = inside + state.f_bavail * state.f_frsize
        if self._limit is not None:
            used = self.path.stat().st_size + self.log_size() - inside
            free = min(free, self._limit - self._limit // _SPARE - used)
        return max(free, 0)

    def log_size(self) -> int:
        try:
            return Path(f"{self.path}-wal").stat().st_size
        except FileNotFoundError:
            return 0

    # --- another file in its place ---

    def replace(self, fresh: Path, wait_s: float) -> None:
        """Give `fresh`, a base that nobody has open, this one's name; the next read or write uses it.

        A kill leaves one or the other. New readers are held back meanwhile. Raises Unavailable when a second process
        has the base open or reads under way take longer than `wait_s`, InternalError when files can't be swapped here:
        the old base goes on then.
        """
        kept = self.path.with_name(swap_names.BEFORE.format(self.path.name))
        swap_names.require_whole(fresh)
        held_back = self._readers.held_back(wait_s)
        with self.lock, self._failures.translated(), sharing.alone(self.path), held_back:
            self._lay_down()
            try:
                swap_names.swap(self.path, fresh, kept)
                self._open = self._open_writer()
            except BaseException as error:
                swap_names.put_back(self.path, kept)
                if isinstance(error, OSError) and not disk.is_full(error):
                    raise InternalError(f"cannot swap {self.path}: {error.strerror}") from error
                raise
            kept.unlink(missing_ok=True)

    def _lay_down(self) -> None:
        """Close everything, the log too: one that stays would be taken for the next file's own."""
        self._readers.close_idle()
        self.truncate_log(wait=False)
        self._writer.close()
        self._open = None
        if self.log_size():
            raise InternalError(f"cannot swap {self.path}: another process has it open")
        swap_names.remove_log(self.path)
        replace.sync_folder(self.path.parent)

    def close(self) -> None:
        with self.lock:
            if not self._closed:
                self._closed = True
                self._readers.close()
                if self._open is not None:
                    self._open.close()
                if self._shared is not None:
                    os.close(self._shared)
