"""Lines of the audit log as a table. What stands in them was partly typed by strangers: all of it is text."""

from __future__ import annotations

from typing import Any

from console.components.markup import Html, el, join, show_controls
from console.components.notices import notice
from console.i18n import Words
from daemon.core import wire

_COLUMNS = ("at", "principal", "tenant", "action", "outcome")
_KNOWN = {*_COLUMNS, "request"}
_MAX_DETAIL = 2000


def audit_lines(page: wire.AuditPage, t: Words) -> Html:
    older = None
    if page.next is not None:
        older = el(
            "button", t("audit.older"), type="button", class_="vw-button", data_action="older", data_before=page.next
        )
    if not page.lines:
        return join(notice(t("audit.none")), older)
    head = el("tr", (el("th", t(f"audit.{name}"), scope="col") for name in (*_COLUMNS, "more")))
    rows = (el("tr", (_cell(line.get(name)) for name in _COLUMNS), _more(line)) for line in page.lines)
    table = el("table", el("thead", head), el("tbody", rows), class_="vw-audit")
    return join(el("div", table, class_="vw-scroll"), older)


def _cell(value: object) -> Html:
    return el("td", el("bdi", "" if value is None else show_controls(str(value))))


def _more(line: dict[str, Any]) -> Html:
    rest = ", ".join(f"{name}: {value}" for name, value in line.items() if name not in _KNOWN and value is not None)
    return el("td", el("bdi", show_controls(rest[:_MAX_DETAIL])))
