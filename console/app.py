"""The console's web application."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import gradio as gr
from fastapi import FastAPI
from starlette.requests import Request
from starlette.staticfiles import StaticFiles

from console.frame import build
from console.messages import LANGUAGES
from console.theme import theme
from console.web import signin, transfer
from console.web.cookies import Cookies, User
from console.web.daemon_access import DaemonAccess, OpenClient
from console.web.gate import Gate
from daemon.core.errors import Unauthenticated, VecwardError

_STATIC = Path(__file__).parent / "static"
_CHECK_S = 5.0
# Features of Gradio that the console does not use, each of them off.
_NOTHING_MORE: dict[str, Any] = {
    "footer_links": [],
    "run_history": False,
    "show_error": False,
    "ssr_mode": False,
    "mcp_server": False,
    "pwa": False,
    "enable_monitoring": False,
    "allowed_paths": [],
    "blocked_paths": ["/"],
    "max_file_size": 0,
}

log = logging.getLogger(__name__)


def create_app(cookies: Cookies, open_client: OpenClient, title: str) -> FastAPI:
    """Make the application: the pages, the routes beside them, and the gate in front of both."""
    daemon = DaemonAccess(cookies, open_client)
    app = FastAPI(title=title, docs_url=None, redoc_url=None, openapi_url=None)
    app.mount("/static", StaticFiles(directory=_STATIC))
    app.include_router(signin.router(daemon, title))
    app.include_router(transfer.router(daemon))

    def name_of(request: Request) -> str | None:
        user = cookies.user_of(request.cookies)
        return None if user is None else user.name

    pages = {language: build(daemon, language, title) for language in LANGUAGES}
    for language, page in pages.items():
        gr.mount_gradio_app(app, page, f"/{language}", auth_dependency=name_of, theme=theme(), **_NOTHING_MORE)

    async def still_signed_in(user: User) -> bool:
        """Ask the daemon; where it does not answer, the page opens and says that."""
        try:
            async with daemon.connect(user, _CHECK_S) as client:
                await client.info()
        except Unauthenticated:
            return False
        except VecwardError as error:
            log.warning("session-not-checked", extra={"kind": error.kind, "reason": error.message})
        return True

    handlers: dict[str, frozenset[int]] = {language: frozenset(page.fns) for language, page in pages.items()}
    app.add_middleware(Gate, cookies=cookies, handlers=handlers, still_signed_in=still_signed_in)
    return app
