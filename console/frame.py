"""The whole page in one language: header, tenant choice, and the tabs of `TABS`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from console.components.language_switch import language_links
from console.components.markup import Html, el
from console.components.notices import notice, problem
from console.messages import Language, Words, words
from console.tabs.audit import audit_tab
from console.tabs.knowledge.tab import knowledge_tab
from console.tabs.page import QUIET, Page
from console.tabs.search import search_tab
from console.tabs.status import status_tab
from console.tabs.vectors import vectors_tab
from console.view_models.tenants import may_anywhere, tenant_choices
from console.web.daemon_access import MAX_TENANTS, DaemonAccess, all_tenants
from daemon.core import wire
from daemon.core.errors import VecwardError
from daemon.core.roles import Role


@dataclass(frozen=True)
class Tab:
    """A tab, drawn for users who have `for_role` on at least one knowledge base.

    `name` is its id and the key of its title (`tab.NAME` in console/messages). `build` fills it; where the tab
    refreshes itself, `build` answers the timer of that, which rests while another tab is shown.
    """

    name: str
    for_role: Role
    build: Callable[[Page, gr.Tab], gr.Timer | None]


TABS = (
    Tab("search", Role.ANYONE, search_tab),
    Tab("knowledge", Role.EDITOR, knowledge_tab),
    Tab("vectors", Role.ANYONE, vectors_tab),
    Tab("status", Role.TENANT_ADMIN, status_tab),
    Tab("audit", Role.ADMIN, audit_tab),
)


def build(daemon: DaemonAccess, language: Language, title: str, rows: Sequence[Tab] = TABS) -> gr.Blocks:
    """Build the page with the tabs of `rows`; what a user sees of it is decided when the user arrives."""
    t = words(language)
    blocks: gr.Blocks
    with gr.Blocks(title=title, analytics_enabled=False, fill_width=False) as blocks:
        header = gr.HTML(_header(title, None, language, t), elem_id="vw-header", apply_default_css=False)
        tenant = gr.Dropdown([], label=t("frame.base"), elem_id="tenant", filterable=True, interactive=True)
        message = gr.HTML("", elem_id="vw-message", elem_classes="vw-slot", apply_default_css=False)
        tabs = _tabs(Page(daemon, language, t, tenant), rows)

        async def arrive(request: gr.Request) -> list[Any]:
            try:
                user = daemon.user_of(request)
                async with daemon.connect(user) as client:
                    tenants, info = await asyncio.gather(all_tenants(client), client.info())
            except VecwardError as error:
                return [gr.skip()] * (2 + len(tabs)) + [problem(error, t)]
            choices = tenant_choices(tenants, language)
            return [
                _header(title, user.name, language, t),
                gr.update(choices=choices, value=choices[0][1] if choices else None),
                *(gr.update(visible=may_anywhere(tenants, info, row.for_role)) for row in rows),
                _greeting(tenants, t),
            ]

        blocks.load(arrive, None, [header, tenant, *tabs, message], **QUIET)
    blocks.queue(api_open=False, max_size=256, default_concurrency_limit=16)
    return blocks


def _tabs(page: Page, rows: Sequence[Tab]) -> list[gr.Tab]:
    tabs, timers = [], []
    with gr.Tabs(elem_id="vw-tabs"):
        for row in rows:
            hidden = row.for_role is not Role.ANYONE
            title = page.t(f"tab.{row.name}")
            with gr.Tab(title, id=row.name, elem_id=f"tab-{row.name}", visible=not hidden) as tab:
                timers.append(row.build(page, tab))
            tabs.append(tab)
    for own, timer in zip(tabs, timers, strict=True):
        for other in tabs if timer is not None else []:
            if other is not own:
                other.select(_rest, None, timer, **QUIET)
    return tabs


async def _rest() -> Any:
    """Stop a timer: nobody looks at its tab, so nothing is asked."""
    return gr.Timer(active=False)


def _greeting(tenants: Sequence[wire.TenantView], t: Words) -> Html | str:
    if not tenants:
        return notice(t("frame.no_tenants"))
    return notice(t("frame.many", n=MAX_TENANTS)) if len(tenants) >= MAX_TENANTS else ""


def _header(title: str, user: str | None, language: Language, t: Words) -> Html:
    return el(
        "header",
        el("span", title, class_="vw-brand"),
        el("nav", el("span", language_links(language), class_="vw-languages"), _signed_in(user, t), class_="vw-nav"),
        class_="vw-header",
        data_cancel=t("dialog.cancel"),
        data_go=t("dialog.confirm"),
    )


def _signed_in(user: str | None, t: Words) -> Html | None:
    if user is None:
        return None
    return el(
        "form",
        el("bdi", user, class_="vw-user"),
        el("button", t("frame.sign_out"), type="submit", class_="vw-button", id="sign-out"),
        action="/signout",
        method="post",
        class_="vw-signout",
    )
