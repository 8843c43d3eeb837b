"""Figures about requests and tenants for /metrics, in a registry of Prometheus's own client library."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from daemon.api.accounting.tenant_metrics import PerTenant, TenantFigures
from daemon.api.routes import Route

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class Metrics:
    """The registry, and the counters of requests.

    `states` answers each tenant's state; `tenants` what is known of each tenant's work.
    """

    def __init__(
        self, states: Callable[[], Iterable[str]], tenants: Callable[[], Iterable[TenantFigures]] = tuple
    ) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # noise: a *_created gauge beside every figure
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "vecward_requests", "Requests answered", ["method", "route", "status"], registry=self.registry
        )
        self._seconds = Histogram(
            "vecward_request_seconds",
            "Time to the end of the answer",
            ["method", "route"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.registry.register(_TenantStates(states))
        self.registry.register(PerTenant(tenants))
        self._counters: dict[tuple[Route | None, int], Counter] = {}
        self._histograms: dict[Route, Histogram] = {}

    def answered(self, route: Route | None, status: int, seconds: float) -> None:
        """Count one request; `route` None: the path is unknown. Streams have no duration."""
        key = (route, status)
        counter = self._counters.get(key)
        if counter is None:
            method, path = (route.method, route.path) if route else ("", "unknown")
            counter = self._counters[key] = self._requests.labels(method, path, str(status))
        counter.inc()
        if route is None or route.stream:
            return
        histogram = self._histograms.get(route)
        if histogram is None:
            histogram = self._histograms[route] = self._seconds.labels(route.method, route.path)
        histogram.observe(seconds)

    def text(self) -> bytes:
        return generate_latest(self.registry)


class _TenantStates(Collector):
    def __init__(self, states: Callable[[], Iterable[str]]) -> None:
        self._states = states

    def collect(self) -> Iterable[Metric]:
        family = GaugeMetricFamily("vecward_tenants", "Tenants by state", labels=["state"])
        for state, count in sorted(Tally(self._states()).items()):
            family.add_metric([state], count)
        yield family
