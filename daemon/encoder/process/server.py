"""The HTTP server: uvicorn on the passed listener, ended by an event instead of by signals."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from typing import Any

import uvicorn

from daemon.encoder.http.app import App

_NEVER_S = 10 * 365 * 24 * 3600  # an encoder never closes an idle connection: the daemon's pool does
_DRAIN_S = 10


class Server(uvicorn.Server):
    """A server that runs until `stop` is set, then finishes what it does."""

    def __init__(self, app: App, stop: asyncio.Event) -> None:
        quiet = {"log_config": None, "log_level": "warning", "access_log": False}
        bare = {"proxy_headers": False, "server_header": False, "date_header": False}
        times = {"timeout_keep_alive": _NEVER_S, "timeout_graceful_shutdown": _DRAIN_S}
        settings: dict[str, Any] = {**quiet, **bare, **times}
        super().__init__(uvicorn.Config(app, http="httptools", ws="none", lifespan="off", **settings))
        self._stop = stop

    async def main_loop(self) -> None:
        await self._stop.wait()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def serve_on(self, listener: socket.socket) -> None:
        await self.serve(sockets=[listener])
