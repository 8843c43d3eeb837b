"""Salvaging a damaged base into a new file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Salvage:
    entries: int
    vectors: int


def recover(path: Path, target: Path) -> Salvage:
    raise NotImplementedError(path, target)
