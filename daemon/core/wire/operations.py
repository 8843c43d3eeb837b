"""Operations and events."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from daemon.core.wire.base import Answer


class OperationState(StrEnum):
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"


class Progress(Answer):
    done: int
    total: int | None = None
    unit: str = ""


class Operation(Answer):
    """Work that outlives its request; the daemon's ids begin with d-, an encoder's with e-."""

    id: str
    kind: str
    tenant: str = ""
    state: OperationState
    progress: Progress | None = None
    result: dict[str, Any] | None = None
    error: dict[str, Any] | None = None
    started_at: datetime
    ended_at: datetime | None = None


class OperationAnswer(Answer):
    operation: Operation


class Event(Answer):
    """A thing that happened to a tenant or the daemon; `name` is a word of a fixed list, `data` is flat."""

    id: int
    at: datetime
    name: str
    tenant: str | None = None
    data: dict[str, Any] = {}


class EventPage(Answer):
    events: list[Event]
    next: int | None = None
