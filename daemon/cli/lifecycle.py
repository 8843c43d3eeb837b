"""The commands `vecward start`, `stop`, `restart` and `park`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import typer

from daemon.cli import operations
from daemon.cli.output import clean, duration, line
from daemon.cli.settings import Json, NoWait, TenantName, settings

if TYPE_CHECKING:
    from daemon.client import Client
    from daemon.core.wire import Operation


def start(ctx: typer.Context, tenant: TenantName, no_wait: NoWait = False, as_json: Json = False) -> None:
    """Start a tenant's encoder."""
    _run(ctx, tenant, lambda client: client.start(tenant), no_wait, as_json)


def stop(ctx: typer.Context, tenant: TenantName, no_wait: NoWait = False, as_json: Json = False) -> None:
    """Stop a tenant's encoder; it stays stopped until it is started again."""
    _run(ctx, tenant, lambda client: client.stop(tenant), no_wait, as_json)


def restart(ctx: typer.Context, tenant: TenantName, no_wait: NoWait = False, as_json: Json = False) -> None:
    """Stop a tenant's encoder and start it again."""
    _run(ctx, tenant, lambda client: client.restart(tenant), no_wait, as_json)


def park(ctx: typer.Context, tenant: TenantName, no_wait: NoWait = False, as_json: Json = False) -> None:
    """Stop a tenant's encoder until the next request wakes it."""
    _run(ctx, tenant, lambda client: client.park(tenant), no_wait, as_json)


def _run(ctx: typer.Context, tenant: str, act: Callable[[Client], Operation], no_wait: bool, as_json: bool) -> None:
    with settings(ctx).client() as client:
        operation = act(client)
        if not no_wait:
            operation = operations.wait_or_leave(client, tenant, operation)
    if as_json:
        operations.print_operation(operation)
    if not no_wait:
        operations.must_be_done(tenant, operation)
    if not as_json:
        line(_words(tenant, operation))


def _words(tenant: str, operation: Operation) -> str:
    name = clean(tenant)
    if operation.ended_at is None:
        return f"{name}: {operation.kind} runs as operation {operation.id}"
    took = duration((operation.ended_at - operation.started_at).total_seconds())
    return f"{name}: {operation.kind} {operation.state} in {took}"
