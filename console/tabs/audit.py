"""Audit: the log of who did what to which knowledge base, when, with what outcome."""

from __future__ import annotations

import gradio as gr

from console.components.audit_lines import audit_lines
from console.components.markup import Html, el
from console.components.notices import problem
from console.tabs.page import BUSY, CLICKS, QUIET, Page, clicked
from daemon.core.errors import VecwardError

LINES = 50
FILTERS = ("tenant", "principal", "action", "outcome")


def audit_tab(page: Page, tab: gr.Tab) -> None:
    """Build the tab: filters, and the lines that fit them."""
    t = page.t
    handlers = AuditHandlers(page)
    gr.HTML(el("p", t("audit.intro"), class_="vw-hint vw-intro"), apply_default_css=False)
    with gr.Row(elem_classes="vw-query-row", equal_height=True):
        filters = [
            gr.Textbox(label=t(f"audit.{name}"), elem_id=f"audit-{name}", max_lines=1, max_length=200, min_width=120)
            for name in FILTERS
        ]
        show = gr.Button(t("audit.show"), variant="primary", elem_id="audit-show", scale=0, min_width=110)
    lines = gr.HTML("", js_on_load=CLICKS, elem_id="audit-lines", apply_default_css=False)
    tab.select(handlers.newest, filters, lines, **QUIET)
    gr.on([show.click, *(one.submit for one in filters)], handlers.newest, filters, lines, **BUSY)
    lines.click(handlers.older, filters, lines, **BUSY)


class AuditHandlers:
    """Handlers of the audit tab; the daemon decides who may read the log."""

    def __init__(self, page: Page) -> None:
        self._page = page

    async def newest(self, tenant: str, principal: str, action: str, outcome: str, request: gr.Request) -> Html:
        return await self._lines(request, None, (tenant, principal, action, outcome))

    async def older(
        self, tenant: str, principal: str, action: str, outcome: str, request: gr.Request, event: gr.EventData
    ) -> Html:
        """Draw the page before the one that is shown; the button carries where that begins."""
        before = clicked(event).get("before", "")
        start = int(before) if before.isdecimal() and len(before) < 16 else None
        return await self._lines(request, start, (tenant, principal, action, outcome))

    async def _lines(self, request: gr.Request, before: int | None, values: tuple[str, ...]) -> Html:
        wanted = [(value or "").strip() or None for value in values]
        tenant, principal, action, outcome = wanted
        try:
            async with self._page.daemon.as_user(request) as client:
                found = await client.audit(before, LINES, tenant, principal=principal, action=action, outcome=outcome)
        except VecwardError as error:
            return problem(error, self._page.t)
        return audit_lines(found, self._page.t)
