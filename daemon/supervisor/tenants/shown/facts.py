"""The facts about a tenant that are shown beside its state."""

from __future__ import annotations

from dataclasses import dataclass, field

from daemon.core.wire import Crash
from daemon.supervisor.gpu.placement import Placement
from daemon.supervisor.tenants.shown.report import Report


@dataclass
class Facts:
    """Facts that the tenant's own room keeps; others change them through the methods below."""

    isolation: str
    restarts: int = 0  # encoders that ended though nobody asked them to
    deadline_kills: int = 0  # encoders that were killed as hung
    crash: Crash | None = None  # the last one, until an encoder has been healthy for a while
    report: Report = field(default_factory=Report)
    placement: Placement | None = None  # the GPU or CPU of the last start
    gpu_memory_mb: float | None = None  # as the last health check found it

    def show_placement(self, placement: Placement | None) -> None:
        """Show where the encoder runs; None while that is being decided."""
        self.placement = placement

    def show_gpu_memory(self, megabytes: float | None) -> None:
        """Show the GPU memory in MiB that the encoder uses; None where it is on no GPU, or unknown."""
        self.gpu_memory_mb = megabytes
