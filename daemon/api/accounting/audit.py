"""The audit log: one JSON line per mutating call, sign-in, refusal and change of the configuration, written by the
daemon alone.

The first of equal refusals is written at once; those that follow within a minute are counted, and the count is
written as one line when the minute is over. Who is refused in very many ways (made-up names of tenants) is counted
under one line, too: a caller without any right must not fill the disk. Mode 0640. A line that a crash tore is marked
at the next start; lines that could not be written (full disk) are counted and told by the next one that is.

A line is with the kernel when its call is answered: it survives any end of the daemon. It is on the disk `SYNC_S`
later: what a power cut takes is the last second. The file is put aside each day and kept for `KEPT_DAYS`.
"""

from __future__ import annotations

import asyncio
import errno
import json
import logging
import os
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from daemon.core.errors import StartRefused
from daemon.core.files import plain_json, rotation
from daemon.core.files.rotation import DailyFile

log = logging.getLogger(__name__)

REPEATS_S = 60.0
SYNC_S = 1.0
KEPT_DAYS = 400  # a year and the time to look at it
_DAY_SHIFT = 33  # a page's `before`: the day, and the place in its file, of 8 GiB at most
MAX_KINDS_OF_REFUSALS = 64  # of one principal within REPEATS_S, each with its own line
_MAX_COUNTED = 4096
SEVERAL = "(several)"
_LOOK_BACK_BYTES = 4 * 1024 * 1024  # searched per page; older lines are on the following one


@dataclass(frozen=True, slots=True)
class Record:
    """`outcome` is "done", "accepted", or the problem's kind or status. `via` is "file" for changes of files, whose
    author the daemon can't know; `detail` says what changed."""

    principal: str
    pid: int
    via: str
    action: str
    outcome: str
    tenant: str | None = None
    request: str | None = None
    address: str | None = None
    detail: str | None = None


