"""The difference that saving makes, as a list to read before deciding."""

from __future__ import annotations

from collections.abc import Sequence

from console.components.markup import Html, el, user_text
from console.components.notices import notice, warning
from console.messages import Words, known
from console.view_models.lines import LISTED, Difference, RefusedLine
from daemon.core import wire


def difference(found: Difference, t: Words, min_chars: int) -> Html:
    """Draw what saving changes; `min_chars` is the least length of an entry."""
    if found.nothing:
        return notice(t("knowledge.same"))
    return el(
        "section",
        el("h3", t("knowledge.preview_title")),
        _counts(found, t),
        notice(t("knowledge.empty_removes"), "warn") if _empties(found) else None,
        refused_lines(found.refused, t, min_chars),
        _texts(found.added, "vw-added", "+", t),
        _texts(found.removed, "vw-removed", "−", t),
        class_="vw-difference",
    )


def saved(found: Difference, result: wire.SetResult, t: Words, min_chars: int) -> Html:
    """Draw the outcome of saving: the counts, and the lines that were not accepted."""
    done = notice(t("knowledge.saved", revision=result.revision), "good")
    return el(
        "section",
        notice(t("knowledge.saved_refused"), "warn") if found.refused else done,
        [warning(kind, words, t) for kind, words in result.warnings.items()],
        _counts(found, t),
        refused_lines(found.refused, t, min_chars),
        class_="vw-difference",
    )


def refused_lines(lines: Sequence[RefusedLine], t: Words, min_chars: int) -> Html | None:
    """Draw the first LISTED lines that were not accepted, each with its reason; None where there are none."""
    if not lines:
        return None
    return el(
        "ul",
        (_refused(one, t, min_chars) for one in lines[:LISTED]),
        _more(len(lines), t),
        class_="vw-lines vw-refused",
    )


def _refused(one: RefusedLine, t: Words, min_chars: int) -> Html:
    key = f"refused.{one.kind}"
    reason = t(key, min=min_chars) if key == known(key, "") else one.reason
    return el(
        "li",
        el("span", "!", class_="vw-sign", aria_hidden="true"),
        user_text(one.text, "span", class_="vw-line-text"),
        el("span", t("knowledge.line", line=one.line, why=reason), class_="vw-why"),
    )


def _counts(found: Difference, t: Words) -> Html:
    counts = [
        ("vw-added", "knowledge.added", len(found.added)),
        ("vw-removed", "knowledge.removed", len(found.removed)),
        ("vw-refused", "knowledge.refused", len(found.refused)),
        ("", "knowledge.unchanged", found.unchanged),
    ]
    shown = (el("span", t(key, n=n), class_=f"vw-count {kind}") for kind, key, n in counts if n or not kind)
    return el("p", shown, class_="vw-counts")


def _texts(texts: Sequence[str], kind: str, sign: str, t: Words) -> Html | None:
    if not texts:
        return None
    lines = (
        el("li", el("span", sign, class_="vw-sign", aria_hidden="true"), user_text(text, "span", class_="vw-line-text"))
        for text in texts[:LISTED]
    )
    return el("ul", lines, _more(len(texts), t), class_=f"vw-lines {kind}")


def _more(total: int, t: Words) -> Html | None:
    return el("li", t("knowledge.more", n=total - LISTED), class_="vw-more") if total > LISTED else None


def _empties(found: Difference) -> bool:
    return bool(found.removed) and not found.added and not found.unchanged
