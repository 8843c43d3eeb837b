"""A vector as facts, bars and numbers."""

from __future__ import annotations

from console.components.markup import Html, el
from console.messages import Words
from console.view_models.vectors import Bar, VectorView


def vector(view: VectorView, t: Words) -> Html:
    """Draw a vector."""
    facts = [
        ("vector.dimension", str(view.dimension)),
        ("vector.norm", view.norm),
        ("vector.fingerprint", view.fingerprint),
    ]
    return el(
        "section",
        el("dl", (el("div", el("dt", t(key)), el("dd", value)) for key, value in facts), class_="vw-facts"),
        el("h3", t("vector.first", n=len(view.bars), dimension=view.dimension)),
        el("p", t("vector.colours"), class_="vw-hint"),
        _chart(view),
        el("ol", (_cell(bar) for bar in view.bars), class_="vw-values", start=0),
        class_="vw-vector",
    )


def _chart(view: VectorView) -> Html:
    """Draw the numbers as a chart; a screen reader skips it, since the numbers follow."""
    return el("div", (_column(bar) for bar in view.bars), class_="vw-chart", aria_hidden="true")


def _column(bar: Bar) -> Html:
    sign = "vw-plus" if bar.positive else "vw-minus"
    fill = el("i", style=f"height:{bar.percent / 2}%", class_=sign)
    return el("span", fill, title=f"{bar.index}: {bar.value}")


def _cell(bar: Bar) -> Html:
    sign = "vw-plus" if bar.positive else "vw-minus"
    return el(
        "li",
        el("span", bar.index, class_="vw-index"),
        el("span", bar.value, class_="vw-value"),
        el("span", el("i", style=f"width:{bar.percent / 2}%", class_=sign), class_="vw-signed", aria_hidden="true"),
    )
