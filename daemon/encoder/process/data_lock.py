"""A flock in the tenant's data folder: a dying predecessor can't write beside its successor."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

from daemon.core.errors import StartRefused

WAIT_S = 10.0
_POLL_S = 0.02


def hold(data: Path, wait_s: float = WAIT_S) -> int:
    """Takes DATA/encoder.lock and returns its descriptor: held until closed. Raises StartRefused."""
    fd = os.open(data / "encoder.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    deadline = time.monotonic() + wait_s
    while not _try(fd):
        if time.monotonic() > deadline:
            os.close(fd)
            raise StartRefused(
                f"cannot use {data}: another encoder has held it for {wait_s:g} s; end that process first"
            )
        time.sleep(_POLL_S)
    return fd


def _try(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