class AuditLog:
    def __init__(self, path: Path, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        """Raises StartRefused when the file can't be written: a daemon that can't keep its audit log does not start."""
        self._now = now
        self._file = DailyFile(path, KEPT_DAYS, self._today, let_go=_to_disk)
        self._closed = False
        self._sync: asyncio.TimerHandle | None = None
        self._lost = 0
        self._repeats: dict[Record, int] = {}
        self._kinds: Counter[str] = Counter()
        self._timer: asyncio.TimerHandle | None = None
        try:
            self._file.open()
        except OSError as error:
            raise StartRefused(f"cannot write the audit log {path}: {error.strerror}; make it writable") from error
        if self._file.torn:
            self._write({"action": "audit-torn-line", "outcome": "the line before was cut off by a crash"})

    def write(self, record: Record) -> None:
        self._write(_line(record))

    def refused(self, record: Record) -> None:
        """As `write`, but repeats are counted; the request's id is the first one's."""
        key = replace(record, pid=0, request=None)
        if key not in self._repeats and self._kinds[record.principal] >= MAX_KINDS_OF_REFUSALS:
            key = replace(key, action=SEVERAL, outcome=SEVERAL, tenant=None, address=None)
            record = replace(key, pid=record.pid, request=record.request)
        if key in self._repeats:
            self._repeats[key] += 1
            return
        if len(self._repeats) >= _MAX_COUNTED:
            self.flush()
        self._repeats[key] = 0
        self._kinds[key.principal] += 1
        self._write(_line(record))
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(REPEATS_S, self.flush)

    def flush(self) -> None:
        """Writes the counts of what was repeated."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        repeats, self._repeats = self._repeats, {}
        self._kinds.clear()
        for key, count in repeats.items():
            if count:
                self._write({**_line(key), "pid": None, "repeated": count})

    def close(self) -> None:
        self.flush()
        if self._sync is not None:
            self._sync.cancel()
        self._file.close()
        self._closed = True

    def page(self, before: int | None, limit: int, wanted: dict[str, str]) -> tuple[list[dict[str, Any]], int | None]:
        """At most `limit` lines that have all the `wanted` values, newest first, and the `before` of the page of
        older ones (None: there are none). A page may hold fewer than there are on the next.

        Reads the disk: call it in a thread.
        """
        assert self._file.day is not None
        older = ((rotation.day_of(old), old) for old in rotation.rotated(self._file.path))
        files = [*older, (self._file.day, self._file.path)]
        day, end = _position(before)
        while files and files[-1][0].toordinal() > day:
            files.pop()
        found: list[dict[str, Any]] = []
        if not files:
            return found, None
        last, path = files.pop()
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            found, rest = _look_back(file.fileno(), min(end, size) if last.toordinal() == day else size, limit, wanted)
        if rest is not None:
            return found, last.toordinal() << _DAY_SHIFT | rest
        return found, (files[-1][0].toordinal() + 1 << _DAY_SHIFT) - 1 if files else None

    # --- the file --------------------------------------------------------------------------------------

    def _write(self, line: dict[str, Any]) -> None:
        stamped = {"at": self._now().isoformat(timespec="milliseconds"), **line}
        if self._lost:
            stamped["lines_lost_before"] = self._lost
        raw = plain_json.dumps(stamped).encode("utf-8", "backslashreplace") + b"\n"
        try:
            whole = self._append(raw)
        except OSError as error:
            self._lost += 1
            log.error("audit-write-failed", extra={"reason": str(error), "line": line})  # noqa: TRY400
            return
        self._lost = 0 if whole else self._lost + 1
        self._sync_soon()

    def _append(self, raw: bytes) -> bool:
        if self._closed:
            raise OSError(errno.EBADF, "the log is closed")
        return self._file.write(raw)

    def _today(self) -> date:
        """The day of the file, which never goes back: a page's `before` is in the order of days."""
        today = self._now().date()
        return today if self._file.day is None else max(today, self._file.day)

    def _sync_soon(self) -> None:
        if self._sync is None:
            with suppress(RuntimeError):  # before the loop runs, or after it: `close` does it
                self._sync = asyncio.get_running_loop().call_later(SYNC_S, self._sync_now)

    def _sync_now(self) -> None:
        """On a thread, with a descriptor of its own: a slow disk holds nobody up, a file put aside is no harm."""
        self._sync = None
        asyncio.get_running_loop().run_in_executor(None, _to_disk, os.dup(self._file.open()))


def _to_disk(fd: int) -> None:
    """And closes it."""
    try:
        os.fdatasync(fd)
    except OSError as error:
        log.error("audit-sync-failed", extra={"reason": str(error)})  # noqa: TRY400  (the reason says it all)
    finally:
        os.close(fd)


def _position(before: int | None) -> tuple[int, int]:
    """Day and place that a page's `before` stands for."""
    if before is None:
        return date.max.toordinal(), 0
    return before >> _DAY_SHIFT, before & (1 << _DAY_SHIFT) - 1


def _line(record: Record) -> dict[str, Any]:
    line = {name: getattr(record, name) for name in Record.__slots__}
    return {name: value for name, value in line.items() if value is not None or name == "tenant"}


def _look_back(fd: int, end: int, limit: int, wanted: dict[str, str]) -> tuple[list[dict[str, Any]], int | None]:
    start = max(0, end - _LOOK_BACK_BYTES)
    block = os.pread(fd, end - start, start)
    if start:  # its first line is a part of one
        torn, newline, block = block.partition(b"\n")
        start += len(torn) + len(newline)
    found: list[dict[str, Any]] = []
    for line in reversed(block.splitlines(keepends=True)):
        end -= len(line)
        entry = _read(line)
        if entry is not None and all(entry.get(name) == value for name, value in wanted.items()):
            found.append(entry)
            if len(found) == limit:
                return found, end or None
    return found, start or None


def _read(line: bytes) -> dict[str, Any] | None:
    if not line.strip():
        return None
    try:
        entry = json.loads(line)
    except ValueError:
        entry = None
    if not isinstance(entry, dict):
        return {"action": "audit-torn-line", "text": line[:200].decode("utf-8", "replace")}
    return entry
