"""Files: the part of the knowledge tab that takes files in and gives them out."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

import gradio as gr

from console.components.files import encoding_note, ended, progress, refusal
from console.components.markup import Html, join
from console.components.notices import problem
from console.tabs.page import Page, clicked
from daemon.client import AsyncClient
from daemon.core.errors import VecwardError
from daemon.core.wire import Operation, OperationState

_WAIT_S = 1.0

# The page's script sends the file itself; Python only hears which operation reads it, or why none does.
_UPLOAD = """
element.addEventListener('change', async (event) => {
  const input = event.target.closest('input[type=file]');
  if (!input || !input.files.length) return;
  const box = element.querySelector('[data-tenant]');
  const file = input.files[0];
  const said = document.createElement('p');
  said.className = 'vw-hint';
  said.textContent = box.dataset.sending;
  box.append(said);
  const answer = await window.vecward.upload(box.dataset.tenant, file);
  said.remove();
  input.value = '';
  trigger('submit', {...answer, tenant: box.dataset.tenant});
});
"""


@dataclass(frozen=True)
class Files:
    """Parts of the page that others fill."""

    group: gr.Accordion
    links: gr.HTML
    message: gr.HTML


def files_part(page: Page) -> Files:
    """Build the part; the knowledge tab fills its links for the chosen tenant."""
    t = page.t
    with gr.Accordion(t("file.title"), open=False, elem_id="files", visible=False) as group:
        links = gr.HTML("", js_on_load=_UPLOAD, elem_id="file-links", apply_default_css=False)
        message = gr.HTML("", elem_id="file-said", elem_classes="vw-slot", apply_default_css=False)
    return Files(group, links, message)


async def follow(page: Page, request: gr.Request, event: gr.EventData) -> AsyncIterator[Html]:
    """Draw the progress of an import until it has ended."""
    data = clicked(event)
    tenant, id_ = data.get("tenant"), data.get("operation")
    if tenant is None or id_ is None:
        yield refusal(data.get("kind", ""), data.get("detail", data.get("error", "")), page.t)
        return
    try:
        async with page.daemon.as_user(request) as client:
            min_chars = (await client.tenant(tenant)).min_chars
            async for operation in _operations(client, tenant, id_):
                if operation.state is OperationState.RUNNING:
                    yield progress(operation, page.t)
                else:
                    note = encoding_note(data.get("encoding", ""), page.t)
                    yield join(note, ended(operation, page.t, min_chars))
    except VecwardError as error:
        yield problem(error, page.t)


async def _operations(client: AsyncClient, tenant: str, id_: str) -> AsyncIterator[Operation]:
    """Give the operation as it goes on; the last one has ended."""
    operation = await client.operation(tenant, id_)
    yield operation
    while operation.state is OperationState.RUNNING:
        operation = await client.wait(tenant, id_, timeout=_WAIT_S)
        yield operation
