"""Logging: stdlib, one JSON formatter, the tenant in a contextvar, a fixed `event` name a line.

Use: ``log.info("tenant-ready", extra={"entries": 12})``: the message is the event's name, what varies
is in `extra`. Never put a user's text into the message.
"""

from __future__ import annotations

import logging
import sys
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, TextIO

from daemon.core import plain_json

tenant: ContextVar[str | None] = ContextVar("tenant", default=None)

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


def setup(level: str = "info", stream: TextIO | None = None) -> None:
    """One handler on the root logger; uvicorn's own lines go through it too."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    logging.getLogger("httpx").setLevel(logging.WARNING)
