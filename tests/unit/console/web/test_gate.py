"""Paths and events that reach the pages, asked for as a browser, a script or an attacker would ask."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from console.web.bodies import MAX_EVENT_BYTES
from daemon.core.wire import MAX_BODY_BYTES
from tests.support.console.site import Site, event

DANGEROUS = [
    "/en/gradio_api/file=/etc/passwd",
    "/en/file=/etc/passwd",
    "/en/gradio_api/file/etc/passwd",
    "/en/gradio_api/proxy=http://127.0.0.1/",
    "/en/gradio_api/upload",
    "/en/gradio_api/upload_progress",
    "/en/gradio_api/call/predict",
    "/en/gradio_api/api/predict",
    "/en/gradio_api/component_server",
    "/en/gradio_api/process_recording",
    "/en/gradio_api/vibe-edit/",
    "/en/gradio_api/runs",
    "/en/gradio_api/openapi.json",
    "/en/gradio_api/queue/status",
    "/en/gradio_api/stream/1",
    "/en/gradio_api/dev/reload",
    "/en/monitoring",
    "/en/monitoring/summary",
    "/en/login",
    "/en/logout",
    "/en/gradio_api/user",
    "/en/gradio_api/token",
    "/en/gradio_api/deep_link",
    "/en/gradio_api/mcp/sse",
    "/en/manifest.json",
    "/en/pwa_icon",
    "/docs",
    "/openapi.json",
    "/redoc",
    "/en/docs",
    "/en/openapi.json",
    "/en/static/../../../etc/passwd",
    "/static/../app.py",
    "/en//gradio_api/upload",
    "/EN/gradio_api/upload",
    "/en/gradio_api/custom_component/1/2/3/4",
]


@pytest.mark.parametrize("path", DANGEROUS)
async def test_what_the_console_does_not_need_is_not_there(site: Site, path: str) -> None:
    async with site.client("admin") as client:
        for method in ("GET", "POST"):
            assert (await client.request(method, path)).status_code in (403, 404, 405)


async def test_without_signing_in_there_is_a_form_and_its_looks(site: Site) -> None:
    async with site.client() as client:
        for path in ("/signin", "/static/console.css", "/static/console.js", "/static/favicon.svg"):
            assert (await client.get(path)).status_code == 200
        assert (await client.get("/zh/")).headers["location"] == "/signin"
        for path in ("config", "gradio_api/info", "gradio_api/startup-events", "theme.css", "gradio_api/app_id"):
            assert (await client.get(f"/en/{path}")).status_code == 401
        assert (await client.post("/en/gradio_api/run/predict", json={})).status_code == 401
        assert (await client.post("/en/gradio_api/queue/join", json={})).status_code == 401
        assert (await client.get("/export/acme")).status_code == 401
        assert (await client.post("/import/acme?name=a.txt", content=b"x")).status_code == 401
    assert site.daemon.acted == []


FILE = {"path": "http://169.254.169.254/latest/meta-data", "meta": {"_type": "gradio.FileData"}}


@pytest.mark.parametrize("value", [FILE, [FILE], {"a": 1}, [[1]], [{"meta": {"_type": "gradio.FileData"}}]])
async def test_no_value_makes_the_server_read_or_fetch_anything(site: Site, value: Any) -> None:
    async with site.client("admin") as client:
        for path in ("run/predict", "queue/join"):
            answer = await client.post(f"/en/gradio_api/{path}", json=event(value))
            assert (answer.status_code, answer.json()["detail"]) == (422, "only plain values are accepted")


@pytest.mark.parametrize(("number", "status"), [(99_999, 404), (-1, 404), ("0", 422), ([], 422)])
async def test_handlers_that_do_not_exist(site: Site, number: Any, status: int) -> None:
    async with site.client("demo") as client:
        answer = await client.post("/en/gradio_api/run/predict", json=event(fn_index=number))
    assert answer.status_code == status


@pytest.mark.parametrize("body", [b"", b"nonsense", b"[]", b"\xff", b"[" * 5000])
async def test_events_that_are_no_events(site: Site, body: bytes) -> None:
    async with site.client("demo") as client:
        assert (await client.post("/en/gradio_api/run/predict", content=body)).status_code == 400


async def test_bodies_are_bounded_declared_or_not(site: Site) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(MAX_EVENT_BYTES // 65_536 + 2):
            yield b"x" * 65_536

    async with site.client("editor") as client:
        declared = {"content-length": str(MAX_EVENT_BYTES + 1)}
        assert (await client.post("/en/gradio_api/run/predict", content=b"{", headers=declared)).status_code == 413
        assert (await client.post("/en/gradio_api/run/predict", content=endless())).status_code == 413
        declared = {"content-length": str(MAX_BODY_BYTES + 1)}
        assert (await client.post("/import/acme?name=a.txt", content=b"x", headers=declared)).status_code == 413
        declared = {"content-length": "a lot"}
        assert (await client.post("/import/acme?name=a.txt", content=b"x", headers=declared)).status_code == 413


async def test_a_page_belongs_to_whoever_opened_it(site: Site) -> None:
    async with site.client("demo") as demo, site.client("editor") as editor:
        mine = event(session_hash="demospage")
        assert (await demo.post("/en/gradio_api/run/predict", json=mine)).status_code != 403
        assert (await editor.post("/en/gradio_api/run/predict", json=mine)).status_code == 403
        assert (await editor.post("/en/gradio_api/queue/join", json=mine)).status_code == 403
        assert (await editor.get("/en/gradio_api/queue/data?session_hash=demospage")).status_code == 403
        assert (await editor.get("/en/gradio_api/heartbeat/demospage")).status_code == 403
