"""Units of memory and storage: fields named `…_mb` count MiB (1,048,576 bytes)."""

from __future__ import annotations

MIB = 1 << 20


def mib(size: float, digits: int = 1) -> float:
    """Bytes as MiB, rounded for people."""
    return round(size / MIB, digits)
