"""The command `vecward logs`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from daemon.cli.output import clean, line, print_json
from daemon.cli.settings import Json, TenantName, settings

_SHOWN_FIRST = ("at", "level", "event")


def logs(
    ctx: typer.Context,
    tenant: TenantName,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on as lines are written.")] = False,
    tail: Annotated[int, typer.Option(min=0, help="How many of the last lines.")] = 100,
    as_json: Json = False,
) -> None:
    """Show a tenant's log."""
    with settings(ctx).client() as client:
        if follow:
            for written in client.follow_logs(tenant, tail):
                print_json(written) if as_json else line(log_line(written))
            return
        found = client.logs(tenant, tail).lines
    if as_json:
        print_json({"lines": found})
        return
    for written in found:
        line(log_line(written))


def log_line(written: dict[str, Any]) -> str:
    """Return a log line for people: time, level and event, then the other fields as key=value."""
    first = " ".join(clean(written.get(name, "-")) for name in _SHOWN_FIRST)
    rest = (f"{clean(key)}={clean(value)}" for key, value in written.items() if key not in (*_SHOWN_FIRST, "tenant"))
    return " ".join([first, *rest])
