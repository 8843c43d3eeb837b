"""History: the part of the knowledge tab that shows the last changes and takes the last one back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from console.components.history import history
from console.components.markup import Html
from console.components.notices import notice, problem
from console.tabs.page import CLICKS, QUIET, Page, clicked, number
from daemon.core.errors import RevisionChanged, VecwardError

SHOWN = 20


@dataclass(frozen=True)
class History:
    """Parts of the page that others fill."""

    group: gr.Accordion
    message: gr.HTML
    rows: gr.HTML


def history_part(page: Page, status_line: gr.HTML) -> History:
    """Build the part; its rows are drawn anew whenever the line above the entries is, so after each change."""
    with gr.Accordion(page.t("history.title"), open=False, elem_id="history", visible=False) as group:
        message = gr.HTML("", elem_id="history-said", elem_classes="vw-slot", apply_default_css=False)
        rows = gr.HTML("", js_on_load=CLICKS, elem_id="history-rows", apply_default_css=False)
    status_line.change(HistoryHandlers(page).rows, [page.tenant, status_line], rows, **QUIET)
    return History(group, message, rows)


class HistoryHandlers:
    """Handlers of the history."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._t = page.t

    async def rows(self, tenant: str | None, line: str, request: gr.Request) -> Html | str:
        """Draw the last changes; `line` is empty where there is nothing to edit."""
        if not tenant or not line:
            return ""
        try:
            async with self._page.daemon.as_user(request) as client:
                return history(await client.history(tenant, limit=SHOWN), tenant, self._t)
        except VecwardError as error:
            return problem(error, self._t)

    async def undo(self, tenant: str | None, request: gr.Request, event: gr.EventData) -> Any:
        data = clicked(event)
        revision = number(data.get("revision"))
        if data.get("action") != "undo" or not tenant or data.get("tenant") != tenant or revision is None:
            return gr.skip()
        try:
            async with self._page.daemon.as_user(request) as client:
                done = await client.undo(tenant, if_match=revision)
        except RevisionChanged:
            return notice(self._t("history.changed"), "warn")
        except VecwardError as error:
            return problem(error, self._t)
        return notice(self._t("history.done", revision=done.revision), "good")
