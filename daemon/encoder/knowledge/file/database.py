"""The open file: one writer behind a lock, a pool of read-only connections, a bound on its size."""

from __future__ import annotations

import os
import sqlite3
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from daemon.core.errors import DiskFull, InternalError, Unavailable, VecwardError
from daemon.core.files import disk, replace
from daemon.core.units import MIB
from daemon.encoder.knowledge.file import schema, sharing
from daemon.encoder.knowledge.file.other_files import OtherFiles

_BUSY_MS = 5000
_LOG_KEPT = 4 * MIB  # this much of the log stays allocated: on a full disk a small delete can still be written
_STEPS = 100_000  # some milliseconds
_SPARE = 16  # a sixteenth of disk_mb is kept for deletes, undo and operations
BEFORE = ".{}.before"  # a base whose place another one takes, until that one is open
_FULL, _IOERR, _CORRUPT, _NOTADB, _CANTOPEN = 13, 10, 11, 26, 14


class Database:
    """The open base. Every SQLite error leaves this class as a VecwardError."""

    def __init__(self, path: Path, disk_mb: int | None, *, beside: bool = False) -> None:
        """Open the file, or create it; `beside`: another process serves it. Raises StartRefused."""
        self.path = path
        self._shared = sharing.share(path) if beside else None
        self._limit = None if disk_mb is None else disk_mb * MIB
        self._other_files = OtherFiles(path.parent)
        self._log_kept = _LOG_KEPT if self._limit is None else min(_LOG_KEPT, self._limit // 8)
        self.lock = threading.RLock()
        self._readers: deque[sqlite3.Connection] = deque()
        self._gate = threading.Condition()  # of readers: shut while the files are swapped
        self._reading = 0
        self._shut = False
        self._closed = False
        self._moved: Callable[[], None] | None = None
        self._truncate_due = False
        with self.translated():
            schema.ensure(path)
            self._inspect()
            self._written: sqlite3.Connection | None = self._open_writer()

    @property
    def _writer(self) -> sqlite3.Connection:
        """The one connection that writes, opened anew after a swap of files that failed."""
        if self._written is None:
            self._written = self._open_writer()
        return self._written

    def _open_writer(self) -> sqlite3.Connection:
        db = sqlite3.connect(self._uri("rw"), uri=True, isolation_level=None, check_same_thread=False)
        try:
            db.execute(f"PRAGMA busy_timeout = {_BUSY_MS}")
            schema.bring_up_to_date(db, self.path)
            for pragma in (
                "secure_delete = ON",
                "journal_mode = WAL",
                "synchronous = FULL",
                "temp_store = MEMORY",
            ):
                db.execute(f"PRAGMA {pragma}")
            db.execute("PRAGMA cache_size = -16384")
            db.execute(f"PRAGMA wal_autocheckpoint = {self._log_kept // schema.PAGE_SIZE}")
            db.execute(f"PRAGMA journal_size_limit = {self._log_kept}")
            db.set_progress_handler(self._moved, _STEPS)
        except BaseException:
            db.close()
            raise
        return db

    def _inspect(self) -> None:
        db = sqlite3.connect(self._uri("ro"), uri=True, isolation_level=None)
        try:
            db.execute(f"PRAGMA busy_timeout = {_BUSY_MS}")
            schema.inspect(db, self.path)
        finally:
            db.close()

    def _uri(self, mode: str) -> str:
        return f"{self.path.absolute().as_uri()}?mode={mode}"

    # --- reading ---

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """Give a read-only connection inside one snapshot."""
        with self.translated(), self._through_gate():
            db = self._reader()
            db.execute("BEGIN")
            try:
                yield db
            finally:
                if db.in_transaction:
                    db.execute("ROLLBACK")
                self._give_back(db)

    @contextmanager
    def _through_gate(self) -> Iterator[None]:
        with self._gate:
            self._gate.wait_for(lambda: not self._shut)
            self._reading += 1
        try:
            yield
        finally:
            with self._gate:
                self._reading -= 1
                self._gate.notify_all()

    def _reader(self) -> sqlite3.Connection:
        if self._closed:
            raise InternalError(f"cannot read {self.path}: it is closed")
        try:
            return self._readers.pop()
        except IndexError:
            db = sqlite3.connect(self._uri("ro"), uri=True, isolation_level=None, check_same_thread=False)
            db.execute(f"PRAGMA busy_timeout = {_BUSY_MS}")
            db.execute("PRAGMA temp_store = MEMORY")
            return db

    def _give_back(self, db: sqlite3.Connection) -> None:
        self._readers.append(db)
        if self._closed:
            self._close_readers()

    def _close_readers(self) -> None:
        while self._readers:
            self._readers.pop().close()

    # --- writing ---

    def watch(self, moved: Callable[[], None]) -> None:
        """Call `moved` after every so many steps of SQLite's, which tells a long write from a hung one."""
        self._moved = moved
        self._writer.set_progress_handler(moved, _STEPS)

    @contextmanager
    def write(self, *, spare: bool = False) -> Iterator[sqlite3.Connection]:
        """Give the writer inside one transaction: committed at the end, rolled back on any exception.

        `spare` opens the reserve of disk_mb: for what frees space or must be recorded.
        """
        with self.lock, self.translated():
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
            raise self._disk_full()

    def room(self) -> int:
        """Count the bytes that may still be written: by disk_mb less its reserve, and on this disk."""
        with self.lock, self.translated():
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

    def truncate_log(self, *, wait: bool = True) -> bool:
        """Empty the write-ahead log, so that no file holds removed text; says whether it is empty.

        A reader in the way (a backup, say) is waited for a moment; then each later write tries again.
        """
        with self.lock, self.translated():
            self._writer.execute(f"PRAGMA busy_timeout = {_BUSY_MS if wait else 0}")
            busy, _, _ = self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            self._writer.execute(f"PRAGMA busy_timeout = {_BUSY_MS}")
            self._truncate_due = bool(busy)
            return not busy

    @property
    def log_pending(self) -> bool:
        """True while removed text may still be in the write-ahead log."""
        return self._truncate_due

    def backup(self, target: Path) -> None:
        """Copy the base as of now into one file, complete or not at all, while it serves."""
        with self.translated(), self._through_gate():
            db = self._reader()
            try:
                schema.copy_to(db, target)
            finally:
                self._give_back(db)

    def close(self) -> None:
        with self.lock:
            if not self._closed:
                self._closed = True
                self._close_readers()
                if self._written is not None:
                    self._written.close()
                if self._shared is not None:
                    os.close(self._shared)

    # --- another file in its place ---

    def replace(self, fresh: Path, wait_s: float) -> None:
        """Give `fresh`, a base that nobody has open, this one's name; the next read or write uses it.

        A kill leaves one or the other. New readers are held back meanwhile. Raises Unavailable when a second process
        has the base open or reads under way take longer than `wait_s`, InternalError when files can't be swapped here:
        the old base goes on then.
        """
        kept = self.path.with_name(BEFORE.format(self.path.name))
        _must_be_whole(fresh)
        with self.lock, self.translated(), sharing.alone(self.path), self._alone(wait_s):
            self._lay_down()
            try:
                _swap(self.path, fresh, kept)
                self._written = self._open_writer()
            except BaseException as error:
                _put_back(self.path, kept)
                if isinstance(error, OSError) and not disk.is_full(error):
                    raise InternalError(f"cannot swap {self.path}: {error.strerror}") from error
                raise
            kept.unlink(missing_ok=True)

    @contextmanager
    def _alone(self, wait_s: float) -> Iterator[None]:
        with self._gate:
            self._shut = True
            try:
                if not self._gate.wait_for(lambda: self._reading == 0, wait_s):
                    raise Unavailable("cannot swap the knowledge base: it is being read; try again")
                yield
            finally:
                self._shut = False
                self._gate.notify_all()

    def _lay_down(self) -> None:
        """Close everything, the log too: one that stays would be taken for the next file's own."""
        self._close_readers()
        self.truncate_log(wait=False)
        self._writer.close()
        self._written = None
        if self.log_size():
            raise InternalError(f"cannot swap {self.path}: another process has it open")
        _remove_log(self.path)
        replace.sync_folder(self.path.parent)

    # --- errors ---

    @contextmanager
    def translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise self._translate(error) from error
        except OSError as error:
            if disk.is_full(error):
                raise self._disk_full() from error
            raise

    def _translate(self, error: sqlite3.Error) -> VecwardError:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if "Could not decode" in str(error):  # the message quotes the text: it must not reach a log
            return schema.damaged(self.path, "a text in it is not UTF-8")
        if code == _FULL or (code in (_IOERR, _CANTOPEN) and self._no_space()):
            return self._disk_full()
        if code in (_CORRUPT, _NOTADB):
            return schema.damaged(self.path, error)
        return InternalError(f"cannot use the knowledge base {self.path}: {error}; see the tenant's log")

    def _no_space(self) -> bool:
        """Try to write a little: SQLite does not say what failed, and a disk does not tell of a quota."""
        try:
            with tempfile.TemporaryFile(dir=self.path.parent) as file:
                os.posix_fallocate(file.fileno(), 0, MIB)
        except OSError as error:
            return disk.is_full(error)
        return False

    def _disk_full(self) -> DiskFull:
        if self._limit is not None and not self._no_space():
            return DiskFull(
                f"cannot write: knowledge base, index and models reached limits.disk_mb ({self._limit // MIB} MB); "
                "nothing acknowledged is lost. Delete entries with --forget, shorten "
                "knowledge.history_days, or raise the limit",
                file=str(self.path),
                disk_mb=self._limit // MIB,
            )
        return DiskFull(
            f"cannot write: the disk that holds {self.path} is full; nothing acknowledged is lost. "
            "Make room on it, then try again",
            file=str(self.path),
        )


def _must_be_whole(fresh: Path) -> None:
    """Make sure that nothing of a base is in a log, and all of it on the disk. Raises InternalError."""
    log = Path(f"{fresh}-wal")
    if log.exists() and log.stat().st_size:
        raise InternalError(f"cannot use {fresh}: it was not closed")
    replace.sync_file(fresh)


def _swap(path: Path, fresh: Path, kept: Path) -> None:
    """Swap the names; there is a base under the name `path` at every moment."""
    kept.unlink(missing_ok=True)
    os.link(path, kept)
    replace.rename(fresh, path)


def _put_back(path: Path, kept: Path) -> None:
    if kept.exists():
        _remove_log(path)
        kept.replace(path)
        kept.unlink(missing_ok=True)  # both names were one file's: then replacing does nothing


def _remove_log(path: Path) -> None:
    for beside in ("-wal", "-shm"):
        Path(f"{path}{beside}").unlink(missing_ok=True)
