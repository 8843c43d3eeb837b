"""Every path that an encoder answers."""

from __future__ import annotations

from daemon.core.tenant_config import TenantConfig
from daemon.encoder.app import Methods
from daemon.encoder.batches import Batches
from daemon.encoder.searching import Searching
from daemon.encoder.starting import Parts
from daemon.encoder.worker import Worker


def table(tenant: str, config: TenantConfig, parts: Parts, batches: Batches, worker: Worker) -> dict[str, Methods]:
    base = f"/v1/tenants/{tenant}"
    searching = Searching(config, parts.knowledge, worker)
    return {f"{base}/search": {"POST": searching.search}}
