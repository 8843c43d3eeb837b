"""Knowledge: on the left the entries, to change them; on the right a query field, to try what that does."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import gradio as gr

from console.components.files import files
from console.components.markup import Html, el
from console.components.notices import notice, problem
from console.page import BUSY, CLICKS, QUIET, STREAMED, Page
from console.tabs.files import Files, files_part, follow
from console.tabs.history import History, Looking, history_part
from console.tabs.lines import Desk, Lines, Loaded, lines_editor, put_away, status
from console.tabs.search import search_box
from console.tabs.table import Browsing, Table, entries_table, show
from console.view_models.tenants import MAX_LINES, fits_lines, may, typed_lines
from daemon.client import AsyncClient
from daemon.core import wire
from daemon.core.errors import VecwardError
from daemon.core.roles import Role

LINES, TABLE = "lines", "table"

Updates = dict[Any, Any]


@dataclass(frozen=True)
class Parts:
    note: gr.HTML
    status: gr.HTML
    view: gr.Radio
    lines: Lines
    table: Table
    files: Files
    history: History

    def outputs(self) -> list[Any]:
        lines, table, files, history = self.lines, self.table, self.files, self.history
        return [
            self.note, self.status, self.view,
            lines.group, lines.desk, lines.text, lines.said, lines.merge,
            table.group, table.browsing, table.rows, table.said,
            files.group, files.links, files.said,
            history.group, history.said,
        ]  # fmt: skip


def knowledge_tab(page: Page, tab: gr.Tab) -> None:
    t = page.t
    with gr.Row(elem_classes="vw-split"):
        with gr.Column(scale=7, min_width=340):
            parts = _editor(page)
        with gr.Column(scale=5, min_width=320, elem_classes="vw-try"):
            title = el("div", el("h3", t("try.title")), el("p", t("try.text"), class_="vw-hint"))
            gr.HTML(title, apply_default_css=False)
            search_box(page, name="try", lines_of_help=False)
    _wire(page, tab, parts)


def _editor(page: Page) -> Parts:
    t = page.t
    note = gr.HTML("", elem_id="knowledge-note", elem_classes="vw-slot", apply_default_css=False)
    with gr.Row(elem_classes="vw-bar-top"):
        status_line = gr.HTML("", js_on_load=CLICKS, elem_id="knowledge-status", apply_default_css=False)
        view = gr.Radio(
            [(t("knowledge.as_lines"), LINES), (t("knowledge.as_table"), TABLE)], value=LINES, visible=False,
            show_label=False, container=False, elem_id="knowledge-view", label=t("knowledge.view"),
        )  # fmt: skip
    lines = lines_editor(page, status_line)
    table = entries_table(page, status_line)
    return Parts(note, status_line, view, lines, table, files_part(page), history_part(page, status_line))


def _wire(page: Page, tab: gr.Tab, parts: Parts) -> None:
    opening = Opening(page, parts)
    inputs = [page.tenant, parts.lines.text, parts.lines.desk, parts.view, parts.table.browsing]
    outputs = parts.outputs()
    opened = gr.State(False)

    async def imported(request: gr.Request, event: gr.EventData) -> AsyncIterator[Html]:
        async for html in follow(page, request, event):
            yield html

    async def other_tenant(
        tenant: str | None, typed: str, desk: Desk, mode: str, browsing: Browsing, was: bool, request: gr.Request
    ) -> Updates:
        """A base that nobody looks at is not loaded: the tab's opening does that."""
        return await opening.open(tenant, typed, desk, mode, browsing, request) if was else {opened: False}

    async def first(
        tenant: str | None, typed: str, desk: Desk, mode: str, browsing: Browsing, request: gr.Request
    ) -> Updates:
        return {**await opening.open(tenant, typed, desk, mode, browsing, request), opened: True}

    tab.select(first, inputs, [*outputs, opened], **QUIET)
    page.tenant.change(other_tenant, [*inputs, opened], [*outputs, opened], **QUIET)
    parts.view.input(opening.open, inputs, outputs, **QUIET)
    parts.status.click(opening.again, inputs, outputs, **BUSY)
    parts.files.links.submit(imported, None, parts.files.said, **STREAMED).then(
        opening.after(parts.files.said), inputs, outputs, **QUIET
    )
    parts.history.rows.click(Looking(page).undo, page.tenant, parts.history.said, **BUSY).then(
        opening.after(parts.history.said), inputs, outputs, **QUIET
    )


