"""The reader's language: the choice at the switch, else the browser's preference."""

from __future__ import annotations

from console.messages import LANGUAGES, Language

_MAX_HEADER = 1000  # characters of Accept-Language that are read


def choose_language(cookie: str | None, accept_language: str | None) -> Language:
    """Choose the switch's language, else the browser's first one that the console speaks, else English."""
    if cookie in LANGUAGES:
        return "zh" if cookie == "zh" else "en"
    for wanted in _by_preference(accept_language or ""):
        for language in LANGUAGES:
            if wanted == language or wanted.startswith(f"{language}-"):
                return language
    return "en"


def _by_preference(header: str) -> list[str]:
    """List the languages of an Accept-Language header (RFC 9110, 12.5.4), best first."""
    found: list[tuple[float, str]] = []
    for part in header[:_MAX_HEADER].split(","):
        name, _, parameters = part.strip().partition(";")
        found.append((_quality(parameters), name.strip().lower()))
    return [name for quality, name in sorted(found, key=lambda one: -one[0]) if name and quality > 0]


def _quality(parameters: str) -> float:
    key, _, value = parameters.strip().partition("=")
    try:
        return float(value) if key.strip() == "q" else 1.0
    except ValueError:
        return 0.0
