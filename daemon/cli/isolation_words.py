"""The words of the command line for the isolation in force, and for the bounds that this host does not give."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from daemon.core.wire import Info

ISOLATION = {
    "process": "own process only: same Linux user, no sandbox (isolation: process in daemon.yaml)",
    "strict": "own Linux user, sandbox without network, own file system view",
}
LACKING = {
    "cgroups": "not bounded by cgroups: memory, CPU (the daemon's cgroup is not delegated)",
    "seccomp": "no system call filter (none for this processor)",
}
DISK = {
    "quota": "disk space bounded by the file system's quotas",
    "watch": "disk space watched, since its file system enforces no quotas: a tenant past its limit is stopped",
}


def isolation_words(word: str | None, info: Info) -> str | None:
    """Return the meaning of a tenant's isolation; the word itself where it is not the one in force."""
    if word is None or word != info.isolation:
        return word
    words = [ISOLATION.get(word, word), *(LACKING.get(key, key) for key in info.lacking)]
    return "; ".join([*words, DISK[info.disk]] if info.disk is not None else words)
