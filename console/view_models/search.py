"""Search results as cards are drawn from them."""

from __future__ import annotations

from dataclasses import dataclass

from console.view_models.metadata import scalar_text
from daemon.core import wire


@dataclass(frozen=True)
class Card:
    """A hit; `percent` is its bar's length, `strong` a score above the tenant's threshold."""

    rank: int
    id: int
    text: str
    metadata: tuple[tuple[str, str], ...]
    score: str
    percent: float
    strong: bool


@dataclass(frozen=True)
class Results:
    """Hits of one search, with times in ms.

    `low`: there are hits, and none is above the threshold. `warnings` are the daemon's kinds and words.
    """

    cards: tuple[Card, ...]
    low: bool
    threshold: str
    queue_ms: float
    encode_ms: float
    search_ms: float
    total_ms: float
    warnings: tuple[tuple[str, str], ...]


def results_of(found: wire.SearchResult, threshold: float, total_ms: float) -> Results:
    """Turn an answer of the daemon into cards; `total_ms` is the time until it came."""
    cards = tuple(_card(rank, hit, threshold) for rank, hit in enumerate(found.results, 1))
    timing = found.timing
    return Results(
        cards=cards,
        low=bool(cards) and not any(card.strong for card in cards),
        threshold=f"{threshold:g}",
        queue_ms=timing.queue_ms,
        encode_ms=timing.encode_ms,
        search_ms=timing.search_ms,
        total_ms=total_ms,
        warnings=tuple(found.warnings.items()),
    )


def _card(rank: int, hit: wire.Hit, threshold: float) -> Card:
    return Card(
        rank=rank,
        id=hit.id,
        text=hit.text,
        metadata=tuple((key, scalar_text(value)) for key, value in hit.metadata.items()),
        score=f"{hit.score:.4f}",
        percent=round(100 * min(1.0, max(0.0, hit.score)), 2),
        strong=hit.score > threshold,
    )
