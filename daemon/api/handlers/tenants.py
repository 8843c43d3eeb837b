"""Handlers about tenants: list, view, create, change, delete, start and stop."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal

from fastapi import Query, Request, Response

from daemon.api.context import ApiServices, Call, CallDep, ServicesDep, TenantDep
from daemon.core.config.tenant_file import check_name
from daemon.core.encoder_protocol.bench import BenchRequest
from daemon.core.encoder_protocol.reembed import Plan
from daemon.core.errors import Invalid
from daemon.core.roles import Role
from daemon.core.wire import MAX_PAGE, OperationAnswer, Rates, TenantPage, TenantView, parse, shorten
from daemon.supervisor.states import State
from daemon.supervisor.tenants import view as views
from daemon.supervisor.tenants.tenant import Tenant

_Up = Literal["name", "state", "entries", "memory_mb", "restarts", "uptime_s"]
_Down = Literal["-name", "-state", "-entries", "-memory_mb", "-restarts", "-uptime_s"]
Sort = _Up | _Down

# A searcher or editor does not see these fields of a tenant; this stands there instead.
_HIDDEN_AS_NONE = ("reason", "pid", "uptime_s", "device", "isolation", "memory_mb", "gpu_memory_mb", "crash")
_OPERATIONAL: dict[str, Any] = dict.fromkeys(_HIDDEN_AS_NONE) | {"restarts": 0, "warnings": {}, "rates": Rates()}


def view_for(tenant: Tenant, role: Role) -> TenantView:
    """Return the tenant as someone of this role sees it."""
    view = views.view(tenant)
    if not role.at_least(Role.TENANT_ADMIN):
        return view.model_copy(update={**_OPERATIONAL, "role": role.value})
    return view.model_copy(update={"role": role.value})


def _view(services: ApiServices, call: Call, tenant: Tenant) -> TenantView:
    role = services.access.role_on(call.known_caller, tenant)
    assert role is not None, "an authorised caller has a role"
    return view_for(tenant, role)


# --- list and view --------------------------------------------------------------------------------


async def list_tenants(
    services: ServicesDep,
    call: CallDep,
    after: Annotated[str | None, Query(description="the `next` of the page before")] = None,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 100,
    q: Annotated[str | None, Query(max_length=200, description="a part of name or title")] = None,
    state: Annotated[State | None, Query()] = None,
    role: Annotated[Role, Query(description="those alone on which the caller is this at least")] = Role.SEARCHER,
    sort: Annotated[Sort, Query(description="- before it: downwards")] = "name",
) -> TenantPage:
    visible = services.access.visible(call.known_caller)
    roles = {name: own for name, own in visible.items() if own.at_least(role)}
    tenants = [services.manager.tenants[name] for name in roles]
    wanted = [tenant for tenant in tenants if _fits(tenant, q, state)]
    ordered = _ordered(wanted, sort, roles)
    rest = ordered[_position_after(ordered, after, sort) :]
    page = rest[:limit]
    return TenantPage(
        tenants=[view_for(tenant, roles[tenant.name]) for tenant in page],
        next=page[-1].name if len(rest) > limit else None,
        total=len(ordered),
    )


def _fits(tenant: Tenant, q: str | None, state: State | None) -> bool:
    if state is not None and tenant.state is not state:
        return False
    if not q:
        return True
    title = tenant.config.title if tenant.config is not None else None
    texts = [tenant.name, title.en, title.zh] if title is not None else [tenant.name]
    return any(q.casefold() in text.casefold() for text in texts)


def _ordered(tenants: list[Tenant], sort: Sort, roles: dict[str, Role]) -> list[Tenant]:
    by_name = sorted(tenants, key=lambda tenant: tenant.name)
    return sorted(by_name, key=_sort_key(sort.removeprefix("-"), roles), reverse=sort.startswith("-"))


def _sort_key(key: str, roles: dict[str, Role]) -> Callable[[Tenant], tuple[bool, str | float]]:
    if key == "name":
        return lambda tenant: (True, tenant.name)

    def of_view(tenant: Tenant) -> tuple[bool, str | float]:
        value = getattr(view_for(tenant, roles[tenant.name]), key)  # what is hidden must not sort
        return (value is not None, value if value is not None else 0)

    return of_view


def _position_after(ordered: list[Tenant], after: str | None, sort: Sort) -> int:
    if after is None:
        return 0
    if sort == "name":
        return sum(tenant.name <= after for tenant in ordered)
    for position, tenant in enumerate(ordered, start=1):
        if tenant.name == after:
            return position
    raise Invalid(
        f"cannot go on after {shorten(after, 40)}: it is not in this list (any more); ask again without `after`",
        field="after",
        value=shorten(after, 40),
        allowed="the `next` of the page before",
    )


async def tenant(services: ServicesDep, call: CallDep, tenant: TenantDep) -> TenantView:
    return _view(services, call, tenant)


# --- create, change, delete -----------------------------------------------------------------------


async def put_tenant(
    services: ServicesDep,
    call: CallDep,
    request: Request,
    response: Response,
    adopt: Annotated[bool, Query()] = False,
    offline: Annotated[bool, Query(description="answer nothing until a new model's vectors are there")] = False,
) -> TenantView:
    name = check_name(call.tenant)
    response.status_code = 200 if name in services.manager.tenants else 201
    return _view(services, call, await services.manager.provisioning.put(name, await request.body(), adopt, offline))


async def plan_tenant(services: ServicesDep, call: CallDep, request: Request) -> Plan:
    return await services.manager.provisioning.plan(check_name(call.tenant), await request.body())


async def delete_tenant(services: ServicesDep, call: CallDep, purge: Annotated[str | None, Query()] = None) -> None:
    name = call.tenant
    if purge is not None and purge != name:
        raise Invalid(
            f"cannot destroy the data of {shorten(name, 40)}: purge says {shorten(purge, 40)!r}; "
            "repeat the tenant's name",
            field="purge",
            value=shorten(purge, 40),
            allowed=shorten(name, 40),
        )
    await services.manager.provisioning.delete(name, purge is not None)


# --- start and stop -------------------------------------------------------------------------------


async def start(services: ServicesDep, call: CallDep) -> OperationAnswer:
    return OperationAnswer(operation=await services.manager.commands.start(call.tenant))


async def stop(services: ServicesDep, call: CallDep) -> OperationAnswer:
    return OperationAnswer(operation=await services.manager.commands.stop(call.tenant))


async def restart(services: ServicesDep, call: CallDep) -> OperationAnswer:
    return OperationAnswer(operation=await services.manager.commands.restart(call.tenant))


async def park(services: ServicesDep, call: CallDep) -> OperationAnswer:
    return OperationAnswer(operation=await services.manager.commands.park(call.tenant))


async def bench(services: ServicesDep, tenant: TenantDep, request: Request) -> OperationAnswer:
    asked = parse(BenchRequest, await request.body() or b"{}")
    return OperationAnswer(operation=services.manager.benching.begin(tenant, asked))
