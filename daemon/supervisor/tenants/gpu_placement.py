"""The GPU of each tenant: asked for at its start, given back when it rests."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from daemon.core.config.tenant_config import TenantConfig
from daemon.supervisor.gpu.gpus import Gpus
from daemon.supervisor.gpu.placement import Placement, Wanted
from daemon.supervisor.records.events import EventLog, EventName
from daemon.supervisor.tenants.tenant import Tenant


class GpuPlacement:
    """The places of encoders and their job processes on GPUs, shown at the tenants."""

    def __init__(
        self, gpus: Gpus, events: EventLog, tenants: Mapping[str, Tenant], uid: Callable[[str], int] | None
    ) -> None:
        """Make it for these tenants; `uid` returns a tenant's own uid, None where it has none."""
        self._gpus = gpus
        self._events = events
        self._tenants = tenants
        self._uid = uid

    async def place(self, tenant: Tenant, config: TenantConfig) -> Placement:
        """Lock a GPU for the tenant, or choose the CPU. Raises StartRefused."""
        before = tenant.facts.placement
        tenant.facts.show_placement(None)
        placement = await self._gpus.place(self._wanted(tenant, config))
        tenant.facts.show_placement(placement)
        if placement != before and (placement.uuid or placement.note):
            self._events.emit(EventName.GPU, tenant.name, device=placement.words, reason=placement.note)
        return placement

    def _wanted(self, tenant: Tenant, config: TenantConfig) -> Wanted:
        others = (other for other in self._tenants.values() if other is not tenant)
        return Wanted(
            tenant.name,
            config.encoder.device,
            can_use_gpu=config.encoder.can_use_gpu,
            sharing=config.limits.gpu_sharing == "allowed",
            data=tenant.paths.data,
            uid=self._uid(tenant.name) if self._uid is not None else None,
            others={other.name: other.config.encoder.device for other in others if other.config is not None},
        )

    def release(self, name: str) -> None:
        self._gpus.release(name)
