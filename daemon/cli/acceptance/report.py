"""The rows of an acceptance run, written to a file as they end: a run that is cut off keeps what it found."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

Verdict = Literal["passed", "failed", "not possible here"]


@dataclass(frozen=True)
class Row:
    """One thing that was tried; `words` say what was found, or why it is not possible here."""

    name: str
    verdict: Verdict
    words: str
    figures: Mapping[str, Any] = field(default_factory=dict)
    took_s: float = 0.0


class Report:
    """Rows in the order in which they ended; each is a line of JSON in `path` at once."""

    def __init__(self, path: Path | None, tell: Callable[[Row], None]) -> None:
        self.rows: list[Row] = []
        self._path = path
        self._tell = tell
        if path is not None:
            path.write_text("")

    def add(self, row: Row) -> None:
        self.rows.append(row)
        if self._path is not None:
            with self._path.open("a") as file:
                file.write(json.dumps(asdict(row), ensure_ascii=False) + "\n")
        self._tell(row)

    @property
    def failed(self) -> int:
        return sum(row.verdict == "failed" for row in self.rows)


def judged(name: str, holds: bool, words: str, /, **figures: Any) -> Row:
    """Return a row that passed or failed."""
    return Row(name, "passed" if holds else "failed", words, figures)


def impossible(name: str, why: str) -> Row:
    """Return a row that this host can't decide."""
    return Row(name, "not possible here", why)
