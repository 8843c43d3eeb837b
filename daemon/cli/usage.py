"""The command `vecward usage`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from daemon.cli.output import print_json, table
from daemon.cli.settings import Json, settings
from daemon.core.encoder_protocol.counters import BY_DAY, Unit
from daemon.core.units import mib

if TYPE_CHECKING:
    from daemon.core.wire import UsageDay

_COLUMNS = ("tenant", "day", *(counter.title for counter in BY_DAY), "storage")


def usage(
    ctx: typer.Context,
    tenant: Annotated[str | None, typer.Argument(help="One tenant only.", show_default=False)] = None,
    as_json: Json = False,
) -> None:
    """Show what was used by tenant and day (UTC): queries, texts, tokens, the model's time, storage."""
    with settings(ctx).client() as client:
        found = client.usage(tenant)
    if as_json:
        print_json(found.model_dump(mode="json"))
    else:
        table(_COLUMNS, [_row(day) for day in found.usage], right=_COLUMNS[2:])


def _row(day: UsageDay) -> tuple[object, ...]:
    storage = f"{mib(day.storage_bytes):.1f} MiB"
    return day.tenant, day.day, *(_figure(getattr(day, counter.name), counter.unit) for counter in BY_DAY), storage


def _figure(number: float, unit: Unit) -> object:
    return f"{number:.1f} s" if unit == "seconds" else number
