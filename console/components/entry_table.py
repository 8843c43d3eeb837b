"""Entries page by page, each with its buttons."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from console.components.cards import detail
from console.components.markup import Html, el, user_text
from console.components.notices import notice
from console.messages import Words
from console.view_models.metadata import scalar_text
from console.view_models.status import one_line
from daemon.core import wire


@dataclass(frozen=True)
class Shown:
    """A page of entries; `number` counts from 1."""

    page: wire.EntryPage
    number: int


def entry_table(shown: Shown, t: Words) -> Html:
    """Draw a page of entries and the buttons that turn it."""
    page = shown.page
    if not page.entries and shown.number == 1:
        return notice(t("table.none"))
    return el(
        "section",
        el("ul", (_row(entry, t) for entry in page.entries), class_="vw-table"),
        el(
            "div",
            el("span", t("table.page", page=shown.number, total=page.total)),
            _turn("previous", t("table.older"), enabled=shown.number > 1),
            _turn("next", t("table.newer"), enabled=page.next is not None),
            class_="vw-pages",
        ),
    )


def _row(entry: wire.Entry, t: Words) -> Html:
    details = [detail(key, scalar_text(value)) for key, value in entry.metadata.items()]
    return el(
        "li",
        el("span", entry.id, class_="vw-id"),
        el(
            "div",
            user_text(entry.text, class_="vw-row-text"),
            el("div", details, class_="vw-details") if details else None,
            class_="vw-row-body",
        ),
        el(
            "div",
            el("button", t("table.edit"), type="button", class_="vw-button", data_action="edit", data_id=entry.id),
            el(
                "button",
                t("table.delete"),
                type="button",
                class_="vw-button vw-danger",
                data_action="delete",
                data_id=entry.id,
                data_sure=f"{t('table.delete_sure')}\n\n{entry.text[:200]}",
            ),
            class_="vw-row-buttons",
        ),
    )


def _turn(action: str, label: str, *, enabled: bool) -> Html:
    return el("button", label, type="button", class_="vw-button", data_action=action, disabled=not enabled)


def entry_list(entries: Sequence[wire.Entry], chosen: int | None, t: Words) -> Html:
    """Draw entries to choose one from."""
    if not entries:
        return notice(t("table.none"))
    return el("ul", (_choice(entry, entry.id == chosen) for entry in entries), class_="vw-choices")


def _choice(entry: wire.Entry, chosen: bool) -> Html:
    shown = el("span", entry.id, class_="vw-id"), user_text(one_line(entry.text, 160), "span", class_="vw-line-text")
    pressed = "true" if chosen else "false"
    return el("li", el("button", shown, type="button", data_action="show", data_id=entry.id, aria_pressed=pressed))
