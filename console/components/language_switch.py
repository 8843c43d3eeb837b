"""The language switch, on the sign-in page and at the top of every other."""

from __future__ import annotations

from console.components.markup import Html, el, join
from console.messages import LANGUAGES, Language, words


def language_links(current: Language) -> Html:
    """Draw a link for each language, under its own name."""
    return join(_link(one, current) for one in LANGUAGES)


def _link(one: Language, current: Language) -> Html:
    marked = "true" if one == current else None
    return el(
        "a",
        words(one)("language.own"),
        href=f"/language/{one}",
        lang=one,
        hreflang=one,
        aria_current=marked,
    )
