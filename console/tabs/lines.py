"""A small base as one text field, an entry a line: look at the difference, then save.

Nothing that was typed is ever replaced without being asked: not by saving, not by somebody else's change.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace

import gradio as gr

from console.components.difference import difference, saved
from console.components.markup import Html, el, join
from console.components.notices import notice, problem
from console.i18n import Words
from console.page import BUSY, Page
from console.view_models.tenants import MAX_LINES, Difference, typed_lines
from console.view_models.tenants import difference as difference_of
from console.view_models.tenants import merge as merged_text
from daemon.client import AsyncClient
from daemon.core import wire
from daemon.core.errors import RevisionChanged, VecwardError

MAX_TYPED = 4 * 1024 * 1024  # characters; within what the gate lets through


@dataclass(frozen=True)
class Loaded:
    """What the text field was filled from."""

    tenant: str
    revision: int
    base: tuple[str, ...]
    min_chars: int

    @property
    def text(self) -> str:
        return "\n".join(self.base)


@dataclass(frozen=True)
class Desk:
    """One editor's work on one page. `previewed` is the text whose difference was shown last, or None.

    `drafts` keeps what was typed for other tenants and not saved.
    """

    loaded: Loaded | None = None
    previewed: str | None = None
    drafts: dict[str, tuple[str, Loaded]] = field(default_factory=dict)


@dataclass(frozen=True)
class Lines:
    """The parts of the page that others fill."""

    group: gr.Column
    desk: gr.State
    text: gr.Textbox
    said: gr.HTML
    merge: gr.Button
    status: gr.HTML


def status(entries: int, revision: int, t: Words, *, clean: bool) -> Html:
    """`data-clean` tells the page's script that closing the page would lose nothing."""
    reload = el(
        "button", t("knowledge.reload"), type="button", class_="vw-button", data_action="reload",
        data_sure=None if clean else t("knowledge.reload_sure"), data_reload_sure=t("knowledge.reload_sure"),
    )  # fmt: skip
    said = el("span", t("knowledge.count", n=entries, revision=revision))
    # The time makes it new each time: Gradio draws nothing anew that it has drawn already.
    return el("p", said, reload, class_="vw-status-line", data_clean=clean, data_at=time.monotonic_ns())


def put_away(desk: Desk, typed: str) -> Desk:
    """Leaves the present tenant; text that was not saved is kept for when the editor comes back."""
    loaded = desk.loaded
    if loaded is None:
        return desk
    drafts = {name: draft for name, draft in desk.drafts.items() if name != loaded.tenant}
    if typed_lines(typed).texts != typed_lines(loaded.text).texts:
        drafts[loaded.tenant] = (typed, loaded)
    return Desk(drafts=drafts)


async def load(client: AsyncClient, view: wire.TenantView) -> Loaded:
    page = await client.entries(view.name, limit=MAX_LINES)
    return Loaded(view.name, page.revision, tuple(entry.text for entry in page.entries), view.min_chars)


def lines_editor(page: Page, status_line: gr.HTML) -> Lines:
    t = page.t
    desk = gr.State(Desk())
    with gr.Column(visible=False) as group:
        text = gr.Textbox(
            label=t("knowledge.lines"), placeholder=t("knowledge.lines_placeholder"), lines=14, max_lines=22,
            elem_id="lines", max_length=MAX_TYPED, autoscroll=False, info=t("knowledge.intro"),
        )  # fmt: skip
        with gr.Row(elem_classes="vw-buttons"):
            preview = gr.Button(t("knowledge.preview"), elem_id="preview")
            save = gr.Button(t("knowledge.save"), variant="primary", elem_id="save")
        said = gr.HTML("", elem_id="difference", elem_classes="vw-slot", apply_default_css=False)
        merge = gr.Button(t("knowledge.merge"), variant="primary", visible=False, elem_id="merge")
    lines = Lines(group, desk, text, said, merge, status_line)
    _wire(page, lines, preview, save)
    return lines


