"""POST …/search, the hot path."""

from __future__ import annotations

import logging
from typing import Any

from pydantic_core import to_json

from daemon.core import wire
from daemon.core.config.tenant_config import TenantConfig
from daemon.encoder.changes.threads import Threads
from daemon.encoder.handlers.filters import Filters
from daemon.encoder.http.request import Request
from daemon.encoder.http.response import Response
from daemon.encoder.knowledge import Knowledge
from daemon.encoder.model_thread.requests import Found
from daemon.encoder.model_thread.worker import Worker

log = logging.getLogger(__name__)


class Searching:
    def __init__(self, config: TenantConfig, knowledge: Knowledge, worker: Worker, threads: Threads) -> None:
        self._k = config.search.k
        self._log_queries = config.log.queries
        self._max_tokens = config.encoder.max_query_tokens
        self._knowledge = knowledge
        self._worker = worker
        self._filters = Filters(knowledge, threads)

    async def search(self, request: Request) -> Response:
        asked = await request.json(wire.Search)
        query = wire.check_query(asked.query)
        among = await self._filters.matching(asked.filter) if asked.filter else None
        found = await self._worker.search(query, asked.k or self._k, among)
        if self._log_queries:
            log.info("search", extra={"query": query, "results": len(found.ids)})
        return Response(to_json(self._result(found, asked.min_score)))

    def _result(self, found: Found, min_score: float | None) -> dict[str, Any]:
        """Write a wire.SearchResult as a dict: building the models would double the answer's cost."""
        result: dict[str, Any] = {
            "results": [
                {"id": id_, "text": entry[0], "metadata": entry[1], "score": score}
                for id_, score in zip(found.ids, found.scores, strict=True)
                if (entry := found.entries.get(id_)) is not None and (min_score is None or score >= min_score)
            ],
            "revision": self._knowledge.reads.revision,
            "timing": {
                "queue_ms": round(found.queue_ms, 3),
                "encode_ms": round(found.encode_ms, 3),
                "search_ms": round(found.search_ms, 3),
            },
        }
        if found.truncated:
            words = f"the query was cut at {self._max_tokens} tokens (encoder.max_query_tokens)"
            result["warnings"] = {"query-cut": words}
        return result
