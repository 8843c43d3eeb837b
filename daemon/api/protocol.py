"""uvicorn's HTTP protocol on a Unix socket: knows who is at the other end, and bounds what they may hold open."""

from __future__ import annotations

import asyncio
import json
import logging
from collections import Counter
from pathlib import PurePath
from typing import Any, ClassVar, cast

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.server import ServerState

from daemon.api.connection_info import SCOPE_KEY, Connection, SocketKind
from daemon.core.errors import BadRequest, Unavailable, VecwardError
from daemon.core.http_status import problem_headers, status_of, to_problem
from daemon.core.sockets import peer_of

log = logging.getLogger(__name__)

MAX_HEAD_BYTES = 64 * 1024
MAX_CONNECTIONS_PER_UID = 512
MAX_CONSOLE_CONNECTIONS = 2048  # one uid stands for all console users there
STALLED_S = 60.0  # a request that began and does not go on
LOOK_EVERY_S = 20.0
REFUSED_S = 1.0  # how long one connection too many may take to hear that it is


class ServerProtocol(HttpToolsProtocol):
    """One connection. Its uid's share is counted from connect to close."""

    _open: ClassVar[Counter[tuple[SocketKind, int]]] = Counter()

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._connection: Connection | None = None
        self._refusal: VecwardError | None = None
        self._in_head = True
        self._head_bytes = 0
        self._heard_at = 0.0
        self._look: asyncio.TimerHandle | None = None

    # --- connect, close --------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._heard_at = self.loop.time()
        try:
            self._connection = _connection_of(transport)
        except OSError as error:  # gone already
            log.info("peer-unknown", extra={"reason": str(error)})
            transport.abort()
            return
        key = (self._connection.socket, self._connection.peer.uid)
        self._open[key] += 1
        limit = MAX_CONSOLE_CONNECTIONS if key[0] == "console" else MAX_CONNECTIONS_PER_UID
        if self._open[key] > limit:
            log.warning("too-many-connections", extra={"uid": key[1], "socket": key[0], "limit": limit})
            self._refusal = Unavailable(f"cannot serve: uid {key[1]} has {limit} connections open; close some")
            self._look = self.loop.call_later(REFUSED_S, transport.close)
            return
        self._look = self.loop.call_later(LOOK_EVERY_S, self._close_if_stalled)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._look is not None:
            self._look.cancel()
        if self._connection is not None:
            key = (self._connection.socket, self._connection.peer.uid)
            self._open[key] -= 1
            if self._open[key] <= 0:
                del self._open[key]
        super().connection_lost(exc)

    def _close_if_stalled(self) -> None:
        """Between requests uvicorn's own timeout_keep_alive closes; here: requests that do not come to their end."""
        half_sent = self._in_head or (self.cycle.more_body and not self.flow.read_paused)
        never_spoke = self.cycle is None
        if (half_sent or never_spoke) and self.loop.time() - self._heard_at > STALLED_S:
            self.transport.close()
            return
        self._look = self.loop.call_later(LOOK_EVERY_S, self._close_if_stalled)

    # --- requests --------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        if self._connection is None or self.transport.is_closing():
            return
        if self._refusal is not None:  # only now: an answer before the request would be lost in the reset
            self._refuse(self._refusal)
            return
        self._heard_at = self.loop.time()
        super().data_received(data)
        if self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
                self._refuse(_head_too_large())

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head = True
        cast(dict[str, Any], self.scope)[SCOPE_KEY] = self._connection

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._head_bytes = 0
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002  (says "Invalid HTTP request received.")
        self._refuse(BadRequest("cannot read the request: it is not valid HTTP/1.1"))

    def _refuse(self, error: VecwardError) -> None:
        """Answers outside of any request, and closes."""
        body = json.dumps(to_problem(error), ensure_ascii=False).encode()
        headers = {**problem_headers(error), "content-length": str(len(body)), "connection": "close"}
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        self.transport.write(STATUS_LINE[status_of(error)] + lines.encode("ascii") + b"\r\n" + body)
        self.transport.close()


def _head_too_large() -> BadRequest:
    return BadRequest(f"cannot read the request: its head is larger than {MAX_HEAD_BYTES} bytes")


def _connection_of(transport: asyncio.Transport) -> Connection:
    socket = transport.get_extra_info("socket")
    kind: SocketKind = "console" if PurePath(str(socket.getsockname())).name == "console.sock" else "daemon"
    return Connection(kind, peer_of(socket))


server_protocol = ServerProtocol