def _wire(page: Page, lines: Lines, preview: gr.Button, save: gr.Button) -> None:
    inputs = [page.tenant, lines.text, lines.desk]
    editing = Editing(page)
    gr.on([preview.click], editing.preview, inputs, [lines.said, lines.merge, lines.desk], **BUSY)
    gr.on([save.click], editing.save, inputs, [lines.said, lines.merge, lines.desk, lines.status], **BUSY)
    gr.on([lines.merge.click], editing.merge, inputs, [lines.text, lines.said, lines.merge, lines.desk], **BUSY)


class Editing:
    """The handlers. Each takes tenant, typed text, desk and request, and answers in the order of its outputs."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._t = page.t

    async def preview(
        self, tenant: str | None, typed: str, desk: Desk, request: gr.Request
    ) -> tuple[object, object, object]:
        return await self._preview(tenant, typed, desk, request)

    async def save(
        self, tenant: str | None, typed: str, desk: Desk, request: gr.Request
    ) -> tuple[object, object, object, object]:
        """Saves what was previewed; what was not is previewed first."""
        loaded = desk.loaded
        if loaded is None or desk.previewed != typed:
            return *await self._preview(tenant, typed, desk, request), gr.skip()
        lines = typed_lines(typed)
        try:
            async with self._page.backend.as_user(request) as client:
                result = await client.set_texts(loaded.tenant, lines.texts, if_match=loaded.revision)
                after = await load(client, await client.tenant(loaded.tenant))
        except RevisionChanged:
            return *self._changed(desk), gr.skip()
        except VecwardError as error:
            return problem(error, self._t), gr.skip(), desk, gr.skip()
        done = difference_of(loaded.base, lines, result.refused)
        said = saved(done, result, self._t, loaded.min_chars)
        now = status(len(after.base), after.revision, self._t, clean=not result.refused)
        return said, gr.update(visible=False), replace(desk, loaded=after, previewed=None), now

    async def merge(
        self, tenant: str | None, typed: str, desk: Desk, request: gr.Request
    ) -> tuple[object, object, object, object]:
        """Brings the other changes into the text, and shows the difference to the base as it is now."""
        loaded = desk.loaded
        if loaded is None:
            return gr.skip(), *await self._preview(tenant, typed, desk, request)
        try:
            async with self._page.backend.as_user(request) as client:
                now = await load(client, await client.tenant(loaded.tenant))
        except VecwardError as error:
            return gr.skip(), problem(error, self._t), gr.skip(), desk
        both = merged_text(loaded.base, typed, now.base)
        said, button, desk = await self._preview(tenant, both, replace(desk, loaded=now), request)
        if isinstance(said, Html):
            said = join(notice(self._t("knowledge.merged"), "good"), said)
        return both, said, button, desk

    async def _preview(
        self, tenant: str | None, typed: str, desk: Desk, request: gr.Request
    ) -> tuple[object, object, Desk]:
        loaded = desk.loaded
        if loaded is None or loaded.tenant != tenant:
            return notice(self._t("knowledge.load_first"), "warn"), gr.update(visible=False), desk
        try:
            found, revision = await self._difference(loaded, typed, request)
        except VecwardError as error:
            return problem(error, self._t), gr.skip(), desk
        if revision != loaded.revision:
            return self._changed(desk)
        said = difference(found, self._t, loaded.min_chars)
        previewed = typed if found.saveable else None
        return said, gr.update(visible=False), replace(desk, previewed=previewed)

    async def _difference(self, loaded: Loaded, typed: str, request: gr.Request) -> tuple[Difference, int]:
        lines = typed_lines(typed)
        async with self._page.backend.as_user(request) as client:
            result = await client.set_texts(loaded.tenant, lines.texts, dry_run=True)
        return difference_of(loaded.base, lines, result.refused), result.revision

    def _changed(self, desk: Desk) -> tuple[object, object, Desk]:
        said = el(
            "div",
            el("p", self._t("knowledge.changed_title"), class_="vw-notice-title"),
            el("p", self._t("knowledge.changed_text")),
            class_="vw-notice vw-warn", role="alert",
        )  # fmt: skip
        return said, gr.update(visible=True), replace(desk, previewed=None)
