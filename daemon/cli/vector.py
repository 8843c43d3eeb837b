"""The command `vecward vector`."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from daemon.cli import texts
from daemon.cli.output import clean, line, print_json, warn
from daemon.cli.settings import Json, TenantName, settings


class Kind(StrEnum):
    QUERY = "query"
    DOCUMENT = "document"


def vector(
    ctx: typer.Context,
    tenant: TenantName,
    text: Annotated[str | None, typer.Argument(help="A text to encode.", show_default=False)] = None,
    entry: Annotated[int | None, typer.Option("--id", help="An entry's id instead of a text.")] = None,
    dims: Annotated[int, typer.Option(help="How many values to show.")] = 50,
    kind: Annotated[Kind, typer.Option(help="Encode the text as a query or as an entry.")] = Kind.QUERY,
    as_json: Json = False,
) -> None:
    """Show what the tenant's model makes of a text or an entry."""
    if (text is None) == (entry is None):
        raise typer.BadParameter("say either a text or --id N", param_hint="TEXT, --id")
    with settings(ctx).client() as client:
        if entry is not None:
            found = client.entry_vector(tenant, entry, dims)
        else:
            found = client.vector(tenant, texts.checked(text or ""), kind.value, dims)
    if as_json:
        print_json(found)
        return
    line(f"dimension    {found.dimension}")
    line(f"norm         {found.norm:.6f}")
    line(f"fingerprint  {clean(found.fingerprint)}")
    for start in range(0, len(found.values), 10):
        line(" ".join(f"{value:+.4f}" for value in found.values[start : start + 10]))
    warn(found.warnings)
