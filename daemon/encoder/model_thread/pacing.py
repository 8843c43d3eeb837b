"""Sizes of an import's model calls, so that searches wait little (daemon/README.md, "Deadline and progress")."""

from __future__ import annotations

import time
from collections.abc import Callable

RECENT_S = 1.0
QUERY_ENCODES = 2.0  # an import's call lasts at most this many times as long as a query's
_WEIGHT = 0.2  # of the newest measurement in the running means


class Pace:
    """The budget of the next document call in tokens, from what the model's calls have taken."""

    def __init__(self, query_s: float, full_tokens: int, clock: Callable[[], float] = time.perf_counter) -> None:
        self._query_s = query_s
        self._full = full_tokens
        self._token_s = 0.0
        self._clock = clock
        self._last_query = float("-inf")

    def query_came(self) -> None:
        self._last_query = self._clock()

    def query_took(self, seconds: float, queries: int) -> None:
        """Learn what a query costs, from calls with one query alone."""
        if queries == 1:
            self._query_s += _WEIGHT * (seconds - self._query_s)

    def documents_took(self, seconds: float, tokens: int) -> None:
        each = seconds / max(tokens, 1)
        self._token_s = each if not self._token_s else self._token_s + _WEIGHT * (each - self._token_s)

    def budget(self) -> int:
        """Set the tokens of the next document call; it takes one text at least, whatever its length."""
        if self._clock() - self._last_query > RECENT_S:
            return self._full
        if not self._token_s:
            return 1  # nothing measured yet: one text
        return max(1, min(self._full, int(QUERY_ENCODES * self._query_s / self._token_s)))
