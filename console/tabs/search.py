"""Search: a question, and the entries that are nearest in meaning."""

from __future__ import annotations

import time
from dataclasses import dataclass

import gradio as gr

from console.components import cards
from console.components.markup import Html
from console.components.notices import notice, problem
from console.page import BUSY, CLICKS, QUIET, Page, clicked
from console.view_models.tenants import results_of
from daemon.core.errors import VecwardError

MAX_SHOWN = 50
NO_THRESHOLD = 0.3  # where the daemon tells none


@dataclass(frozen=True)
class SearchBox:
    query: gr.Textbox
    k: gr.Slider
    results: gr.HTML


async def find(page: Page, tenant: str | None, query: str, k: float, request: gr.Request) -> Html:
    """The results of a search as HTML, or why there are none."""
    if not tenant:
        return notice(page.t("frame.no_tenants"))
    if not query.strip():
        return notice(page.t("search.nothing_typed"))
    started = time.perf_counter()
    try:
        async with page.backend.as_user(request) as client:
            found = await client.search(tenant, query, k=round(k))
            total_ms = (time.perf_counter() - started) * 1000
            threshold = (await client.tenant(tenant)).threshold
    except VecwardError as error:
        return problem(error, page.t)
    return cards.results(results_of(found, NO_THRESHOLD if threshold is None else threshold, total_ms), page.t)


def search_box(page: Page, *, name: str, lines_of_help: bool) -> SearchBox:
    """A query field with results below: the search tab's own, and the one beside the knowledge."""
    t = page.t
    with gr.Row(elem_classes="vw-query-row", equal_height=True):
        query = gr.Textbox(
            label=t("search.query"), placeholder=t("search.placeholder"), elem_id=f"{name}-query", scale=8,
            max_lines=1, max_length=4000, autofocus=lines_of_help,
        )  # fmt: skip
        button = gr.Button(t("search.button"), variant="primary", elem_id=f"{name}-button", scale=1, min_width=110)
    k = gr.Slider(
        1, MAX_SHOWN, value=5, step=1, buttons=[], label=t("search.k"), elem_id=f"{name}-k", elem_classes="vw-k"
    )
    results = gr.HTML(
        cards.empty((), t) if lines_of_help else "", js_on_load=CLICKS, elem_id=f"{name}-results",
        apply_default_css=False,
    )  # fmt: skip

    async def search(tenant: str | None, query: str, k: float, request: gr.Request) -> str:
        return await find(page, tenant, query, k, request)

    async def example(tenant: str | None, k: float, request: gr.Request, event: gr.EventData) -> tuple[object, object]:
        asked = clicked(event).get("query")
        if asked is None:
            return gr.skip(), gr.skip()
        return asked, await find(page, tenant, asked, k, request)

    gr.on([query.submit, button.click], search, [page.tenant, query, k], results, **BUSY)
    results.click(example, [page.tenant, k], [query, results], **BUSY)
    return SearchBox(query, k, results)


def search_tab(page: Page) -> None:
    box = search_box(page, name="search", lines_of_help=True)

    async def other_tenant(tenant: str | None, request: gr.Request) -> tuple[object, object]:
        """Its own number of results and examples, and no results of another tenant left standing."""
        if not tenant:
            return gr.skip(), gr.skip()
        try:
            async with page.backend.as_user(request) as client:
                view = await client.tenant(tenant)
        except VecwardError as error:
            return gr.skip(), problem(error, page.t)
        return gr.update(value=min(view.k, MAX_SHOWN)), cards.empty(view.examples, page.t)

    page.tenant.change(other_tenant, page.tenant, [box.k, box.results], **QUIET)
