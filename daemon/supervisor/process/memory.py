"""The memory that a process uses."""

from __future__ import annotations

from functools import lru_cache

import psutil

_MIB = 1 << 20


def memory_mb(pid: int) -> float | None:
    """Return the resident memory in MiB; None when the process has just ended."""
    try:
        return round(_process(pid).memory_info().rss / _MIB, 1)
    except psutil.NoSuchProcess:
        return None


@lru_cache(maxsize=2048)
def _process(pid: int) -> psutil.Process:
    return psutil.Process(pid)
