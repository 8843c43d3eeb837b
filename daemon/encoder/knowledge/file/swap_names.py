"""The swap of a base's file for another one, step by step on the disk."""

from __future__ import annotations

import os
from pathlib import Path

from daemon.core.errors import InternalError
from daemon.core.files import replace

BEFORE = ".{}.before"  # a base whose place another one takes, until that one is open


def require_whole(fresh: Path) -> None:
    """Make sure that nothing of a base is in a log, and all of it on the disk. Raises InternalError."""
    log = Path(f"{fresh}-wal")
    if log.exists() and log.stat().st_size:
        raise InternalError(f"cannot use {fresh}: it was not closed")
    replace.sync_file(fresh)


def swap(path: Path, fresh: Path, kept: Path) -> None:
    """Swap the names; there is a base under the name `path` at every moment."""
    kept.unlink(missing_ok=True)
    os.link(path, kept)
    replace.rename(fresh, path)


def put_back(path: Path, kept: Path) -> None:
    """Take a swap back, as far as it has come."""
    if kept.exists():
        remove_log(path)
        kept.replace(path)
        kept.unlink(missing_ok=True)  # both names were one file's: then replacing does nothing


def remove_log(path: Path) -> None:
    for beside in ("-wal", "-shm"):
        Path(f"{path}{beside}").unlink(missing_ok=True)
