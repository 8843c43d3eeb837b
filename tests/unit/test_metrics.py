"""/metrics: requests by route and status, durations, tenants by state."""

from __future__ import annotations

from daemon.api.metrics import Metrics
from daemon.api.routes import match


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
