"""Handlers of what an operator looks at: events, logs, audit, usage, GPUs, metrics."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Collection
from datetime import date
from typing import Annotated, Any

from fastapi import Header, Query
from fastapi.sse import format_sse_event
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.responses import Response, StreamingResponse

from daemon.api.context import ApiServices, CallDep, ServicesDep, TenantDep
from daemon.api.rights.access import Caller
from daemon.core.roles import Role
from daemon.core.wire import AuditPage, Event, GpuList, LogPage, UsagePage
from daemon.supervisor.tenants.tenant import Tenant

Since = Annotated[date | None, Query(description="the first day, such as 2026-11-01")]

Line = dict[str, Any]

MAX_PAGE = 1000
MAX_TAIL = 10_000
_HEARTBEAT = format_sse_event(comment="")
_UNBUFFERED = {"cache-control": "no-store"}


# --- events ---------------------------------------------------------------------------------------


async def events(
    services: ServicesDep,
    call: CallDep,
    after: Annotated[int | None, Query(ge=0, description="events with a greater id")] = None,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 100,
    follow: Annotated[bool, Query(description="stream as text/event-stream")] = False,
    last_event_id: Annotated[int | None, Header(ge=0)] = None,
) -> Any:
    caller = call.known_caller
    if follow:
        since = after if last_event_id is None else last_event_id
        return StreamingResponse(
            _server_sent(services, caller, since), media_type="text/event-stream", headers=_UNBUFFERED
        )
    return services.manager.events.page(after, limit, _whose(services, caller))


def _whose(services: ApiServices, caller: Caller) -> set[str] | None:
    """Return the tenants whose events the caller sees; None: all of them, and the daemon's own events."""
    if services.access.is_admin(caller):
        return None
    return set(services.access.visible(caller, Role.TENANT_ADMIN))


async def _server_sent(services: ApiServices, caller: Caller, after: int | None) -> AsyncIterator[bytes]:
    """Yield the events that the caller may see; rights are asked anew for each: they may be taken away meanwhile."""
    yield format_sse_event(comment="following")
    async for event in services.streams.with_heartbeats(services.manager.events.follow(after)):
        if event is None:
            yield _HEARTBEAT
        elif _may_see(services, caller, event):
            yield format_sse_event(id=str(event.id), event=event.name, data_str=event.model_dump_json())


def _may_see(services: ApiServices, caller: Caller, event: Event) -> bool:
    whose = _whose(services, caller)
    return whose is None or event.tenant in whose


# --- logs -----------------------------------------------------------------------------------------


async def logs(
    services: ServicesDep,
    call: CallDep,
    tenant: TenantDep,
    tail: Annotated[int, Query(ge=0, le=MAX_TAIL, description="how many of the last lines")] = 100,
    follow: Annotated[bool, Query(description="go on as application/x-ndjson")] = False,
) -> Any:
    if follow:
        lines = _log_lines(services, call.known_caller, tenant, tail)
        return StreamingResponse(lines, media_type="application/x-ndjson", headers=_UNBUFFERED)
    return LogPage(lines=await asyncio.to_thread(tenant.log.tail, tail))


async def _log_lines(services: ApiServices, caller: Caller, tenant: Tenant, tail: int) -> AsyncIterator[bytes]:
    """Yield the last lines, then new ones, until the caller's right ends; an empty line is a heartbeat."""
    source = tenant.log.follow()
    first = asyncio.ensure_future(anext(source))
    await asyncio.sleep(0)  # it subscribes now, before the tail is read, so that no line falls between
    last = [_ndjson(line) for line in await asyncio.to_thread(tenant.log.tail, tail)]
    for line in last:
        yield line
    overlap = set(last)  # written while the tail was read: in both
    async for new in services.streams.with_heartbeats(_resumed(first, source)):
        role = services.access.role_on(caller, tenant)
        if role is None or not role.at_least(Role.TENANT_ADMIN):
            return
        line = _ndjson(new)
        if line not in overlap:
            overlap.clear()
            yield line


async def _resumed(first: asyncio.Future[Line], source: AsyncIterator[Line]) -> AsyncIterator[Line]:
    try:
        yield await first
    except StopAsyncIteration:
        return
    async for line in source:
        yield line


def _ndjson(line: Line | None) -> bytes:
    return b"\n" if line is None else json.dumps(line, ensure_ascii=False, default=str).encode() + b"\n"


# --- the host -------------------------------------------------------------------------------------


async def audit(
    services: ServicesDep,
    before: Annotated[int | None, Query(ge=0, description="the `next` of the page of newer lines")] = None,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 100,
    tenant: Annotated[str | None, Query()] = None,
    principal: Annotated[str | None, Query()] = None,
    action: Annotated[str | None, Query()] = None,
    outcome: Annotated[str | None, Query()] = None,
) -> AuditPage:
    given = {"tenant": tenant, "principal": principal, "action": action, "outcome": outcome}
    wanted = {name: value for name, value in given.items() if value is not None}
    lines, older = await asyncio.to_thread(services.audit.page, before, limit, wanted)
    return AuditPage(lines=lines, next=older)


async def usage(services: ServicesDep, call: CallDep, since: Since = None) -> UsagePage:
    """Answer with the usage of every tenant that the caller administers."""
    return await _used(services, services.access.visible(call.known_caller, Role.TENANT_ADMIN), since)


async def tenant_usage(services: ServicesDep, call: CallDep, since: Since = None) -> UsagePage:
    return await _used(services, [call.tenant], since)


async def _used(services: ApiServices, tenants: Collection[str], since: date | None) -> UsagePage:
    """Return the usage up to this moment, of an encoder that does not answer up to its last answer."""
    await services.manager.metering.collect(tenants)
    return services.manager.metering.page(tenants, _iso(since))


def _iso(day: date | None) -> str | None:
    return None if day is None else day.isoformat()


async def gpus(services: ServicesDep) -> GpuList:
    return await services.manager.gpu.listing()


async def metrics(services: ServicesDep) -> Response:
    return Response(services.metrics.text(), media_type=CONTENT_TYPE_LATEST)
