"""Figures of each tenant for /metrics: the work of its encoders since the daemon started, and how they fare."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from daemon.core.encoder_protocol.counters import COUNTERS, TIMINGS, Timing
from daemon.core.encoder_protocol.histogram import BOUNDS_S
from daemon.core.process_memory import resident_mb
from daemon.core.units import MIB
from daemon.supervisor.tenants.metering import Totals
from daemon.supervisor.tenants.tenant import Tenant

_PREFIX = "vecward_tenant_"


@dataclass(frozen=True)
class TenantFigures:
    """One tenant's figures; `totals` is None until one of its encoders has answered."""

    name: str
    restarts: int
    deadline_kills: int
    memory_bytes: float | None
    totals: Totals | None


def figures(tenants: Iterable[Tenant], totals: Mapping[str, Totals]) -> Iterator[TenantFigures]:
    for tenant in tenants:
        pid = tenant.process.pid if tenant.process is not None else None
        memory = resident_mb(pid) if pid is not None else None
        yield TenantFigures(
            tenant.name,
            tenant.facts.restarts,
            tenant.facts.deadline_kills,
            None if memory is None else memory * MIB,
            totals.get(tenant.name),
        )


class PerTenant(Collector):
    """The lines of each tenant that did something since the daemon started: a thousand parked ones cost nothing."""

    def __init__(self, tenants: Callable[[], Iterable[TenantFigures]]) -> None:
        self._tenants = tenants

    def collect(self) -> Iterable[Metric]:
        tenants = list(self._tenants())
        yield from self._fates(tenants)
        counted = [(tenant.name, tenant.totals) for tenant in tenants if tenant.totals is not None]
        for counter in COUNTERS:
            family = CounterMetricFamily(f"{_PREFIX}{counter.metric}", counter.help, labels=["tenant"])
            for tenant, totals in counted:
                family.add_metric([tenant], totals.counters[counter.name])
            yield family
        storage = GaugeMetricFamily("vecward_tenant_storage_bytes", "Knowledge base and index", labels=["tenant"])
        for tenant, totals in counted:
            storage.add_metric([tenant], totals.storage_bytes)
        yield storage
        yield from (_histogram(timing, counted) for timing in TIMINGS)

    def _fates(self, tenants: Sequence[TenantFigures]) -> Iterator[Metric]:
        restarts = CounterMetricFamily("vecward_tenant_restarts", "Encoders that ended unasked", labels=["tenant"])
        kills = CounterMetricFamily("vecward_tenant_deadline_kills", "Encoders killed as hung", labels=["tenant"])
        memory = GaugeMetricFamily("vecward_tenant_memory_bytes", "Resident memory of the encoder", labels=["tenant"])
        for tenant in tenants:
            if tenant.restarts:
                restarts.add_metric([tenant.name], tenant.restarts)
            if tenant.deadline_kills:
                kills.add_metric([tenant.name], tenant.deadline_kills)
            if tenant.memory_bytes is not None:
                memory.add_metric([tenant.name], tenant.memory_bytes)
        yield from (restarts, kills, memory)


def _histogram(timing: Timing, counted: Iterable[tuple[str, Totals]]) -> Metric:
    family = HistogramMetricFamily(f"{_PREFIX}{timing.name}_seconds", timing.help, labels=["tenant"])
    bounds = [*(str(bound) for bound in BOUNDS_S), "+Inf"]
    for tenant, totals in counted:
        *counts, total_s = totals.times[timing.name]
        family.add_metric([tenant], list(zip(bounds, accumulate(counts), strict=True)), total_s)
    return family
