"""Processes that NVML finds on a GPU: their owners, and those that are about to end."""

from __future__ import annotations

import os
from itertools import pairwise
from pathlib import Path

import psutil

from daemon.supervisor.gpu.nvml import GpuUser

_ENDING = frozenset({psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD})


def is_leaving(pid: int, tenant: str, data: Path, uid: int | None) -> bool:
    """True for a process that is worth waiting for.

    It has ended, and the driver lags behind; or it is an encoder of this very tenant that outlives the daemon or the
    sandbox it ran in, known by the tenant's own uid or by its command line.
    """
    try:
        process = psutil.Process(pid)
        if process.status() in _ENDING:
            return True
        real = process.uids().real
        if uid is not None and real == uid:
            return True
        return real == os.geteuid() and _is_encoder(process.cmdline(), tenant, data)
    except psutil.NoSuchProcess:
        return True
    except psutil.AccessDenied:
        return False


def _is_encoder(command: list[str], tenant: str, data: Path) -> bool:
    def follows(option: str, value: str) -> bool:
        return any(pair == (option, value) for pair in pairwise(command))

    return follows("-m", "daemon.encoder") and follows("--tenant", tenant) and follows("--data", str(data))


def words(user: GpuUser) -> str:
    """Words for people, such as "process 4711 (python3, user bob) uses 3000 MB of it"."""
    unknown = "an amount of its memory that the driver does not tell"
    amount = unknown if user.memory_mb is None else f"{user.memory_mb:.0f} MB of it"
    return f"process {user.pid}{_who(user.pid)} uses {amount}"


def _who(pid: int) -> str:
    try:
        process = psutil.Process(pid)
        return f" ({process.name()}, user {process.username()})"
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return ""
