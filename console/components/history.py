"""The last changes of a knowledge base, newest first, with a button on the last one that can be taken back."""

from __future__ import annotations

from console.components.markup import Html, el
from console.components.notices import notice
from console.messages import Words, known
from console.view_models.status import moment
from daemon.core import wire


def history(page: wire.HistoryPage, tenant: str, t: Words) -> Html:
    """Draw a page of changes."""
    if not page.changes:
        return notice(t("history.none"))
    last = next((one for one in page.changes if one.kind != "undo" and not one.undone), None)
    newest = page.changes[0].revision
    rows = (_row(one, t, _button(one, tenant, newest, t) if one is last else None) for one in page.changes)
    return el("ul", rows, class_="vw-table")


def _row(change: wire.Change, t: Words, button: Html | None) -> Html:
    when = t("history.when", at=moment(change.at), actor=change.actor)
    said = el("div", el("span", _what(change, t)), " ", el("span", when, class_="vw-hint"))
    body = el("div", said, _counts(change, t), class_="vw-row-body")
    return el("li", el("span", change.revision, class_="vw-id"), body, button)


def _what(change: wire.Change, t: Words) -> str:
    return t(known(f"change.{change.kind}", "change.other"), kind=change.kind)


def _counts(change: wire.Change, t: Words) -> Html:
    counts = [
        ("vw-added", t("knowledge.added", n=change.added), change.added),
        ("vw-removed", t("knowledge.removed", n=change.removed), change.removed),
        ("", t("history.edited", n=change.edited), change.edited),
        ("vw-refused", t("history.undone"), change.undone),
    ]
    return el("div", (el("span", said, class_=f"vw-count {kind}") for kind, said, n in counts if n), class_="vw-counts")


def _button(change: wire.Change, tenant: str, newest: int, t: Words) -> Html:
    """Draw the button; its revision is the base's, so that no later change of somebody else is taken back."""
    return el(
        "button",
        t("history.undo"),
        type="button",
        class_="vw-button",
        data_action="undo",
        data_tenant=tenant,
        data_revision=newest,
        data_sure=t("history.undo_sure", what=_what(change, t), at=moment(change.at)),
    )
