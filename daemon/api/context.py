"""Arguments of the daemon's own handlers: the services, the call, and the tenant that it is about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from daemon.api.accounting.audit import AuditLog
from daemon.api.accounting.metrics import Metrics
from daemon.api.connections.streams import Streams
from daemon.api.matching import Match
from daemon.api.rights.access import Access, Caller
from daemon.api.rights.authenticate import Authenticator
from daemon.api.rights.connection import Connection
from daemon.api.rights.sign_in import SignIns
from daemon.core.errors import VecwardError
from daemon.supervisor.manager import Manager
from daemon.supervisor.tenants.tenant import Tenant

CALL_KEY = "vecward.call"


@dataclass(frozen=True)
class ApiServices:
    """The parts that answer calls, put together in app.py."""

    manager: Manager
    access: Access
    authenticator: Authenticator
    sign_ins: SignIns
    audit: AuditLog
    metrics: Metrics
    streams: Streams


@dataclass(slots=True)
class Call:
    """One request.

    match: None until the path is known.
    caller: None for a sign-in.
    problem: the error that it was answered with, where the daemon itself found one.
    principal: stands in the audit log where there is no caller.
    address: the browser's, as the console saw it; of a sign-in alone.
    """

    request_id: str
    connection: Connection
    match: Match | None = None
    caller: Caller | None = None
    problem: VecwardError | None = None
    principal: str | None = None
    address: str | None = None

    @property
    def known_caller(self) -> Caller:
        """The caller of a route that takes a role; on another one this is a mistake in the route table."""
        assert self.caller is not None, "this route is open to nobody in particular"
        return self.caller

    @property
    def tenant(self) -> str:
        """The tenant's name as it stands in the path."""
        assert self.match is not None
        assert self.match.tenant is not None
        return self.match.tenant


def _services(request: Request) -> ApiServices:
    services: ApiServices = request.app.state.services
    return services


def _call(request: Request) -> Call:
    call: Call = request.scope[CALL_KEY]
    return call


ServicesDep = Annotated[ApiServices, Depends(_services)]
CallDep = Annotated[Call, Depends(_call)]


def _tenant(services: ServicesDep, call: CallDep) -> Tenant:
    return services.manager.tenants.named(call.tenant)


TenantDep = Annotated[Tenant, Depends(_tenant)]
