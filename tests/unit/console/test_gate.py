"""What reaches the pages, for whom, from where; asked as a browser, a script or an attacker would ask."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from console.app import create_app
from console.web.cookies import Cookies, User
from console.web.gate import MAX_EVENT_BYTES
from daemon.core.wire import MAX_BODY_BYTES, Title
from tests.support.console_fakes import PASSWORD, FakeDaemon

ORIGIN = "http://console.test"
PORT = 7860


class Site:
    """The console's application, an in-memory daemon behind it, and clients in front of it."""

    def __init__(self) -> None:
        self.daemon = FakeDaemon()
        self.daemon.add("acme", Title(en="Acme", zh="顶点"), ["the printer is upstairs", "lunch is at noon"])
        self.daemon.add("globex", Title(en="Globex"), ["a secret of the other company"])
        for name in ("demo", "editor"):
            del self.daemon.roles[name]["globex"]
        self.cookies = Cookies(b"k" * 32, PORT)
        self.app = create_app(self.cookies, self.daemon.open, "vecward")  # type: ignore[arg-type]

    def client(self, user: str | None = None, peer: str = "203.0.113.9", **headers: str) -> httpx.AsyncClient:
        transport = httpx.ASGITransport(self.app, client=(peer, 4711))
        client = httpx.AsyncClient(transport=transport, base_url=ORIGIN, headers=headers)
        if user is not None:
            session = self.daemon.users.get(user, "s-unknown")
            client.cookies.set(self.cookies.name, self.cookies.issue(User(user, session)))
        return client


def make_site() -> Site:
    """In a loop: without one, Gradio makes its own and leaves it open."""

    async def make() -> Site:
        return Site()

    return asyncio.run(make())


@pytest.fixture(scope="module")
def shared() -> Site:
    return make_site()


@pytest.fixture
async def site(shared: Site) -> AsyncIterator[Site]:
    users = dict(shared.daemon.users)
    shared.daemon.acted.clear()
    yield shared
    shared.daemon.users = users


# --- in and out -----------------------------------------------------------------------------------


async def test_signing_in_and_out(site: Site) -> None:
    async with site.client() as client:
        assert (await client.get("/")).headers["location"] == "/signin"
        answer = await client.post("/signin", data={"name": " demo ", "password": PASSWORD}, headers={"origin": ORIGIN})
        assert (answer.status_code, answer.headers["location"]) == (303, "/en/")
        cookie = answer.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=lax" in cookie
        assert "Secure" not in cookie
        assert (await client.get("/", headers={"accept-language": "zh"})).headers["location"] == "/zh/"
        kept = dict(client.cookies)
        assert (await client.post("/signout", headers={"origin": ORIGIN})).headers["location"] == "/signin"
    async with site.client() as client:
        client.cookies.update(kept)
        assert (await client.get("/en/")).headers["location"] == "/signin"


@pytest.mark.parametrize("form", [{"name": "demo", "password": "wrong"}, {"name": "nobody", "password": PASSWORD}, {}])
async def test_a_refused_sign_in_says_nothing_about_names(site: Site, form: dict[str, str]) -> None:
    async with site.client() as client:
        answer = await client.post("/signin", data=form)
    assert answer.status_code == 401
    assert "Name or password is wrong" in answer.text
    assert "set-cookie" not in answer.headers


async def test_what_was_typed_comes_back_escaped(site: Site) -> None:
    async with site.client() as client:
        answer = await client.post("/signin", data={"name": '"><script>x</script>', "password": "x"})
    assert "<script>x" not in answer.text
    assert "&quot;&gt;&lt;script&gt;" in answer.text


async def test_a_form_that_is_none_and_one_too_large(site: Site) -> None:
    async with site.client() as client:
        assert (await client.post("/signin", content=b"\xff\xfe=&&&")).status_code == 401
        assert (await client.post("/signin", content=b"name=" + b"x" * 70_000)).status_code == 413


async def test_behind_tls_on_this_host_the_cookie_is_secure(site: Site) -> None:
    form = {"name": "demo", "password": PASSWORD}
    async with site.client(peer="127.0.0.1", **{"x-forwarded-proto": "https"}) as client:
        answer = await client.post("/signin", data=form)
        assert "Secure" in answer.headers["set-cookie"]
        assert "strict-transport-security" in answer.headers
    async with site.client(**{"x-forwarded-proto": "https"}) as client:
        assert "Secure" not in (await client.post("/signin", data=form)).headers["set-cookie"]


