"""The view of a tenant that the API serves."""

from __future__ import annotations

import time

from daemon.core.process_memory import resident_mb
from daemon.core.wire import TenantView, Title
from daemon.supervisor.states import State
from daemon.supervisor.tenants.tenant import Tenant


def view(tenant: Tenant) -> TenantView:
    """Show the tenant as it is now, to a reader who may see everything."""
    config, process, facts, report = tenant.config, tenant.process, tenant.facts, tenant.facts.report
    running = process is not None and tenant.state is State.READY
    return TenantView(
        name=tenant.name,
        title=Title(en=config.title.en, zh=config.title.zh) if config else Title(),
        state=tenant.state.value,
        goal=tenant.goal.value,
        reason=tenant.reason,
        pid=process.pid if process else None,
        uptime_s=time.monotonic() - process.ready_at if running and process and process.ready_at else None,
        restarts=facts.restarts,
        device=facts.placement.words if facts.placement and facts.placement.uuid else report.device,
        isolation=facts.isolation,
        memory_mb=resident_mb(process.pid) if process and process.pid else None,
        gpu_memory_mb=facts.gpu_memory_mb if running else None,
        entries=report.entries,
        revision=report.revision,
        fingerprint=report.fingerprint,
        dimension=report.dimension,
        threshold=config.threshold if config else None,
        k=config.search.k if config else 5,
        min_chars=config.knowledge.min_chars if config else 5,
        backend=config.encoder.backend if config else None,
        progress=report.progress if tenant.coming_up else None,
        examples=config.search.examples if config else [],
        warnings=tenant.warnings.shown(),
        crash=facts.crash,
        rates=tenant.traffic.rates.rates(),
    )
