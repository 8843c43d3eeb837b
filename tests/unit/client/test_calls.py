"""Every method of AsyncClient: what it sends, and what it makes of the answer."""

from __future__ import annotations

import io
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from daemon.client import AsyncClient
from daemon.core import wire
from daemon.core.roles import Role
from tests.support.http import answers
from tests.support.http.api_stub import Canned, Stub, serving

T = "/v1/tenants/acme"
Call = Callable[[AsyncClient], Awaitable[Any]]

CALLS: dict[str, tuple[Call, str, Any, str, Any]] = {
    "health": (lambda c: c.health(), "GET /v1/health", answers.HEALTH, "", None),
    "info": (lambda c: c.info(), "GET /v1/info", answers.INFO, "", None),
    "gpus": (lambda c: c.gpus(), "GET /v1/gpus", {"gpus": [], "note": "no GPU on this host"}, "", None),
    "openapi": (lambda c: c.openapi(), "GET /openapi.json", answers.OPENAPI, "", None),
    "usage": (lambda c: c.usage("acme"), f"GET {T}/usage", answers.USAGE, "", None),
    "audit": (
        lambda c: c.audit(5, 2, "acme"),
        "GET /v1/audit",
        {"lines": [{"n": 1}]},
        "before=5&limit=2&tenant=acme",
        None,
    ),
    "sign_in": (
        lambda c: c.sign_in("demo", "secret"),
        "POST /v1/signin",
        {"name": "demo", "session": "s", "admin": False},
        "",
        {"name": "demo", "password": "secret"},
    ),
    "tenants": (
        lambda c: c.tenants(after="a", limit=2, q="销售", state="ready", role=Role.TENANT_ADMIN, sort="-entries"),
        "GET /v1/tenants",
        answers.TENANTS,
        "after=a&limit=2&q=%E9%94%80%E5%94%AE&state=ready&role=tenant-admin&sort=-entries",
        None,
    ),
    "tenant": (lambda c: c.tenant("acme"), f"GET {T}", answers.TENANT, "", None),
    "put_tenant": (lambda c: c.put_tenant("acme", b"{}", adopt=True), f"PUT {T}", answers.TENANT, "adopt=true", {}),
    "plan_tenant": (lambda c: c.plan_tenant("acme", b"{}"), f"POST {T}/plan", answers.TENANT_PLAN, "", {}),
    "bench": (
        lambda c: c.bench("acme", [5], 1.0, 2),
        f"POST {T}/bench",
        answers.operation(),
        "",
        {"entries": [5], "seconds": 1.0, "clients": 2, "beside": False},
    ),
    "delete_tenant": (lambda c: c.delete_tenant("acme", purge="acme"), f"DELETE {T}", b"", "purge=acme", None),
    "start": (lambda c: c.start("acme"), f"POST {T}/start", answers.operation(), "", None),
    "stop": (lambda c: c.stop("acme"), f"POST {T}/stop", answers.operation(), "", None),
    "restart": (lambda c: c.restart("acme"), f"POST {T}/restart", answers.operation(), "", None),
    "park": (lambda c: c.park("acme"), f"POST {T}/park", answers.operation(), "", None),
    "operation": (lambda c: c.operation("acme", "d-1"), f"GET {T}/operations/d-1", answers.operation(), "", None),
    "wait": (
        lambda c: c.wait("acme", "d-1", 5),
        f"GET {T}/operations/d-1/wait",
        answers.operation("done"),
        "timeout=5",
        None,
    ),
    "cancel": (
        lambda c: c.cancel("acme", "e-1"),
        f"DELETE {T}/operations/e-1",
        answers.operation("cancelled"),
        "",
        None,
    ),
    "entries": (
        lambda c: c.entries("acme", after=3, limit=2, q="a b"),
        f"GET {T}/entries",
        answers.ENTRIES,
        "after=3&limit=2&q=a+b",
        None,
    ),
    "add": (
        lambda c: c.add("acme", [wire.NewEntry(text="我想吃点东西", metadata={"n": None})]),
        f"POST {T}/entries",
        answers.ADDED,
        "",
        {"entries": [{"text": "我想吃点东西", "metadata": {"n": None}}]},
    ),
    "set_texts": (
        lambda c: c.set_texts("acme", ["a", "b"], dry_run=True),
        f"PUT {T}/entries",
        answers.PLAN,
        "dry_run=true",
        {"texts": ["a", "b"]},
    ),
    "edit": (lambda c: c.edit("acme", 3, metadata={}), f"PATCH {T}/entries/3", answers.ENTRY, "", {"metadata": {}}),
    "delete": (
        lambda c: c.delete("acme", [3], forget=True),
        f"POST {T}/entries/delete",
        {"deleted": [3], "unknown": [], "revision": 8},
        "",
        {"ids": [3], "forget": True},
    ),
    "import_entries": (
        lambda c: c.import_entries("acme", b"[1]", "text/plain", mode="set"),
        f"POST {T}/import",
        answers.operation(),
        "mode=set",
        [1],
    ),
    "history": (
        lambda c: c.history("acme", 5, 1),
        f"GET {T}/history",
        {"changes": [answers.CHANGE]},
        "after=5&limit=1",
        None,
    ),
    "restore": (
        lambda c: c.restore("acme", io.BytesIO(b"[1]"), source="globex"),
        f"POST {T}/restore",
        answers.operation(),
        "from=globex",
        [1],
    ),
    "recover": (lambda c: c.recover("acme"), f"POST {T}/recover", answers.operation(), "", None),
    "undo": (lambda c: c.undo("acme"), f"POST {T}/undo", answers.CHANGE, "", None),
    "search": (
        lambda c: c.search("acme", "吃", k=2, min_score=0.0, filter={"a": 1}),
        f"POST {T}/search",
        answers.SEARCHED,
        "",
        {"query": "吃", "k": 2, "min_score": 0.0, "filter": {"a": 1}},
    ),
    "entry_vector": (
        lambda c: c.entry_vector("acme", 3, 4),
        f"GET {T}/entries/3/vector",
        answers.VECTOR,
        "dims=4",
        None,
    ),
    "vector": (
        lambda c: c.vector("acme", "x", "document", 4),
        f"POST {T}/vector",
        answers.VECTOR,
        "",
        {"text": "x", "kind": "document", "dims": 4},
    ),
    "logs": (lambda c: c.logs("acme", 5), f"GET {T}/logs", {"lines": [answers.LOG_LINE]}, "tail=5", None),
    "events": (lambda c: c.events(1, 2), "GET /v1/events", {"events": [answers.EVENT]}, "after=1&limit=2", None),
}

