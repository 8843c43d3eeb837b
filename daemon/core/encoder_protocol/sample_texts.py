"""Texts that every host has: the sentences of Python's own language reference (`pydoc_data.topics`)."""

from __future__ import annotations

import re
from pydoc_data.topics import topics

_SHORTEST, _LONGEST = 20, 400
QUERY_CHARS = 120


def corpus() -> str:
    """The reference as one text, for training a tokenizer."""
    return "\n".join(topics.values())


def sentences(count: int) -> list[str]:
    """Return so many sentences of 20 to 400 characters, no two alike: a number follows where they are repeated."""
    found = re.split(r"(?<=[.:;])\s+|\n\s*\n", corpus())
    known = dict.fromkeys(" ".join(each.split()) for each in found)
    usable = [each for each in known if _SHORTEST <= len(each) <= _LONGEST]
    return [_numbered(usable[at % len(usable)], at // len(usable)) for at in range(count)]


def _numbered(text: str, times: int) -> str:
    return f"{text} ({times + 1})" if times else text
