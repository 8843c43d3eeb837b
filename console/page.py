"""What every tab gets: the language, the way to the daemon, and the tenant that is chosen at the top."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from console.i18n import Language, Words
from console.web.daemon_access import Backend

# A handler: one POST, one answer. Gradio's queue would answer over an event stream that it opens and drops per
# event, and lost an answer now and then on a busy host; only what tells its progress needs it (`STREAMED`).
# Private protects nothing: whoever has signed in may call any handler, so each calls the daemon as that user.
QUIET: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden", "queue": False}
BUSY: dict[str, Any] = {"api_visibility": "private", "show_progress": "minimal", "queue": False}
STREAMED: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden", "concurrency_limit": 16}


@dataclass(frozen=True)
class Page:
    backend: Backend
    language: Language
    t: Words
    tenant: gr.Dropdown


# `trigger` is Gradio's: it tells Python about a click on anything in the HTML that has data-… attributes.
CLICKS = """
element.addEventListener('click', (event) => {
  const hit = event.target.closest('[data-action], [data-query]');
  if (!hit || !element.contains(hit) || hit.disabled) return;
  const send = () => trigger('click', {...hit.dataset});
  if (hit.dataset.sure) window.vecward.ask(hit.dataset.sure, send); else send();
});
"""


def clicked(event: gr.EventData) -> dict[str, str]:
    """The data-… attributes of what was clicked; whoever calls by hand may send anything, so only text passes."""
    data = event._data if isinstance(event._data, dict) else {}
    return {str(key): value for key, value in data.items() if isinstance(value, str)}


def number(text: str | None) -> int | None:
    """An entry's id as a click brings it; None: it is none."""
    return int(text) if text is not None and text.isascii() and text.isdecimal() and len(text) < 19 else None
