"""The warnings that periodic checks find: an event when one begins, words at the tenant while it lasts."""

from __future__ import annotations

import logging
from typing import Any

from daemon.supervisor.records.events import EventLog, EventName
from daemon.supervisor.tenants.shown.warnings import WarningKey
from daemon.supervisor.tenants.tenant import Tenant

log = logging.getLogger(__name__)

_LIMITS = (WarningKey.MEMORY, WarningKey.GPU_MEMORY)  # their end is an event, too
_OF_FILES = (WarningKey.CONFIG, WarningKey.RE_EMBEDDING)  # no check's: they stay while the tenant rests


class CheckWarnings:
    """Warnings of health checks and of the disk watch, for all tenants."""

    def __init__(self, events: EventLog) -> None:
        self._events = events

    def update(self, tenant: Tenant, key: WarningKey, words: str | None, event: EventName, **data: Any) -> None:
        """Show what a check found; `words` None: all is well. `data` is for the event."""
        if words is None:
            self.clear(tenant, key, **data)
        elif tenant.warnings.warn(key, words):
            self._events.emit(event, tenant.name, reason=words, **data)
            log.warning(event.value, extra={"reason": words, **data})

    def clear(self, tenant: Tenant, key: WarningKey, **data: Any) -> None:
        if tenant.warnings.clear(key) and key in _LIMITS:
            self._events.emit(EventName.LIMIT_CLEARED, tenant.name, **{"limit": key.value, **data})

    def clear_all(self, tenant: Tenant) -> None:
        """Clear what checks found: a tenant at rest has no process that could be in a bad way."""
        tenant.facts.show_gpu_memory(None)
        for key in WarningKey:
            if key not in _OF_FILES:
                self.clear(tenant, key)
