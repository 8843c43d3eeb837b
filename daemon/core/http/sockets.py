"""Unix sockets: bound with their mode, stale ones replaced, peers named by the kernel."""

from __future__ import annotations

import errno
import os
import socket
import struct
from dataclasses import dataclass
from pathlib import Path

from daemon.core.errors import Conflict
from daemon.core.paths import check_socket_length
from daemon.core.units import MIB

_UCRED = struct.Struct("3i")
SO_PEERGROUPS = 59  # linux/asm-generic/socket.h; not in Python's socket module
BACKLOG = 2048


@dataclass(frozen=True)
class Peer:
    """The process at the other end, by the kernel's word at the time of connect()."""

    pid: int
    uid: int
    gid: int
    groups: tuple[int, ...] = ()


def peer_of(connection: socket.socket) -> Peer:
    pid, uid, gid = _UCRED.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size))
    return Peer(pid, uid, gid, _peer_groups(connection))


def _peer_groups(connection: socket.socket) -> tuple[int, ...]:
    size = 256
    while True:
        try:
            raw = connection.getsockopt(socket.SOL_SOCKET, SO_PEERGROUPS, size)
        except OSError as error:
            if error.errno != errno.ERANGE or size > MIB:
                raise
            size *= 16
            continue
        return struct.unpack(f"{len(raw) // 4}I", raw)


def bind(path: Path, mode: int) -> socket.socket:
    """Return a listening socket at `path` that never is more open than `mode`, not even for a moment.

    A stale socket file, on which nobody answers, is replaced. The umask stays as it is: it is the whole process's, and
    other threads make tenants' folders meanwhile.

    Raises:
        Conflict: another process answers on `path`.
        OSError: the socket can't be made there.
    """
    check_socket_length(path)
    if path.is_socket():
        if is_served(path):
            raise Conflict(f"cannot listen on {path}: another process answers there; stop it first")
        path.unlink()
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        os.fchmod(listener.fileno(), mode)  # bind(2) on Linux makes the file with this mode, less the umask
        listener.bind(os.fspath(path))
        path.chmod(mode)  # what the umask took
    except OSError:
        listener.close()
        raise
    listener.listen(BACKLOG)
    listener.setblocking(False)
    return listener


def is_served(path: Path) -> bool:
    """Dial the socket, and tell whether somebody listens there."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(os.fspath(path))
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        except OSError:
            return True  # full backlog, no permission: somebody is there
        return True
