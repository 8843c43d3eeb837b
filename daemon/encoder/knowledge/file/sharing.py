"""Who else has the base open: a process beside the encoder holds a shared flock, an exchange of files wants it alone.

SQLite's own locks can't tell: a process that opens the file while its name goes to another one would have the old
file's log taken for the new file's.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from daemon.core.errors import Unavailable


def share(path: Path) -> int:
    """The descriptor that holds the lock, until it is closed; waits for an exchange to end."""
    fd = _open(path)
    fcntl.flock(fd, fcntl.LOCK_SH)
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
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise Unavailable(
            "cannot exchange the knowledge base: a second process works on it (a change of the model, say); "
            "wait for its end, then try again"
        ) from None


def _open(path: Path) -> int:
    lock = path.with_name(f"{path.name}.lock")
    return os.open(lock, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
