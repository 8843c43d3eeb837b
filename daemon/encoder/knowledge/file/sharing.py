"""The lock between processes that have the base open: shared by those that use it, held alone by a swap of files.

SQLite's own locks do not suffice: a process that opened the file while its name goes to another one would take the old
file's log for the new file's.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from daemon.core.errors import Unavailable
from daemon.core.files import locks


def share(path: Path) -> int:
    """Take the lock with others, after a swap under way; the descriptor holds it until it is closed."""
    fd = _open(path)
    locks.lock(fd, shared=True)
    return fd


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Hold the lock alone. Raises Unavailable while another process has the base open."""
    fd = _open(path)
    try:
        _take(fd)
        yield
    finally:
        os.close(fd)


def _take(fd: int) -> None:
    if not locks.try_lock(fd):
        raise Unavailable(
            "cannot swap the knowledge base: a second process works on it (a change of the model, say); "
            "wait for its end, then try again"
        )


def _open(path: Path) -> int:
    return locks.open_file(path.with_name(f"{path.name}.lock"))