class Opening:
    """Fills the left side for the chosen tenant: lines or table, or why neither."""

    def __init__(self, page: Page, parts: Parts) -> None:
        self._page = page
        self._t = page.t
        self._parts = parts

    async def open(
        self, tenant: str | None, typed: str, desk: Desk, mode: str, browsing: Browsing, request: gr.Request
    ) -> Updates:
        if tenant is None:
            return self._closed(notice(self._t("frame.no_tenants")), desk)
        if desk.loaded is None or desk.loaded.tenant != tenant:
            desk = put_away(desk, typed)
        try:
            async with self._page.backend.as_user(request) as client:
                view = await client.tenant(tenant)
                if not may(view, Role.EDITOR):
                    return self._closed(notice(self._t("knowledge.not_editor")), desk)
                return await self._opened(client, view, typed, desk, mode, browsing)
        except VecwardError as error:
            return self._closed(problem(error, self._t), desk)

    async def again(
        self, tenant: str | None, typed: str, desk: Desk, mode: str, browsing: Browsing, request: gr.Request
    ) -> Updates:
        """From the saved entries, whatever was typed: the page has asked whether that is meant."""
        drafts = {name: draft for name, draft in desk.drafts.items() if name != tenant}
        del typed, browsing  # that is the point
        return await self.open(tenant, "", Desk(drafts=drafts), mode, Browsing(), request)

    def after(self, said: gr.HTML) -> Callable[..., Awaitable[Updates]]:
        """Opens anew after something whose outcome stands in `said`."""

        async def reopen(
            tenant: str | None, typed: str, desk: Desk, mode: str, browsing: Browsing, request: gr.Request
        ) -> Updates:
            updates = await self.open(tenant, typed, desk, mode, browsing, request)
            return {part: update for part, update in updates.items() if part is not said}

        return reopen

    async def _opened(
        self, client: AsyncClient, view: wire.TenantView, typed: str, desk: Desk, mode: str, browsing: Browsing
    ) -> Updates:
        page = await client.entries(view.name, limit=MAX_LINES)
        fits = fits_lines(page.entries, page.total)
        note = None if fits else "knowledge.too_large" if page.total > MAX_LINES else "knowledge.multiline"
        updates = self._frame(view, page, fits, note)
        if fits and mode != TABLE:
            loaded = Loaded(view.name, page.revision, tuple(entry.text for entry in page.entries), view.min_chars)
            return updates | self._as_lines(loaded, typed, desk)
        same = browsing.tenant == view.name
        where, rows, line = await show(client, self._page, browsing if same else Browsing(view.name))
        table = self._parts.table
        shown = {table.group: gr.update(visible=True), table.browsing: where, table.rows: rows, table.said: ""}
        lines = self._parts.lines
        return updates | shown | {lines.group: gr.update(visible=False), lines.desk: desk, self._parts.status: line}

    def _as_lines(self, loaded: Loaded, typed: str, desk: Desk) -> Updates:
        """What was typed and not saved stays: on this page, or from when the editor was here before."""
        lines = self._parts.lines
        shown = {lines.group: gr.update(visible=True), self._parts.table.group: gr.update(visible=False)}
        if desk.loaded is not None and _unsaved(typed, desk.loaded):
            return shown | {lines.desk: desk}
        draft = desk.drafts.get(loaded.tenant)
        text, loaded = draft if draft is not None else (loaded.text, loaded)
        drafts = {name: kept for name, kept in desk.drafts.items() if name != loaded.tenant}
        return shown | {
            lines.desk: Desk(loaded, None, drafts),
            lines.text: text,
            lines.said: notice(self._t("knowledge.draft_back")) if draft is not None else "",
            lines.merge: gr.update(visible=False),
            self._parts.status: status(len(loaded.base), loaded.revision, self._t, clean=draft is None),
        }

    def _frame(self, view: wire.TenantView, page: wire.EntryPage, fits: bool, note: str | None) -> Updates:
        parts = self._parts
        return {
            parts.note: notice(self._t(note)) if note else "",
            parts.status: status(page.total, page.revision, self._t, clean=True),
            parts.view: gr.update(visible=fits),
            parts.files.group: gr.update(visible=True),
            parts.files.links: files(view.name, self._t),
            parts.files.said: "",
            parts.history.group: gr.update(visible=True),
            parts.history.said: "",
        }

    def _closed(self, said: Html, desk: Desk) -> Updates:
        parts = self._parts
        hidden = (parts.lines.group, parts.table.group, parts.files.group, parts.history.group, parts.view)
        return {one: gr.update(visible=False) for one in hidden} | {
            parts.note: said, parts.status: "", parts.lines.desk: desk,
        }  # fmt: skip


def _unsaved(typed: str, loaded: Loaded) -> bool:
    return typed_lines(typed).texts != typed_lines(loaded.text).texts
