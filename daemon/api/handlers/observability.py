"""Handlers of what an operator looks at: audit log, usage, GPUs, metrics."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from datetime import date
from typing import Annotated

from fastapi import Query
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.responses import Response

from daemon.api.context import ApiServices, CallDep, ServicesDep
from daemon.core.roles import Role
from daemon.core.wire import MAX_PAGE, AuditPage, GpuList, UsagePage

Since = Annotated[date | None, Query(description="the first day, such as 2026-11-01")]


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
