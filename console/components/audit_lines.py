"""Lines of the audit log as a table; strangers typed some of it, so all of it is text."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from console.components.markup import Html, el, join, show_controls
from console.components.notices import notice
from console.messages import Words
from console.view_models.status import moment
from daemon.core import wire

_COLUMNS = ("at", "principal", "tenant", "action", "outcome")
_KNOWN = {*_COLUMNS, "request"}
_MAX_DETAIL = 2000


def audit_lines(page: wire.AuditPage, t: Words) -> Html:
    """Draw a page of the log, and a button for the page before it."""
    older = None
    if page.next is not None:
        older = el(
            "button", t("audit.older"), type="button", class_="vw-button", data_action="older", data_before=page.next
        )
    if not page.lines:
        return join(notice(t("audit.none")), older)
    head = el("tr", (el("th", t(f"audit.{name}"), scope="col") for name in (*_COLUMNS, "more")))
    rows = (el("tr", (_cell(name, line, t) for name in _COLUMNS), _more(line, t)) for line in page.lines)
    table = el("table", el("thead", head), el("tbody", rows), class_="vw-audit")
    return join(el("div", table, class_="vw-scroll"), older)


def _cell(name: str, line: dict[str, Any], t: Words) -> Html:
    value = line.get(name)
    said = "" if value is None else show_controls(str(value))
    return _labelled(name, _to_the_second(said) if name == "at" else said, t)


def _labelled(name: str, said: str, t: Words) -> Html:
    """Draw a cell with its column's name: on a phone each cell is a line of its own."""
    return el("td", el("bdi", said), data_label=t(f"audit.{name}"))


def _to_the_second(said: str) -> str:
    try:
        return moment(datetime.fromisoformat(said))
    except ValueError:
        return said


def _more(line: dict[str, Any], t: Words) -> Html:
    rest = ", ".join(f"{name}: {value}" for name, value in line.items() if name not in _KNOWN and value is not None)
    return _labelled("more", show_controls(rest[:_MAX_DETAIL]), t)
