"""The way of a request: authenticated first, refused in its words, audited, and answered whatever breaks."""

from __future__ import annotations

import asyncio
import errno
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.types import Receive, Scope, Send

from daemon.api.accounting.audit import AuditLog
from daemon.api.accounting.metrics import Metrics
from daemon.api.connections.bodies import ClientGone
from daemon.api.connections.streams import Streams
from daemon.api.context import ApiServices
from daemon.api.pipeline.front import Front
from daemon.api.rights.access import Access
from daemon.api.rights.authenticate import Authenticator, UserBase
from daemon.api.rights.connection import SCOPE_KEY, Connection
from daemon.core.config import users
from daemon.core.config.daemon_config import DaemonConfig
from daemon.core.errors import Forbidden
from daemon.core.http.response import ConnectionLost
from daemon.core.http.sockets import Peer

ME = Connection("daemon", Peer(1, os.getuid(), os.getgid()))
STRANGER = Connection("daemon", Peer(1, 4_000_001, 4_000_001))
CONSOLE = Connection("console", Peer(1, os.getuid(), os.getgid()))

Message = dict[str, Any]


class Handlers:
    """The application behind the front: answers with `{}`, or does what a test puts in its place."""

    def __init__(self) -> None:
        self.does: BaseException | None = None
        self.after_start = False
        self.bodies: list[bytes] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self.does is not None and not self.after_start:
            raise self.does
        message = await receive()
        self.bodies.append(message["body"])
        await send({"type": "http.response.start", "status": 200, "headers": []})
        if self.does is not None:
            raise self.does
        await send({"type": "http.response.body", "body": b"{}"})


class Daemon:
    """A front over services without a supervisor."""

    def __init__(self, folder: Path) -> None:
        users.add(folder / "users.yaml", "demo", "a good password")
        self.audit_log = folder / "audit.log"
        self.handlers = Handlers()
        manager: Any = SimpleNamespace(config=DaemonConfig(), tenants={})
        user_base = UserBase(folder / "users.yaml")
        sign_ins: Any = SimpleNamespace(close=lambda: None)
        self.services = ApiServices(
            manager=manager,
            access=Access(manager),
            authenticator=Authenticator(manager, user_base),
            sign_ins=sign_ins,
            audit=AuditLog(self.audit_log),
            metrics=Metrics(list),
            streams=Streams(),
        )
        self.front = Front(self.services, self.handlers)

    async def ask(
        self,
        line: str,
        connection: Connection = ME,
        headers: list[tuple[bytes, bytes]] | None = None,
        body: bytes = b"",
    ) -> list[Message]:
        method, path = line.split()
        scope: Scope = {"type": "http", "method": method, "raw_path": path.encode(), "headers": headers or []}
        scope[SCOPE_KEY] = connection
        sent: list[Message] = []

        async def receive() -> Message:
            return {"type": "http.request", "body": body}

        async def send(message: Any) -> None:
            sent.append(message)

        await self.front(scope, receive, send)
        return sent

    async def refusal(self, line: str, *args: Any, **more: Any) -> tuple[int, str]:
        """Ask, and return status and kind of the problem."""
        start, end = await self.ask(line, *args, **more)
        headers = dict(start["headers"])
        assert headers[b"content-type"] == b"application/problem+json"
        problem = json.loads(end["body"])
        assert headers[b"vecward-request"].decode() == problem["request_id"]
        return start["status"], problem["kind"]

    @property
    def audited(self) -> list[tuple[str, str, str]]:
        lines = map(json.loads, self.audit_log.read_text().splitlines())
        return [(line["principal"], line["action"], line["outcome"]) for line in lines]


@pytest.fixture
async def daemon(tmp_path: Path) -> AsyncIterator[Daemon]:
    made = Daemon(tmp_path)
    yield made
    made.front.close()


async def test_an_allowed_call_reaches_its_handler_and_gets_its_id(daemon: Daemon) -> None:
    start, end = await daemon.ask("GET /v1/gpus", body=b"some")
    assert (start["status"], end["body"], daemon.handlers.bodies) == (200, b"{}", [b"some"])
    assert len(dict(start["headers"])[b"vecward-request"]) == 32
    assert daemon.audited == []


