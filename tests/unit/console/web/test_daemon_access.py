"""The way from a page to the daemon: as the request's user, within bounds."""

from __future__ import annotations

import asyncio
from typing import Any

import gradio as gr
import pytest
from starlette.requests import Request

from console.web.cookies import User
from console.web.daemon_access import DaemonAccess, all_tenants
from daemon.core.errors import Unauthenticated, Unavailable
from daemon.core.wire import TenantPage, TenantView, Title
from tests.support.console.site import Site

DEMO = User("demo", "s-demo")


def _request(cookie: str | None) -> gr.Request:
    headers = [] if cookie is None else [(b"cookie", cookie.encode())]
    return gr.Request(request=Request({"type": "http", "headers": headers}))


async def test_a_page_calls_as_the_user_of_its_cookie(site: Site) -> None:
    access = DaemonAccess(site.cookies, site.open)
    async with access.as_user(site.request("demo")) as client:
        await client.info()
    assert site.daemon.acted == [("demo", "info")]


@pytest.mark.parametrize("cookie", [None, "other=x", "vecward_session_7860=forged"])
async def test_without_a_session_the_daemon_is_not_asked(site: Site, cookie: str | None) -> None:
    access = DaemonAccess(site.cookies, site.open)
    with pytest.raises(Unauthenticated):
        async with access.as_user(_request(cookie)):
            pytest.fail("connected as nobody")


async def test_a_call_that_takes_too_long_ends_in_words(site: Site) -> None:
    access = DaemonAccess(site.cookies, site.open)
    with pytest.raises(Unavailable, match="no answer within 0 s"):
        async with access.connect(DEMO, 0.0):
            await asyncio.Event().wait()


async def test_calls_wait_for_a_free_place(site: Site) -> None:
    access = DaemonAccess(site.cookies, site.open, asyncio.Semaphore(1))
    order: list[str] = []

    async def second() -> None:
        async with access.connect(DEMO):
            order.append("second")

    async with access.connect(DEMO):
        waiting = asyncio.create_task(second())
        for _ in range(10):
            await asyncio.sleep(0)
        order.append("first")
    await waiting
    assert order == ["first", "second"]


class Pages:
    """A client whose daemon answers two tenants a page, whatever is asked for."""

    def __init__(self, count: int) -> None:
        self._names = [f"t{number}" for number in range(count)]

    async def tenants(self, after: str | None = None, limit: int | None = None) -> TenantPage:
        rest = [name for name in self._names if after is None or name > after]
        views = [TenantView(name=name, title=Title(), state="ready", goal="up") for name in rest[:2]]
        return TenantPage(tenants=views, next=rest[1] if len(rest) > 2 else None, total=len(self._names))


@pytest.mark.parametrize(("count", "found"), [(0, 0), (2, 2), (3, 3), (6, 5)])
async def test_all_tenants_are_read_page_by_page_up_to_a_limit(
    count: int, found: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("console.web.daemon_access.MAX_TENANTS", 5)
    client: Any = Pages(count)
    assert [one.name for one in await all_tenants(client)] == [f"t{number}" for number in range(found)]
