"""Import and export: links for downloads, a file field, and how far an import is."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from console.components.difference import refused_lines
from console.components.markup import Html, el
from console.components.notices import notice
from console.messages import Words, known
from console.view_models.formats import format_title, import_hint
from console.view_models.lines import LISTED, RefusedLine
from daemon.core import formats, wire


def files(tenant: str, t: Words) -> Html:
    """Draw the links for downloads and the file field."""
    export = f"/export/{quote(tenant, safe='')}?format="
    links = (
        el("a", format_title(row, t), href=f"{export}{row.name}", class_="vw-button", download=True)
        for row in formats.FORMATS
    )
    field = el(
        "label",
        el("span", t("file.choose"), class_="vw-button"),
        el("input", type="file", accept=",".join(formats.SUFFIXES), id="import-file", class_="vw-hidden"),
        class_="vw-file",
    )
    return el(
        "div",
        el("div", el("h4", t("file.export")), el("div", links, class_="vw-links")),
        el("div", el("h4", t("file.import")), el("p", import_hint(t), class_="vw-hint"), field),
        class_="vw-files",
        data_tenant=tenant,
        data_sending=t("file.sending"),
    )


def progress(operation: wire.Operation, t: Words) -> Html:
    """Draw how far an import is."""
    done = operation.progress.done if operation.progress else 0
    total = operation.progress.total if operation.progress else None
    if not total:
        return el("div", el("p", t("file.reading_some", done=done)), class_="vw-progress", role="status")
    bar = el("div", class_="vw-bar-fill", style=f"width:{min(100, round(100 * done / total))}%")
    said = el("p", t("progress.entries", done=done, total=total))
    return el("div", said, el("div", bar, class_="vw-bar vw-strong"), class_="vw-progress", role="status")


def ended(operation: wire.Operation, t: Words, min_chars: int) -> Html:
    """Draw the outcome of an import."""
    if operation.state is not wire.OperationState.DONE:
        state = t(f"operation.{operation.state.value}")
        detail = str((operation.error or {}).get("detail", ""))
        return el(
            "div",
            el("p", t("file.ended", state=state), class_="vw-notice-title"),
            el("p", detail, class_="vw-notice-detail") if detail else None,
            class_="vw-notice vw-bad",
        )
    result = operation.result or {}
    refused = [_line(one) for one in result.get("refused", [])]
    total = int(result.get("refused_total", len(refused)))
    return el(
        "div",
        notice(t("file.done", added=result.get("added", 0)), "good"),
        notice(t("warning.texts-cut"), "warn") if result.get("cut") else None,
        el("p", t("file.refused", n=total)) if total else None,
        refused_lines(refused[:LISTED], t, min_chars),
        el("p", t("knowledge.more", n=total - LISTED), class_="vw-hint") if total > LISTED else None,
        class_="vw-difference",
    )


def _line(one: dict[str, Any]) -> RefusedLine:
    found = wire.Refused.model_validate(one)
    return RefusedLine(found.line, found.text, found.kind, found.reason)


def encoding_note(encoding: str, t: Words) -> Html | None:
    """Name the encoding of a file that was not UTF-8: a wrong guess should be seen."""
    return notice(t("file.encoding", encoding=encoding)) if encoding else None


def refusal(kind: str, detail: str, t: Words) -> Html:
    """Draw why a file was not taken."""
    return el(
        "div",
        el("p", t(known(f"error.{kind}", "error.error")), class_="vw-notice-title"),
        el("p", detail, class_="vw-notice-detail", dir="auto"),
        class_="vw-notice vw-bad",
        role="alert",
    )
