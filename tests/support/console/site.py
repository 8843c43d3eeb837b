"""The console's application in this process, an in-memory daemon behind it, and clients in front of it."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import gradio as gr
import httpx
from starlette.requests import Request

from console.app import create_app
from console.messages import Language, words
from console.tabs.page import Page
from console.web.cookies import Cookies, User
from console.web.daemon_access import DaemonAccess
from daemon.client import AsyncClient
from daemon.core.wire import Title
from tests.support.console.fake_client import FakeClient
from tests.support.console.fakes import FakeDaemon

ORIGIN = "http://console.test"
PORT = 7860
SECRET = "a secret of the other company"


class Site:
    """A console for two companies: demo and editor belong to acme, admin to both."""

    def __init__(self) -> None:
        self.reset()
        self.cookies = Cookies(b"k" * 32, PORT)
        self.app = create_app(self.cookies, self.open, "vecward")

    def reset(self) -> None:
        """Put a new daemon behind the application, with nothing that a test did to the one before."""
        self.daemon = FakeDaemon()
        self.daemon.add("acme", Title(en="Acme", zh="顶点"), ["the printer is upstairs", "lunch is at noon"])
        self.daemon.add("globex", Title(en="Globex"), [SECRET])
        for name in ("demo", "editor"):
            del self.daemon.roles[name]["globex"]

    def open(self, user: User | None, _address: str | None) -> AsyncClient:
        """Open a client of the daemon."""
        return cast(AsyncClient, FakeClient(self.daemon, user))

    def open_as(self, user: str) -> AsyncClient:
        """Open a client of the daemon for a user who has signed in."""
        return self.open(User(user, self.daemon.users[user]), None)

    def client(self, user: str | None = None, peer: str = "203.0.113.9", **headers: str) -> httpx.AsyncClient:
        transport = httpx.ASGITransport(self.app, client=(peer, 4711))
        client = httpx.AsyncClient(transport=transport, base_url=ORIGIN, headers=headers)
        if user is not None:
            session = self.daemon.users.get(user, "s-unknown")
            client.cookies.set(self.cookies.name, self.cookies.issue(User(user, session)))
        return client

    def page(self, language: Language = "en") -> Page:
        """Make the page that handlers of a tab are given; they do not look at its parts."""
        tenant: Any = None
        return Page(DaemonAccess(self.cookies, self.open), language, words(language), tenant)

    def request(self, user: str) -> gr.Request:
        """Make the request of somebody who has signed in, as Gradio gives it to a handler."""
        cookie = f"{self.cookies.name}={self.cookies.issue(User(user, self.daemon.users[user]))}"
        return gr.Request(request=Request({"type": "http", "headers": [(b"cookie", cookie.encode())]}))


def make_site() -> Site:
    """Make a site inside a loop: without one, Gradio makes its own and leaves it open."""

    async def make() -> Site:
        return Site()

    return asyncio.run(make())


def event(*data: Any, **more: Any) -> dict[str, Any]:
    """Make an event as Gradio's page sends it: the values of a handler's inputs."""
    return {"data": list(data), "fn_index": 0, "session_hash": "s", "event_data": None, **more}
