"""The switch of a tenant to another good file."""

from __future__ import annotations

from daemon.core.config.effects import needs_restart
from daemon.core.config.tenant_file import TenantFile
from daemon.supervisor.records.events import EventLog, EventName
from daemon.supervisor.states import Goal, Trigger
from daemon.supervisor.tenants.tenant import Tenant


def put_in_force(events: EventLog, tenant: Tenant, file: TenantFile) -> bool:
    """Put a good file in force, and restart the encoder where it must; False where the file was in force already."""
    before = tenant.put_in_force(file)
    if before.config == file.config:
        return False
    events.emit(EventName.TENANT_CHANGED, tenant.name)
    restart = before.config is None or (file.config is not None and needs_restart(before.config, file.config))
    if tenant.goal is Goal.UP and restart:
        tenant.post(Trigger.RESTART if before.config is not None else Trigger.START, "its file changed")
    return True
