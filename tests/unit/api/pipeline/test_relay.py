"""The relay: headers both ways, and requests that are sent again when an encoder dies over them."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from daemon.api.matching import match
from daemon.api.pipeline import relay as relay_module
from daemon.api.pipeline.relay import MAX_SENDS, relay
from daemon.core.config.tenant_config import EncoderConfig, LimitsConfig, SearchConfig, TenantConfig
from daemon.core.errors import BadRequest, BodyTooLarge, EncoderHung, EncoderLost
from daemon.core.http.pool import Pool
from tests.support.http.api_stub import Asked, Canned, Stub, serving

SEARCH, EDIT, RESTORE = "POST search", "PATCH entries/3", "POST restore"


class Rates:
    def __init__(self) -> None:
        self.errors: list[bool] = []

    def record(self, milliseconds: float, *, error: bool) -> None:
        assert milliseconds >= 0
        self.errors.append(error)


class Calls:
    """Requests that an encoder owes an answer, as the hang watch counts them."""

    def __init__(self) -> None:
        self.begun = self.open = 0

    def begin(self) -> int:
        self.begun += 1
        self.open += 1
        return self.begun

    def end(self, _number: int) -> None:
        self.open -= 1

    def moved(self) -> None:
        pass


class Encoder:
    """A tenant whose encoder is a stub; `process` stands for the encoder's process, which has ended already."""

    def __init__(self, stub: Stub, folder: Path) -> None:
        self.stub = stub
        self.calls, self.rates = Calls(), Rates()
        self.process = SimpleNamespace(ended=asyncio.get_running_loop().create_future(), hung_call_started=None)
        self.process.ended.set_result(None)
        self.waited_for: list[str] = []
        self.pool = Pool(stub.socket)
        config = TenantConfig(
            encoder=EncoderConfig(backend="fake"),
            search=SearchConfig(wait_s=30, deadline_s=3),
            limits=LimitsConfig(disk_mb=1),
        )
        traffic = SimpleNamespace(calls=self.calls, rates=self.rates, pool=self.pool)
        paths = SimpleNamespace(data=folder / "data")
        self.tenant: Any = SimpleNamespace(name="acme", config=config, paths=paths, traffic=traffic)

    async def ask(self, line: str, body: bytes = b"{}", headers: list[tuple[bytes, bytes]] | None = None) -> Any:
        """Relay one request; returns status, headers and body of the answer."""
        method, tail = line.split()
        path = f"/v1/tenants/acme/{tail}"
        scope = {"method": method, "raw_path": path.encode(), "query_string": b"", "headers": headers or []}
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body}

        async def send(message: Any) -> None:
            sent.append(message)

        route = match(method, path.partition("?")[0]).route
        await relay(scope, receive, send, tenant=self.tenant, route=route, actor="user:王芳", request_id="r1")
        start, *parts = sent
        return start["status"], start["headers"], b"".join(part["body"] for part in parts)


@pytest.fixture
async def encoder(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Encoder]:
    with tempfile.TemporaryDirectory(prefix="vw-") as folder:
        async with serving(Stub(Path(folder) / "s")) as stub:
            made = Encoder(stub, Path(folder))

            async def ready(_tenant: object, _deadline: float, doing: str) -> Any:
                made.waited_for.append(doing)
                return made.process

            monkeypatch.setattr(relay_module, "wait_ready", ready)
            yield made
            await made.pool.close()


def route_of(line: str) -> str:
    method, tail = line.split()
    return f"{method} /v1/tenants/acme/{tail}"


async def test_a_request_is_relayed_with_what_its_encoder_may_know(encoder: Encoder) -> None:
    encoder.stub.answers[route_of(SEARCH)] = Canned({"results": []})
    given = [
        (b"content-type", b"application/json"),
        (b"if-match", b'"7"'),
        (b"cookie", b"secret"),
        (b"vecward-actor", b"user:somebody-else"),
        (b"vecward-request", b"forged"),
        (b"authorization", b"secret"),
    ]
    status, headers, body = await encoder.ask(SEARCH, b'{"query": "x"}', given)
    asked = encoder.stub.asked[0]
    assert asked.body == b'{"query": "x"}'
    assert asked.headers == {
        "host": "vecward",
        "content-type": "application/json",
        "if-match": '"7"',
        "vecward-actor": "user:%E7%8E%8B%E8%8A%B3",
        "vecward-request": "r1",
        "content-length": "14",
    }
    assert (status, body) == (200, b'{"results": []}')
    assert dict(headers)[b"vecward-request"] == b"r1"
    assert (encoder.calls.begun, encoder.calls.open, encoder.rates.errors) == (1, 0, [False])


