"""Lengths of an import's model calls, and the query cache."""

from __future__ import annotations

import numpy as np
import pytest

from daemon.encoder.model_thread.pacing import Pace
from daemon.encoder.model_thread.query_cache import QueryCache

# --- pacing ---


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_without_searches_batches_are_full() -> None:
    assert Pace(0.002, 1000, Clock()).budget() == 1000


def test_under_searches_a_call_is_two_query_encodes_long() -> None:
    clock = Clock()
    pace = Pace(0.002, 100_000, clock)
    pace.query_came()
    assert pace.budget() == 1  # nothing measured yet
    pace.documents_took(1.0, 10_000)  # 0.1 ms a token
    assert pace.budget() == 40
    clock.now += 1.1
    assert pace.budget() == 100_000


def test_the_pace_follows_a_slower_model() -> None:
    clock = Clock()
    pace = Pace(0.002, 100_000, clock)
    pace.query_came()
    for _ in range(50):
        pace.query_took(0.004, 1)
        pace.query_took(9.0, 32)  # a full batch says nothing about one query
        pace.documents_took(0.002, 10)
    assert pace.budget() == pytest.approx(40, abs=1)


# --- the cache ---


def test_the_least_recently_used_leaves_the_cache() -> None:
    cache = QueryCache(2)
    for text in ("a", "b"):
        cache.put(text, np.zeros(1, np.float32), truncated=text == "b")
    assert cache.get("a") is not None
    cache.put("c", np.zeros(1, np.float32), truncated=False)
    assert cache.get("b") is None
    assert cache.get("a") is not None


def test_a_cache_of_size_zero_keeps_nothing() -> None:
    cache = QueryCache(0)
    cache.put("a", np.zeros(1, np.float32), truncated=False)
    assert cache.get("a") is None
