"""cgroup v2 limits for encoders, where the daemon's own cgroup is delegated to it (systemd: Delegate=yes).

The daemon moves itself into a leaf, since a cgroup that hands controllers down may hold no processes, and gives each
tenant a cgroup beside it. Nothing is touched that is not marked as delegated.
"""

from __future__ import annotations

import errno
import logging
import os
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from daemon.core.units import MIB

log = logging.getLogger(__name__)

CONTROLLERS = ("cpu", "memory", "pids")
_LEAF = "daemon"
_PERIOD_US = 100_000


@dataclass(frozen=True)
class CgroupLimits:
    """Limits of one cgroup; `cpus` in CPUs, such as 1.5; None: no limit."""

    memory_mb: int | None
    cpus: float | None
    processes: int


class Cgroups:
    """The cgroups of tenants below `base`; None: the daemon's own cgroup is not delegated, and there are none."""

    def __init__(self, base: Path | None) -> None:
        self.base = base
        self._leaving = set(base.glob("tenant-*")) if base is not None else set()  # of a daemon that was killed

    @classmethod
    def discover(cls, mounted: Path = Path("/sys/fs/cgroup"), own: Path = Path("/proc/self/cgroup")) -> Cgroups:
        """The cgroups below the one that this process is in, where that is delegated."""
        try:
            base = _own_cgroup(mounted, own)
            if not _is_delegated(base):
                return cls(None)
            _take(base)
        except OSError as error:
            log.info("no-cgroups", extra={"reason": str(error)})
            return cls(None)
        return cls(base)

    def make(self, tenant: str, limits: CgroupLimits) -> Path | None:
        """Make the tenant's cgroup and set its limits; None where there are no cgroups."""
        if self.base is None:
            return None
        path = self.base / f"tenant-{tenant}"
        self._leaving.discard(path)
        path.mkdir(exist_ok=True)
        _write(path / "pids.max", str(limits.processes))
        _write(path / "memory.max", str(limits.memory_mb * MIB) if limits.memory_mb else "max")
        _write(path / "memory.oom.group", "1")
        if (swap := path / "memory.swap.max").exists():
            _write(swap, "0" if limits.memory_mb else "max")
        quota = str(round(limits.cpus * _PERIOD_US)) if limits.cpus else "max"
        _write(path / "cpu.max", f"{quota} {_PERIOD_US}")
        return path

    def out_of_memory(self, tenant: str) -> Callable[[], str | None]:
        """A function that tells later why the kernel ended a process of the tenant for want of memory, if it did."""
        if self.base is None:
            return lambda: None
        path = self.base / f"tenant-{tenant}"
        before = _memory_events(path)

        def since() -> str | None:
            try:
                now = _memory_events(path)
            except FileNotFoundError:  # taken away: the tenant rests
                return None
            if now["oom_kill"] <= before["oom_kill"]:
                return None
            own = now["oom"] > before["oom"]
            return "it reached limits.memory_mb" if own else "the host has none left"

        return since

    def remove(self, tenant: str) -> None:
        """Take a tenant's cgroup away, as soon as it is empty."""
        if self.base is not None:
            self._leaving.add(self.base / f"tenant-{tenant}")
            self.sweep()

    def sweep(self) -> None:
        """Take away the cgroups that are empty by now: the last processes of a sandbox take a moment to go."""
        for path in list(self._leaving):
            try:
                path.rmdir()
            except FileNotFoundError:
                pass
            except OSError as error:
                if error.errno == errno.EBUSY:
                    continue
                log.warning("cgroup-stays", extra={"cgroup": path.name, "reason": str(error)})
            self._leaving.discard(path)


def _memory_events(path: Path) -> Counter[str]:
    pairs = (line.split() for line in (path / "memory.events").read_text().splitlines())
    return Counter({name: int(count) for name, count in pairs})


def _own_cgroup(mounted: Path, own: Path) -> Path:
    for line in own.read_text().splitlines():
        if line.startswith("0::"):
            path = mounted / line.removeprefix("0::").lstrip("/")
            return path.parent if path.name == _LEAF and _is_delegated(path.parent) else path
    raise FileNotFoundError(None, "no cgroup v2 here")


def _is_delegated(path: Path) -> bool:
    """True for a cgroup that systemd has marked as delegated, with its controllers (systemd.resource-control(5))."""
    if not set(CONTROLLERS) <= set((path / "cgroup.controllers").read_text().split()):
        return False
    return any(_mark(path, name) == b"1" for name in ("trusted.delegate", "user.delegate"))


def _mark(path: Path, name: str) -> bytes:
    try:
        return os.getxattr(path, name)
    except OSError:
        return b""


def _take(base: Path) -> None:
    leaf = base / _LEAF
    leaf.mkdir(exist_ok=True)
    for pid in (base / "cgroup.procs").read_text().split():
        _write(leaf / "cgroup.procs", pid)
    _write(base / "cgroup.subtree_control", " ".join(f"+{name}" for name in CONTROLLERS))


def _write(path: Path, text: str) -> None:
    path.write_text(text)
