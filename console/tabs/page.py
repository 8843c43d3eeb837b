"""The page as every tab sees it: its language, the way to the daemon, and the tenant that is chosen at the top."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from console.messages import Language, Words
from console.web.daemon_access import DaemonAccess

# How a handler is called: one POST, one answer. Gradio's queue would answer over an event stream that it opens and
# drops per event, and lost an answer now and then on a busy host; only a handler that reports progress needs the
# queue (`STREAMED`). "private" hides a handler and protects nothing: whoever has signed in may call any of them, so
# each handler calls the daemon as that user.
QUIET: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden", "queue": False}
BUSY: dict[str, Any] = {"api_visibility": "private", "show_progress": "minimal", "queue": False}
STREAMED: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden", "concurrency_limit": 16}


@dataclass(frozen=True)
class Page:
    """A page under construction; `tenant` is the choice at its top."""

    daemon: DaemonAccess
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
    """Read the data-… attributes of a click; a call by hand may send anything, so only text passes."""
    data = event._data if isinstance(event._data, dict) else {}
    return {str(key): value for key, value in data.items() if isinstance(value, str)}


def number(text: str | None) -> int | None:
    """Read an id or a revision of a click; None where it is no such number."""
    return int(text) if text is not None and text.isascii() and text.isdecimal() and len(text) < 19 else None