async def test_a_session_that_the_daemon_ended_leads_to_the_sign_in_page(site: Site) -> None:
    async with site.client("demo") as client:
        assert (await client.get("/en/")).status_code == 200
        site.daemon.users["demo"] = "changed"
        answer = await client.get("/en/")
        assert (answer.status_code, answer.headers["location"]) == (303, "/signin?ended=1")
        assert "Max-Age=0" in answer.headers["set-cookie"]


async def test_the_language_switch(site: Site) -> None:
    async with site.client("demo", **{"accept-language": "en"}) as client:
        answer = await client.get("/language/zh")
        assert answer.headers["location"] == "/"
        assert (await client.get("/")).headers["location"] == "/zh/"
        assert "登录" in (await client.get("/signin")).text
        assert (await client.get("/language/klingon")).status_code == 422


# --- other sites ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.test"}, {"origin": "null"}, {"origin": "http://console.test:81"},
        {"origin": ORIGIN, "sec-fetch-site": "cross-site"}, {"sec-fetch-site": "same-site"},
        {"origin": "https://evil.test", "x-forwarded-host": "evil.test"},
    ],
)  # fmt: skip
async def test_other_sites_can_send_nothing(site: Site, headers: dict[str, str]) -> None:
    async with site.client("demo", **headers) as client:
        for path in ("/en/gradio_api/run/predict", "/import/acme?name=a.txt", "/signout"):
            assert (await client.post(path, content=b"{}")).status_code == 403
        answer = await client.post("/signin", data={"name": "demo", "password": PASSWORD})
        assert answer.headers["location"] == "/signin?elsewhere=1"
    assert site.daemon.acted == []


async def test_a_proxy_on_this_host_may_name_the_host(site: Site) -> None:
    headers = {"origin": "https://search.example", "x-forwarded-host": "search.example"}
    async with site.client(peer="::1", **headers) as client:
        answer = await client.post("/signin", data={"name": "demo", "password": PASSWORD})
    assert answer.headers["location"] == "/en/"


# --- what is open ---------------------------------------------------------------------------------

DANGEROUS = [
    "/en/gradio_api/file=/etc/passwd", "/en/file=/etc/passwd", "/en/gradio_api/file/etc/passwd",
    "/en/gradio_api/proxy=http://127.0.0.1/", "/en/gradio_api/upload", "/en/gradio_api/upload_progress",
    "/en/gradio_api/call/predict", "/en/gradio_api/api/predict", "/en/gradio_api/component_server",
    "/en/gradio_api/process_recording", "/en/gradio_api/vibe-edit/", "/en/gradio_api/runs",
    "/en/gradio_api/openapi.json",
    "/en/gradio_api/queue/status", "/en/gradio_api/stream/1", "/en/gradio_api/dev/reload", "/en/monitoring",
    "/en/monitoring/summary", "/en/login", "/en/logout", "/en/gradio_api/user", "/en/gradio_api/token",
    "/en/gradio_api/deep_link", "/en/gradio_api/mcp/sse", "/en/manifest.json", "/en/pwa_icon", "/docs",
    "/openapi.json",
    "/redoc", "/en/docs", "/en/openapi.json", "/en/static/../../../etc/passwd", "/static/../app.py",
    "/en//gradio_api/upload", "/EN/gradio_api/upload", "/en/gradio_api/custom_component/1/2/3/4",
]  # fmt: skip


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


# --- the page -------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", ["en", "zh"])
async def test_a_page_names_no_other_host_and_runs_no_script_without_its_nonce(site: Site, language: str) -> None:
    async with site.client("demo") as client:
        answer = await client.get(f"/{language}/")
        theme = await client.get(f"/{language}/theme.css")
    page = answer.text
    assert f'lang="{language}"' in page
    for text in (page, theme.text):
        assert set(re.findall(r"https?://[\w.:-]+", text)) <= {ORIGIN, "http://www.w3.org"}
    policy = answer.headers["content-security-policy"]
    nonce = re.search(r"'nonce-([\w-]+)'", policy)
    assert nonce is not None
    assert "unsafe-inline" not in policy.split("script-src")[1].split(";")[0]
    scripts = re.findall(r"<script[^>]*>", page)
    assert scripts
    assert all(f'nonce="{nonce[1]}"' in script for script in scripts)
    assert answer.headers["cache-control"] == "no-store"


