"""Requests to the worker; each carries the future that its asker awaits on the event loop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from daemon.core import wire
from daemon.encoder.arrays import Ids, Matrix

SMALL = 8  # requests of at most this many texts go before imports


@dataclass(slots=True)
class Found:
    """A search's outcome: ids and scores best first, (text, metadata) by id, and where the time went."""

    ids: list[int]
    scores: list[float]
    entries: Mapping[int, tuple[str, wire.Metadata]]
    truncated: bool
    queue_ms: float
    encode_ms: float
    search_ms: float


@dataclass(slots=True)
class QueryRequest:
    """Encode one query; with `k` also search, `among` these ids if given."""

    text: str
    future: asyncio.Future[Any]
    k: int | None = None
    among: Ids | None = None
    canary: bool = False
    queued: float = field(default_factory=time.perf_counter)


@dataclass(slots=True)
class DocumentsRequest:
    """Encode documents, in as many model calls as the pace asks for, shortest first (equal lengths pad nothing)."""

    texts: Sequence[str]
    lengths: Sequence[int]
    future: asyncio.Future[Any]
    vectors: Matrix
    order: list[int] = field(init=False)
    done: int = 0
    tokens: int = 0
    truncated: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.order = sorted(range(len(self.texts)), key=self.lengths.__getitem__)

    def take(self, budget: int) -> list[int]:
        """Take the positions of the next texts within `budget` tokens, one at least."""
        taken: list[int] = []
        for place in range(self.done, len(self.order)):
            at = self.order[place]
            budget -= self.lengths[at]
            if taken and budget < 0:
                break
            taken.append(at)
        return taken

    @property
    def next_length(self) -> int:
        return self.lengths[self.order[self.done]]

    @property
    def finished(self) -> bool:
        return self.done == len(self.texts)


@dataclass(slots=True)
class CallRequest:
    """Run a function on the worker's thread: index edits, figures."""

    function: Callable[[], Any]
    future: asyncio.Future[Any] | None = None