async def test_nothing_about_a_path_is_told_before_the_caller_is_known(daemon: Daemon) -> None:
    for path in ("/v1/gpus", "/nowhere", "/v1/tenants/acme"):
        assert await daemon.refusal(f"GET {path}", CONSOLE) == (401, "unauthenticated")
    demo = [(b"vecward-user", b"demo")]
    assert await daemon.refusal("GET /nowhere", CONSOLE, demo) == (404, "not-found")
    assert await daemon.refusal("POST /v1/gpus", CONSOLE, demo) == (405, "method-not-allowed")
    assert await daemon.refusal("GET /v1/gpus", CONSOLE, demo) == (403, "forbidden")
    assert daemon.handlers.bodies == []


async def test_refusals_are_audited_and_calls_that_change_something_too(daemon: Daemon) -> None:
    assert await daemon.refusal("GET /v1/gpus", STRANGER) == (403, "forbidden")
    assert await daemon.refusal("POST /v1/tenants/acme/start") == (404, "unknown-tenant")
    await daemon.ask("PUT /v1/tenants/acme")
    await daemon.ask("GET /v1/tenants", STRANGER)
    me = f"uid:{os.getuid()}"
    assert daemon.audited == [
        ("uid:4000001", "gpus", "forbidden"),
        (me, "start", "unknown-tenant"),
        (me, "put_tenant", "done"),
    ]


async def test_a_sign_in_is_for_the_consoles_socket(daemon: Daemon) -> None:
    assert await daemon.refusal("POST /v1/signin") == (403, "forbidden")
    start, _ = await daemon.ask("POST /v1/signin", CONSOLE, [(b"vecward-address", b"192.0.2.7")])
    assert start["status"] == 200
    assert json.loads(daemon.audit_log.read_text().splitlines()[-1])["address"] == "192.0.2.7"


async def test_a_body_larger_than_a_handler_takes_is_refused(daemon: Daemon) -> None:
    large = b"#" * (3 << 20)
    assert await daemon.refusal("PUT /v1/tenants/acme", body=large) == (413, "body-too-large")
    declared = [(b"content-length", b"%d" % (1 << 40))]
    assert await daemon.refusal("PUT /v1/tenants/acme", ME, declared) == (413, "body-too-large")
    assert await daemon.refusal("PUT /v1/tenants/acme", ME, [(b"content-length", b"1_0")]) == (400, "bad-request")


@pytest.mark.parametrize(
    ("raised", "refused"),
    [
        (Forbidden("cannot do it"), (403, "forbidden")),
        (RuntimeError("a bug"), (500, "internal")),
        (OSError(errno.ENOSPC, "No space left on device"), (507, "disk-full")),
        (asyncio.CancelledError(), (503, "unavailable")),
    ],
    ids=["a refusal", "a bug", "a full disk", "the daemon's end"],
)
async def test_whatever_a_handler_raises_is_answered(
    daemon: Daemon, raised: BaseException, refused: tuple[int, str]
) -> None:
    daemon.handlers.does = raised
    assert await daemon.refusal("PUT /v1/tenants/acme") == refused
    assert daemon.audited[-1][2] == refused[1]


@pytest.mark.parametrize("raised", [RuntimeError("a bug"), ConnectionLost(before_response=False)])
async def test_an_answer_that_breaks_off_gets_no_second_one(daemon: Daemon, raised: Exception) -> None:
    daemon.handlers.does, daemon.handlers.after_start = raised, True
    assert [message["type"] for message in await daemon.ask("GET /v1/gpus")] == ["http.response.start"]


async def test_a_caller_who_leaves_is_audited_as_that(daemon: Daemon) -> None:
    daemon.handlers.does = ClientGone()
    assert await daemon.ask("PUT /v1/tenants/acme") == []
    assert daemon.audited[-1][2] == "caller-left"


async def test_only_http_is_served(daemon: Daemon) -> None:
    with pytest.raises(ValueError, match="only HTTP"):
        await daemon.front({"type": "websocket"}, None, None)  # type: ignore[arg-type]


async def test_every_request_is_counted_by_its_route(daemon: Daemon) -> None:
    await daemon.ask("GET /v1/gpus")
    await daemon.refusal("GET /nowhere")
    text = daemon.services.metrics.text().decode()
    assert 'vecward_requests_total{method="GET",route="/v1/gpus",status="200"} 1.0' in text
    assert 'vecward_requests_total{method="",route="unknown",status="404"} 1.0' in text
