"""A small base as one text field, an entry a line: the difference first, then saving.

Nothing that was typed is replaced without asking first: not by saving, not by somebody else's change.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import gradio as gr

from console.components.difference import difference, saved
from console.components.markup import Html, el, join
from console.components.notices import notice, problem
from console.components.status_line import status_line
from console.tabs.knowledge.lines_state import LinesState, Loaded, load
from console.tabs.page import BUSY, Page
from console.view_models.lines import Difference, typed_lines
from console.view_models.lines import difference as difference_of
from console.view_models.lines import merge as merged_text
from daemon.core.errors import RevisionChanged, VecwardError

MAX_TYPED = 4 * 1024 * 1024  # characters; within what the gate lets through


@dataclass(frozen=True)
class Lines:
    """Parts of the page that others fill."""

    group: gr.Column
    state: gr.State
    text: gr.Textbox
    message: gr.HTML
    merge: gr.Button
    status: gr.HTML


def lines_editor(page: Page, status: gr.HTML) -> Lines:
    """Build the text field, its buttons, and the place of the difference."""
    t = page.t
    state = gr.State(LinesState())
    with gr.Column(visible=False) as group:
        text = gr.Textbox(
            label=t("knowledge.lines"),
            placeholder=t("knowledge.lines_placeholder"),
            lines=14,
            max_lines=22,
            elem_id="lines",
            max_length=MAX_TYPED,
            autoscroll=False,
            info=t("knowledge.intro"),
        )
        with gr.Row(elem_classes="vw-buttons"):
            preview = gr.Button(t("knowledge.preview"), elem_id="preview")
            save = gr.Button(t("knowledge.save"), variant="primary", elem_id="save")
        message = gr.HTML("", elem_id="difference", elem_classes="vw-slot", apply_default_css=False)
        merge = gr.Button(t("knowledge.merge"), variant="primary", visible=False, elem_id="merge")
    lines = Lines(group, state, text, message, merge, status)
    _wire(page, lines, preview, save)
    return lines


def _wire(page: Page, lines: Lines, preview: gr.Button, save: gr.Button) -> None:
    handlers = LinesHandlers(page)
    inputs = [page.tenant, lines.text, lines.state]
    outputs = [lines.message, lines.merge, lines.state]
    preview.click(handlers.preview, inputs, outputs, **BUSY)
    save.click(handlers.save, inputs, [*outputs, lines.status], **BUSY)
    lines.merge.click(handlers.merge, inputs, [lines.text, *outputs], **BUSY)


class LinesHandlers:
    """Handlers of the text field; each answers in the order of its outputs."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._t = page.t

    async def preview(
        self, tenant: str | None, typed: str, state: LinesState, request: gr.Request
    ) -> tuple[object, object, object]:
        return await self._preview(tenant, typed, state, request)

    async def save(
        self, tenant: str | None, typed: str, state: LinesState, request: gr.Request
    ) -> tuple[object, object, object, object]:
        """Save a text whose difference was shown; the difference of any other text is shown first."""
        loaded = state.loaded
        if loaded is None or state.previewed != typed:
            return *await self._preview(tenant, typed, state, request), gr.skip()
        lines = typed_lines(typed)
        try:
            async with self._page.daemon.as_user(request) as client:
                result = await client.set_texts(loaded.tenant, lines.texts, if_match=loaded.revision)
                after = await load(client, await client.tenant(loaded.tenant))
        except RevisionChanged:
            return *self._changed(state), gr.skip()
        except VecwardError as error:
            return problem(error, self._t), gr.skip(), state, gr.skip()
        done = difference_of(loaded.base, lines, result.refused)
        said = saved(done, result, self._t, loaded.min_chars)
        now = status_line(len(after.base), after.revision, self._t, clean=not result.refused)
        return said, gr.update(visible=False), replace(state, loaded=after, previewed=None), now

    async def merge(
        self, tenant: str | None, typed: str, state: LinesState, request: gr.Request
    ) -> tuple[object, object, object, object]:
        """Bring the other changes into the text, and show the difference from the base as it is now."""
        loaded = state.loaded
        if loaded is None:
            return gr.skip(), *await self._preview(tenant, typed, state, request)
        try:
            async with self._page.daemon.as_user(request) as client:
                now = await load(client, await client.tenant(loaded.tenant))
        except VecwardError as error:
            return gr.skip(), problem(error, self._t), gr.skip(), state
        both = merged_text(loaded.base, typed, now.base)
        said, button, state = await self._preview(tenant, both, replace(state, loaded=now), request)
        if isinstance(said, Html):
            said = join(notice(self._t("knowledge.merged"), "good"), said)
        return both, said, button, state

    async def _preview(
        self, tenant: str | None, typed: str, state: LinesState, request: gr.Request
    ) -> tuple[object, object, LinesState]:
        loaded = state.loaded
        if loaded is None or loaded.tenant != tenant:
            return notice(self._t("knowledge.load_first"), "warn"), gr.update(visible=False), state
        try:
            found, revision = await self._difference(loaded, typed, request)
        except VecwardError as error:
            return problem(error, self._t), gr.skip(), state
        if revision != loaded.revision:
            return self._changed(state)
        said = difference(found, self._t, loaded.min_chars)
        previewed = typed if found.saveable else None
        return said, gr.update(visible=False), replace(state, previewed=previewed)

    async def _difference(self, loaded: Loaded, typed: str, request: gr.Request) -> tuple[Difference, int]:
        lines = typed_lines(typed)
        async with self._page.daemon.as_user(request) as client:
            result = await client.set_texts(loaded.tenant, lines.texts, dry_run=True)
        return difference_of(loaded.base, lines, result.refused), result.revision

    def _changed(self, state: LinesState) -> tuple[object, object, LinesState]:
        said = el(
            "div",
            el("p", self._t("knowledge.changed_title"), class_="vw-notice-title"),
            el("p", self._t("knowledge.changed_text")),
            class_="vw-notice vw-warn",
            role="alert",
        )
        return said, gr.update(visible=True), replace(state, previewed=None)
