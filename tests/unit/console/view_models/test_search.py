"""Search results as cards are drawn from them."""

from __future__ import annotations

import pytest

from console.view_models import search as vm
from daemon.core import wire


def _results(*scores: float, threshold: float = 0.4) -> vm.Results:
    hits = [wire.Hit(id=n, text=f"text {n}", metadata={"n": n}, score=score) for n, score in enumerate(scores)]
    timing = wire.Timing(queue_ms=1, encode_ms=2, search_ms=3)
    return vm.results_of(wire.SearchResult(results=hits, revision=1, timing=timing), threshold, 7.0)


def test_a_score_is_shown_with_four_decimals_and_as_a_bar() -> None:
    card = _results(0.73216).cards[0]
    assert (card.rank, card.score, card.percent, card.metadata) == (1, "0.7322", 73.22, (("n", "0"),))


@pytest.mark.parametrize(("score", "percent"), [(-0.5, 0), (0, 0), (1, 100), (1.0000002, 100)])
def test_a_bar_never_leaves_its_track(score: float, percent: float) -> None:
    assert _results(score).cards[0].percent == percent


def test_green_is_above_the_threshold_not_on_it() -> None:
    assert [card.strong for card in _results(0.5, 0.4, 0.3).cards] == [True, False, False]


def test_help_comes_when_all_scores_are_low() -> None:
    assert _results(0.4, 0.1).low
    assert not _results(0.41, 0.1).low
    assert not _results().low
