"""Notices: boxes with a sentence, of a colour that says how good the news is."""

from __future__ import annotations

from console.components.markup import Html, el
from console.messages import Words, known
from daemon.core.errors import Unauthenticated, VecwardError


def notice(text: str, tone: str = "info") -> Html:
    """Draw a notice; `tone` is info, good, warn or bad, and a screen reader tells bad news at once."""
    return el("div", el("p", text), class_=f"vw-notice vw-{tone}", role="alert" if tone == "bad" else "status")


def warning(kind: str, words: str, t: Words) -> Html:
    """Draw a warning of the daemon: a sentence in the reader's language, then the daemon's words."""
    key = f"warning.{kind}"
    title = el("p", t(key), class_="vw-notice-title") if key == known(key, "") else None
    return el("div", title, el("p", words, class_="vw-notice-detail", dir="auto"), class_="vw-notice vw-warn")


def problem(error: VecwardError, t: Words) -> Html:
    """Draw an error: a sentence in the reader's language, then the daemon's words."""
    sign_in = None
    if isinstance(error, Unauthenticated):
        sign_in = el("a", t("signin.again"), href="/signin", class_="vw-button")
    return el(
        "div",
        el("p", t(known(f"error.{error.kind}", "error.error")), class_="vw-notice-title"),
        el("p", error.message, class_="vw-notice-detail", dir="auto"),
        sign_in,
        class_="vw-notice vw-bad",
        role="alert",
    )
