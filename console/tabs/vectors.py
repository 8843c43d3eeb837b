"""Vectors: the numbers that the model makes of a text, as numbers and as bars."""

from __future__ import annotations

from typing import Any, Literal, cast

import gradio as gr

from console.components.entry_table import entry_list
from console.components.markup import el
from console.components.notices import notice, problem
from console.components.vector import vector
from console.messages import Words
from console.tabs.page import BUSY, CLICKS, QUIET, Page, clicked, number
from console.view_models.vectors import vector_view
from daemon.core.errors import VecwardError
from daemon.core.wire import Vector

DIMS = 50
CHOICES = 50

Kind = Literal["query", "document"]


def vectors_tab(page: Page, _tab: gr.Tab) -> None:
    """Build the tab: a text to type or an entry to choose, and its vector."""
    t = page.t
    handlers = VectorHandlers(page)
    gr.HTML(el("p", t("vector.intro"), class_="vw-hint vw-intro"), apply_default_css=False)
    sources = [(t("vector.of_text"), "text"), (t("vector.of_entry"), "entry")]
    source = gr.Radio(sources, value="text", label=t("vector.source"), elem_id="vector-source")
    with gr.Column() as typed, gr.Row(elem_classes="vw-query-row", equal_height=True):
        text, kind, show = _text_fields(t)
    with gr.Column(visible=False) as picked:
        find = gr.Textbox(
            label=t("vector.find"),
            placeholder=t("table.find_placeholder"),
            elem_id="vector-find",
            max_lines=1,
            max_length=1000,
        )
        entries = gr.HTML("", js_on_load=CLICKS, elem_id="vector-entries", apply_default_css=False)
    shown = gr.HTML(notice(t("vector.empty")), elem_id="vector-shown", apply_default_css=False)

    gr.on([text.submit, show.click], handlers.at_text, [page.tenant, text, kind], shown, **BUSY)
    kind.input(handlers.at_text, [page.tenant, text, kind], shown, **QUIET)
    source.input(handlers.switch, [page.tenant, source, find], [typed, picked, entries, shown], **QUIET)
    find.change(handlers.choices, [page.tenant, find], entries, **QUIET, trigger_mode="always_last")
    entries.click(handlers.at_entry, [page.tenant, find], [entries, shown], **BUSY)
    page.tenant.change(handlers.other_tenant, [page.tenant, source], [find, entries, shown], **QUIET)


def _text_fields(t: Words) -> tuple[gr.Textbox, gr.Radio, gr.Button]:
    text = gr.Textbox(
        label=t("vector.text"),
        placeholder=t("vector.text_placeholder"),
        elem_id="vector-text",
        scale=6,
        max_lines=4,
        max_length=65_536,
    )
    kind = gr.Radio(
        [(t("vector.query"), "query"), (t("vector.document"), "document")],
        value="query",
        label=t("vector.kind"),
        elem_id="vector-kind",
        scale=2,
        min_width=200,
    )
    show = gr.Button(t("vector.show"), variant="primary", elem_id="vector-show", scale=1, min_width=130)
    return text, kind, show


class VectorHandlers:
    """Handlers of the vectors tab."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._t = page.t

    async def at_text(self, tenant: str | None, text: str, kind: str, request: gr.Request) -> str:
        if not tenant or not text.strip():
            return notice(self._t("vector.empty"))
        try:
            async with self._page.daemon.as_user(request) as client:
                return self._drawn(await client.vector(tenant, text, cast(Kind, kind), DIMS))
        except VecwardError as error:
            return problem(error, self._t)

    async def at_entry(self, tenant: str | None, q: str, request: gr.Request, event: gr.EventData) -> tuple[Any, Any]:
        entry = number(clicked(event).get("id"))
        if not tenant or entry is None:
            return gr.skip(), gr.skip()
        try:
            async with self._page.daemon.as_user(request) as client:
                found = await client.entry_vector(tenant, entry, DIMS)
                page = await client.entries(tenant, limit=CHOICES, q=q.strip() or None)
        except VecwardError as error:
            return gr.skip(), problem(error, self._t)
        return entry_list(page.entries, entry, self._t), self._drawn(found)

    async def choices(self, tenant: str | None, q: str, request: gr.Request) -> Any:
        """List the first entries that contain `q`, to choose from."""
        if not tenant:
            return notice(self._t("frame.no_tenants"))
        try:
            async with self._page.daemon.as_user(request) as client:
                page = await client.entries(tenant, limit=CHOICES, q=q.strip() or None)
        except VecwardError as error:
            return problem(error, self._t)
        return entry_list(page.entries, None, self._t)

    async def switch(self, tenant: str | None, source: str, q: str, request: gr.Request) -> tuple[Any, ...]:
        empty = notice(self._t("vector.empty"))
        if source == "entry":
            listed = await self.choices(tenant, q, request)
            return gr.update(visible=False), gr.update(visible=True), listed, empty
        return gr.update(visible=True), gr.update(visible=False), gr.skip(), empty

    async def other_tenant(self, tenant: str | None, source: str, request: gr.Request) -> tuple[Any, ...]:
        """Clear the page: no vector, and no choice, of another tenant stays on it."""
        listed = await self.choices(tenant, "", request) if source == "entry" else ""
        return "", listed, notice(self._t("vector.empty"))

    def _drawn(self, found: Vector) -> str:
        return vector(vector_view(found), self._t)
