"""Memory of a process, as the kernel counts it (proc(5), `statm`)."""

from __future__ import annotations

import os
from pathlib import Path

from daemon.core.units import mib

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def resident_mb(pid: int | None = None) -> float | None:
    """Resident memory in MiB of a process (None: this one); None for a process that has ended."""
    try:
        pages = int(Path(f"/proc/{'self' if pid is None else pid}/statm").read_text().split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return None
    return mib(pages * _PAGE_BYTES) if pages else None  # one that has ended and is not waited for holds none
