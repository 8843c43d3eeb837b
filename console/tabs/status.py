"""Status: every tenant that the user looks after, what it does, and the buttons to change that."""

from __future__ import annotations

import asyncio
from typing import Any

import gradio as gr

from console.backend import MAX_TENANTS, all_tenants
from console.components.markup import Html, el, join
from console.components.notices import notice, problem
from console.components.status_cards import host, tenant_cards
from console.page import BUSY, CLICKS, QUIET, Page, clicked
from console.view_models import may, title_of
from daemon.client import AsyncClient
from daemon.core import wire
from daemon.core.errors import Forbidden, VecwardError
from daemon.core.roles import Role

EVERY_S = 2.5
_ACTIONS = ("start", "stop", "restart")


def status_tab(page: Page, tab: gr.Tab) -> gr.Timer:
    """The timer by which it looks; `rest_on` ends that where another tab is looked at."""
    watching = Watching(page)
    gr.HTML(el("p", page.t("status.intro"), class_="vw-hint vw-intro"), apply_default_css=False)
    said = gr.HTML("", elem_id="status-said", elem_classes="vw-slot", apply_default_css=False)
    cards = gr.HTML(
        "", js_on_load=f"{CLICKS} window.vecward.keepFocus(element);", elem_id="status-cards", apply_default_css=False
    )
    timer = gr.Timer(EVERY_S, active=False)

    async def arrive(request: gr.Request) -> tuple[Any, Any]:
        return await watching.look(request), gr.Timer(active=True)

    tab.select(arrive, None, [cards, timer], **QUIET)
    timer.tick(watching.look, None, cards, **QUIET, trigger_mode="once")
    cards.click(watching.act, None, [said, cards], **BUSY)
    return timer


def rest_on(others: list[gr.Tab], timer: gr.Timer) -> None:
    for other in others:
        other.select(_rest, None, timer, **QUIET)


async def _rest() -> Any:
    """Nobody looks: nothing is asked."""
    return gr.Timer(active=False)


class Watching:
    def __init__(self, page: Page) -> None:
        self._page = page
        self._t = page.t

    async def look(self, request: gr.Request) -> Html:
        try:
            async with self._page.backend.as_user(request) as client:
                tenants, info, gpus = await asyncio.gather(all_tenants(client), client.info(), _gpus(client))
        except VecwardError as error:
            return problem(error, self._t)
        mine = [tenant for tenant in tenants if may(tenant, Role.TENANT_ADMIN)]
        if not mine and info.memory is None:
            return notice(self._t("status.not_admin"))
        many = notice(self._t("frame.many", n=MAX_TENANTS)) if len(tenants) >= MAX_TENANTS else None
        return join(many, tenant_cards(mine, self._page.language, self._t), host(info.memory, gpus, self._t))

    async def act(self, request: gr.Request, event: gr.EventData) -> tuple[Any, Any]:
        """Start, stop or restart; the daemon decides whether this user may."""
        data = clicked(event)
        action, tenant = data.get("action"), data.get("tenant")
        if action not in _ACTIONS or tenant is None:
            return gr.skip(), gr.skip()
        try:
            async with self._page.backend.as_user(request) as client:
                title = title_of(await client.tenant(tenant), self._page.language)
                await {"start": client.start, "stop": client.stop, "restart": client.restart}[action](tenant)
        except VecwardError as error:
            return problem(error, self._t), await self.look(request)
        said = notice(self._t("status.asked", title=title, action=self._t(f"status.{action}")), "good")
        return said, await self.look(request)


async def _gpus(client: AsyncClient) -> wire.GpuList | None:
    """None where the user is no admin of the host: GPUs belong to the host."""
    try:
        return await client.gpus()
    except Forbidden:
        return None
