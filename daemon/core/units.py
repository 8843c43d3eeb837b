"""Numbers with their units: fields named `…_mb` count MiB (1,048,576 bytes); what is counted is one or many."""

from __future__ import annotations

MIB = 1 << 20


def mib(size: float, digits: int = 1) -> float:
    """Bytes as MiB, rounded for people."""
    return round(size / MIB, digits)


def counted(number: int, one: str, many: str | None = None) -> str:
    """Return a number and its noun for people: "1 entry", "2 entries"; the plural ends in s unless given."""
    return f"{number} {one if number == 1 else many or one + 's'}"
