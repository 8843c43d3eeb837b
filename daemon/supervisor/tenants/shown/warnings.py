"""The warnings shown at a tenant: each has a key, which the console has words for, and words with the figures."""

from __future__ import annotations

from enum import StrEnum


class WarningKey(StrEnum):
    MEMORY = "memory_mb"
    GPU_MEMORY = "gpu_memory_mb"
    GPU = "gpu"
    GPU_FOREIGN = "gpu-foreign"
    CANARY = "canary"
    INDEX = "index"
    HEALTH = "health"
    DISK = "disk"
    DISK_COUNT = "disk-count"
    CONFIG = "config"
    RE_EMBEDDING = "re-embedding"


class Warnings:
    """Warnings of one tenant, by key."""

    def __init__(self) -> None:
        self._words: dict[WarningKey, str] = {}

    def warn(self, key: WarningKey, words: str) -> bool:
        """Show the words; True when nothing was shown under this key before."""
        is_new = key not in self._words
        self._words[key] = words
        return is_new

    def clear(self, key: WarningKey) -> bool:
        """Show nothing under this key any more; True when something was."""
        return self._words.pop(key, None) is not None

    def get(self, key: WarningKey) -> str | None:
        return self._words.get(key)

    def shown(self) -> dict[str, str]:
        """Return what is shown, in the order in which it began."""
        return {key.value: words for key, words in self._words.items()}

    def __bool__(self) -> bool:
        return bool(self._words)