async def test_only_searches_count_in_the_rates(encoder: Encoder) -> None:
    encoder.stub.answers = {route_of(SEARCH): Canned({"kind": "internal"}, 500), route_of(EDIT): Canned({}, 500)}
    await encoder.ask(SEARCH)
    await encoder.ask(EDIT)
    assert encoder.rates.errors == [True]


def dying(times: int) -> tuple[list[Asked], Any]:
    seen: list[Asked] = []

    def answer(asked: Asked) -> Canned:
        seen.append(asked)
        return Canned(drop=True) if len(seen) <= times else Canned({"revision": 8})

    return seen, answer


@pytest.mark.parametrize("line", [SEARCH, EDIT])
async def test_what_an_encoders_death_interrupts_is_sent_again_under_the_same_id(encoder: Encoder, line: str) -> None:
    seen, encoder.stub.answers[route_of(line)] = dying(MAX_SENDS - 1)
    status, _, _ = await encoder.ask(line, b'{"query": "x"}')
    assert status == 200
    assert [(asked.body, asked.headers["vecward-request"]) for asked in seen] == [(b'{"query": "x"}', "r1")] * MAX_SENDS
    assert encoder.calls.open == 0


async def test_a_request_that_kills_every_encoder_is_refused_at_last(encoder: Encoder) -> None:
    seen, encoder.stub.answers[route_of(SEARCH)] = dying(99)
    with pytest.raises(EncoderLost, match="each of the 3 times that this request was sent"):
        await encoder.ask(SEARCH)
    assert len(seen) == MAX_SENDS
    assert encoder.rates.errors == [True]


async def test_a_late_loss_is_not_waited_for(encoder: Encoder) -> None:
    encoder.tenant.config = encoder.tenant.config.model_copy(update={"search": SearchConfig(wait_s=0)})
    seen, encoder.stub.answers[route_of(SEARCH)] = dying(99)
    with pytest.raises(EncoderLost, match="ended over this request"):
        await encoder.ask(SEARCH)
    assert len(seen) == 1


@pytest.mark.parametrize(
    ("line", "hung_call_started", "refused"),
    [(SEARCH, float("inf"), True), (SEARCH, 0.0, False), (SEARCH, None, False), (EDIT, float("inf"), False)],
    ids=["in the hung call", "queued behind it", "no hang", "a write"],
)
async def test_a_read_in_a_hung_call_is_not_sent_again(
    encoder: Encoder, line: str, hung_call_started: float | None, refused: bool
) -> None:
    encoder.process.hung_call_started = hung_call_started
    seen, encoder.stub.answers[route_of(line)] = dying(1)
    if refused:
        with pytest.raises(EncoderHung, match="GPU resources are tight"):
            await encoder.ask(line)
    else:
        await encoder.ask(line)
    assert len(seen) == (1 if refused else 2)


async def test_a_long_answer_is_passed_on_as_it_comes(encoder: Encoder) -> None:
    parts = [b"x" * (1 << 20), b"y" * (1 << 20)]  # more than a connection keeps unread
    encoder.stub.answers[route_of("GET export")] = Canned(parts, media_type="text/plain")
    status, headers, body = await encoder.ask("GET export", b"")
    assert (status, body) == (200, b"".join(parts))
    assert b"content-length" not in dict(headers)
    assert encoder.calls.begun == 0, "a stream says nothing about a hang"


async def test_a_whole_base_may_be_as_large_as_the_tenants_disk(encoder: Encoder) -> None:
    encoder.stub.answers[route_of(RESTORE)] = Canned({}, 202)
    body = b"x" * (2 << 20)
    assert (await encoder.ask(RESTORE, body))[0] == 202
    assert encoder.stub.asked[0].body == body
    with pytest.raises(BodyTooLarge):
        await encoder.ask(RESTORE, body, [(b"content-length", b"%d" % (1 << 40))])


async def test_a_path_beyond_ascii_is_refused(encoder: Encoder) -> None:
    scope = {"method": "POST", "raw_path": b"/v1/tenants/acme/search", "query_string": "é".encode(), "headers": []}

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b""}

    async def send(_message: Any) -> None:
        raise AssertionError("nothing is sent")

    route = match("POST", "/v1/tenants/acme/search").route
    with pytest.raises(BadRequest, match="percent-encode"):
        await relay(scope, receive, send, tenant=encoder.tenant, route=route, actor="uid:0", request_id="r1")
