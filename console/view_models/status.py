"""A tenant's state: its colour, its buttons, and figures as people read them."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from daemon.core import wire

LOG_CHARACTERS = 300  # of a line of a log

_TONES = {"ready": "good", "parked": "calm", "stopped": "calm", "failed": "bad", "backoff": "bad"}


def tone(state: str) -> str:
    """Choose a colour by its meaning: good, calm, bad, or busy for everything on its way."""
    return _TONES.get(state, "busy")


def actions(tenant: wire.TenantView) -> tuple[str, ...]:
    """List which of start, restart and stop make sense now."""
    if tenant.state == "stopped":
        return ("start",)
    if tenant.state in ("failed", "parked"):
        return ("start", "stop")
    return ("restart",) if tenant.state == "stopping" else ("restart", "stop")


def log_text(raw: str) -> str:
    """Write a line of an encoder's log as people read it: the text it printed, or the event and its fields."""
    try:
        line = json.loads(raw)
    except ValueError:
        return one_line(raw, LOG_CHARACTERS)
    if not isinstance(line, dict):
        return one_line(raw, LOG_CHARACTERS)
    if line.get("event") == "stderr" and isinstance(line.get("text"), str):
        return one_line(line["text"], LOG_CHARACTERS)
    rest = (f"{key}={value}" for key, value in line.items() if key not in ("at", "level", "event", "tenant"))
    return one_line(" ".join([str(line.get("event", "")), *rest]), LOG_CHARACTERS)


def duration(seconds: float) -> tuple[str, int]:
    """Round a duration to the key of a unit and how many of it: `("unit.minutes", 5)`."""
    for unit, size in (("unit.days", 86_400), ("unit.hours", 3600), ("unit.minutes", 60)):
        if seconds >= 2 * size or (unit != "unit.days" and seconds >= size):
            return unit, int(seconds // size)
    return "unit.seconds", int(seconds)


def moment(at: datetime) -> str:
    """Write a time to the second, in UTC, as people read it."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S}"


def megabytes(value: float) -> str:
    """Write MiB as people read them; the units are binary, as everywhere in vecward."""
    return f"{value / 1024:.1f} GiB" if value >= 1024 else f"{value:.0f} MiB"


def one_line(text: str, limit: int = 80) -> str:
    """Shorten a text to one line of at most `limit` characters."""
    flat = " ".join(text.split())
    return flat if len(flat) <= limit else flat[: limit - 1] + "…"
