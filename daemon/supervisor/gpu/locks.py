"""Locks of GPUs: one flock a GPU under run/gpu/, held by the daemon as long as a tenant needs the GPU.

The file names the holders and the compute mode to restore: after `kill -9` of the daemon the lock is free, and the file
is still there to be read.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from daemon.core.files import locks


class Held(Exception):
    """A GPU that another one holds; the text names the holder."""


@dataclass
class GpuLock:
    """The lock of one GPU; `sharing` tells for each of its tenants whether the file allows a second one beside it."""

    uuid: str
    path: Path
    fd: int
    sharing: dict[str, bool] = field(default_factory=dict)
    mode_before: int | None = None  # the compute mode to restore; None: it was not changed

    def write(self) -> None:
        """Write the holders and the compute mode into the file."""
        content = {"pid": os.getpid(), "tenants": sorted(self.sharing), "mode_before": self.mode_before}
        line = json.dumps(content).encode()
        os.ftruncate(self.fd, 0)
        os.pwrite(self.fd, line + b"\n", 0)

    def close(self) -> None:
        locks.release(self.fd, self.path)


class GpuLocks:
    """The locks that this daemon holds."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._held: dict[str, GpuLock] = {}

    def tenants(self, uuid: str) -> list[str]:
        """The tenants of this daemon that hold the GPU."""
        lock = self._held.get(uuid)
        return sorted(lock.sharing) if lock else []

    def holders(self) -> list[str]:
        return [tenant for lock in self._held.values() for tenant in lock.sharing]

    def of(self, tenant: str) -> GpuLock | None:
        return next((lock for lock in self._held.values() if tenant in lock.sharing), None)

    def claim(self, uuid: str, tenant: str, *, sharing: bool) -> GpuLock:
        """Lock a GPU for a tenant; to claim it again changes nothing. Raises Held, OSError."""
        lock = self._held.get(uuid)
        if lock is None:
            lock = self._held[uuid] = self._take(uuid)
        others = [name for name in lock.sharing if name != tenant]
        if others and not (sharing and all(lock.sharing[name] for name in others)):
            raise Held(f"tenant {' and '.join(sorted(others))}")
        lock.sharing[tenant] = sharing
        lock.write()
        return lock

    def leave(self, tenant: str) -> GpuLock | None:
        """Take a tenant off its lock; a lock that nobody holds any more is returned, for the caller to close."""
        lock = self.of(tenant)
        if lock is None:
            return None
        del lock.sharing[tenant]
        if lock.sharing:
            lock.write()
            return None
        del self._held[lock.uuid]
        return lock

    def left_over(self) -> Iterator[GpuLock]:
        """Take the locks of a daemon that was killed; the caller restores their compute modes and closes them."""
        for path in sorted(self._folder.glob("*.lock")):
            fd = locks.take(path)
            if isinstance(fd, int):
                yield GpuLock(path.stem, path, fd, mode_before=_content(fd).get("mode_before"))

    def _take(self, uuid: str) -> GpuLock:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = self._folder / f"{Path(uuid).name}.lock"
        fd = locks.take(path)
        if isinstance(fd, str):
            raise Held(f"another daemon ({fd})")
        return GpuLock(uuid, path, fd, mode_before=_content(fd).get("mode_before"))


def _content(fd: int) -> dict[str, Any]:
    """The content that the file's last holder wrote; empty for a new file or one torn by a crash."""
    try:
        content = json.loads(os.pread(fd, 4096, 0))
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}
