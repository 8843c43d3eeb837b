"""Times counted in buckets: counted by the encoder, added up and shown by the daemon."""

from __future__ import annotations

from bisect import bisect_left

# Upper bounds in seconds, each inclusive; one more bucket counts what is longer than all of them.
BOUNDS_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
BUCKETS = len(BOUNDS_S) + 1


class Histogram:
    """Times by bucket: `counts[i]` fell into bucket i alone, not into all up to it; `sum_s` is their sum in seconds."""

    __slots__ = ("counts", "sum_s")

    def __init__(self) -> None:
        self.counts = [0] * BUCKETS
        self.sum_s = 0.0

    def observe(self, seconds: float) -> None:
        """Count one time."""
        self.counts[bisect_left(BOUNDS_S, seconds)] += 1
        self.sum_s += seconds
