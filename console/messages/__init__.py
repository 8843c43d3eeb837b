"""Sentences of the console in English and Chinese: `words("zh")` is the function that finds them.

Each file here holds the sentences of one part of the page as `MESSAGES`: a key, its English and its Chinese. A new
file is found by itself. `{placeholders}` are the same in both languages; tests prove that no key is missing, unused
or defined twice.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pkgutil import iter_modules
from typing import Literal

Language = Literal["en", "zh"]
LANGUAGES: tuple[Language, ...] = ("en", "zh")
Words = Callable[..., str]

PARTS = tuple(import_module(f"{__name__}.{module.name}") for module in iter_modules(__path__))
MESSAGES: dict[str, tuple[str, str]] = {key: both for part in PARTS for key, both in part.MESSAGES.items()}


def words(language: Language) -> Words:
    """Make `t`: `t("search.found", n=3)` is the message in this language, its placeholders filled."""
    column = LANGUAGES.index(language)

    def t(key: str, **values: object) -> str:
        return MESSAGES[key][column].format(**values)

    return t


def known(key: str, fallback: str) -> str:
    """Return `key`, or `fallback` where a newer daemon says something that this console has no words for."""
    return key if key in MESSAGES else fallback
