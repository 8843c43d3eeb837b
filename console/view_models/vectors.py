"""A vector as signed bars."""

from __future__ import annotations

from dataclasses import dataclass

from daemon.core import wire


@dataclass(frozen=True)
class Bar:
    """A number of the vector: `percent` of half the width, to the right where `positive`."""

    index: int
    value: str
    percent: float
    positive: bool


@dataclass(frozen=True)
class VectorView:
    """A vector's facts and the bars of its first numbers."""

    dimension: int
    norm: str
    fingerprint: str
    bars: tuple[Bar, ...]


def vector_view(vector: wire.Vector) -> VectorView:
    """Turn a vector into bars; the greatest of its numbers has the full length."""
    largest = max((abs(value) for value in vector.values), default=0.0) or 1.0
    bars = tuple(
        Bar(index, f"{value:+.4f}", round(100 * abs(value) / largest, 2), value >= 0)
        for index, value in enumerate(vector.values)
    )
    return VectorView(vector.dimension, f"{vector.norm:.4f}", vector.fingerprint, bars)
