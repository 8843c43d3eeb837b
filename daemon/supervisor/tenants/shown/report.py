"""The last report of an encoder about itself."""

from __future__ import annotations

from dataclasses import dataclass

from daemon.core.encoder_protocol.control import Ready
from daemon.core.wire import Progress


@dataclass
class Report:
    """Figures of the encoder that runs; without one, only those of its knowledge base are kept."""

    entries: int | None = None
    revision: int | None = None
    fingerprint: str | None = None
    dimension: int | None = None
    device: str | None = None
    query_ms: float | None = None
    progress: Progress | None = None

    @classmethod
    def of(cls, message: Ready) -> Report:
        """Read the report of an encoder that is ready."""
        return cls(
            message.entries, message.revision, message.fingerprint, message.dimension, message.device, message.query_ms
        )

    def of_the_base(self) -> Report:
        """Return what stays true of the knowledge base when the encoder has ended."""
        return Report(entries=self.entries, revision=self.revision)
