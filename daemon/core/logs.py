"""Logging: stdlib, one JSON formatter, the tenant in a contextvar, a fixed `event` name a line.

Use: ``log.info("tenant-ready", extra={"entries": 12})``: the message is the event's name, what varies
is in `extra`. Never put a user's text into the message.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from contextvars import ContextVar
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, BinaryIO, TextIO

from daemon.core.errors import StartRefused
from daemon.core.files import plain_json, rotation

tenant: ContextVar[str | None] = ContextVar("tenant", default=None)

KEPT_DAYS = 30
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
        }
        if name := tenant.get():
            line["tenant"] = name
        line.update({k: v for k, v in vars(record).items() if k not in _STANDARD})
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return plain_json.dumps(line)


class DailyFile(logging.Handler):
    """Writes to `path`, which is put aside each day (UTC). A line is with the kernel when it is written; what can't be
    written (a full disk) is in the other handlers' output alone, and the next line that can says how many."""

    def __init__(self, path: Path, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        """Raises OSError."""
        super().__init__()
        self.setFormatter(JsonFormatter())
        self._path = path
        self._now = now
        self._lost = 0
        self._day: date | None = None
        self._file = self._open()

    def _open(self) -> BinaryIO:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        today = self._now().date()
        rotation.put_aside(self._path, today, KEPT_DAYS, self._day)
        file = self._path.open("ab", buffering=0)
        self._path.chmod(0o640)
        self._day = today
        return file

    def emit(self, record: logging.LogRecord) -> None:
        try:
            if self._now().date() != self._day:
                before, self._file = self._file, self._open()
                before.close()
            lost = b'{"event": "lines-lost", "lines": %d}\n' % self._lost if self._lost else b""
            self._file.write(lost + self.format(record).encode("utf-8", "backslashreplace") + b"\n")
            self._lost = 0
        except OSError:
            self._lost += 1

    def close(self) -> None:
        self._file.close()
        super().close()


def also_to(path: Path) -> None:
    """Every line goes to this file, too. Raises StartRefused."""
    try:
        handler = DailyFile(path)
    except OSError as error:
        raise StartRefused(f"cannot write the daemon's log {path}: {error.strerror}; make it writable") from error
    logging.getLogger().addHandler(handler)


def setup(level: str = "info", stream: TextIO | None = None) -> None:
    """One handler on the root logger; uvicorn's own lines go through it too."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    logging.getLogger("httpx").setLevel(logging.WARNING)
