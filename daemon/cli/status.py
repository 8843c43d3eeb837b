"""The command `vecward status`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

import typer

from daemon.cli.isolation_words import isolation_words
from daemon.cli.output import clean, duration, line, note, print_json, table, warn
from daemon.cli.settings import Json, settings

if TYPE_CHECKING:
    from daemon.client import Client
    from daemon.core.wire import Crash, Info, TenantPage, TenantView

_COLUMNS = ("tenant", "state", "uptime", "restarts", "entries", "device", "isolation", "memory", "reason")
_PAGE = 1000


def status(
    ctx: typer.Context,
    tenant: Annotated[str | None, typer.Argument(help="One tenant only.", show_default=False)] = None,
    as_json: Json = False,
) -> None:
    """Show what state the tenants are in."""
    with settings(ctx).client() as client:
        if tenant is not None:
            one = client.tenant(tenant)
            _show_one(one, client.info()) if not as_json else print_json(one)
            return
        page = all_tenants(client)
        if as_json:
            print_json(page)
        else:
            _show_all(page, client.info())


def all_tenants(client: Client) -> TenantPage:
    """Ask for every tenant that the caller may see, in one page."""
    page = client.tenants(limit=_PAGE)
    found = list(page.tenants)
    while page.next is not None:
        page = client.tenants(after=page.next, limit=_PAGE)
        found += page.tenants
    return page.model_copy(update={"tenants": found, "next": None})


def _show_all(page: TenantPage, info: Info) -> None:
    if not page.tenants:
        line("no tenants")
    else:
        table(_COLUMNS, map(_row, page.tenants), right=("uptime", "restarts", "entries", "memory"))
    for word in sorted({tenant.isolation for tenant in page.tenants if tenant.isolation}):
        note(f"isolation {word}: {isolation_words(word, info)}")
    show_warnings(page.tenants)


def show_warnings(tenants: Iterable[TenantView]) -> None:
    """Show each tenant's warnings, on standard error."""
    for tenant in tenants:
        for warning in tenant.warnings.values():
            note(f"{tenant.name}: {warning}")


def _row(tenant: TenantView) -> tuple[object, ...]:
    state = f"{tenant.state} (kept down)" if tenant.goal == "down" and tenant.state != "stopped" else tenant.state
    figures = duration(tenant.uptime_s), tenant.restarts, tenant.entries
    return tenant.name, state, *figures, tenant.device, tenant.isolation, megabytes(tenant.memory_mb), tenant.reason


def _show_one(tenant: TenantView, info: Info) -> None:
    fields: dict[str, object] = {
        "tenant": tenant.name,
        "title": " / ".join(filter(None, (tenant.title.en, tenant.title.zh))) or None,
        "state": f"{tenant.state} (goal: {tenant.goal})",
        "reason": tenant.reason,
        "your role": tenant.role,
        "pid": tenant.pid,
        "uptime": duration(tenant.uptime_s),
        "restarts": tenant.restarts,
        "entries": tenant.entries,
        "revision": tenant.revision,
        "device": tenant.device,
        "isolation": isolation_words(tenant.isolation, info),
        "memory": megabytes(tenant.memory_mb),
        "GPU memory": megabytes(tenant.gpu_memory_mb),
        "fingerprint": tenant.fingerprint,
    }
    for name, value in fields.items():
        if value is not None:
            line(f"{name:<12} {clean(value)}")
    warn(tenant.warnings)
    if tenant.crash is not None:
        _show_crash(tenant.crash)


def _show_crash(crash: Crash) -> None:
    """Show the last crash, which is dropped when an encoder has run well for a while; `vecward events` keeps it."""
    line(f"{'crashed':<12} {crash.at.isoformat(timespec='seconds')}: {clean(crash.reason)}")
    for last in crash.last_lines:
        line(f"    {clean(last)}")


def megabytes(value: float | None) -> str | None:
    return None if value is None else f"{value:.0f} MB"
