"""What lies in the tenant's folder beside the knowledge base, and counts against `limits.disk_mb` with it."""

from __future__ import annotations

import os
import time
from pathlib import Path

_FOLDERS = ("index", "models", "hf-cache")
_LOOK_EVERY_S = 1.0


class Elsewhere:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._size = 0
        self._looked_at: float | None = None

    def size(self) -> int:
        """In bytes, at most a second old; without what is being written and has no name of its own yet."""
        now = time.monotonic()
        if self._looked_at is None or now - self._looked_at > _LOOK_EVERY_S:
            self._size = sum(_size(self._folder / name) for name in _FOLDERS)
            self._looked_at = now
        return self._size


def _size(folder: Path) -> int:
    found = 0
    for where, _, names in os.walk(folder):
        for name in names:
            try:
                found += 0 if name.startswith(".") else os.lstat(f"{where}/{name}").st_size
            except FileNotFoundError:  # replaced meanwhile
                continue
    return found
