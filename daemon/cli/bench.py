"""The command `vecward bench`: the speed of a tenant's model on this host, for bases of several sizes."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from daemon.cli import operations
from daemon.cli.output import clean, line, note, print_json, table
from daemon.cli.settings import Json, TenantName, settings
from daemon.core.units import counted

if TYPE_CHECKING:
    from daemon.client import Client
    from daemon.core.encoder_protocol.bench import Bench, BenchRow
    from daemon.core.wire import Operation

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
    shown = -1

    def show(now: Operation) -> None:
        nonlocal shown
        if now.progress is not None and now.progress.done != shown:
            shown = now.progress.done
            note(f"{shown} of {now.progress.total} {now.progress.unit}")

    try:
        return operations.wait(client, tenant, operation, poll_s=_POLL_S, seen=show if sys.stderr.isatty() else None)
    except KeyboardInterrupt:
        operations.cancel(client, tenant, operation)
        note("the bench was cancelled")
        raise typer.Exit(operations.INTERRUPTED) from None


def _show(found: Bench) -> None:
    about = found.about
    line(f"{clean(found.tenant)} on {clean(about.device)}: {clean(about.fingerprint)}")
    clients = counted(found.clients, "client")
    cells = [_cells(row, clients) for row in found.rows]
    columns = list(cells[0])
    table(columns, [list(row.values()) for row in cells], right=columns)
    line(f"{clients} for {found.seconds:g} s each; {_texts(about.own_texts, found.rows[-1].entries)}")
    for one in found.notes:
        line(f"note: {clean(one)}")


def _texts(own: int, most: int) -> str:
    """Return where the texts came from; a base with fewer than were asked for lends each of them several times."""
    if not own:
        return "its base is empty: the texts are made up"
    what = "1 text is" if own == 1 else f"{own:,} texts are"
    return f"{what} the tenant's own{', the others repeat them with a number' if own < most else ''}"


def _cells(row: BenchRow, clients: str) -> dict[str, str | None]:
    """Return one line of the table by column."""
    return {
        "entries": f"{row.entries:,}",
        "ready after": f"{row.start_s:.2f} s",
        "embedding": f"{row.embed_s:.2f} s",
        "texts/s": f"{row.texts_per_s:,.0f}",
        "first query": f"{row.first_query_ms:.1f} ms",
        "1 client p50": f"{row.alone_p50_ms:.1f} ms",
        f"queries/s, {clients}": f"{row.queries_per_s:,.0f}",
        "p50": f"{row.p50_ms:.1f} ms",
        "p99": f"{row.p99_ms:.1f} ms",
        "memory": None if row.memory_mb is None else f"{row.memory_mb:,.0f} MiB",
    }
