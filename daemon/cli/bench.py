"""`vecward bench`: what this host and this tenant's model do together, for bases of several sizes."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from daemon.cli import operations
from daemon.cli.output import clean, line, note, print_json, table
from daemon.cli.settings import Json, TenantName, settings

if TYPE_CHECKING:
    from daemon.client import Client
    from daemon.core.encoder_protocol.bench import Bench, BenchRow
    from daemon.core.wire import Operation

_INTERRUPTED = 130
_POLL_S = 1.0


def bench(
    ctx: typer.Context,
    tenant: TenantName,
    entries: Annotated[str, typer.Option(metavar="N,N,…", help="Sizes of the bases.")] = "100,1000,10000",
    seconds: Annotated[float, typer.Option(help="How long the clients search, for each base.")] = 60.0,
    clients: Annotated[int, typer.Option(help="How many search at once.")] = 32,
    beside: Annotated[bool, typer.Option("--beside", help="Share the GPU with its running encoder.")] = False,
    as_json: Json = False,
) -> None:
    """Measure a tenant's model on copies of its base; its own base and encoder are left alone."""
    from daemon.core.encoder_protocol.bench import Bench

    sizes = _sizes(entries)
    with settings(ctx).client() as client:
        operation = _wait(client, tenant, client.bench(tenant, sizes, seconds, clients, beside))
    operations.must_be_done(tenant, operation)
    found = Bench.model_validate(operation.result)
    if as_json:
        print_json(found)
    else:
        _show(found)


def _sizes(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise typer.BadParameter("write numbers such as 100,1000", param_hint="--entries") from None


def _wait(client: Client, tenant: str, operation: Operation) -> Operation:
    told = -1

    def tell(now: Operation) -> None:
        nonlocal told
        if now.progress is not None and now.progress.done != told:
            told = now.progress.done
            note(f"{told} of {now.progress.total} {now.progress.unit}")

    try:
        return operations.wait(client, tenant, operation, poll_s=_POLL_S, seen=tell if sys.stderr.isatty() else None)
    except KeyboardInterrupt:
        client.cancel(tenant, operation.id)
        note("the bench was cancelled")
        raise typer.Exit(_INTERRUPTED) from None


def _show(found: Bench) -> None:
    about = found.about
    line(f"{clean(found.tenant)} on {clean(about.device)}: {clean(about.fingerprint)}")
    columns = (
        "entries", "ready after", "embedding", "texts/s", "first query", "1 client p50",
        f"queries/s, {found.clients} clients", "p50", "p99", "memory",
    )  # fmt: skip
    table(columns, [_cells(row) for row in found.rows], right=columns)
    line(f"{found.clients} clients for {found.seconds:g} s each; {_texts(about.own_texts, found.rows[-1].entries)}")
    for one in found.notes:
        line(f"note: {clean(one)}")


def _texts(own: int, most: int) -> str:
    """Where the texts came from; a base with fewer than were asked for lends each of them several times."""
    if not own:
        return "its base is empty: the texts are made up"
    return f"{own:,} texts are the tenant's own{', the others repeat them with a number' if own < most else ''}"


def _cells(row: BenchRow) -> list[str | None]:
    return [
        f"{row.entries:,}", f"{row.start_s:.2f} s", f"{row.embed_s:.2f} s", f"{row.texts_per_s:,.0f}",
        f"{row.first_query_ms:.1f} ms", f"{row.alone_p50_ms:.1f} ms", f"{row.queries_per_s:,.0f}",
        f"{row.p50_ms:.1f} ms", f"{row.p99_ms:.1f} ms", None if row.memory_mb is None else f"{row.memory_mb:,.0f} MiB",
    ]  # fmt: skip
