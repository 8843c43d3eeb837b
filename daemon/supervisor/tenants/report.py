"""What an encoder last said of itself."""

from __future__ import annotations

from dataclasses import dataclass

from daemon.core.wire import Progress


@dataclass
class Told:
    """Empty while no encoder runs, but for what stays true of its base."""

    entries: int | None = None
    revision: int | None = None
    fingerprint: str | None = None
    dimension: int | None = None
    device: str | None = None
    query_ms: float | None = None
    progress: Progress | None = None
