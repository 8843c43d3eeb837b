"""What a health check finds: an event when it begins, a warning at the tenant while it lasts."""

from __future__ import annotations

import logging
from typing import Any

from daemon.supervisor.records.events import EventLog, EventName
from daemon.supervisor.tenants.tenant import Tenant

log = logging.getLogger(__name__)

LIMITS = ("memory_mb", "gpu_memory_mb")
KEYS = (*LIMITS, "gpu", "gpu-foreign", "canary", "index", "health", "disk", "disk-count")


class Notices:
    """`tenant.warnings` maps one of KEYS to words; only health and the disk watch write these keys."""

    def __init__(self, events: EventLog) -> None:
        self._events = events

    def tell(self, tenant: Tenant, key: str, words: str | None, event: EventName, **data: Any) -> None:
        """`words` None: it is over, or never was."""
        if words is None:
            self.end(tenant, key, **data)
            return
        if key not in tenant.warnings:
            self._events.emit(event, tenant.name, reason=words, **data)
            log.warning(event.value, extra={"reason": words, **data})
        tenant.warnings[key] = words

    def end(self, tenant: Tenant, key: str, **data: Any) -> None:
        if tenant.warnings.pop(key, None) is not None and key in LIMITS:
            self._events.emit(EventName.LIMIT_CLEARED, tenant.name, **{"limit": key, **data})

    def forget(self, tenant: Tenant) -> None:
        """Who rests has no process that could be in a bad way."""
        tenant.gpu_memory_mb = None
        for key in KEYS:
            self.end(tenant, key)
