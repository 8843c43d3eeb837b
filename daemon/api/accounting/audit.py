"""The audit log: a JSON line for each mutating call, sign-in, refusal and change of the configuration.

The first of equal refusals is written at once; those that follow within a minute are counted, and the count is
written as one line when the minute is over. A caller who is refused in very many ways (made-up names of tenants) is
counted under one line, too: a caller without any right must not fill the disk. A line that a crash tore is marked at
the next start; lines that could not be written (full disk) are counted, and the next one that is written has the
count.

A line is with the kernel when its call is answered: it survives any end of the daemon. It is on the disk `SYNC_S`
later: a power cut takes the last second. The file has mode 0640, is renamed each day and kept for `KEPT_DAYS`.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from daemon.api.accounting import audit_pages
from daemon.api.accounting.audit_pages import Page
from daemon.core.errors import StartRefused
from daemon.core.files import plain_json
from daemon.core.files.rotation import DailyFile

log = logging.getLogger(__name__)

REPEATS_S = 60.0
SYNC_S = 1.0
KEPT_DAYS = 400  # a year and the time to look at it
MAX_KINDS_OF_REFUSALS = 64  # of one principal within REPEATS_S, each with its own line
_MAX_COUNTED = 4096
SEVERAL = "(several)"


@dataclass(frozen=True, slots=True)
class Record:
    """One line of the audit log.

    via: the socket of a call; "file" for a changed file, whose author the daemon can't know.
    outcome: "done", "accepted", or the problem's kind or status.
    detail: the change that was made to a file, in words.
    """

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
    """The open audit log, which the daemon alone writes."""

    def __init__(self, path: Path, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        """Open the file.

        Raises:
            StartRefused: it can't be written; a daemon that can't keep its audit log does not start.
        """
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
        """Write a refusal, or count it where it is a repeat; the line has the id of the first request."""
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
        """Write the counts of repeated refusals."""
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

    def page(self, before: int | None, limit: int, wanted: dict[str, str]) -> Page:
        """Return a page of lines, newest first; see `audit_pages.page`. Reads the disk: call it in a thread."""
        assert self._file.day is not None
        return audit_pages.page(self._file.path, self._file.day, before, limit, wanted)

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
        """Return the day of the file, which never goes back: a page's `before` is in the order of days."""
        today = self._now().date()
        return today if self._file.day is None else max(today, self._file.day)

    def _sync_soon(self) -> None:
        if self._sync is None:
            with suppress(RuntimeError):  # before the loop runs, or after it: `close` does it
                self._sync = asyncio.get_running_loop().call_later(SYNC_S, self._sync_now)

    def _sync_now(self) -> None:
        """Sync on a thread, with a descriptor of its own: a slow disk holds nobody up, a renamed file does no harm."""
        self._sync = None
        asyncio.get_running_loop().run_in_executor(None, _to_disk, os.dup(self._file.open()))


def _to_disk(fd: int) -> None:
    """Sync a file and close it."""
    try:
        os.fdatasync(fd)
    except OSError as error:
        log.error("audit-sync-failed", extra={"reason": str(error)})  # noqa: TRY400  (the reason says it all)
    finally:
        os.close(fd)


def _line(record: Record) -> dict[str, Any]:
    line = {name: getattr(record, name) for name in Record.__slots__}
    return {name: value for name, value in line.items() if value is not None or name == "tenant"}
