"""The work of one batch: equal texts are encoded once, each call of the model is announced on the progress page."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from daemon.core import wire
from daemon.core.encoder_protocol.counters import (
    CACHE_HITS,
    ENCODE,
    ENCODER_S,
    QUERIES,
    QUEUE,
    SEARCH,
    TEXTS,
    TOKENS,
    Counts,
)
from daemon.core.encoder_protocol.progress_page import CallKind, ProgressWriter
from daemon.encoder.arrays import Vector
from daemon.encoder.index import Index
from daemon.encoder.model_thread.pacing import Pace
from daemon.encoder.model_thread.query_cache import QueryCache
from daemon.encoder.model_thread.requests import DocumentsRequest, Found, QueryRequest
from daemon.encoder.models import Backend, Encoded

Entry = tuple[str, wire.Metadata]
Entries = Callable[[list[int]], Mapping[int, Entry]]


class Batches:
    """The model, the index and their counters; used by the worker's thread alone."""

    def __init__(
        self,
        backend: Backend,
        index: Index,
        progress: ProgressWriter,
        entries: Entries,
        cache: QueryCache,
        pace: Pace,
    ) -> None:
        self.backend = backend
        self.index = index
        self.cache = cache
        self.pace = pace
        self.counts = Counts()
        self._progress = progress
        self._entries = entries

    def enter_thread(self) -> None:
        """Prepare the thread that will use this object."""
        self.index.enter_thread()

    def replace_index(self, index: Index) -> None:
        """Search another index from now on; on the worker's thread."""
        self.index = index

    # --- queries ---

    def queries(self, requests: Sequence[QueryRequest]) -> list[tuple[QueryRequest, Any]]:
        """Encode and search together; gives each request its outcome: Found, or a vector where `k` is None."""
        started = time.perf_counter()
        vectors, cut = self._query_vectors(requests)
        encoded = time.perf_counter()
        outcomes: list[tuple[QueryRequest, Any]] = [
            (request, vectors[request.text]) for request in requests if request.k is None
        ]
        searches = [request for request in requests if request.k is not None]
        if searches:
            outcomes.extend(self._search(searches, vectors, cut, started, encoded))
        return outcomes

    def _query_vectors(self, requests: Sequence[QueryRequest]) -> tuple[dict[str, Vector], set[str]]:
        vectors: dict[str, Vector] = {}
        cut: set[str] = set()
        todo: list[str] = []
        for request in requests:
            if request.text in vectors:
                continue
            kept = None if request.canary else self.cache.get(request.text)
            if kept is None:
                vectors[request.text] = _NOTHING
                todo.append(request.text)
            else:
                self.counts.add(CACHE_HITS)
                vectors[request.text] = kept[0]
                if kept[1]:
                    cut.add(request.text)
        if todo:
            self._encode_queries(todo, vectors, cut)
        return vectors, cut

    def _encode_queries(self, texts: list[str], vectors: dict[str, Vector], cut: set[str]) -> None:
        encoded, seconds = self._call(CallKind.SEARCH, self.backend.encode_queries, texts)
        self.pace.query_took(seconds, len(texts))
        for at, text in enumerate(texts):
            vectors[text] = encoded.vectors[at]
            if at in encoded.truncated:
                cut.add(text)
            self.cache.put(text, encoded.vectors[at], at in encoded.truncated)

    def _search(
        self,
        requests: Sequence[QueryRequest],
        vectors: Mapping[str, Vector],
        cut: set[str],
        started: float,
        encoded: float,
    ) -> list[tuple[QueryRequest, Found]]:
        ranked = self._rank(requests, vectors)
        entries = self._entries(sorted({id_ for ids, _ in ranked for id_ in ids}))
        encode_ms = (encoded - started) * 1000
        search_ms = (time.perf_counter() - encoded) * 1000
        found: list[tuple[QueryRequest, Found]] = []
        for request, (ids, scores) in zip(requests, ranked, strict=True):
            queue_ms = (started - request.queued) * 1000
            self._count_search(queue_ms, encode_ms, search_ms)
            found.append((request, Found(ids, scores, entries, request.text in cut, queue_ms, encode_ms, search_ms)))
        return found

    def _rank(
        self, requests: Sequence[QueryRequest], vectors: Mapping[str, Vector]
    ) -> list[tuple[list[int], list[float]]]:
        """Find ids and scores for each request; those that want the same k of everything share one pass."""
        groups: dict[tuple[int, int], list[int]] = {}
        for at, request in enumerate(requests):
            key = (request.k or 0, -1 if request.among is None else at)
            groups.setdefault(key, []).append(at)
        ranked: list[tuple[list[int], list[float]]] = [([], [])] * len(requests)
        for (k, _), members in groups.items():
            queries = np.stack([vectors[requests[at].text] for at in members])
            scores, ids = self.index.search(queries, k, requests[members[0]].among)
            for at, some_ids, some_scores in zip(members, ids.tolist(), scores.tolist(), strict=True):
                ranked[at] = (some_ids, some_scores)
        return ranked

    def _count_search(self, queue_ms: float, encode_ms: float, search_ms: float) -> None:
        self.counts.add(QUERIES)
        self.counts.observe(QUEUE, queue_ms / 1000)
        self.counts.observe(ENCODE, encode_ms / 1000)
        self.counts.observe(SEARCH, search_ms / 1000)

    # --- documents ---

    def documents(self, parts: Sequence[tuple[DocumentsRequest, list[int]]]) -> None:
        """Encode parts of requests in one call of the model, and fill in their vectors."""
        rows: dict[str, int] = {}
        for request, taken in parts:
            for at in taken:
                rows.setdefault(request.texts[at], len(rows))
        encoded, seconds = self._call(CallKind.IMPORT, self.backend.encode_documents, list(rows))
        weight = sum(request.lengths[at] for request, taken in parts for at in taken)
        self.pace.documents_took(seconds, weight)
        self.counts.add(TEXTS, len(rows))
        for request, taken in parts:
            request.tokens += round(encoded.tokens * sum(request.lengths[at] for at in taken) / max(weight, 1))
            for at in taken:
                row = rows[request.texts[at]]
                request.vectors[at] = encoded.vectors[row]
                if row in encoded.truncated:
                    request.truncated.add(at)
            request.done += len(taken)

    def other(self, function: Callable[[], Any]) -> Any:
        self._progress.begin(CallKind.OTHER)
        try:
            return function()
        finally:
            self._progress.end()

    def _call(
        self, kind: CallKind, encode: Callable[[Sequence[str]], Encoded], texts: Sequence[str]
    ) -> tuple[Encoded, float]:
        started = time.perf_counter()
        self._progress.begin(kind)
        try:
            encoded = encode(texts)
        finally:
            self._progress.end()
        seconds = time.perf_counter() - started
        self.counts.add(ENCODER_S, seconds)
        self.counts.add(TOKENS, encoded.tokens)
        return encoded, seconds


_NOTHING: Vector = np.empty(0, np.float32)
