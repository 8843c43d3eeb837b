"""The lock on a tenant's data folder: a dying encoder can't write beside its successor."""

from __future__ import annotations

import os
import time
from pathlib import Path

from daemon.core.errors import StartRefused
from daemon.core.files import locks

WAIT_S = 10.0
_POLL_S = 0.02


def hold(data: Path, wait_s: float = WAIT_S) -> int:
    """Take DATA/encoder.lock; its descriptor holds it until it is closed. Raises StartRefused."""
    fd = locks.open_file(data / "encoder.lock")
    deadline = time.monotonic() + wait_s
    while not locks.try_lock(fd):
        if time.monotonic() > deadline:
            os.close(fd)
            raise StartRefused(
                f"cannot use {data}: another encoder has held it for {wait_s:g} s; end that process first"
            )
        time.sleep(_POLL_S)
    return fd
