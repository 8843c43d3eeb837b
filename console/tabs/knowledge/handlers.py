"""Handlers that open a tenant on the knowledge tab."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import gradio as gr

from console.components.files import files
from console.components.markup import Html
from console.components.notices import notice, problem
from console.components.status_line import status_line
from console.tabs.knowledge.files import Files
from console.tabs.knowledge.history import History
from console.tabs.knowledge.lines import Lines
from console.tabs.knowledge.lines_state import LinesState, Loaded, keep_draft, unsaved
from console.tabs.knowledge.table import Table
from console.tabs.knowledge.table_handlers import TableState, show
from console.tabs.page import Page
from console.view_models.lines import MAX_LINES, fits_lines
from console.view_models.tenants import may
from daemon.client import AsyncClient
from daemon.core import wire
from daemon.core.errors import VecwardError
from daemon.core.roles import Role

LINES, TABLE = "lines", "table"  # the two ways to show entries

Updates = dict[Any, Any]  # of parts of the page


@dataclass(frozen=True)
class Parts:
    """Everything on the left side that opening a tenant fills."""

    note: gr.HTML
    status: gr.HTML
    view: gr.Radio
    lines: Lines
    table: Table
    files: Files
    history: History

    def outputs(self) -> list[Any]:
        """List them as outputs of a handler."""
        lines, table, files, history = self.lines, self.table, self.files, self.history
        of_lines = [lines.group, lines.state, lines.text, lines.message, lines.merge]
        of_table = [table.group, table.state, table.rows, table.message]
        of_files = [files.group, files.links, files.message]
        return [self.note, self.status, self.view, *of_lines, *of_table, *of_files, history.group, history.message]


class KnowledgeHandlers:
    """Handlers that fill the left side for the chosen tenant: lines or table, or why neither."""

    def __init__(self, page: Page, parts: Parts) -> None:
        self._page = page
        self._t = page.t
        self._parts = parts

    async def open(
        self, tenant: str | None, typed: str, lines: LinesState, mode: str, table: TableState, request: gr.Request
    ) -> Updates:
        if tenant is None:
            return self._closed(notice(self._t("frame.no_tenants")), lines)
        if lines.loaded is None or lines.loaded.tenant != tenant:
            lines = keep_draft(lines, typed)
        try:
            async with self._page.daemon.as_user(request) as client:
                view = await client.tenant(tenant)
                if not may(view, Role.EDITOR):
                    return self._closed(notice(self._t("knowledge.not_editor")), lines)
                return await self._opened(client, view, typed, lines, mode, table)
        except VecwardError as error:
            return self._closed(problem(error, self._t), lines)

    async def again(
        self, tenant: str | None, typed: str, lines: LinesState, mode: str, table: TableState, request: gr.Request
    ) -> Updates:
        """Load the saved entries anew, whatever was typed: the page has asked if that is meant."""
        drafts = {name: draft for name, draft in lines.drafts.items() if name != tenant}
        del typed, table  # that is the point
        return await self.open(tenant, "", LinesState(drafts=drafts), mode, TableState(), request)

    def after(self, message: gr.HTML) -> Callable[..., Awaitable[Updates]]:
        """Make a handler that opens the tenant anew and leaves `message` as it is: an outcome is shown there."""

        async def reopen(
            tenant: str | None, typed: str, lines: LinesState, mode: str, table: TableState, request: gr.Request
        ) -> Updates:
            updates = await self.open(tenant, typed, lines, mode, table, request)
            return {part: update for part, update in updates.items() if part is not message}

        return reopen

    async def _opened(
        self, client: AsyncClient, view: wire.TenantView, typed: str, lines: LinesState, mode: str, table: TableState
    ) -> Updates:
        page = await client.entries(view.name, limit=MAX_LINES)
        fits = fits_lines(page.entries, page.total)
        updates = self._frame(view, page, fits)
        if fits and mode != TABLE:
            loaded = Loaded(view.name, page.revision, tuple(entry.text for entry in page.entries), view.min_chars)
            return updates | self._as_lines(loaded, typed, lines)
        table = table if table.tenant == view.name else TableState(view.name)
        return updates | await self._as_table(client, table, lines)

    async def _as_table(self, client: AsyncClient, state: TableState, lines: LinesState) -> Updates:
        parts = self._parts
        state, rows, line = await show(client, self._page, state)
        hidden = {parts.lines.group: gr.update(visible=False), parts.lines.state: lines, parts.status: line}
        table = parts.table
        return hidden | {
            table.group: gr.update(visible=True),
            table.state: state,
            table.rows: rows,
            table.message: "",
        }

    def _as_lines(self, loaded: Loaded, typed: str, state: LinesState) -> Updates:
        """Show the entries as lines; text that was typed and not saved stays or comes back instead."""
        lines = self._parts.lines
        shown = {lines.group: gr.update(visible=True), self._parts.table.group: gr.update(visible=False)}
        if state.loaded is not None and unsaved(typed, state.loaded):
            return shown | {lines.state: state}
        draft = state.drafts.get(loaded.tenant)
        text, loaded = draft if draft is not None else (loaded.text, loaded)
        drafts = {name: kept for name, kept in state.drafts.items() if name != loaded.tenant}
        return shown | {
            lines.state: LinesState(loaded, None, drafts),
            lines.text: text,
            lines.message: notice(self._t("knowledge.draft_back")) if draft is not None else "",
            lines.merge: gr.update(visible=False),
            self._parts.status: status_line(len(loaded.base), loaded.revision, self._t, clean=draft is None),
        }

    def _frame(self, view: wire.TenantView, page: wire.EntryPage, fits: bool) -> Updates:
        parts = self._parts
        why_table = "knowledge.too_large" if page.total > MAX_LINES else "knowledge.multiline"
        return {
            parts.note: "" if fits else notice(self._t(why_table)),
            parts.status: status_line(page.total, page.revision, self._t, clean=True),
            parts.view: gr.update(visible=fits),
            parts.files.group: gr.update(visible=True),
            parts.files.links: files(view.name, self._t),
            parts.files.message: "",
            parts.history.group: gr.update(visible=True),
            parts.history.message: "",
        }

    def _closed(self, note: Html, lines: LinesState) -> Updates:
        parts = self._parts
        hidden = (parts.lines.group, parts.table.group, parts.files.group, parts.history.group, parts.view)
        shown = {parts.note: note, parts.status: "", parts.lines.state: lines}
        return {one: gr.update(visible=False) for one in hidden} | shown
