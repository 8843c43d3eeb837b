"""Figures of each tenant for /metrics: what its encoders did since the daemon started, and how they fare."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from daemon.core.encoder_protocol.histogram import BOUNDS_S
from daemon.supervisor.manager import Manager
from daemon.supervisor.process.memory import memory_mb
from daemon.supervisor.tenants.metering import TIMES, Totals

_MIB = 1048576

# Name and help of each counter, by its name in `Totals.counters`.
_COUNTERS = {
    "queries": ("vecward_tenant_queries", "Searches answered"),
    "texts": ("vecward_tenant_texts", "Documents encoded"),
    "tokens": ("vecward_tenant_tokens", "Tokens encoded"),
    "encoder_s": ("vecward_tenant_encoder_seconds", "Time in calls of the model"),
    "cache_hits": ("vecward_tenant_query_cache_hits", "Queries whose vector was remembered"),
}
_TIMES = {
    "queue": "Time that searches waited for the model",
    "encode": "Time that searches were encoded",
    "search": "Time that the index was searched",
}


@dataclass(frozen=True)
class TenantFigures:
    """`totals` None: none of its encoders has told anything yet."""

    name: str
    restarts: int
    deadline_kills: int
    memory_bytes: float | None
    totals: Totals | None


def figures(manager: Manager) -> Iterator[TenantFigures]:
    for tenant in manager.tenants.values():
        pid = tenant.process.pid if tenant.process is not None else None
        memory = memory_mb(pid) if pid is not None else None
        yield TenantFigures(
            tenant.name,
            tenant.restarts,
            tenant.deadline_kills,
            None if memory is None else memory * _MIB,
            manager.metering.totals.get(tenant.name),
        )


class PerTenant(Collector):
    """Tenants that did nothing since the daemon started have no lines: a thousand parked ones cost nothing here."""

    def __init__(self, tenants: Callable[[], Iterable[TenantFigures]]) -> None:
        self._tenants = tenants

    def collect(self) -> Iterable[Metric]:
        tenants = list(self._tenants())
        yield from self._fates(tenants)
        told = [(tenant.name, tenant.totals) for tenant in tenants if tenant.totals is not None]
        for key, (name, help_) in _COUNTERS.items():
            counter = CounterMetricFamily(name, help_, labels=["tenant"])
            for tenant, totals in told:
                counter.add_metric([tenant], totals.counters[key])
            yield counter
        storage = GaugeMetricFamily("vecward_tenant_storage_bytes", "Knowledge base and index", labels=["tenant"])
        for tenant, totals in told:
            storage.add_metric([tenant], totals.storage_bytes)
        yield storage
        yield from (self._histogram(key, told) for key in TIMES)

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

    def _histogram(self, key: str, told: Iterable[tuple[str, Totals]]) -> Metric:
        family = HistogramMetricFamily(f"vecward_tenant_{key}_seconds", _TIMES[key], labels=["tenant"])
        bounds = [*(str(bound) for bound in BOUNDS_S), "+Inf"]
        for tenant, totals in told:
            *counts, total_s = totals.times[key]
            family.add_metric([tenant], list(zip(bounds, accumulate(counts), strict=True)), total_s)
        return family
