"""The daemon's side of a connection on its Unix sockets: bounds, and the peer by the kernel's word."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable
from pathlib import PurePath
from typing import Any, cast

from daemon.api.rights.connection import SCOPE_KEY, Connection, SocketKind
from daemon.core.http.bounded import BoundedProtocol
from daemon.core.http.sockets import peer_of

MAX_CONNECTIONS_PER_UID = 512
MAX_CONSOLE_CONNECTIONS = 2048  # one uid stands for all console users there


class ServerProtocol(BoundedProtocol):
    """A bounded connection that puts its `Connection` into the scope of each request."""

    _connection: Connection | None = None

    def share_of(self, transport: asyncio.Transport) -> tuple[Hashable, int, str]:
        self._connection = _connection_of(transport)
        kind, uid = self._connection.socket, self._connection.peer.uid
        limit = MAX_CONSOLE_CONNECTIONS if kind == "console" else MAX_CONNECTIONS_PER_UID
        return (kind, uid), limit, f"uid {uid}"

    def on_message_begin(self) -> None:
        super().on_message_begin()
        cast(dict[str, Any], self.scope)[SCOPE_KEY] = self._connection


def _connection_of(transport: asyncio.Transport) -> Connection:
    socket = transport.get_extra_info("socket")
    kind: SocketKind = "console" if PurePath(str(socket.getsockname())).name == "console.sock" else "daemon"
    return Connection(kind, peer_of(socket))
