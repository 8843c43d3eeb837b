"""Handler of a tenant's log: its last lines, or a stream of lines of JSON."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import Query
from starlette.responses import StreamingResponse

from daemon.api.connections.streams import UNBUFFERED
from daemon.api.context import ApiServices, CallDep, ServicesDep, TenantDep
from daemon.api.rights.access import Caller
from daemon.core.roles import Role
from daemon.core.wire import LogLine, LogPage
from daemon.supervisor.tenants.tenant import Tenant

MAX_TAIL = 10_000


async def logs(
    services: ServicesDep,
    call: CallDep,
    tenant: TenantDep,
    tail: Annotated[int, Query(ge=0, le=MAX_TAIL, description="how many of the last lines")] = 100,
    follow: Annotated[bool, Query(description="go on as application/x-ndjson")] = False,
) -> Any:
    if follow:
        lines = _log_lines(services, call.known_caller, tenant, tail)
        return StreamingResponse(lines, media_type="application/x-ndjson", headers=UNBUFFERED)
    return LogPage(lines=await asyncio.to_thread(tenant.log.tail, tail))


async def _log_lines(services: ApiServices, caller: Caller, tenant: Tenant, tail: int) -> AsyncIterator[bytes]:
    """Yield the last lines, then new ones, until the caller's right ends; an empty line is a heartbeat."""
    source = tenant.log.follow()
    first = asyncio.ensure_future(anext(source))
    try:
        await asyncio.sleep(0)  # it subscribes now, before the tail is read, so that no line falls between
        last = [_ndjson(line) for line in await asyncio.to_thread(tenant.log.tail, tail)]
        for line in last:
            yield line
        async for line in _new_lines(services, caller, tenant, _resumed(first, source), overlap=set(last)):
            yield line
    finally:
        first.cancel()  # a caller who leaves before the first new line leaves no subscriber behind


async def _new_lines(
    services: ApiServices, caller: Caller, tenant: Tenant, source: AsyncIterator[LogLine], overlap: set[bytes]
) -> AsyncIterator[bytes]:
    """Yield lines as they are written, but those of `overlap`: they came while the tail was read, and are in it."""
    async for new in services.streams.with_heartbeats(source):
        role = services.access.role_on(caller, tenant)
        if role is None or not role.at_least(Role.TENANT_ADMIN):
            return
        line = _ndjson(new)
        if line not in overlap:
            overlap.clear()
            yield line


async def _resumed(first: asyncio.Future[LogLine], source: AsyncIterator[LogLine]) -> AsyncIterator[LogLine]:
    try:
        yield await first
    except StopAsyncIteration:
        return
    async for line in source:
        yield line


def _ndjson(line: LogLine | None) -> bytes:
    return b"\n" if line is None else json.dumps(line, ensure_ascii=False, default=str).encode() + b"\n"
