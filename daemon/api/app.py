"""The daemon's ASGI application, put together."""

from __future__ import annotations

import os

from daemon.api.accounting.audit import AuditLog, Record
from daemon.api.accounting.metrics import Metrics
from daemon.api.accounting.tenant_metrics import figures
from daemon.api.connections.streams import Streams
from daemon.api.context import ApiServices
from daemon.api.handlers.app import create_handlers_app
from daemon.api.pipeline.front import Front
from daemon.api.rights.access import Access
from daemon.api.rights.authenticate import Authenticator, UserBase
from daemon.api.rights.lockout import Lockout
from daemon.api.rights.sign_in import SignIns
from daemon.core.wire import shorten
from daemon.supervisor.manager import Manager


def create_app(manager: Manager) -> Front:
    """Put the application together; the caller closes it when the server has ended.

    Raises:
        StartRefused: the audit log can't be written.
    """
    user_base = UserBase(manager.paths.users_yaml)
    audit = AuditLog(manager.paths.audit_log)
    services = ApiServices(
        manager=manager,
        access=Access(manager),
        authenticator=Authenticator(manager, user_base),
        sign_ins=SignIns(user_base, Lockout(manager.state_db.connection)),
        audit=audit,
        metrics=Metrics(
            lambda: (tenant.state.value for tenant in manager.tenants.values()),
            lambda: figures(manager.tenants.values(), manager.metering.totals),
        ),
        streams=Streams(),
    )
    _audit_files(manager, user_base, audit)
    return Front(services, create_handlers_app(services))


def _audit_files(manager: Manager, user_base: UserBase, audit: AuditLog) -> None:
    """Audit changes of rights and configuration that are made in files: the daemon can't know by whom."""

    def write(action: str, outcome: str, detail: str, tenant: str | None = None) -> None:
        audit.write(Record("file", os.getpid(), "file", action, outcome, tenant, detail=shorten(detail, 2000) or None))

    user_base.refresh()
    user_base.on_change = lambda outcome, detail: write("users-changed", outcome, detail)
    manager.reload.on_file = lambda tenant, done, outcome, detail: write(f"tenant-file-{done}", outcome, detail, tenant)
    write("daemon-started", "done", f"isolation: {manager.config.isolation}")
