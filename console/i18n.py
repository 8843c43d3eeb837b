"""How a language is chosen, and a sentence of `console.messages` found in it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from console.messages import MESSAGES

Language = Literal["en", "zh"]
LANGUAGES: tuple[Language, ...] = ("en", "zh")
Words = Callable[..., str]


def words(language: Language) -> Words:
    """`t("search.found", n=3)`: the message in this language, its placeholders filled."""
    column = LANGUAGES.index(language)

    def t(key: str, **values: object) -> str:
        return MESSAGES[key][column].format(**values)

    return t


def known(key: str, fallback: str) -> str:
    """`key`, or `fallback` where a newer daemon says something that this console has no word for."""
    return key if key in MESSAGES else fallback


def choose_language(cookie: str | None, accept_language: str | None) -> Language:
    """What the switch was set to, else the browser's first language that the console speaks, else English."""
    if cookie in LANGUAGES:
        return "zh" if cookie == "zh" else "en"
    for wanted in _by_preference(accept_language or ""):
        for language in LANGUAGES:
            if wanted == language or wanted.startswith(f"{language}-"):
                return language
    return "en"


def _by_preference(header: str) -> list[str]:
    """Languages of an Accept-Language header (RFC 9110, 12.5.4), best first."""
    found: list[tuple[float, str]] = []
    for part in header[:1000].split(","):
        name, _, parameters = part.strip().partition(";")
        found.append((_quality(parameters), name.strip().lower()))
    return [name for quality, name in sorted(found, key=lambda one: -one[0]) if name and quality > 0]


def _quality(parameters: str) -> float:
    key, _, value = parameters.strip().partition("=")
    try:
        return float(value) if key.strip() == "q" else 1.0
    except ValueError:
        return 0.0
