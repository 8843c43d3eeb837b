"""The parts of an imported file, and the sum of what they brought."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from daemon.core import wire
from daemon.encoder.knowledge import Committed, entry_files

SHOWN = 100  # refused entries that the result holds; `refused_total` counts all


@dataclass(frozen=True)
class Tally:
    """The result of an import, as far as it has come."""

    added: int = 0
    removed: int = 0
    unchanged: int = 0
    refused: tuple[wire.Refused, ...] = ()
    refused_total: int = 0
    cut: int = 0
    revision: int = 0

    def plus(self, committed: Committed, chunk: Chunk) -> Tally:
        """Add a chunk that was committed."""
        refused = sorted([*chunk.refused, *chunk.at_lines(committed.refused)], key=lambda refused: refused.line)
        return Tally(
            self.added + len(committed.added),
            self.removed + len(committed.removed),
            self.unchanged + committed.unchanged,
            (*self.refused, *refused[: SHOWN - len(self.refused)]),
            self.refused_total + len(refused),
            self.cut + committed.cut,
            committed.revision,
        )

    def result(self) -> dict[str, Any]:
        return {**vars(self), "refused": [refused.model_dump(mode="json") for refused in self.refused]}


@dataclass(frozen=True)
class Chunk:
    """Some entries of a file, with the line of each."""

    lines: list[int]
    entries: list[wire.NewEntry]
    refused: list[wire.Refused]

    @classmethod
    def of(cls, items: list[entry_files.Item]) -> Chunk:
        sound = [item for item in items if isinstance(item, tuple)]
        refused = [item for item in items if isinstance(item, wire.Refused)]
        return cls([line for line, _ in sound], [entry for _, entry in sound], refused)

    def at_lines(self, refused: list[wire.Refused]) -> list[wire.Refused]:
        """Give refusals, which count lines within the chunk, the file's lines."""
        return [found.model_copy(update={"line": self.lines[found.line - 1]}) for found in refused]

    def __len__(self) -> int:
        return len(self.lines) + len(self.refused)
