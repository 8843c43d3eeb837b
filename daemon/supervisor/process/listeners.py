"""The listening sockets that encoders inherit: the daemon binds and keeps them, so that a restart loses no caller."""

from __future__ import annotations

import socket
from pathlib import Path

from daemon.core.http import sockets


class Listeners:
    """Listening sockets by tenant name, each bound at its tenant's first start."""

    def __init__(self) -> None:
        self._open: dict[str, tuple[socket.socket, Path]] = {}

    def names(self) -> list[str]:
        return list(self._open)

    def listen(self, name: str, path: Path) -> socket.socket:
        """Return the tenant's socket, bound to `path` with mode 0600."""
        if name not in self._open:
            # Only the holder of the daemon's lock binds here. If somebody still answers, it is an encoder of a killed
            # daemon on its way out; the lock in its data folder keeps it from writing beside its successor.
            path.unlink(missing_ok=True)
            self._open[name] = (sockets.bind(path, 0o600), path)
        return self._open[name][0]

    def close(self, name: str) -> None:
        """Close the tenant's socket, so that connecting to it fails at once."""
        if name in self._open:
            listener, path = self._open.pop(name)
            listener.close()
            path.unlink(missing_ok=True)
