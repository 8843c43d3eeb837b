"""The line above the entries: how many there are, the revision, and a button that loads them anew."""

from __future__ import annotations

import time

from console.components.markup import Html, el
from console.messages import Words


def status_line(entries: int, revision: int, t: Words, *, clean: bool) -> Html:
    """Draw the line above the entries; `data-clean` tells the page's script that closing it would lose nothing."""
    sure = t("knowledge.reload_sure")
    reload = el(
        "button",
        t("knowledge.reload"),
        type="button",
        class_="vw-button",
        data_action="reload",
        data_sure=None if clean else sure,
        data_reload_sure=sure,
    )
    said = el("span", t("knowledge.count", n=entries, revision=revision))
    # The time makes each line a new one: Gradio does not draw the same HTML again.
    return el("p", said, reload, class_="vw-status-line", data_clean=clean, data_at=time.monotonic_ns())
