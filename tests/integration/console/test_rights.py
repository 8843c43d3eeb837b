"""Rights behind the console: each of Gradio's handlers and routes called by hand, in front of a real daemon."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from typing import Any

import gradio as gr
import httpx
import pytest
from fastapi import FastAPI

from daemon.core.config import passwords, users
from tests.support.console.page import Page, signed_in
from tests.support.console.process import running_console
from tests.support.daemons import RunningDaemon, fake_tenant, running_daemon, wait_for

PASSWORD = "correct horse"
SECRET = "a secret of the other company"
MINE = "the printer is upstairs"


@dataclass
class Site:
    daemon: RunningDaemon
    address: str

    def state(self) -> list[tuple[str, int | None, int | None, int | None, str]]:
        """List facts that nobody but an editor or admin could have changed."""
        with self.daemon.client() as client:
            found = client.tenants().tenants
        return [(one.name, one.revision, one.entries, one.pid, one.state) for one in found]


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    tenants = {
        "acme": fake_tenant(access={"searchers": ["user:searcher"]}),
        "globex": globex(),
    }
    with running_daemon(tenants, start=False, admins=["uid:0", "user:chief"]) as daemon:
        users.save(
            daemon.paths.users_yaml, {n: passwords.hash_password(PASSWORD) for n in ("searcher", "rival", "chief")}
        )
        daemon.start().ready("acme", "globex")
        with daemon.client() as client:
            client.set_texts("acme", [MINE, "lunch is at noon"])
            client.set_texts("globex", [SECRET])
        with running_console(daemon) as address:
            yield Site(daemon, address)


ACTIONS = ("edit", "delete", "next", "show", "stop", "start", "restart", "older", "undo")


def globex(*searchers: str) -> dict[str, Any]:
    return fake_tenant(title={"en": "Globex"}, access={"searchers": ["user:rival", *searchers]})


def call_everything(page: Page, tenant: str) -> str:
    """Call each handler with each click that a page could have, and some that none has."""
    said = ""
    for event in page.events:
        clicks = [(target, kind) for target, kind in event["targets"] if kind == "click"]
        for action in ACTIONS if clicks else ACTIONS[:1]:
            numbers = {"id": "1", "before": "9999", "revision": "1"}
            click = {"tenant": tenant, "query": "secret", "action": action, **numbers}
            said += page.call(event, tenant, click)
    return said


def test_no_handler_gives_a_searcher_more_than_the_daemon_does(site: Site) -> None:
    before = site.state()
    with signed_in(site.address, "searcher", PASSWORD) as client:
        page = Page(client)
        assert len(page.events) > 20
        assert "acme" in page.arrive()
        said = call_everything(page, "acme")
        said += call_everything(page, "globex")
    assert site.state() == before
    assert MINE in said, "the handlers were called in a way that can work"
    assert SECRET not in said
    assert "Globex" not in said
    assert "Traceback" not in said
    with site.daemon.client() as client_:
        lines = client_.audit(limit=1000, principal="user:searcher").lines
    assert {line["outcome"] for line in lines if line["action"] == "sign_in"} == {"done"}
    refused = {line["action"] for line in lines if line["outcome"] == "forbidden"}
    assert refused >= {"stop", "start", "restart", "delete_entries", "undo", "audit"}
    assert {line["outcome"] for line in lines if line["action"] != "sign_in"} <= {"forbidden", "unknown-tenant"}


def test_an_open_page_ends_with_the_grant(site: Site) -> None:
    """End a grant while a page is open: Gradio knows the tenant and lets it pass, the daemon alone refuses."""
    site.daemon.write_tenant("globex", globex("user:searcher"))
    with signed_in(site.address, "searcher", PASSWORD) as client:
        page = Page(client)
        wait_for(lambda: "globex" in page.arrive(), what="the grant")
        assert SECRET in call_everything(page, "globex")
        before = site.state()
        site.daemon.write_tenant("globex", globex())
        wait_for(lambda: "globex" not in Page(client).arrive(), what="its end")
        assert SECRET not in call_everything(page, "globex")
    assert site.state() == before


def test_no_handler_answers_nobody(site: Site) -> None:
    with signed_in(site.address, "chief", PASSWORD) as chief:
        every = Page(chief).events
        theft = dict(chief.cookies)
    with httpx.Client(base_url=site.address, headers={"origin": site.address}) as nobody:
        for cookies in (
            {},
            dict.fromkeys(theft, "forged"),
            {name: value[:-9] + "x" * 9 for name, value in theft.items()},
        ):
            nobody.cookies.update(cookies)
            for one in every:
                event = {"data": ["acme"] * len(one["inputs"]), "fn_index": one["id"], "session_hash": "nobody"}
                for path in ("run/predict", "queue/join"):
                    assert nobody.post(f"/en/gradio_api/{path}", json=event).status_code == 401


def test_a_changed_password_ends_what_a_page_may_do(site: Site) -> None:
    users.add(site.daemon.paths.users_yaml, "leaver", PASSWORD)
    with signed_in(site.address, "leaver", PASSWORD) as client:
        page = Page(client)
        users.set_password(site.daemon.paths.users_yaml, "leaver", "battery staple")
        assert client.get("/en/").headers["location"] == "/signin?ended=1"
        page.arrive()
        assert MINE not in call_everything(page, "acme")


# --- all of Gradio's routes, those of its next release too ----------------------------------------------

_NEEDED = re.compile(
    r"/(config|theme\.css|assets/.*|static/.*|svelte/.*"
    r"|gradio_api/(run/.*|queue/(join|data)|heartbeat/.*|cancel|reset|startup-events|app_id|info|theme\.css))?/?"
)


def gradio_routes() -> list[tuple[str, str]]:
    """List method and path of each route that Gradio makes, with parameters filled in as an attacker would."""

    async def make() -> FastAPI:
        """Make Gradio's application inside a loop: without one, Gradio makes its own and leaves it open."""
        with gr.Blocks() as blocks:
            gr.Textbox()
        return gr.routes.App.create_app(blocks)

    with ThreadPoolExecutor(1) as thread:  # playwright's loop runs in this one once browser tests were there
        app = thread.submit(lambda: asyncio.run(make())).result()
    found = set()
    included = [one.original_router.routes for one in app.routes if hasattr(one, "original_router")]
    assert included, "this Gradio keeps its API elsewhere"
    for route in chain(app.routes, *included):
        path = re.sub(r"\{\w+:path\}", "/etc/passwd", getattr(route, "path", ""))
        path = re.sub(r"\{\w+\}", "x", path)
        found |= {(method, path) for method in getattr(route, "methods", None) or {"GET"}}
    return sorted(found)


