"""The relay: a tenant's request goes to its encoder as bytes, and the answer comes back as bytes.

A request that an encoder's death interrupts is sent again, at most twice and within `wait_s`: reads always, writes
because they carry the daemon's request id, under which the encoder keeps its answer (daemon/README.md, "Tenant
states"). Raw ASGI, for the reason that `front.py` gives.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from urllib.parse import quote

from starlette.types import Receive, Scope, Send

from daemon.api.connections.bodies import Body, read_body
from daemon.api.routes import Route
from daemon.core.errors import BadRequest, EncoderHung, EncoderLost
from daemon.core.http.response import ConnectionLost, Headers, Response
from daemon.core.units import MIB
from daemon.supervisor.process.encoder_process import EncoderProcess
from daemon.supervisor.tenants.tenant import Tenant
from daemon.supervisor.tenants.wait_ready import wait_ready

MAX_SENDS = 3
_WHOLE_BYTES = 256 * 1024  # an answer up to this size is taken whole first, so that it can be asked for again

# The headers that go on to the encoder; everything else (Vecward-*, hop-by-hop, cookies) stays here.
_PASSED_ON = frozenset({b"content-type", b"if-match", b"accept"})
_PASSED_BACK = frozenset(
    {b"content-type", b"content-length", b"content-disposition", b"retry-after", b"etag", b"location"}
)

_BODILESS = frozenset({204, 304})
HUNG = "GPU resources are tight, please try again shortly"


async def relay(
    scope: Scope, receive: Receive, send: Send, *, tenant: Tenant, route: Route, actor: str, request_id: str
) -> None:
    """Answer one request of a tenant.

    Raises:
        VecwardError: while nothing has been sent.
        ConnectionLost: the encoder ended in the middle of its answer.
    """
    began = time.monotonic()
    # A whole base is its tenant admin's, and as large as the disk that it will be kept on.
    whose = None if route.whole_base else actor
    body = await read_body(scope, receive, _limit(route, tenant), tenant.paths.data.parent, whose)
    status = 500
    try:
        request = _Request(scope, tenant, route, _headers(scope, actor, request_id, body), body)
        response = await request.answer()
        try:
            await _send_on(response, send, request_id)
        finally:
            await response.aclose()
        status = response.status
    finally:
        body.close()
        if route.rated:
            tenant.traffic.rates.record((time.monotonic() - began) * 1000, error=status >= 500)


def _limit(route: Route, tenant: Tenant) -> int | None:
    """Return the bytes that a body may have; a whole base may be as large as the disk that the tenant has."""
    if not route.whole_base:
        return route.max_body_bytes
    disk_mb = tenant.config.limits.disk_mb if tenant.config else None
    return None if disk_mb is None else disk_mb * MIB + route.max_body_bytes


def _headers(scope: Scope, actor: str, request_id: str, body: Body) -> Headers:
    passed: Headers = [(name, value) for name, value in scope["headers"] if name in _PASSED_ON]
    passed.append((b"vecward-actor", quote(actor, safe=":").encode()))
    passed.append((b"vecward-request", request_id.encode()))
    if body.large is not None:
        passed.append((b"content-length", b"%d" % body.size))
    return passed


@dataclass
class _Request:
    """One request on its way to the encoder, which may need more than one encoder to be answered."""

    scope: Scope
    tenant: Tenant
    route: Route
    headers: Headers
    body: Body

    async def answer(self) -> Response:
        """Return the encoder's response, asked for again where an encoder died over it."""
        config = self.tenant.config
        deadline = time.monotonic() + (config.search.wait_s if config else 0.0)
        for attempt in range(1, MAX_SENDS + 1):
            process = await wait_ready(self.tenant, deadline, self.route.words)
            sent = time.monotonic()
            try:
                return await self._send_once()
            except (ConnectionLost, OSError) as error:
                if self.route.long_poll and config is not None:  # it may have waited for longer than wait_s already
                    deadline = time.monotonic() + config.search.wait_s
                await self._after_loss(process, sent, attempt, deadline, error)
        raise AssertionError("unreachable: the last loss raises")

    async def _send_once(self) -> Response:
        tenant = self.tenant
        calls = tenant.traffic.calls  # a new process has new ones
        number = calls.begin() if self.route.outstanding else None
        try:
            body = self.body.to_send(calls.moved)
            response = await tenant.traffic.pool.send(self.scope["method"], self._target(), self.headers, body)
            length = response.header(b"content-length")
            if not response.complete and length is not None and int(length) <= _WHOLE_BYTES:
                await response.wait_complete()
            return response
        finally:
            if number is not None:
                calls.end(number)

    def _target(self) -> str:
        try:
            path = self.scope["raw_path"].decode("ascii")
            query = self.scope["query_string"].decode("ascii")
        except UnicodeDecodeError:
            raise BadRequest("cannot read the path: it holds bytes beyond ASCII; percent-encode them") from None
        return f"{path}?{query}" if query else path

    async def _after_loss(
        self, process: EncoderProcess, sent: float, attempt: int, deadline: float, error: Exception
    ) -> None:
        """Return when the request may be sent again.

        Raises:
            EncoderHung: the encoder was killed as hung, in this read or while it had waited too long already.
            EncoderLost: it was sent `MAX_SENDS` times, or the deadline has passed.
        """
        if not process.ended.done():  # its end is known a moment after its connections
            await asyncio.wait([process.ended], timeout=1.0)
        if not self.route.mutating and self._was_hung(process, sent):
            raise EncoderHung(HUNG, tenant=self.tenant.name)
        if attempt == MAX_SENDS or time.monotonic() > deadline:
            over = "over this request" if attempt == 1 else f"each of the {attempt} times that this request was sent"
            raise EncoderLost(
                f"cannot {self.route.words}: the encoder of {self.tenant.name} ended {over} ({error}); see its log "
                f"(vecward logs {self.tenant.name})",
                tenant=self.tenant.name,
            )

    def _was_hung(self, process: EncoderProcess, sent: float) -> bool:
        """Tell whether the request, sent at `sent`, was in the hung call or older than `deadline_s`."""
        if process.hung_call_started is None:
            return False
        config = self.tenant.config
        limit = config.search.deadline_s if config else 0.0
        return sent <= process.hung_call_started or time.monotonic() - sent > limit


async def _send_on(response: Response, send: Send, request_id: str) -> None:
    """Send a response to the caller.

    A whole body gets its own length: the encoder's word of it could be anything where there is no body.
    """
    body = await response.read() if response.complete else None
    length = b"content-length"
    headers = [(n, value) for n, value in response.headers if n in _PASSED_BACK and (body is None or n != length)]
    if body is not None and (body or response.status not in _BODILESS):
        headers.append((length, b"%d" % len(body)))
    headers.append((b"vecward-request", request_id.encode()))
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    if body is not None:
        await send({"type": "http.response.body", "body": body})
        return
    async for chunk in response.chunks():
        await send({"type": "http.response.body", "body": chunk, "more_body": True})
    await send({"type": "http.response.body", "body": b""})