async def test_every_answer_has_the_security_headers(site: Site) -> None:
    async with site.client() as client:
        for path in ("/signin", "/static/console.js", "/en/", "/nowhere", "/en/gradio_api/upload"):
            headers = (await client.get(path)).headers
            assert headers["x-frame-options"] == "DENY"
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["referrer-policy"] == "same-origin"
            assert "frame-ancestors 'none'" in headers["content-security-policy"]


async def test_nonces_are_not_used_twice(site: Site) -> None:
    async with site.client() as client:
        policies = {(await client.get("/signin")).headers["content-security-policy"] for _ in range(5)}
    assert len(policies) == 5


# --- events ---------------------------------------------------------------------------------------

FILE = {"path": "http://169.254.169.254/latest/meta-data", "meta": {"_type": "gradio.FileData"}}


def _event(*data: Any, **more: Any) -> dict[str, Any]:
    return {"data": list(data), "fn_index": 0, "session_hash": "s", "event_data": None, **more}


@pytest.mark.parametrize("value", [FILE, [FILE], {"a": 1}, [[1]], [{"meta": {"_type": "gradio.FileData"}}]])
async def test_no_value_makes_the_server_read_or_fetch_anything(site: Site, value: Any) -> None:
    async with site.client("admin") as client:
        for path in ("run/predict", "queue/join"):
            answer = await client.post(f"/en/gradio_api/{path}", json=_event(value))
            assert (answer.status_code, answer.json()["detail"]) == (422, "only plain values are accepted")


@pytest.mark.parametrize(("number", "status"), [(99_999, 404), (-1, 404), ("0", 422), ([], 422)])
async def test_handlers_that_do_not_exist(site: Site, number: Any, status: int) -> None:
    async with site.client("demo") as client:
        answer = await client.post("/en/gradio_api/run/predict", json=_event(fn_index=number))
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
        mine = _event(session_hash="demospage")
        assert (await demo.post("/en/gradio_api/run/predict", json=mine)).status_code != 403
        assert (await editor.post("/en/gradio_api/run/predict", json=mine)).status_code == 403
        assert (await editor.post("/en/gradio_api/queue/join", json=mine)).status_code == 403
        assert (await editor.get("/en/gradio_api/queue/data?session_hash=demospage")).status_code == 403
        assert (await editor.get("/en/gradio_api/heartbeat/demospage")).status_code == 403


# --- every handler by hand ------------------------------------------------------------------------


async def _handlers(client: httpx.AsyncClient) -> list[dict[str, Any]]:
    page = (await client.get("/en/")).text
    config = re.search(r"window\.gradio_config = (\{.*?\});</script>", page)
    assert config is not None
    found: list[dict[str, Any]] = json.loads(config[1])["dependencies"]
    return [one for one in found if one["backend_fn"]]


@pytest.mark.parametrize("user", ["demo", "editor", "leaver"])
async def test_no_handler_acts_as_anybody_else_or_beyond_the_daemon(site: Site, user: str) -> None:
    """Each handler, called by hand with another tenant, another user's name, and clicks that no page has."""
    async with site.client("admin") as admin:
        handlers = await _handlers(admin)
    assert len(handlers) > 20
    assert {one["api_visibility"] for one in handlers} == {"private"}
    site.daemon.acted.clear()
    before = site.daemon.bases["globex"].revision, site.daemon.bases["globex"].view
    actions = ("edit", "delete", "next", "show", "stop", "start", "restart", "reload", "undo")
    click = {"id": "1", "tenant": "globex", "query": "secret", "user": "admin", "revision": "1"}
    clicks = [{**click, "action": action} for action in actions]
    said = ""
    async with site.client(user) as client:
        for one in handlers:
            for click in clicks:
                values = ["globex", *["secret"] * (len(one["inputs"]) - 1)]
                event = _event(*values, fn_index=one["id"], event_data=click, session_hash=f"by-hand-{user}")
                path = "queue/join" if one["queue"] else "run/predict"
                said += (await client.post(f"/en/gradio_api/{path}", json=event)).text
    assert {name for name, _ in site.daemon.acted} <= {user, None}
    assert (site.daemon.bases["globex"].revision, site.daemon.bases["globex"].view) == before
    assert "a secret of the other company" not in said
    assert "Traceback" not in said
