"""What the daemon's own handlers are given: the services, and the call they answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Request

from daemon.api.accounting.audit import AuditLog
from daemon.api.accounting.metrics import Metrics
from daemon.api.connections.streams import Streams
from daemon.api.rights.access import Access, Caller
from daemon.api.rights.authenticate import Authenticator
from daemon.api.rights.connection import Connection
from daemon.api.rights.sign_in import SignIns
from daemon.api.routes import Match
from daemon.core.errors import VecwardError
from daemon.supervisor.manager import Manager
from daemon.supervisor.tenants.tenant import Tenant

CALL_KEY = "vecward.call"


@dataclass(frozen=True)
class Services:
    manager: Manager
    access: Access
    authenticator: Authenticator
    sign_ins: SignIns
    audit: AuditLog
    metrics: Metrics
    streams: Streams


@dataclass(slots=True)
class Call:
    """One request. `caller` is None for a sign-in, `match` until the path is known; `problem` is its answer,
    where that is one of the daemon's own; `principal` stands in the audit log where there is no caller."""

    request_id: str
    connection: Connection
    match: Match | None = None
    caller: Caller | None = None
    problem: VecwardError | None = None
    principal: str | None = None
    address: str | None = None

    @property
    def known_caller(self) -> Caller:
        """Raises AssertionError on a route that takes no role: a mistake in the route table."""
        assert self.caller is not None, "this route is open to nobody in particular"
        return self.caller

    @property
    def tenant(self) -> str:
        """The name in the path, as it stands there."""
        assert self.match is not None
        assert self.match.tenant is not None
        return self.match.tenant


def _services(request: Request) -> Services:
    services: Services = request.app.state.services
    return services


def _call(request: Request) -> Call:
    call: Call = request.scope[CALL_KEY]
    return call


S = Annotated[Services, Depends(_services)]
C = Annotated[Call, Depends(_call)]


def _tenant(services: S, call: C) -> Tenant:
    return services.manager.get(call.tenant)


T = Annotated[Tenant, Depends(_tenant)]

Scope = dict[str, Any]
