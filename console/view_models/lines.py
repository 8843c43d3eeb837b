"""A base as one text field, an entry a line: its lines, and the difference that saving makes."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from daemon.core import wire

MAX_LINES = 500  # entries that a text field can still show well
LISTED = 30  # lines that a difference lists of each kind


@dataclass(frozen=True)
class RefusedLine:
    """A line that the daemon did not accept; `line` counts the lines of the text field from 1."""

    line: int
    text: str
    kind: str
    reason: str


@dataclass(frozen=True)
class Difference:
    """The changes that saving makes, and the lines that stay out."""

    added: tuple[str, ...]
    removed: tuple[str, ...]
    unchanged: int
    refused: tuple[RefusedLine, ...]

    @property
    def nothing(self) -> bool:
        return not (self.added or self.removed or self.refused)

    @property
    def saveable(self) -> bool:
        return bool(self.added or self.removed)


@dataclass(frozen=True)
class Typed:
    """Lines of the text field that are not blank, and their numbers in it (from 1)."""

    texts: tuple[str, ...]
    lines: tuple[int, ...]


def fits_lines(entries: Sequence[wire.Entry], total: int) -> bool:
    """Tell if one entry a line can show this base: not too many entries, and none of several lines."""
    return total <= MAX_LINES and not has_multiline(entries)


def has_multiline(entries: Iterable[wire.Entry]) -> bool:
    """Tell if an entry has several lines."""
    return any("\n" in entry.text or "\r" in entry.text for entry in entries)


def typed_lines(typed: str) -> Typed:
    """Split the text field at line feeds alone: entries may hold the other characters that `splitlines` splits at."""
    lines = typed.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    kept = [(number, line.strip()) for number, line in enumerate(lines, 1) if line.strip()]
    return Typed(tuple(text for _, text in kept), tuple(number for number, _ in kept))


def same_text(text: str) -> str:
    """Return the form in which two texts are the same entry (daemon/README.md, "HTTP API")."""
    return unicodedata.normalize("NFC", text).strip()


def difference(base: Sequence[str], typed: Typed, refused: Sequence[wire.Refused]) -> Difference:
    """Work out what saving changes; `refused` counts lines of `typed.texts` from 1, as the daemon does."""
    turned_away = {one.line for one in refused}
    wanted = {same_text(text): text for index, text in enumerate(typed.texts, 1) if index not in turned_away}
    present = {same_text(text): text for text in base}
    return Difference(
        added=tuple(text for key, text in wanted.items() if key not in present),
        removed=tuple(text for key, text in present.items() if key not in wanted),
        unchanged=sum(key in present for key in wanted),
        refused=tuple(_refused_line(one, typed) for one in refused),
    )


def _refused_line(one: wire.Refused, typed: Typed) -> RefusedLine:
    known = 1 <= one.line <= len(typed.lines)
    return RefusedLine(typed.lines[one.line - 1] if known else one.line, one.text, one.kind, one.reason)


def merge(base: Sequence[str], mine: str, theirs: Sequence[str]) -> str:
    """Bring what others changed into my text: their new entries at the end, without the lines they deleted.

    A line that I have changed or added myself stays whatever the others did.
    """
    before, now = {same_text(text) for text in base}, {same_text(text) for text in theirs}
    deleted = before - now
    lines = [line for line in mine.split("\n") if same_text(line) not in deleted]
    have = {same_text(line) for line in lines}
    new = [text for text in theirs if same_text(text) not in before and same_text(text) not in have]
    while new and lines and not lines[-1].strip():
        lines.pop()
    return "\n".join([*lines, *new])
