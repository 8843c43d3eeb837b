"""The daemon's ASGI application, put together."""

from __future__ import annotations

from daemon.api.access import Access
from daemon.api.attempts import Attempts
from daemon.api.audit import AuditLog
from daemon.api.authenticate import Authenticator, UserBase
from daemon.api.context import Services
from daemon.api.front import Front
from daemon.api.metrics import Metrics
from daemon.api.own import create_own_app
from daemon.api.sign_in import SignIns
from daemon.api.streams import Streams
from daemon.supervisor.manager import Manager


def create_app(manager: Manager) -> Front:
    """Raises StartRefused when the audit log can't be written. Close what it answers when the server has ended."""
    user_base = UserBase(manager.paths.users_yaml)
    services = Services(
        manager=manager,
        access=Access(manager),
        authenticator=Authenticator(manager, user_base),
        sign_ins=SignIns(user_base, Attempts(manager.state_db.connection)),
        audit=AuditLog(manager.paths.audit_log),
        metrics=Metrics(lambda: (tenant.state.value for tenant in manager.tenants.values())),
        streams=Streams(),
    )
    return Front(services, create_own_app(services))
