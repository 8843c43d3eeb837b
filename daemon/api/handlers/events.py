"""Handler of events: a page of them, or a stream of server-sent events."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import Header, Query
from fastapi.sse import format_sse_event
from starlette.responses import StreamingResponse

from daemon.api.connections.streams import UNBUFFERED
from daemon.api.context import ApiServices, CallDep, ServicesDep
from daemon.api.rights.access import Caller
from daemon.core.roles import Role
from daemon.core.wire import MAX_PAGE, Event

_HEARTBEAT = format_sse_event(comment="")


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
            _server_sent(services, caller, since), media_type="text/event-stream", headers=UNBUFFERED
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
