"""Search results as cards."""

from __future__ import annotations

from collections.abc import Sequence

from console.components.markup import Html, el, link_target, user_text
from console.components.notices import notice, warning
from console.messages import Words
from console.view_models.search import Card, Results

_LINKED = frozenset({"source", "url"})


def results(found: Results, t: Words) -> Html:
    """Draw the hits of a search, best first, with the times below."""
    if not found.cards:
        return el("div", notice(t("search.no_hits")), class_="vw-results")
    return el(
        "div",
        notice(t("search.low"), "warn") if found.low else None,
        [warning(kind, words, t) for kind, words in found.warnings],
        el("ol", (card(one, t) for one in found.cards), class_="vw-cards"),
        _footer(found, t),
        class_="vw-results",
    )


def card(one: Card, t: Words) -> Html:
    """Draw a hit: its rank, text and metadata, and its score as a bar."""
    strength = t("search.strong" if one.strong else "search.weak")
    return el(
        "li",
        el("div", one.rank, class_="vw-rank", aria_hidden="true"),
        el(
            "div",
            user_text(one.text, class_="vw-card-text"),
            _details(one.metadata),
            el(
                "div",
                el("div", el("div", class_="vw-bar-fill", style=f"width:{one.percent}%"), class_="vw-bar"),
                el("span", el("span", t("search.score"), class_="vw-hint"), el("span", one.score, class_="vw-score")),
                el("span", strength, class_="vw-hidden"),
                class_="vw-bar-row",
            ),
            class_="vw-card-body",
        ),
        class_="vw-card vw-strong" if one.strong else "vw-card vw-weak",
        data_id=one.id,
    )


def _details(metadata: tuple[tuple[str, str], ...]) -> Html | None:
    if not metadata:
        return None
    return el("ul", (el("li", detail(key, value)) for key, value in metadata), class_="vw-details")


def detail(key: str, value: str) -> Html:
    """Draw a metadata pair; `source` and `url` are links where they are http or https."""
    target = link_target(value) if key in _LINKED else None
    shown = user_text(value, "bdi")
    if target is not None:
        shown = el("a", shown, href=target, rel="noopener noreferrer nofollow", target="_blank")
    return el("span", user_text(key, "bdi", class_="vw-detail-key"), " ", shown, class_="vw-detail")


def _footer(found: Results, t: Words) -> Html:
    times = [
        ("time.queue", found.queue_ms),
        ("time.encode", found.encode_ms),
        ("time.search", found.search_ms),
        ("time.total", found.total_ms),
    ]
    return el(
        "p",
        el("span", t("search.found", n=len(found.cards))),
        [el("span", f"{t(key)} {milliseconds:.1f} ms") for key, milliseconds in times],
        el("span", t("search.threshold", threshold=found.threshold)),
        class_="vw-timing",
    )


def empty(examples: Sequence[str], t: Words) -> Html:
    """Draw the place of the results before the first search: an explanation, and questions to click."""
    chips = (el("button", text, type="button", data_query=text, class_="vw-chip", dir="auto") for text in examples)
    return el(
        "div",
        el("h2", t("search.empty_title")),
        el("p", t("search.empty_text")),
        [el("p", t("search.try")), el("div", chips, class_="vw-chips")] if examples else None,
        class_="vw-empty",
    )
