"""Who else has the base open: a process beside the encoder holds a shared flock, an exchange of files wants it alone.

SQLite's own locks can't tell: a process that opens the file while its name goes to another one would have the old
file's log taken for the new file's.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from daemon.core.errors import Unavailable
from daemon.core.files import locks


def share(path: Path) -> int:
    """The descriptor that holds the lock, until it is closed; waits for an exchange to end."""
    fd = _open(path)
    locks.lock(fd, shared=True)
    return fd


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Raises Unavailable while another process has the base open."""
    fd = _open(path)
    try:
        _take(fd)
        yield
    finally:
        os.close(fd)


def _take(fd: int) -> None:
    if not locks.try_lock(fd):
        raise Unavailable(
            "cannot exchange the knowledge base: a second process works on it (a change of the model, say); "
            "wait for its end, then try again"
        )


def _open(path: Path) -> int:
    return locks.open_file(path.with_name(f"{path.name}.lock"))