def test_only_the_routes_that_pages_need_are_there(site: Site) -> None:
    routes = gradio_routes()
    assert len(routes) > 30
    opened = []
    with signed_in(site.address, "chief", PASSWORD) as chief, httpx.Client(base_url=site.address) as nobody:
        for method, path in routes:
            answer = chief.request(method, f"/en{path}", timeout=5) if not _NEEDED.fullmatch(path) else None
            if path and answer is not None and answer.status_code not in (404, 405):
                opened.append((method, path, answer.status_code))
            if not path.startswith(("/assets", "/static")) and method == "GET":
                assert nobody.get(f"/en{path}").status_code in (303, 307, 401, 404, 405), path
    assert opened == []


def test_no_file_of_a_tenant_or_of_the_host_is_served(site: Site) -> None:
    data = site.daemon.paths.tenant("acme").knowledge_db
    with signed_in(site.address, "chief", PASSWORD) as chief:
        for base in ("/en", "", "/zh"):
            for way in ("/gradio_api/file=", "/file=", "/file/", "/static/", "/assets/", "/gradio_api/proxy=file://"):
                for target in (str(data), "/etc/passwd", "..%2f..%2f..%2fetc%2fpasswd", "%2e%2e/%2e%2e/app.py"):
                    answer = chief.get(f"{base}{way}{target}")
                    assert answer.status_code in (403, 404, 405), (base, way, target)
                    assert b"root:" not in answer.content
        assert chief.post("/en/gradio_api/upload", files={"files": b"x"}).status_code == 404
    assert not list(site.daemon.root.glob("**/gradio"))
