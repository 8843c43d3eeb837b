"""Requests of the encoder's small ASGI app, without a framework: a search must be quick."""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from urllib.parse import parse_qs, unquote

from daemon.core import wire
from daemon.core.errors import BadRequest, BodyTooLarge, Invalid, UnsupportedMediaType
from daemon.core.units import MIB
from daemon.encoder.http.asgi import Receive, Scope

OnThread = Callable[[Callable[[], Any]], Awaitable[Any]]

_LARGE_BYTES = 64 * 1024


class Request:
    """One HTTP request; `part` is what the path's variable stood for."""

    __slots__ = ("_body", "_query", "_receive", "_scope", "method", "part")

    def __init__(self, scope: Scope, receive: Receive, part: str = "") -> None:
        self._scope = scope
        self._receive = receive
        self._query: dict[str, list[str]] | None = None
        self._body: bytes | None = None
        self.method: str = scope["method"]
        self.part = part

    def header(self, name: bytes) -> str | None:
        """Look up a header; `name` is in lower case."""
        for key, value in self._scope["headers"]:
            if key == name:
                text: str = value.decode("latin-1")
                return text
        return None

    @property
    def request_id(self) -> str | None:
        return self.header(b"vecward-request")

    @property
    def actor(self) -> str:
        """The caller, as the daemon names it; characters that a header can't hold are quoted there."""
        return unquote(self.header(b"vecward-actor") or "unknown")

    @property
    def length(self) -> int | None:
        """The body's length in bytes, as the caller gives it."""
        declared = self.header(b"content-length")
        return None if declared is None else int(declared)

    async def body(self) -> bytes:
        """Read the body. Raises BodyTooLarge, without reading the rest of such a body."""
        if self._body is None:
            self._body = await self._read()
        return self._body

    async def _read(self) -> bytes:
        if self.length is not None and self.length > wire.MAX_BODY_BYTES:
            raise _too_large(self.length)
        message = await self._receive()
        body: bytes = message.get("body", b"")
        if not message.get("more_body"):
            return body
        parts, size = [body], len(body)
        while message.get("more_body"):
            message = await self._receive()
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            if size > wire.MAX_BODY_BYTES:
                raise _too_large(size)
        if message["type"] == "http.disconnect":
            raise BadRequest("cannot read the request: the caller went away")
        return b"".join(parts)

    async def chunks(self, at_least: int = MIB) -> AsyncIterator[bytes]:
        """Read the body as it comes, in parts of about `at_least` bytes, whatever its size. Raises BadRequest."""
        parts, size, more = [], 0, True
        while more:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise BadRequest("cannot read the request: the caller went away")
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            more = message.get("more_body", False)
            if size >= at_least or not more:
                yield b"".join(parts)
                parts, size = [], 0

    async def json(self, model: type[wire.M], on_thread: OnThread | None = None) -> wire.M:
        """Parse the body as a request model, a large one on another thread by `on_thread`.

        Raises UnsupportedMediaType, BadRequest, Invalid.
        """
        media = self.media_type
        if media not in ("", "application/json"):
            raise UnsupportedMediaType(
                f"cannot read a body of type {wire.shorten(media, 60)}; send application/json",
                allowed="application/json",
            )
        body = await self.body()
        if on_thread is None or len(body) <= _LARGE_BYTES:
            return wire.parse(model, body)
        found: wire.M = await on_thread(lambda: _parse_large(model, body))
        return found

    @property
    def media_type(self) -> str:
        """The body's media type without parameters, in lower case; empty if the header is missing."""
        return (self.header(b"content-type") or "").partition(";")[0].strip().lower()

    # --- query parameters ---

    def parameter(self, name: str) -> str | None:
        if self._query is None:
            raw = self._scope["query_string"].decode("latin-1")
            self._query = parse_qs(raw, keep_blank_values=True, errors="replace") if raw else {}
        values = self._query.get(name)
        return values[-1] if values else None

    def integer(self, name: str, default: int | None, low: int, high: int) -> int | None:
        raw = self.parameter(name)
        if raw is None or raw == "":
            return default
        if not (raw.isascii() and raw.lstrip("-").isdecimal() and len(raw) < 20 and low <= int(raw) <= high):
            raise refuse(name, raw, f"a number from {low} to {high}")
        return int(raw)

    def flag(self, name: str) -> bool:
        raw = self.parameter(name)
        if raw in (None, "false", "0"):
            return False
        if raw not in ("", "true", "1"):
            raise refuse(name, raw or "", "true or false")
        return True

    def if_match(self) -> int | None:
        """The revision in `If-Match: "<revision>"`; None without the header. Raises Invalid."""
        raw = self.header(b"if-match")
        if raw is None:
            return None
        digits = raw.strip().removeprefix('"').removesuffix('"')
        if not (digits.isascii() and digits.isdecimal() and len(digits) < 20):
            raise refuse("If-Match", raw, 'the revision in quotes, such as "12"')
        return int(digits)


def _parse_large(model: type[wire.M], body: bytes) -> wire.M:
    """Parse without garbage collections, each of which would look at all that was made so far.

    Parsing keeps the interpreter's lock from end to end, and they would make it four times as long: seconds for a
    million entries.
    """
    gc.disable()
    try:
        return wire.parse(model, body)
    finally:
        gc.enable()


def refuse(field: str, value: str, allowed: str) -> Invalid:
    shown = wire.shorten(value, 60)
    return Invalid(f"cannot accept {field}={shown!r}; allowed: {allowed}", field=field, value=shown, allowed=allowed)


def _too_large(size: int) -> BodyTooLarge:
    allowed = f"at most {wire.MAX_BODY_BYTES} bytes"
    return BodyTooLarge(
        f"cannot read a body of {size} bytes: {allowed} are possible; send it in parts", allowed=allowed
    )
