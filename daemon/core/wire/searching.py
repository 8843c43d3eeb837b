"""Search and vectors."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from daemon.core.wire.base import MAX_DIMS, MAX_K, Answer, Metadata, Request


class Search(Request):
    """A search; `filter` keeps entries whose metadata has all these values."""

    query: str
    k: Annotated[int, Field(ge=1, le=MAX_K)] | None = None
    min_score: Annotated[float, Field(ge=-1, le=1)] | None = None
    filter: Metadata | None = None


class Hit(Answer):
    """An entry that was found; `score` is the cosine similarity, in [-1, 1]."""

    id: int
    text: str
    metadata: Metadata = {}
    score: float


class Timing(Answer):
    queue_ms: float
    encode_ms: float
    search_ms: float


class SearchResult(Answer):
    """The nearest entries, best first; `warnings` maps kinds to words."""

    results: list[Hit]
    revision: int
    timing: Timing
    warnings: dict[str, str] = {}


class VectorRequest(Request):
    text: str
    kind: Literal["query", "document"] = "query"
    dims: Annotated[int, Field(ge=1, le=MAX_DIMS)] | None = 50


class Vector(Answer):
    """A vector, or its beginning.

    `norm` is the L2 norm of the whole vector, `values` its first `dims` values; a document's may have `warnings`.
    """

    dimension: int
    norm: float
    fingerprint: str
    values: list[float]
    warnings: dict[str, str] = {}
