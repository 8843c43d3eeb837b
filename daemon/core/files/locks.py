"""File locks (flock), which the kernel releases with their holder: one daemon a root, one encoder a data folder."""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path

from daemon.core.errors import Conflict


def open_file(path: Path) -> int:
    """A descriptor to lock by, of a file that is made where there is none; a link is refused. Raises OSError."""
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)


def lock(fd: int, *, shared: bool = False) -> None:
    """Take the lock, waiting for its holder to go."""
    fcntl.flock(fd, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)


def try_lock(fd: int) -> bool:
    """Take the lock if it is free; False: another one holds it."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def hold(path: Path, what: str) -> int:
    """Take the lock and write this pid into its file; the descriptor holds it until `release`.

    Raises Conflict, which names the holder's pid.
    """
    fd = take(path)
    if isinstance(fd, str):
        raise Conflict(f"cannot start {what}: another one runs with pid {fd} (lock {path}); stop it first", pid=fd)
    with suppress(OSError):  # a full disk: the lock holds all the same, its file only tells whose it is
        os.ftruncate(fd, 0)
        os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
    return fd


def take(path: Path) -> int | str:
    """The descriptor that holds the lock, its file's content untouched; or what its holder wrote into it."""
    while True:
        fd = open_file(path)
        if not try_lock(fd):
            written = os.pread(fd, 4096, 0).decode("utf-8", "replace").strip() or "unknown"
            os.close(fd)
            return written
        if _is_at(fd, path):
            return fd
        os.close(fd)  # its holder removed the file between our open and our flock


def release(fd: int, path: Path) -> None:
    """Remove the file while it is still locked, then let go."""
    path.unlink(missing_ok=True)
    os.close(fd)


def _is_at(fd: int, path: Path) -> bool:
    try:
        there = path.stat()
    except FileNotFoundError:
        return False
    ours = os.fstat(fd)
    return (there.st_dev, there.st_ino) == (ours.st_dev, ours.st_ino)
