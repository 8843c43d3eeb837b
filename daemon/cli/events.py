"""The command `vecward events`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from daemon.cli.output import clean, line, print_json
from daemon.cli.settings import Json, settings

if TYPE_CHECKING:
    from daemon.client import Client
    from daemon.core.wire import Event


def events(
    ctx: typer.Context,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on as things happen.")] = False,
    tenant: Annotated[str | None, typer.Option(help="Events of this tenant only.")] = None,
    after: Annotated[int | None, typer.Option(metavar="ID", help="Events later than this one only.")] = None,
    limit: Annotated[int | None, typer.Option(help="How many at most, without --follow.")] = None,
    as_json: Json = False,
) -> None:
    """Show what happened to the tenants."""
    with settings(ctx).client() as client:
        if follow:
            _follow(client, tenant, after, as_json)
            return
        page = client.events(after, limit)
    chosen = [event for event in page.events if tenant in (None, event.tenant)]
    if as_json:
        print_json(page.model_copy(update={"events": chosen}))
        return
    for event in chosen:
        _show(event)


def _follow(client: Client, tenant: str | None, after: int | None, as_json: bool) -> None:
    for event in client.follow_events(after):
        if tenant in (None, event.tenant):
            print_json(event) if as_json else _show(event)


def _show(event: Event) -> None:
    """Print an event on one line, and below it the items of each list in it, such as the last lines of a log."""
    at = event.at.isoformat(timespec="seconds")
    lists = {key: value for key, value in event.data.items() if isinstance(value, list)}
    data = (f"{clean(key)}={clean(value)}" for key, value in event.data.items() if key not in lists)
    line(" ".join([str(event.id), at, clean(event.tenant or "-"), clean(event.name), *data]))
    for key, items in lists.items():
        for item in items:
            line(f"    {clean(key)}: {clean(item)}")
