"""Search: a question, and the entries that are nearest in meaning."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import gradio as gr

from console.components import cards
from console.components.markup import Html
from console.components.notices import notice, problem
from console.messages import Words
from console.tabs.page import BUSY, CLICKS, QUIET, Page, clicked
from console.view_models.search import results_of
from daemon.client import AsyncClient
from daemon.core.errors import VecwardError

MAX_SHOWN = 50
NO_THRESHOLD = 0.3  # of a tenant whose threshold the daemon does not know


@dataclass(frozen=True)
class Threshold:
    """The score above which a hit of this tenant is a good one, as the daemon told it at the first search."""

    tenant: str
    score: float


@dataclass(frozen=True)
class SearchBox:
    """A query field with results below."""

    query: gr.Textbox
    k: gr.Slider
    results: gr.HTML
    threshold: gr.State


def search_tab(page: Page, _tab: gr.Tab) -> None:
    """Build the tab; a tenant that is chosen brings its number of results and its examples."""
    box = search_box(page, name="search", main=True)

    async def other_tenant(tenant: str | None, request: gr.Request) -> tuple[Any, Any]:
        if not tenant:
            return gr.skip(), gr.skip()
        try:
            async with page.daemon.as_user(request) as client:
                view = await client.tenant(tenant)
        except VecwardError as error:
            return gr.skip(), problem(error, page.t)
        return gr.update(value=min(view.k, MAX_SHOWN)), cards.empty(view.examples, page.t)

    page.tenant.change(other_tenant, page.tenant, [box.k, box.results], **QUIET)


def search_box(page: Page, *, name: str, main: bool) -> SearchBox:
    """Build a query field with results below: the search tab's own (`main`), or the one beside the knowledge."""
    t = page.t
    with gr.Row(elem_classes="vw-query-row", equal_height=True):
        query = _query(t, name, focus=main)
        button = gr.Button(t("search.button"), variant="primary", elem_id=f"{name}-button", scale=1, min_width=110)
    k = gr.Slider(
        1, MAX_SHOWN, value=5, step=1, buttons=[], label=t("search.k"), elem_id=f"{name}-k", elem_classes="vw-k"
    )
    before = cards.empty((), t) if main else ""
    results = gr.HTML(before, js_on_load=CLICKS, elem_id=f"{name}-results", apply_default_css=False)
    box = SearchBox(query, k, results, gr.State(None))
    handlers = SearchHandlers(page)
    inputs = [page.tenant, query, k, box.threshold]
    gr.on([query.submit, button.click], handlers.search, inputs, [results, box.threshold], **BUSY)
    results.click(handlers.example, inputs, [query, results, box.threshold], **BUSY)
    return box


def _query(t: Words, name: str, *, focus: bool) -> gr.Textbox:
    return gr.Textbox(
        label=t("search.query"),
        placeholder=t("search.placeholder"),
        elem_id=f"{name}-query",
        scale=8,
        max_lines=1,
        max_length=4000,
        autofocus=focus,
    )


class SearchHandlers:
    """Handlers of a query field with results below."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._t = page.t

    async def search(
        self, tenant: str | None, query: str, k: float, threshold: Threshold | None, request: gr.Request
    ) -> tuple[Html, Threshold | None]:
        """Draw the results of a search, or why there are none; the threshold is kept for the next one."""
        if not tenant:
            return notice(self._t("frame.no_tenants")), threshold
        if not query.strip():
            return notice(self._t("search.nothing_typed")), threshold
        started = time.perf_counter()
        try:
            async with self._page.daemon.as_user(request) as client:
                found = await client.search(tenant, query, k=round(k))
                total_ms = (time.perf_counter() - started) * 1000
                if threshold is None or threshold.tenant != tenant:
                    threshold = await _threshold(client, tenant)
        except VecwardError as error:
            return problem(error, self._t), threshold
        return cards.results(results_of(found, threshold.score, total_ms), self._t), threshold

    async def example(
        self,
        tenant: str | None,
        _query: str,
        k: float,
        threshold: Threshold | None,
        request: gr.Request,
        event: gr.EventData,
    ) -> tuple[Any, Any, Any]:
        """Search the example that was clicked, and put it into the query field."""
        asked = clicked(event).get("query")
        if asked is None:
            return gr.skip(), gr.skip(), gr.skip()
        return asked, *await self.search(tenant, asked, k, threshold, request)


async def _threshold(client: AsyncClient, tenant: str) -> Threshold:
    score = (await client.tenant(tenant)).threshold
    return Threshold(tenant, NO_THRESHOLD if score is None else score)
