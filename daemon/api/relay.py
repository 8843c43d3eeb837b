"""The relay: a tenant's request goes to its encoder as bytes, and the answer comes back as bytes.

What an encoder's death interrupts is sent again, at most twice and within `wait_s`: reads always, writes
because they carry the daemon's request id, under which the encoder keeps its answer (design, section 4). Raw ASGI: a
framework's route costs more than all of this (tests/benchmarks).
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from daemon.api.routes import Route
from daemon.client.connection import ConnectionLost, Headers, Response
from daemon.core.errors import BadRequest, BodyTooLarge, EncoderHung, EncoderLost
from daemon.supervisor.process import EncoderProcess
from daemon.supervisor.tenant import Tenant

MAX_SENDS = 3
IN_MEMORY_BYTES = 1024 * 1024  # a larger body waits in a file, so that many of them do not fill the daemon
_WHOLE_BYTES = (
    256 * 1024
)  # an answer up to this size is taken whole before it is sent on, so that it can be asked again
_CHUNK = 64 * 1024

# What a caller may tell the encoder; everything else (Vecward-*, hop-by-hop, cookies) stays here.
_PASSED_ON = frozenset({b"content-type", b"if-match", b"accept"})
_PASSED_BACK = frozenset(
    {b"content-type", b"content-length", b"content-disposition", b"retry-after", b"etag", b"location"}
)

HUNG = "GPU resources are tight, please try again shortly"


class ClientGone(Exception):
    """The caller left before its request was complete."""


@dataclass
class Body:
    """A request's body: in memory, or in an unlinked file when it is large; it can be sent more than once."""

    small: bytes = b""
    large: Any = None
    size: int = 0

    def to_send(self, moved: Callable[[], None]) -> bytes | AsyncIterator[bytes]:
        """`moved` is called as parts of it go."""
        return self.small if self.large is None else self._stream(moved)

    async def _stream(self, moved: Callable[[], None]) -> AsyncIterator[bytes]:
        self.large.seek(0)
        while chunk := self.large.read(_CHUNK):
            moved()
            yield chunk

    def close(self) -> None:
        if self.large is not None:
            self.large.close()


async def read_body(scope: Any, receive: Any, limit: int) -> Body:
    """Reads the whole body; raises BodyTooLarge as soon as it is known to be."""
    declared = next((value for name, value in scope["headers"] if name == b"content-length"), None)
    if declared is not None and (not declared.isdigit() or int(declared) > limit):
        raise _too_large(limit)
    body = Body()
    parts: list[bytes] = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            body.close()
            raise ClientGone
        _take(body, parts, message.get("body", b""), limit)
        if not message.get("more_body", False):
            break
    if body.large is None:
        body.small = parts[0] if len(parts) == 1 else b"".join(parts)
    return body


def _take(body: Body, parts: list[bytes], chunk: bytes, limit: int) -> None:
    body.size += len(chunk)
    if body.size > limit:
        body.close()
        raise _too_large(limit)
    if body.large is None:
        parts.append(chunk)
        if body.size > IN_MEMORY_BYTES:
            body.large = tempfile.TemporaryFile()  # noqa: SIM115  (closed by Body.close)
            body.large.write(b"".join(parts))
            parts.clear()
    else:
        body.large.write(chunk)


def _too_large(limit: int) -> BodyTooLarge:
    return BodyTooLarge(
        f"cannot take a body of more than {limit} bytes; send it in parts", allowed=f"at most {limit} bytes"
    )


async def relay(
    scope: Any, receive: Any, send: Any, *, tenant: Tenant, route: Route, actor: str, request_id: str
) -> int:
    """Answers one request of a tenant; the status sent. Raises VecwardError while nothing has been sent."""
    began = time.monotonic()
    body = await read_body(scope, receive, route.max_body_bytes)
    status = 500
    try:
        request = _Request(scope, tenant, route, _headers(scope, actor, request_id, body), body)
        response = await request.answer()
        try:
            await _send_on(response, send, request_id)
        finally:
            await response.aclose()
        status = response.status
        return status
    finally:
        body.close()
        if route.name == "search":
            tenant.rates.record((time.monotonic() - began) * 1000, error=status >= 500)


def _headers(scope: Any, actor: str, request_id: str, body: Body) -> Headers:
    passed: Headers = [(name, value) for name, value in scope["headers"] if name in _PASSED_ON]
    passed.append((b"vecward-actor", quote(actor, safe=":").encode()))
    passed.append((b"vecward-request", request_id.encode()))
    if body.large is not None:
        passed.append((b"content-length", b"%d" % body.size))
    return passed


@dataclass
class _Request:
    scope: Any
    tenant: Tenant
    route: Route
    headers: Headers
    body: Body

    @property
    def _doing(self) -> str:
        return self.route.name.replace("_", " ")

    async def answer(self) -> Response:
        """The encoder's response, asked for again where an encoder died over it."""
        config = self.tenant.config
        deadline = time.monotonic() + (config.search.wait_s if config else 0.0)
        doing = self._doing
        for attempt in range(1, MAX_SENDS + 1):
            process = await self.tenant.wait_ready(deadline, doing)
            sent = time.monotonic()
            try:
                return await self._send_once()
            except (ConnectionLost, OSError) as error:
                await self._after_loss(process, sent, attempt, deadline, error)
        raise AssertionError("unreachable: the last loss raises")

    async def _send_once(self) -> Response:
        tenant = self.tenant
        number = tenant.calls.begin() if self.route.outstanding else None
        calls = tenant.calls  # a new process has new ones
        try:
            body = self.body.to_send(calls.moved)
            response = await tenant.pool.send(self.scope["method"], self._target(), self.headers, body)
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
        """Raises unless the request may be sent again."""
        if not process.ended.done():  # its end is known a moment after its connections
            await asyncio.wait([process.ended], timeout=1.0)
        if process.hung_call_started is not None and not self.route.mutating:
            age = time.monotonic() - sent
            config = self.tenant.config
            limit = config.search.deadline_s if config else 0.0
            if sent <= process.hung_call_started or age > limit:
                raise EncoderHung(HUNG, tenant=self.tenant.name)
        if attempt == MAX_SENDS or time.monotonic() > deadline:
            raise EncoderLost(
                f"cannot {self._doing}: the encoder of {self.tenant.name} ended "
                f"{attempt} times over this request ({error}); see its log (vecward logs {self.tenant.name})",
                tenant=self.tenant.name,
            )


async def _send_on(response: Response, send: Any, request_id: str) -> None:
    headers = [(name, value) for name, value in response.headers if name in _PASSED_BACK]
    headers.append((b"vecward-request", request_id.encode()))
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    if response.complete:
        await send({"type": "http.response.body", "body": await response.read()})
        return
    async for chunk in response.chunks():
        await send({"type": "http.response.body", "body": chunk, "more_body": True})
    await send({"type": "http.response.body", "body": b""})
