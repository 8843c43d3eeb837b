"""The console's process: `python -m console [--root DIR] [--port N]`."""

from __future__ import annotations

import argparse
import asyncio
import errno
import logging
import os
import socket
import sys
import tempfile
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from console.app import create_app
from console.web.cookies import Cookies, User, load_key
from console.web.daemon_access import OpenClient
from console.web.protocol import MAX_CONNECTIONS, BrowserProtocol
from daemon.client import AsyncClient
from daemon.core import logs
from daemon.core.config.daemon_config import ConsoleConfig, load_config
from daemon.core.errors import Conflict, VecwardError
from daemon.core.paths import Paths

log = logging.getLogger("console")


def client_of(paths: Paths) -> OpenClient:
    """Make the function that opens a client of the console's socket."""

    def open_client(user: User | None, address: str | None) -> AsyncClient:
        if user is None:
            return AsyncClient(paths.console_socket, address=address)
        return AsyncClient(paths.console_socket, user=user.name, session=user.session)

    return open_client


def main(argv: list[str] | None = None) -> int:
    """Run the console; the exit code is 0 after an end as asked, 1 where it cannot start."""
    parser = argparse.ArgumentParser(prog="vecward console", description="The web console, in the foreground.")
    parser.add_argument("--root", type=Path, help="the daemon's folder (default: the system's paths)")
    parser.add_argument("--port", type=int, help="instead of console.port of daemon.yaml")
    parser.add_argument("--log-level", default="info", choices=["debug", "info", "warning", "error"])
    arguments = parser.parse_args(argv)
    logs.setup(arguments.log_level)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    logging.getLogger("httpx").setLevel(logging.WARNING)
    try:
        paths = Paths.choose(arguments.root)
        config = load_config(paths.daemon_yaml).console
        port = config.port if arguments.port is None else arguments.port
        _serve(paths, config, port)
    except VecwardError as error:
        print(f"vecward: {error.kind}: {error.message}", file=sys.stderr)  # noqa: T201
        return 1
    return 0


def _serve(paths: Paths, config: ConsoleConfig, port: int) -> None:
    listener = _bind(config.host, port)
    port = listener.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="vecward-console-") as scratch:
        # Gradio makes this folder even where it is not used; /tmp/gradio could be another user's.
        os.environ["GRADIO_TEMP_DIR"] = scratch
        cookies = Cookies(load_key(paths.state / "console" / "session.key"), port)
        app = create_app(cookies, client_of(paths), config.title)
        server = uvicorn.Server(_server_config(app))
        log.info("console-listening", extra={"host": config.host, "port": port})
        asyncio.run(server.serve(sockets=[listener]))


def _server_config(app: FastAPI) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=BrowserProtocol,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        ws="none",
        timeout_graceful_shutdown=3,
        timeout_keep_alive=30,
        limit_concurrency=MAX_CONNECTIONS,
    )


def _bind(host: str, port: int) -> socket.socket:
    """Listen on an address; Conflict says in words why that is not possible."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(512)
    except (OSError, OverflowError) as error:
        listener.close()
        taken = isinstance(error, OSError) and error.errno == errno.EADDRINUSE
        why = "another process uses it" if taken else getattr(error, "strerror", None) or str(error)
        raise Conflict(
            f"cannot open the console on {host}:{port}: {why}; "
            "choose another with --port or console.port in daemon.yaml",
            host=host,
            port=port,
        ) from None
    return listener


if __name__ == "__main__":
    sys.exit(main())
