"""A tenant's log file: the daemon alone writes, rotates and serves it.

Lines of an encoder's standard error are a tenant's word: those that are not JSON objects are wrapped, long ones are
cut with a mark, and nothing of them is ever used as a format or a path.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from daemon.core.files import plain_json
from daemon.core.files.rotation import DailyFile, rotated
from daemon.core.units import MIB

log = logging.getLogger(__name__)

KEPT_DAYS = 30
MAX_DAY_BYTES = 256 * MIB  # an encoder that raves must not fill the disk by root's hand
MAX_LINE_BYTES = 64 * 1024
_WRITTEN_BYTES = 7 * MAX_LINE_BYTES  # a cut line of control characters, each six bytes in JSON
_TAIL_BYTES = 4 * MIB


def utc_now() -> datetime:
    return datetime.now(UTC)


class TenantLog:
    """The file `encoder.log` and its predecessors `encoder.log.YYYY-MM-DD`; `now` is the clock, which a test moves."""

    def __init__(self, path: Path, now: Callable[[], datetime] = utc_now) -> None:
        self._path = path
        self._now = now
        self._file = DailyFile(path, KEPT_DAYS, lambda: now().date(), folder_mode=0o750)
        self._full_on: date | None = None  # the day whose file reached MAX_DAY_BYTES
        self._lost = 0  # lines that found no room
        self._recent: deque[str] = deque(maxlen=20)
        self._followers: set[asyncio.Queue[dict[str, Any]]] = set()

    def write_raw(self, raw: bytes) -> None:
        """Write one line of an encoder's standard error."""
        try:
            self.write(_as_object(raw, self._now()))
        except RecursionError:  # read just so, but not to be written
            self.write({"at": self._now().isoformat(timespec="milliseconds"), "event": "stderr", "text": _text(raw)})

    def write(self, line: dict[str, Any]) -> None:
        """Write one line, and send it to followers."""
        text = plain_json.dumps(line)
        self._recent.append(text)
        if not self._append(text.encode("utf-8", "replace") + b"\n"):
            return
        for queue in list(self._followers):
            if queue.full():
                self._followers.discard(queue)  # it reads the file again with `tail`
            else:
                queue.put_nowait(line)

    def _append(self, raw: bytes) -> bool:
        """Write a line; False when the day's file is full, which its last line says.

        A line that finds no room on the disk is counted; the first one that is written again tells how many were lost.
        """
        try:
            return self._write(raw)
        except OSError as error:
            self._lose(str(error))
            return True

    def _write(self, raw: bytes) -> bool:
        self._file.open()
        if self._full_on == self._file.day:
            return False
        if self._file.size + len(raw) > MAX_DAY_BYTES:
            self._full_on = self._file.day
            raw = self._notice("log-full", bytes=MAX_DAY_BYTES)
        if self._lost:
            raw = self._notice("log-lines-lost", lines=self._lost) + raw
        if self._file.write(raw):
            self._lost = 0
        else:
            self._lose("a line was cut off")
        return True

    def _lose(self, reason: str) -> None:
        if not self._lost:  # once, not for each line
            log.error("tenant-log-not-written", extra={"reason": reason, "file": str(self._path)})
        self._lost += 1

    def _notice(self, event: str, **figures: int) -> bytes:
        """A line of the log about itself."""
        at = self._now().isoformat(timespec="milliseconds")
        return json.dumps({"at": at, "event": event, **figures}).encode() + b"\n"

    def recent(self, count: int = 5) -> list[str]:
        """The last lines since the daemon started, for the report of a crash."""
        return list(self._recent)[-count:]

    def tail(self, count: int) -> list[dict[str, Any]]:
        """The last `count` lines, oldest first; reaches back over rotated files."""
        found: deque[dict[str, Any]] = deque()
        for path in [self._path, *reversed(rotated(self._path))]:
            if len(found) >= count:
                break
            found.extendleft(reversed(_last_lines(path, count - len(found))))
        return list(found)

    async def follow(self) -> AsyncIterator[dict[str, Any]]:
        """Lines as they are written."""
        queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue(maxsize=10_000)
        self._followers.add(queue)
        try:
            while queue in self._followers or not queue.empty():
                yield await queue.get()
        finally:
            self._followers.discard(queue)

    def close(self) -> None:
        """Close the file; the next line opens it again."""
        self._file.close()


def _no_number(name: str) -> float:
    """Refuse NaN and the infinities, which are no JSON: readers of the log could not parse them."""
    raise ValueError(name)


def _text(raw: bytes, limit: int = MAX_LINE_BYTES) -> str:
    return raw[:limit].decode("utf-8", "replace")


def _as_object(raw: bytes, now: datetime, limit: int = MAX_LINE_BYTES) -> dict[str, Any]:
    cut = len(raw) > limit
    text = _text(raw, limit)
    if not cut and text.startswith("{"):
        try:
            found = json.loads(text, parse_constant=_no_number)
        except (ValueError, RecursionError):  # nested too deeply, too, is no log line
            found = None
        if isinstance(found, dict):
            return found
    line: dict[str, Any] = {"at": now.isoformat(timespec="milliseconds"), "event": "stderr", "text": text}
    return {**line, "cut_bytes": len(raw) - limit} if cut else line


def _last_lines(path: Path, count: int) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - _TAIL_BYTES))
        raw = file.read()
    lines = raw.split(b"\n")
    if size > _TAIL_BYTES:
        lines = lines[1:]  # the first one may be torn
    now = utc_now()
    return [_as_object(line, now, _WRITTEN_BYTES) for line in lines if line][-count:] if count else []
