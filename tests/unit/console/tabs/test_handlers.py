"""Handlers of every tab, each called by hand: none goes beyond what the daemon lets this user do."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx

from daemon.core.roles import Role
from tests.support.console.page import Handlers
from tests.support.console.site import SECRET, Site, event

ACTIONS = ("edit", "delete", "next", "show", "stop", "start", "restart", "reload", "undo", "more", "older")
CLICK = {"id": "1", "tenant": "globex", "query": "secret", "user": "admin", "revision": "1", "operation": "e-1"}


class Opened:
    """The English page, open in a user's browser."""

    def __init__(self, client: httpx.AsyncClient, page: str, session: str) -> None:
        self.handlers = Handlers(page)
        self._client = client
        self._session = session

    async def arrive(self) -> str:
        """Call what a browser calls first: Gradio takes no tenant that the answer did not offer."""
        return await self._send(event(fn_index=self.handlers.load["id"]), "run/predict")

    async def call_all(self, tenant: str) -> str:
        """Call each handler, with clicks that no page has where it takes a click."""
        said = ""
        for one in self.handlers.events:
            takes_click = any(kind == "click" for _, kind in one["targets"])
            for action in ACTIONS if takes_click else ACTIONS[:1]:
                click = {**CLICK, "tenant": tenant, "action": action}
                sent = event(*self.handlers.values(one, tenant), fn_index=one["id"], event_data=click)
                said += await self._send(sent, "queue/join" if one["queue"] else "run/predict")
        return said

    async def _send(self, sent: dict[str, Any], path: str) -> str:
        sent["session_hash"] = self._session
        return (await self._client.post(f"/en/gradio_api/{path}", json=sent)).text


@asynccontextmanager
async def opened(site: Site, user: str) -> AsyncIterator[Opened]:
    async with site.client(user) as client:
        yield Opened(client, (await client.get("/en/")).text, f"by-hand-{user}")


def asked(site: Site, tenant: str) -> set[str]:
    """List what the daemon was asked about a tenant."""
    return {did.removesuffix(f" {tenant}") for _, did in site.daemon.acted if did.endswith(f" {tenant}")}


async def test_handlers_are_private_and_none_does_more_for_a_searcher_than_the_daemon(site: Site) -> None:
    base = site.daemon.bases["acme"]
    before = base.revision, base.view, dict(base.entries)
    async with opened(site, "demo") as page:
        assert len(page.handlers.events) > 20
        assert {one["api_visibility"] for one in page.handlers.events} == {"private"}
        assert "acme" in await page.arrive()
        said = await page.call_all("acme")
    assert (base.revision, base.view, base.entries) == before
    assert "Traceback" not in said
    assert {name for name, _ in site.daemon.acted} == {"demo"}
    assert asked(site, "acme") >= {"search", "vector", "undo", "start", "stop", "restart", "delete"}


async def test_no_handler_answers_when_a_grant_has_ended(site: Site) -> None:
    """Open the page with a grant, so that Gradio lets the tenant pass, and end the grant."""
    site.daemon.roles["editor"]["globex"] = Role.EDITOR
    base = site.daemon.bases["globex"]
    before = base.revision, base.view, dict(base.entries)
    async with opened(site, "editor") as page:
        assert "globex" in await page.arrive()
        del site.daemon.roles["editor"]["globex"]
        said = await page.call_all("globex")
    assert (base.revision, base.view, base.entries) == before
    assert SECRET not in said
    assert {name for name, _ in site.daemon.acted} == {"editor"}
    assert asked(site, "globex") >= {"search", "vector", "tenant", "entries", "undo"}


async def test_no_handler_answers_a_user_whose_session_has_ended(site: Site) -> None:
    site.daemon.users["leaver"] = "s-leaver"
    site.daemon.roles["leaver"] = {"globex": Role.EDITOR}
    async with opened(site, "leaver") as page:
        assert "globex" in await page.arrive()
        site.daemon.users["leaver"] = "changed"
        said = await page.call_all("globex")
    assert SECRET not in said
    assert "You are no longer signed in" in said
