"""Knowledge: the entries on the left, to change them; a query field on the right, to try the change."""

from __future__ import annotations

from collections.abc import AsyncIterator

import gradio as gr

from console.components.markup import Html, el
from console.tabs.knowledge.files import files_part, follow
from console.tabs.knowledge.handlers import LINES, TABLE, KnowledgeHandlers, Parts, Updates
from console.tabs.knowledge.history import HistoryHandlers, history_part
from console.tabs.knowledge.lines import lines_editor
from console.tabs.knowledge.lines_state import LinesState
from console.tabs.knowledge.table import entries_table
from console.tabs.knowledge.table_handlers import TableState
from console.tabs.page import BUSY, CLICKS, QUIET, STREAMED, Page
from console.tabs.search import search_box


def knowledge_tab(page: Page, tab: gr.Tab) -> None:
    """Build the tab."""
    t = page.t
    with gr.Row(elem_classes="vw-split"):
        with gr.Column(scale=7, min_width=340):
            parts = _editor(page)
        with gr.Column(scale=5, min_width=320, elem_classes="vw-try"):
            title = el("div", el("h3", t("try.title")), el("p", t("try.text"), class_="vw-hint"))
            gr.HTML(title, apply_default_css=False)
            search_box(page, name="try", main=False)
    _wire(page, tab, parts)


def _editor(page: Page) -> Parts:
    t = page.t
    note = gr.HTML("", elem_id="knowledge-note", elem_classes="vw-slot", apply_default_css=False)
    with gr.Row(elem_classes="vw-bar-top"):
        status = gr.HTML("", js_on_load=CLICKS, elem_id="knowledge-status", apply_default_css=False)
        view = gr.Radio(
            [(t("knowledge.as_lines"), LINES), (t("knowledge.as_table"), TABLE)],
            value=LINES,
            visible=False,
            show_label=False,
            container=False,
            elem_id="knowledge-view",
            label=t("knowledge.view"),
        )
    lines = lines_editor(page, status)
    table = entries_table(page, status)
    return Parts(note, status, view, lines, table, files_part(page), history_part(page, status))


def _wire(page: Page, tab: gr.Tab, parts: Parts) -> None:
    handlers = KnowledgeHandlers(page, parts)
    inputs = [page.tenant, parts.lines.text, parts.lines.state, parts.view, parts.table.state]
    outputs = parts.outputs()
    opened = gr.State(False)

    async def imported(request: gr.Request, event: gr.EventData) -> AsyncIterator[Html]:
        async for html in follow(page, request, event):
            yield html

    async def other_tenant(
        tenant: str | None, typed: str, lines: LinesState, mode: str, table: TableState, was: bool, request: gr.Request
    ) -> Updates:
        """Load another base, unless the tab was never opened: nobody looks at it, and opening it loads the base."""
        return await handlers.open(tenant, typed, lines, mode, table, request) if was else {opened: False}

    async def first(
        tenant: str | None, typed: str, lines: LinesState, mode: str, table: TableState, request: gr.Request
    ) -> Updates:
        return {**await handlers.open(tenant, typed, lines, mode, table, request), opened: True}

    tab.select(first, inputs, [*outputs, opened], **QUIET)
    page.tenant.change(other_tenant, [*inputs, opened], [*outputs, opened], **QUIET)
    parts.view.input(handlers.open, inputs, outputs, **QUIET)
    parts.status.click(handlers.again, inputs, outputs, **BUSY)
    parts.files.links.submit(imported, None, parts.files.message, **STREAMED).then(
        handlers.after(parts.files.message), inputs, outputs, **QUIET
    )
    parts.history.rows.click(HistoryHandlers(page).undo, page.tenant, parts.history.message, **BUSY).then(
        handlers.after(parts.history.message), inputs, outputs, **QUIET
    )
