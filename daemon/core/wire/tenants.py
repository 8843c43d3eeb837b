"""Tenants, their usage and their logs."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from daemon.core.wire.base import Answer
from daemon.core.wire.operations import Progress


class Rates(Answer):
    """Searches of the last minute."""

    searches_per_s: float = 0.0
    errors_per_s: float = 0.0
    p50_ms: float | None = None


class Title(Answer):
    en: str = ""
    zh: str = ""


class Crash(Answer):
    """The end of an encoder that nobody asked to end, with the last lines of its log."""

    at: datetime
    reason: str
    exit_code: int | None = None
    signal: str | None = None
    last_lines: list[str] = []


class TenantView(Answer):
    """A tenant as its admins see it; a searcher's copy has the operational fields empty.

    `examples` are questions to try; `warnings` has the words of each by its kind.
    """

    name: str
    title: Title
    state: str
    goal: str
    reason: str | None = None
    role: str | None = None  # the caller's own role on it, a word of daemon.core.roles.Role
    pid: int | None = None
    uptime_s: float | None = None
    restarts: int = 0
    device: str | None = None
    isolation: str | None = None
    memory_mb: float | None = None
    gpu_memory_mb: float | None = None
    entries: int | None = None
    revision: int | None = None
    fingerprint: str | None = None
    dimension: int | None = None
    threshold: float | None = None
    k: int = 5
    min_chars: int = 5
    backend: str | None = None
    progress: Progress | None = None
    examples: list[str] = []
    warnings: dict[str, str] = {}
    crash: Crash | None = None  # the last one, until an encoder has run well for a while
    rates: Rates = Rates()


class TenantPage(Answer):
    tenants: list[TenantView]
    next: str | None = None
    total: int = 0


class UsageDay(Answer):
    """Usage of one tenant on one day (UTC): `encoder_s` is time in its model, `storage_bytes` the day's last figure."""

    tenant: str
    day: str
    queries: int
    texts: int
    tokens: int
    encoder_s: float
    storage_bytes: int


class UsagePage(Answer):
    usage: list[UsageDay]


LogLine = dict[str, Any]  # at, level, event, and what varies with the event


class LogPage(Answer):
    """Lines of a tenant's log, oldest first."""

    lines: list[LogLine]
