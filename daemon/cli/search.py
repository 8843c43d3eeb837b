"""The command `vecward search`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from daemon.cli import texts
from daemon.cli.output import line, metadata_words, print_json, table, warn
from daemon.cli.settings import Json, TenantName, settings

if TYPE_CHECKING:
    from daemon.core.wire import Hit


def search(
    ctx: typer.Context,
    tenant: TenantName,
    query: Annotated[str, typer.Argument(help="What to look for.", show_default=False)],
    k: Annotated[int | None, typer.Option("-k", help="How many results; default: the tenant's own.")] = None,
    min_score: Annotated[float | None, typer.Option(help="Leave out results below this similarity, -1 to 1.")] = None,
    where: Annotated[
        list[str] | None, typer.Option("--filter", metavar="KEY=VALUE", help="Entries with this metadata only.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Search a tenant's knowledge base by meaning."""
    with settings(ctx).client() as client:
        found = client.search(tenant, texts.checked(query), k, min_score, texts.metadata(where) or None)
    if as_json:
        print_json(found)
        return
    if found.results:
        rows = [_row(rank, hit) for rank, hit in enumerate(found.results, 1)]
        table(("#", "score", "id", "text", "metadata"), rows, right=("#", "score", "id"))
    else:
        line("no results")
    warn(found.warnings)


def _row(rank: int, hit: Hit) -> tuple[object, ...]:
    return rank, f"{hit.score:.4f}", hit.id, hit.text, metadata_words(hit.metadata)
