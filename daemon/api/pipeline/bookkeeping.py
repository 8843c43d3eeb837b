"""Records of a request once it is answered: figures always, a line of the audit log where it matters."""

from __future__ import annotations

from daemon.api.accounting.audit import Record
from daemon.api.context import ApiServices, Call
from daemon.core.errors import Forbidden, Unauthenticated, UnknownTenant
from daemon.core.roles import Role
from daemon.core.wire import shorten

_REFUSALS = (Unauthenticated, Forbidden, UnknownTenant)


def record(services: ApiServices, call: Call, status: int, seconds: float) -> None:
    """Count the request, and audit it where it changed something or was refused.

    `status` 0: the caller left before there was an answer.
    """
    problem = call.problem
    route = call.match.route if call.match is not None else None
    services.metrics.answered(route, status, seconds)
    if isinstance(problem, _REFUSALS):
        services.audit.refused(_record(call, status))
    elif route is not None and (route.mutating or route.role is Role.NOBODY):
        services.audit.write(_record(call, status))


def _record(call: Call, status: int) -> Record:
    match, connection = call.match, call.connection
    return Record(
        principal=_principal(call),
        pid=connection.peer.pid,
        via=connection.socket,
        action=match.route.name if match is not None else "unknown",
        outcome=_outcome(call, status),
        tenant=shorten(match.tenant, 64) if match is not None and match.tenant is not None else None,
        request=call.request_id,
        address=call.address,
    )


def _principal(call: Call) -> str:
    if call.caller is not None:
        return call.caller.actor
    return call.principal or f"uid:{call.connection.peer.uid}"


def _outcome(call: Call, status: int) -> str:
    if call.problem is not None:
        return call.problem.kind
    if status == 0:
        return "caller-left"
    return {200: "done", 201: "done", 202: "accepted", 204: "done"}.get(status, str(status))
