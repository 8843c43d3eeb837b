"""The target of the attacks, as probes are told it: paths, pids, addresses, names of things of the host."""

from __future__ import annotations

import ctypes
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import daemon
from daemon.cli.attacks.host import HostThings
from daemon.cli.attacks.table import Place
from daemon.core.paths import Paths, TenantPaths
from daemon.supervisor.isolation.sandbox import Limits

VICTIM, ATTACKER = "victim", "attacker"


@dataclass(frozen=True)
class Scene:
    """The two tenants, their daemon and the host's things; `installation` is attacked as well."""

    paths: Paths
    installation: Paths | None
    victims_uid: int
    victims_pid: int
    daemons_pid: int
    handle: tuple[int, str]
    setuid: Path
    host: HostThings
    limits: Limits

    def target(self, place: Place) -> dict[str, Any]:
        """Return the target for probes at this place, as JSON takes it."""
        return {
            "inside": place is Place.SANDBOX,
            **self._files(),
            **self._processes(),
            "setuid": str(self.setuid),
            "programs": [str(Path(daemon.__file__)), str(Path(daemon.__file__).parent / "core" / "paths.py")],
            "gpu_nodes": [str(self.host.gpu_node), *map(str, sorted(Path("/dev").glob("nvidia[0-9]*")))],
            "file_mb": self.limits.file_mb,
            "tmp_mb": self.limits.tmp_mb,
            "processes": self.limits.processes,
            **self.host.names,
        }

    def _files(self) -> dict[str, Any]:
        victim = self.paths.tenant(VICTIM)
        installations = [self.paths, *([self.installation] if self.installation else [])]
        tenants = [victim, *(_tenants_of(self.installation) if self.installation else [])]
        return {
            "own": str(self.paths.tenant(ATTACKER).data),
            "data": str(victim.data),
            "all_data": [str(tenant.data) for tenant in tenants],
            "logs": [str(tenant.encoder_log) for tenant in tenants],
            "sockets": [str(tenant.socket) for tenant in tenants],
            "secret": str(victim.data / "secret"),
            "handle": self.handle,
            "daemon_files": [str(path) for paths in installations for path in _daemon_files(paths)],
            "daemon_sockets": [str(paths.daemon_socket) for paths in installations],
            "console_sockets": [str(paths.console_socket) for paths in installations],
        }

    def _processes(self) -> dict[str, Any]:
        pids = [self.victims_pid, self.daemons_pid]
        return {
            "tenant": VICTIM,
            "uid": self.victims_uid,
            "pid": self.victims_pid,
            "pids": pids,
            "addresses": {str(pid): _an_address(pid) for pid in pids},
        }


def _tenants_of(paths: Paths) -> list[TenantPaths]:
    folder = paths.state / "tenants"
    return [paths.tenant(data.name) for data in sorted(folder.iterdir())] if folder.is_dir() else []


def _daemon_files(paths: Paths) -> list[Path]:
    return [paths.state_db, paths.users_yaml, paths.audit_log]


def _an_address(pid: int) -> int:
    """Return an address in the process's memory, for probes that can't look one up themselves."""
    return int(Path(f"/proc/{pid}/maps").read_text().partition("-")[0], 16)


def file_handle(path: Path) -> tuple[int, str]:
    """Return a file's handle for open_by_handle_at(2): its type, and its bytes in hexadecimal digits."""
    size = 128
    handle = ctypes.create_string_buffer(bytes(ctypes.c_uint32(size)), 8 + size)
    mount_id = ctypes.c_int()
    at_cwd = -100
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.name_to_handle_at(at_cwd, os.fsencode(path), handle, ctypes.byref(mount_id), 0) != 0:
        return 0, ""  # this file system has none: the attack is impossible here, and said to be unproven
    length = int.from_bytes(handle.raw[0:4], sys.byteorder)
    return int.from_bytes(handle.raw[4:8], sys.byteorder), handle.raw[8 : 8 + length].hex()
