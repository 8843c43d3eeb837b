"""The whole page in one language: header, tenant choice, tabs."""

from __future__ import annotations

import asyncio

import gradio as gr

from console.components.markup import Html, el
from console.components.notices import notice, problem
from console.i18n import Language, Words, words
from console.page import QUIET, Page
from console.tabs.audit import audit_tab
from console.tabs.knowledge import knowledge_tab
from console.tabs.search import search_tab
from console.tabs.status import rest_on, status_tab
from console.tabs.vectors import vectors_tab
from console.view_models.tenants import may, tenant_choices
from console.web.daemon_access import MAX_TENANTS, Backend, all_tenants
from console.web.signin import language_links
from daemon.core.errors import VecwardError
from daemon.core.roles import Role


def build(backend: Backend, language: Language, title: str) -> gr.Blocks:
    t = words(language)
    blocks: gr.Blocks
    with gr.Blocks(title=title, analytics_enabled=False, fill_width=False) as blocks:
        header = gr.HTML(_header(title, None, language, t), elem_id="vw-header", apply_default_css=False)
        tenant = gr.Dropdown([], label=t("frame.base"), elem_id="tenant", filterable=True, interactive=True)
        message = gr.HTML("", elem_id="vw-message", elem_classes="vw-slot", apply_default_css=False)
        page = Page(backend, language, t, tenant)
        with gr.Tabs(elem_id="vw-tabs"):
            with gr.Tab(t("tab.search"), id="search", elem_id="tab-search") as search:
                search_tab(page)
            with gr.Tab(t("tab.knowledge"), id="knowledge", elem_id="tab-knowledge", visible=False) as knowledge:
                knowledge_tab(page, knowledge)
            with gr.Tab(t("tab.vectors"), id="vectors", elem_id="tab-vectors") as vectors:
                vectors_tab(page)
            with gr.Tab(t("tab.status"), id="status", elem_id="tab-status", visible=False) as status:
                timer = status_tab(page, status)
            with gr.Tab(t("tab.audit"), id="audit", elem_id="tab-audit", visible=False) as audit:
                audit_tab(page, audit)
        rest_on([search, knowledge, vectors, audit], timer)

        async def arrive(request: gr.Request) -> tuple[object, ...]:
            try:
                user = backend.user_of(request)
                async with backend.as_(user) as client:
                    tenants, info = await asyncio.gather(all_tenants(client), client.info())
            except VecwardError as error:
                return *(gr.skip() for _ in range(5)), problem(error, t)
            choices = tenant_choices(tenants, language)
            first = choices[0][1] if choices else None
            say = "" if choices else notice(t("frame.no_tenants"))
            if len(tenants) >= MAX_TENANTS:
                say = notice(t("frame.many", n=MAX_TENANTS))
            edits = gr.update(visible=any(may(one, Role.EDITOR) for one in tenants))
            watches = gr.update(visible=info.admin or any(may(one, Role.TENANT_ADMIN) for one in tenants))
            chosen = gr.update(choices=choices, value=first)
            audits = gr.update(visible=info.admin)
            return _header(title, user.name, language, t), chosen, edits, watches, audits, say

        blocks.load(arrive, None, [header, tenant, knowledge, status, audit, message], **QUIET)
    blocks.queue(api_open=False, max_size=256, default_concurrency_limit=16)
    return blocks


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
        action="/signout", method="post", class_="vw-signout",
    )  # fmt: skip