STREAMS = {"export", "backup", "salvage", "follow_logs", "follow_events"}


@pytest.fixture
async def stub() -> AsyncIterator[Stub]:
    with tempfile.TemporaryDirectory(prefix="vw-") as folder:
        async with serving(Stub(Path(folder) / "run/daemon.sock")) as stub:
            yield stub


def test_each_call_is_tested() -> None:
    public = {name for name in vars(AsyncClient) if not name.startswith("_")}
    assert public - {"aclose"} == set(CALLS) | STREAMS


@pytest.mark.parametrize("name", CALLS)
async def test_what_a_call_sends_and_answers(stub: Stub, name: str) -> None:
    call, route, answer, query, body = CALLS[name]
    stub.answers[route] = Canned(answer)
    async with AsyncClient(stub.socket) as client:
        got = await call(client)
    asked = stub.asked[0]
    assert f"{asked.method} {asked.path}" == route
    assert asked.target.partition("?")[2] == query
    if body is not None:
        assert asked.json == body
    if isinstance(got, wire.Operation):
        got = wire.OperationAnswer(operation=got)
    if isinstance(got, wire.Answer):
        assert got == type(got).model_validate(answer)


async def test_yaml_and_imports_say_what_they_are(stub: Stub) -> None:
    stub.answers = {f"PUT {T}": Canned(answers.TENANT), f"POST {T}/import": Canned(answers.operation())}
    async with AsyncClient(stub.socket) as client:
        await client.put_tenant("acme", b"title: {}")
        await client.import_entries("acme", b"text\nhello", "text/csv")
    assert [asked.headers["content-type"] for asked in stub.asked] == ["application/yaml", "text/csv"]


@pytest.mark.parametrize(
    "change",
    [
        lambda c, r: c.add("acme", [], if_match=r),
        lambda c, r: c.set_texts("acme", [], if_match=r),
        lambda c, r: c.edit("acme", 3, "x", if_match=r),
        lambda c, r: c.delete("acme", [3], if_match=r),
        lambda c, r: c.import_entries("acme", b"x", "text/plain", if_match=r),
        lambda c, r: c.undo("acme", if_match=r),
    ],
)
async def test_a_revision_is_sent_with_every_change(stub: Stub, change: Any) -> None:
    stub.answers = {
        f"POST {T}/entries": Canned(answers.ADDED),
        f"PUT {T}/entries": Canned(answers.PLAN),
        f"PATCH {T}/entries/3": Canned(answers.ENTRY),
        f"POST {T}/entries/delete": Canned({"deleted": [3], "revision": 8}),
        f"POST {T}/import": Canned(answers.operation()),
        f"POST {T}/undo": Canned(answers.CHANGE),
    }
    async with AsyncClient(stub.socket) as client:
        await change(client, 0)
        await change(client, None)
    assert [asked.headers.get("if-match") for asked in stub.asked] == ['"0"', None]


async def test_who_is_asking_is_sent_percent_encoded(stub: Stub) -> None:
    stub.answers["GET /v1/health"] = Canned(answers.HEALTH)
    async with AsyncClient(stub.socket, user="张 三\r\n", session="00ff") as client:
        await client.health()
    assert stub.asked[0].headers["vecward-user"] == "%E5%BC%A0%20%E4%B8%89%0D%0A"
    assert stub.asked[0].headers["vecward-session"] == "00ff"


@pytest.mark.parametrize("name", ["../health", "a/b", "a?b", "a b", "\r\nx: y", "\udcff", "中"])
async def test_no_name_can_be_more_than_a_segment(stub: Stub, name: str) -> None:
    async with AsyncClient(stub.socket) as client:
        with pytest.raises(Exception, match="cannot find it"):
            await client.tenant(name)
    segment = stub.asked[0].target.removeprefix("/v1/tenants/")
    assert not set(segment) & set("/? \r\n")
    assert segment.isascii()
