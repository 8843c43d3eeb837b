"""Other files in the tenant's folder, which count against `limits.disk_mb` together with the knowledge base."""

from __future__ import annotations

import os
import time
from pathlib import Path

_FOLDERS = ("index", "models", "hf-cache")
_LOOK_EVERY_S = 1.0


class OtherFiles:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._size = 0
        self._looked_at: float | None = None

    def size(self) -> int:
        """Sum the files' bytes, as of a second ago at most; a file that is still being written does not count."""
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
