"""Handlers of the table: find, edit, delete and add entries one by one, with their metadata."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import gradio as gr

from console.components.entry_table import Shown, entry_table
from console.components.markup import Html, el
from console.components.notices import notice, problem, warning
from console.components.status_line import status_line
from console.tabs.page import Page, clicked, number
from console.view_models.metadata import BadMetadata, metadata_of, metadata_text
from daemon.client import AsyncClient
from daemon.core import wire
from daemon.core.errors import Invalid, RevisionChanged, UnknownEntry, VecwardError, all_kinds

PAGE = 25


@dataclass(frozen=True)
class TableState:
    """The page of the table that is shown, and the entry that is edited, kept by Gradio between calls.

    `starts` are the `after` of the pages up to this one; `following` is the next page's, None on the last.
    """

    tenant: str | None = None
    revision: int | None = None
    q: str = ""
    starts: tuple[int | None, ...] = (None,)
    following: int | None = None
    editing: int | None = None


async def show(client: AsyncClient, page: Page, state: TableState) -> tuple[TableState, Html, Html]:
    """Read the page of entries that `state` is at: the state now, the rows, and the line above them."""
    found = await client.entries(state.tenant or "", after=state.starts[-1], limit=PAGE, q=state.q or None)
    state = replace(state, revision=found.revision, following=found.next)
    rows = entry_table(Shown(found, len(state.starts)), page.t)
    return state, rows, status_line(found.total, found.revision, page.t, clean=True)


_KEEP = (gr.skip(), gr.skip(), gr.skip(), gr.skip())


class TableHandlers:
    """Handlers of the table; each answers state, rows, message and status line, then the form's parts."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._t = page.t

    async def find(self, tenant: str | None, q: str, state: TableState, request: gr.Request) -> tuple[object, ...]:
        return await self._show(TableState(tenant, q=q.strip(), editing=state.editing), "", request)

    async def clicked(
        self, tenant: str | None, state: TableState, request: gr.Request, event: gr.EventData
    ) -> tuple[object, ...]:
        data = clicked(event)
        action, entry = data.get("action"), number(data.get("id"))
        state = state if state.tenant == tenant else TableState(tenant)
        if action == "next" and state.following is not None:
            forward = replace(state, starts=(*state.starts, state.following))
            return *await self._show(forward, "", request), *_KEEP
        if action == "previous" and len(state.starts) > 1:
            return *await self._show(replace(state, starts=state.starts[:-1]), "", request), *_KEEP
        if action == "delete" and entry is not None:
            return *await self._delete(state, entry, request), *_KEEP
        if action == "edit" and entry is not None:
            return await self._edit(state, entry, request)
        return *_KEEP, *_KEEP

    async def new(self, state: TableState) -> tuple[object, ...]:
        opened = gr.update(visible=True), self._title(self._t("table.new"))
        return replace(state, editing=None), *opened, "", ""

    async def cancel(self, state: TableState) -> tuple[object, ...]:
        return replace(state, editing=None), gr.update(visible=False)

    async def save(
        self, tenant: str | None, state: TableState, text: str, metadata: str, request: gr.Request
    ) -> tuple[object, ...]:
        """Add or change one entry; where that goes wrong, the form keeps what was typed."""
        state = state if state.tenant == tenant else TableState(tenant)
        try:
            said = await self._write(state, text, metadata_of(metadata), request)
        except BadMetadata as error:
            said = notice(self._t("table.bad_metadata", line=error.line), "bad")
            return state, gr.skip(), said, gr.skip(), gr.skip()
        except RevisionChanged:
            said = notice(self._t("table.changed"), "warn")
            return *await self._show(state, said, request), gr.skip()
        except VecwardError as error:
            return state, gr.skip(), problem(error, self._t), gr.skip(), gr.skip()
        return *await self._show(replace(state, editing=None), said, request), gr.update(visible=False)

    async def _write(self, state: TableState, text: str, metadata: wire.Metadata, request: gr.Request) -> Html:
        if state.tenant is None or state.revision is None:
            raise RevisionChanged("cannot save: this page was idle for too long; look at the table again")
        async with self._page.daemon.as_user(request) as client:
            if state.editing is not None:
                entry = await client.edit(
                    state.tenant, state.editing, text=text, metadata=metadata, if_match=state.revision
                )
                return self._done(notice(self._t("table.saved", id=entry.id), "good"), entry.warnings)
            new = wire.NewEntry(text=text, metadata=metadata)
            added = await client.add(state.tenant, [new], if_match=state.revision)
        if added.refused:
            raise refusal(added.refused[0])
        return self._done(notice(self._t("table.added", id=added.added[0]), "good"), added.warnings)

    def _done(self, said: Html, warnings: Mapping[str, str]) -> Html:
        return el("div", said, [warning(kind, words, self._t) for kind, words in warnings.items()])

    async def _delete(self, state: TableState, entry: int, request: gr.Request) -> tuple[object, ...]:
        if state.tenant is None or state.revision is None:
            return await self._show(state, notice(self._t("table.changed_delete"), "warn"), request)
        try:
            async with self._page.daemon.as_user(request) as client:
                await client.delete(state.tenant, [entry], if_match=state.revision)
        except RevisionChanged:
            return await self._show(state, notice(self._t("table.changed_delete"), "warn"), request)
        except VecwardError as error:
            return state, gr.skip(), problem(error, self._t), gr.skip()
        return await self._show(state, notice(self._t("table.deleted", id=entry), "good"), request)

    async def _edit(self, state: TableState, entry: int, request: gr.Request) -> tuple[object, ...]:
        try:
            found = await self._entry(state, entry, request)
        except VecwardError as error:
            return state, gr.skip(), problem(error, self._t), gr.skip(), *_KEEP
        kept = replace(state, editing=entry), gr.skip(), "", gr.skip()
        title = self._title(self._t("table.editing", id=entry))
        return *kept, gr.update(visible=True), title, found.text, metadata_text(found.metadata)

    async def _entry(self, state: TableState, entry: int, request: gr.Request) -> wire.Entry:
        async with self._page.daemon.as_user(request) as client:
            page = await client.entries(state.tenant or "", after=entry - 1, limit=1)
        if not page.entries or page.entries[0].id != entry:
            raise UnknownEntry(f"cannot edit the entry {entry}: it does not exist any more; load the table again")
        return page.entries[0]

    async def _show(self, state: TableState, said: str, request: gr.Request) -> tuple[object, ...]:
        if state.tenant is None:
            return state, "", notice(self._t("frame.no_tenants")), gr.skip()
        try:
            async with self._page.daemon.as_user(request) as client:
                state, rows, line = await show(client, self._page, state)
        except VecwardError as error:
            return state, gr.skip(), problem(error, self._t), gr.skip()
        return state, rows, said, line

    def _title(self, text: str) -> Html:
        return el("h3", text)


def refusal(one: wire.Refused) -> VecwardError:
    """Make the error of a refused entry."""
    return all_kinds().get(one.kind, Invalid)(one.reason)
