"""The console's web application and its process: `python -m console [--root DIR] [--port N]`."""

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

import gradio as gr
import uvicorn
from fastapi import FastAPI
from starlette.requests import Request
from starlette.staticfiles import StaticFiles

from console.frame import build
from console.i18n import LANGUAGES
from console.theme import theme
from console.web import signin, transfer
from console.web.cookies import Cookies, User, load_key
from console.web.daemon_access import Backend, OpenClient
from console.web.gate import Gate
from console.web.protocol import MAX_CONNECTIONS, BrowserProtocol
from daemon.client import AsyncClient
from daemon.core import logs
from daemon.core.config.daemon_config import ConsoleConfig, load_config
from daemon.core.errors import Conflict, Unauthenticated, VecwardError
from daemon.core.paths import Paths

_STATIC = Path(__file__).parent / "static"
_CHECK_S = 5.0

log = logging.getLogger(__name__)


def create_app(cookies: Cookies, open_client: OpenClient, title: str) -> FastAPI:
    backend = Backend(cookies, open_client)
    app = FastAPI(title=title, docs_url=None, redoc_url=None, openapi_url=None)
    app.mount("/static", StaticFiles(directory=_STATIC))
    app.include_router(signin.router(backend, title))
    app.include_router(transfer.router(backend))

    def name_of(request: Request) -> str | None:
        user = cookies.user_of(request.cookies)
        return None if user is None else user.name

    pages = {language: build(backend, language, title) for language in LANGUAGES}
    for language, page in pages.items():
        gr.mount_gradio_app(
            app, page, f"/{language}", auth_dependency=name_of, theme=theme(),
            footer_links=[], run_history=False, show_error=False, ssr_mode=False, mcp_server=False, pwa=False,
            enable_monitoring=False, allowed_paths=[], blocked_paths=["/"], max_file_size=0,
        )  # fmt: skip

    async def still_signed_in(user: User) -> bool:
        """The daemon's word; while it does not answer, the page opens and says that."""
        try:
            async with backend.as_(user, _CHECK_S) as client:
                await client.info()
        except Unauthenticated:
            return False
        except VecwardError as error:
            log.warning("session-not-checked", extra={"kind": error.kind, "reason": error.message})
        return True

    handlers: dict[str, frozenset[int]] = {language: frozenset(page.fns) for language, page in pages.items()}
    app.add_middleware(Gate, cookies=cookies, handlers=handlers, still_signed_in=still_signed_in)
    return app


def client_of(paths: Paths) -> OpenClient:
    def open_client(user: User | None, address: str | None) -> AsyncClient:
        if user is None:
            return AsyncClient(paths.console_socket, address=address)
        return AsyncClient(paths.console_socket, user=user.name, session=user.session)

    return open_client


def main(argv: list[str] | None = None) -> int:
    """Exit codes: 0 ended as asked, 1 refused to start."""
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
        # Gradio makes this folder whether or not it is used; nobody else's /tmp/gradio is.
        os.environ["GRADIO_TEMP_DIR"] = scratch
        cookies = Cookies(load_key(paths.state / "console" / "session.key"), port)
        app = create_app(cookies, client_of(paths), config.title)
        server = uvicorn.Server(
            uvicorn.Config(
                app, http=BrowserProtocol, log_config=None, access_log=False, server_header=False,
                proxy_headers=False, ws="none", timeout_graceful_shutdown=3, timeout_keep_alive=30,
                limit_concurrency=MAX_CONNECTIONS,
            )
        )  # fmt: skip
        log.info("console-listening", extra={"host": config.host, "port": port})
        asyncio.run(server.serve(sockets=[listener]))


def _bind(host: str, port: int) -> socket.socket:
    """Raises Conflict when the port is taken, in words."""
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
