"""The one list of counters: what an encoder counts of its work, and the daemon adds up, keeps and shows.

An encoder counts by these rows (`Counts`) and answers `/internal/usage` with them; the daemon adds up the differences
(`supervisor/tenants/metering.py`), keeps the rows that are `by_day` in state.db, and shows all of them at `/metrics`
and the daily ones as usage. A new counter is a row here and the line that counts it; one that is `by_day` also needs
a field of `wire.UsageDay`, as a test says.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from daemon.core.encoder_protocol.histogram import Histogram

STORAGE_KEY = "storage_bytes"  # the one figure of an encoder's answer that is measured and not counted

Unit = Literal["number", "seconds"]


@dataclass(frozen=True, eq=False)
class Counter:
    """A number that only grows while its process lives.

    name: its key in the encoder's answer, in state.db and in the usage.
    metric: its name at /metrics, after `vecward_tenant_`.
    title: the head of its column in `vecward usage`.
    counted_in: the file with the line that counts it.
    by_day: kept by tenant and day, and shown as usage.
    """

    name: str
    metric: str
    help: str
    title: str
    counted_in: str
    unit: Unit = "number"
    by_day: bool = False


@dataclass(frozen=True, eq=False)
class Timing:
    """Durations counted in the buckets of `histogram.BOUNDS_S`; at /metrics it is `vecward_tenant_NAME_seconds`."""

    name: str
    help: str
    counted_in: str

    @property
    def key(self) -> str:
        """The key in the encoder's answer: the count of each bucket, then the sum in seconds."""
        return f"{self.name}_times"


_BATCHES = "daemon/encoder/model_thread/batches.py"

QUERIES = Counter("queries", "queries", "Searches answered", "queries", _BATCHES, by_day=True)
TEXTS = Counter("texts", "texts", "Documents encoded", "texts", _BATCHES, by_day=True)
TOKENS = Counter("tokens", "tokens", "Tokens encoded", "tokens", _BATCHES, by_day=True)
ENCODER_S = Counter(
    "encoder_s", "encoder_seconds", "Time in calls of the model", "encoder time", _BATCHES, "seconds", by_day=True
)
CACHE_HITS = Counter("cache_hits", "query_cache_hits", "Queries whose vector was remembered", "cache hits", _BATCHES)
COUNTERS = (QUERIES, TEXTS, TOKENS, ENCODER_S, CACHE_HITS)
BY_DAY = tuple(counter for counter in COUNTERS if counter.by_day)

QUEUE = Timing("queue", "Time that searches waited for the model", _BATCHES)
ENCODE = Timing("encode", "Time that searches were encoded", _BATCHES)
SEARCH = Timing("search", "Time that the index was searched", _BATCHES)
TIMINGS = (QUEUE, ENCODE, SEARCH)


class Counts:
    """The counts of one encoder since its start; written by one thread."""

    def __init__(self) -> None:
        self._numbers: dict[Counter, float] = dict.fromkeys(COUNTERS, 0)
        self._times = {timing: Histogram() for timing in TIMINGS}

    def add(self, counter: Counter, amount: float = 1) -> None:
        self._numbers[counter] += amount

    def observe(self, timing: Timing, seconds: float) -> None:
        self._times[timing].observe(seconds)

    def __getitem__(self, counter: Counter) -> float:
        return self._numbers[counter]

    def to_answer(self) -> dict[str, Any]:
        """Return every figure by its key, as `/internal/usage` answers it."""
        numbers = {counter.name: number for counter, number in self._numbers.items()}
        times = {timing.key: [*histogram.counts, histogram.sum_s] for timing, histogram in self._times.items()}
        return numbers | times
