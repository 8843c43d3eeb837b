"""The lines that `entries set` would change, shown on standard error before it asks."""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from daemon.cli.output import clean, note

if TYPE_CHECKING:
    from daemon.client import Client
    from daemon.core.wire import SetResult

SHOWN = 20
READ_AT_MOST = 20_000  # entries of a base that are read only to show which lines differ
PAGE = 1000


def show_difference(client: Client, tenant: str, lines: list[str], plan: SetResult) -> None:
    """Show some of the lines that go and come, then the daemon's own count of all."""
    if plan.removed or plan.added:
        _show_lines(client, tenant, lines, plan)
    refused = f", {len(plan.refused)} refused" if plan.refused else ""
    note(f"{plan.added} to add, {plan.removed} to remove, {plan.unchanged} unchanged{refused}")


def _show_lines(client: Client, tenant: str, lines: list[str], plan: SetResult) -> None:
    if plan.removed + plan.unchanged > READ_AT_MOST:
        return
    refused = {one.line for one in plan.refused}
    before = list(dict.fromkeys(_texts(client, tenant)))
    after = list(dict.fromkeys(_normal(text) for number, text in enumerate(lines, 1) if number not in refused))
    _show("-", _without(before, after))
    _show("+", _without(after, before))


def _texts(client: Client, tenant: str) -> Iterator[str]:
    after: int | None = None
    while True:
        page = client.entries(tenant, after, PAGE)
        yield from (_normal(entry.text) for entry in page.entries)
        if page.next is None:
            return
        after = page.next


def _normal(text: str) -> str:
    """Return the text as the daemon compares it: texts that are equal then are one entry."""
    return unicodedata.normalize("NFC", text).strip()


def _without(some: list[str], others: Iterable[str]) -> list[str]:
    known = set(others)
    return [text for text in some if text not in known]


def _show(sign: str, texts: list[str]) -> None:
    for text in texts[:SHOWN]:
        print(f"{sign} {clean(text)}", file=sys.stderr)
    if len(texts) > SHOWN:
        print(f"{sign} … and {len(texts) - SHOWN} more", file=sys.stderr)
