"""Free space of file systems, as `statvfs` tells it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from daemon.core.units import MIB

_STEP_MB, _STEP_FILES = 256.0, 2000.0
_STEP_SHARE = 16  # … or this part of a small file system
_FILES_SHARE = 100  # free files are few below this part; a file system without a table of files never has few


@dataclass(frozen=True)
class Free:
    """One file system, as `statvfs` sees it."""

    device: int
    megabytes: float
    total_mb: float
    files: int
    total_files: int

    def has_fallen(self, before: Free) -> bool:
        """True where somebody may have passed a bound since `before`."""
        if before.megabytes - self.megabytes > min(_STEP_MB, self.total_mb / _STEP_SHARE):
            return True
        return before.files - self.files > min(_STEP_FILES, self.total_files / _STEP_SHARE)

    def is_low(self, floor_mb: int, times: int = 1) -> bool:
        """True where less than `times` the floor is free."""
        return self.megabytes < times * floor_mb or self.files < times * self.total_files / _FILES_SHARE

    @property
    def words(self) -> str:
        files = f" and {self.files:,} {'file' if self.files == 1 else 'files'}" if self.total_files else ""
        return f"{self.megabytes:,.0f} MB{files} are free for all tenants"


def by_disk(folders: Sequence[Path]) -> dict[Free, list[int]]:
    """The file systems, each with the positions of the folders on it; a folder that is missing is on none."""
    on: dict[int, list[int]] = {}
    for position, folder in enumerate(folders):
        with suppress(FileNotFoundError):
            on.setdefault(os.stat(folder, follow_symlinks=False).st_dev, []).append(position)  # noqa: PTH116
    return {_free(device, folders[at[0]]): at for device, at in on.items()}


def _free(device: int, folder: Path) -> Free:
    state = os.statvfs(folder)
    size = state.f_frsize / MIB
    return Free(device, state.f_bavail * size, state.f_blocks * size, state.f_favail, state.f_files)
