"""/metrics: requests by route and status, durations, tenants by state."""

from __future__ import annotations

from daemon.api.accounting.metrics import Metrics
from daemon.api.accounting.tenant_metrics import TenantFigures
from daemon.api.matching import match
from daemon.core.encoder_protocol.histogram import BOUNDS_S, BUCKETS, Histogram
from daemon.supervisor.tenants.metering import Totals


def test_requests_are_counted_by_the_routes_template() -> None:
    metrics = Metrics(lambda: ["ready", "ready", "failed"])
    search = match("POST", "/v1/tenants/acme/search").route
    metrics.answered(search, 200, 0.002)
    metrics.answered(search, 200, 0.002)
    metrics.answered(search, 429, 0.002)
    metrics.answered(None, 404, 0.001)
    text = metrics.text().decode()
    labels = 'method="POST",route="/v1/tenants/{tenant}/search"'
    assert f'vecward_requests_total{{{labels},status="200"}} 2.0' in text
    assert f'vecward_requests_total{{{labels},status="429"}} 1.0' in text
    assert 'vecward_requests_total{method="",route="unknown",status="404"} 1.0' in text
    assert f"vecward_request_seconds_count{{{labels}}} 3.0" in text
    assert 'vecward_tenants{state="ready"} 2.0' in text
    assert "_created" not in text
    assert "acme" not in text


def test_streams_have_no_duration() -> None:
    metrics = Metrics(list)
    metrics.answered(match("GET", "/v1/events").route, 200, 3600)
    assert "vecward_request_seconds_count" not in metrics.text().decode()


def test_each_tenant_that_did_something_has_figures() -> None:
    times = Histogram()
    for seconds in (0.0001, 0.001, 0.002, 99):
        times.observe(seconds)
    totals = Totals(storage_bytes=4096)
    totals.counters |= {"queries": 4, "texts": 3, "tokens": 70, "encoder_s": 1.5, "cache_hits": 2}
    totals.times["queue"] = [*times.counts, times.sum_s]
    known = [
        TenantFigures("acme", restarts=2, deadline_kills=1, memory_bytes=1e6, totals=totals),
        TenantFigures("idle", restarts=0, deadline_kills=0, memory_bytes=None, totals=None),
    ]
    text = Metrics(list, lambda: known).text().decode()
    assert 'vecward_tenant_queries_total{tenant="acme"} 4.0' in text
    assert 'vecward_tenant_tokens_total{tenant="acme"} 70.0' in text
    assert 'vecward_tenant_encoder_seconds_total{tenant="acme"} 1.5' in text
    assert 'vecward_tenant_query_cache_hits_total{tenant="acme"} 2' in text
    assert 'vecward_tenant_storage_bytes{tenant="acme"} 4096.0' in text
    assert 'vecward_tenant_restarts_total{tenant="acme"} 2.0' in text
    assert 'vecward_tenant_deadline_kills_total{tenant="acme"} 1.0' in text
    assert 'vecward_tenant_memory_bytes{tenant="acme"} 1e+06' in text
    assert 'vecward_tenant_queue_seconds_bucket{le="0.001",tenant="acme"} 2.0' in text
    assert 'vecward_tenant_queue_seconds_bucket{le="10.0",tenant="acme"} 3.0' in text
    assert 'vecward_tenant_queue_seconds_bucket{le="+Inf",tenant="acme"} 4.0' in text
    assert 'vecward_tenant_queue_seconds_count{tenant="acme"} 4.0' in text
    assert "idle" not in text
    assert len(BOUNDS_S) + 1 == BUCKETS
