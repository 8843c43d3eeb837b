"""Search results as cards."""

from __future__ import annotations

from typing import Any

from console.components import cards
from console.messages import words
from console.view_models.search import results_of
from daemon.core import wire
from tests.support.console.html import HOSTILE, Reader, harmless


def _result(**hit: Any) -> wire.SearchResult:
    found = wire.Hit(id=1, score=0.9, **{"text": HOSTILE, "metadata": {HOSTILE: HOSTILE}, **hit})
    timing = wire.Timing(queue_ms=0.25, encode_ms=2, search_ms=3)
    return wire.SearchResult(results=[found], revision=1, timing=timing, warnings={HOSTILE: HOSTILE})


def test_a_card_has_rank_text_metadata_bar_score_and_a_link() -> None:
    found = _result(text="hello", metadata={"source": "https://example.org/x", "team": "https://no.link"})
    read = harmless(cards.results(results_of(found, 0.4, 9), words("en")))
    assert ("style", "width:90.0%") in read.attributes
    assert [value for name, value in read.attributes if name == "href"] == ["https://example.org/x"]
    assert ("rel", "noopener noreferrer nofollow") in read.attributes
    for said in ("1", "hello", "0.9000", "waiting 0.2 ms", "understanding 2.0 ms", "in total 9.0 ms", "above 0.4"):
        assert said in read.text


def test_an_empty_base_and_low_scores_are_told_in_words() -> None:
    t = words("en")
    empty = _result().model_copy(update={"results": []})
    assert "no entries yet" in Reader(cards.results(results_of(empty, 0.4, 9), t)).text
    assert "Nothing here seems" in Reader(cards.results(results_of(_result(), 0.95, 9), t)).text
