"""Status: the state of every tenant that the user looks after, and the buttons that change it."""

from __future__ import annotations

import asyncio
from typing import Any

import gradio as gr

from console.components.markup import Html, el, join
from console.components.notices import notice, problem
from console.components.status_cards import host, more, tenant_cards
from console.messages import MESSAGES, Words
from console.tabs.page import BUSY, CLICKS, QUIET, Page, clicked
from console.view_models.tenants import title_of
from console.web.daemon_access import MAX_TENANTS
from daemon.client import AsyncClient
from daemon.core import wire
from daemon.core.errors import Forbidden, VecwardError
from daemon.core.roles import Role

EVERY_S = 2.5
FIRST = 24  # cards; the reader asks for more
FEW = 6  # tenants that need no filter
_ACTIONS = ("start", "stop", "restart")
ORDERS = ("name", "state", "-memory_mb", "-entries", "-restarts", "-uptime_s")


def status_tab(page: Page, tab: gr.Tab) -> gr.Timer:
    """Build the tab, and answer the timer by which it refreshes itself."""
    t, handlers = page.t, StatusHandlers(page)
    gr.HTML(el("p", t("status.intro"), class_="vw-hint vw-intro"), apply_default_css=False)
    with gr.Row(visible=False, equal_height=True, elem_id="status-filter") as row:
        find = gr.Textbox(label=t("status.find"), elem_id="status-find", max_lines=1, max_length=200, min_width=160)
        state = gr.Dropdown(_states(t), value="", label=t("status.state"), elem_id="status-state", min_width=140)
        order = gr.Dropdown(_orders(t), value="name", label=t("status.order"), elem_id="status-order", min_width=140)
    message = gr.HTML("", elem_id="status-said", elem_classes="vw-slot", apply_default_css=False)
    cards = gr.HTML(
        "", js_on_load=f"{CLICKS} window.vecward.keepFocus(element);", elem_id="status-cards", apply_default_css=False
    )
    shown = gr.State(FIRST)
    timer = gr.Timer(EVERY_S, active=False)
    asked = [find, state, order, shown]

    tab.select(handlers.arrive, asked, [row, cards, timer], **QUIET)
    timer.tick(handlers.look, asked, cards, **QUIET, trigger_mode="once")
    gr.on([find.submit, state.input, order.input], handlers.look_anew, asked[:3], [cards, shown], **QUIET)
    cards.click(handlers.act, asked, [message, cards, shown], **BUSY)
    return timer


def _states(t: Words) -> list[tuple[str, str]]:
    named = [key.removeprefix("state.") for key in MESSAGES if key.startswith("state.")]
    return [(t("status.any"), ""), *((t(f"state.{name}"), name) for name in named if name != "other")]


def _orders(t: Words) -> list[tuple[str, str]]:
    return [(t(f"order.{order.removeprefix('-')}"), order) for order in ORDERS]


class StatusHandlers:
    """Handlers of the status tab."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._t = page.t

    async def arrive(self, find: str, state: str, order: str, shown: int, request: gr.Request) -> tuple[Any, Any, Any]:
        """Draw the cards, and the filter where there are enough tenants to filter; begin to refresh."""
        try:
            async with self._page.daemon.as_user(request) as client:
                mine = await client.tenants(limit=1, role=Role.TENANT_ADMIN)
        except VecwardError as error:
            return gr.skip(), problem(error, self._t), gr.skip()
        cards = await self.look(find, state, order, shown, request)
        return gr.update(visible=mine.total > FEW), cards, gr.Timer(active=True)

    async def look_anew(self, find: str, state: str, order: str, request: gr.Request) -> tuple[Html, int]:
        return await self.look(find, state, order, FIRST, request), FIRST

    async def look(self, find: str, state: str, order: str, shown: int, request: gr.Request) -> Html:
        try:
            async with self._page.daemon.as_user(request) as client:
                tenants, info, gpus = await asyncio.gather(
                    client.tenants(
                        limit=shown, q=find or None, state=state or None, role=Role.TENANT_ADMIN, sort=order
                    ),
                    client.info(),
                    _gpus(client),
                )
        except VecwardError as error:
            return problem(error, self._t)
        return join(self._cards(tenants, info, filtered=bool(find or state)), host(info, gpus, self._t))

    def _cards(self, found: wire.TenantPage, info: wire.Info, *, filtered: bool) -> Html:
        if found.tenants:
            return join(tenant_cards(found.tenants, self._page.language, self._t), more(found, self._t))
        if filtered:
            return notice(self._t("status.none_fits"))
        return join() if info.memory is not None else notice(self._t("status.not_admin"))

    async def act(
        self, find: str, state: str, order: str, shown: int, request: gr.Request, event: gr.EventData
    ) -> tuple[Any, Any, Any]:
        """Start, stop or restart a tenant where the daemon lets this user; or draw more cards."""
        data = clicked(event)
        action, tenant = data.get("action"), data.get("tenant")
        said = gr.skip()
        if action == "more":
            shown = min(shown + FIRST, MAX_TENANTS)
        elif action in _ACTIONS and tenant is not None:
            said = await self._do(request, action, tenant)
        else:
            return gr.skip(), gr.skip(), gr.skip()
        return said, await self.look(find, state, order, shown, request), shown

    async def _do(self, request: gr.Request, action: str, tenant: str) -> Html:
        try:
            async with self._page.daemon.as_user(request) as client:
                title = title_of(await client.tenant(tenant), self._page.language)
                await {"start": client.start, "stop": client.stop, "restart": client.restart}[action](tenant)
        except VecwardError as error:
            return problem(error, self._t)
        return notice(self._t(f"asked.{action}", title=title), "good")


async def _gpus(client: AsyncClient) -> wire.GpuList | None:
    """Ask for the GPUs; None where the user is no admin of the host, to which they belong."""
    try:
        return await client.gpus()
    except Forbidden:
        return None
