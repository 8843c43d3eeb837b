"""`vecward usage` and `vecward openapi`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from daemon.cli.output import print_json, table
from daemon.cli.settings import Json, settings


def usage(
    ctx: typer.Context,
    tenant: Annotated[str | None, typer.Argument(help="One tenant only.", show_default=False)] = None,
    as_json: Json = False,
) -> None:
    """Show what was used: queries, tokens, encoder seconds."""
    with settings(ctx).client() as client:
        found = client.usage(tenant)
    if as_json:
        print_json(found)
    else:
        table(("figure", "value"), _flat(found))


def _flat(value: dict[str, Any], prefix: str = "") -> list[tuple[str, object]]:
    rows: list[tuple[str, object]] = []
    for key, item in value.items():
        rows += _flat(item, f"{prefix}{key}.") if isinstance(item, dict) else [(prefix + key, item)]
    return rows


def openapi(ctx: typer.Context, as_json: Json = False) -> None:  # noqa: ARG001 (it is JSON either way)
    """Print the description of the HTTP API, OpenAPI 3.1."""
    with settings(ctx).client() as client:
        print_json(client.openapi())
