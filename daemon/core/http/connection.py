"""One connection of the HTTP/1.1 client, parsed by httptools: one request at a time, and never a request twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable
from typing import Any, Protocol, cast

import httptools

from daemon.core.http.response import ConnectionLost, Response

_MAX_HEAD_BYTES = 64 * 1024


class Owner(Protocol):
    """The pool that a connection belongs to."""

    def put_back(self, connection: Connection) -> None: ...
    def forget(self, connection: Connection) -> None: ...


class Connection(asyncio.Protocol):
    """A connection of a pool; asyncio and httptools call its methods, `exchange` sends a request."""

    def __init__(self, owner: Owner) -> None:
        self._owner = owner
        self._transport: asyncio.Transport | None = None
        self._parser: httptools.HttpResponseParser | None = None
        self._response: Response | None = None
        self._head: asyncio.Future[Response] | None = None
        self._drained: asyncio.Future[None] | None = None
        self._got_bytes = False
        self._half_sent = False  # the peer still waits for the rest of a body
        self._head_bytes = 0
        self._barren_bytes = 0  # received since the last piece of a body: heads, trailers, sizes of chunks
        self.idle_since = 0.0

    # --- asyncio.Protocol -------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is no subclass of it

    def data_received(self, data: bytes) -> None:
        if self._parser is None:
            self.abort()  # bytes that nobody asked for
            return
        self._got_bytes = True
        self._barren_bytes += len(data)
        try:
            self._parser.feed_data(data)
            self._check_fertile()
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._lose(f"not HTTP: {type(error).__name__}")
            self.abort()

    def _check_fertile(self) -> None:
        """Refuse a head or a trailer without end, which the parser itself takes."""
        if self._barren_bytes > _MAX_HEAD_BYTES and self._parser is not None:
            raise httptools.HttpParserError("no end of the head")

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._owner.forget(self)
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)
        self._lose(str(exc) if exc else "closed")

    def pause_writing(self) -> None:
        self._drained = asyncio.get_running_loop().create_future()

    def resume_writing(self) -> None:
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)
        self._drained = None

    # --- httptools --------------------------------------------------------------------------------

    def on_header(self, name: bytes, value: bytes) -> None:
        assert self._response is not None
        self._head_bytes += len(name) + len(value)
        if self._head_bytes > _MAX_HEAD_BYTES:
            raise httptools.HttpParserError("the head is too large")
        self._response.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        assert self._response is not None
        assert self._parser is not None
        assert self._head is not None
        status = self._parser.get_status_code()
        if status < 200:  # 1xx: the real head follows
            self._response.headers.clear()
            return
        if status >= 600:
            raise httptools.HttpParserError("no such status")
        self._response.status = status
        if not self._head.done():
            self._head.set_result(self._response)

    def on_body(self, body: bytes) -> None:
        self._barren_bytes = 0
        if self._response is not None:
            self._response.feed(body)

    def on_message_complete(self) -> None:
        response, parser = self._response, self._parser
        if response is None or parser is None or response.status == 0:
            return
        response.finish()
        response.keep_alive = parser.should_keep_alive()
        self._response = self._parser = self._head = None
        usable = response.keep_alive and not self._half_sent
        if usable and self._transport is not None and not self._transport.is_closing():
            self.resume_reading()
            self._owner.put_back(self)
        else:
            self.abort()

    # --- one request ------------------------------------------------------------------------------

    async def exchange(self, head: bytes, body: bytes | AsyncIterable[bytes], chunked: bool) -> Response:
        """Send a request, and return its answer when the answer's head has come.

        Raises:
            ConnectionLost: the peer went away before that.
        """
        self._parser = httptools.HttpResponseParser(self)
        self._response = Response(self)
        self._head = asyncio.get_running_loop().create_future()
        self._got_bytes = self._half_sent = False
        self._head_bytes = self._barren_bytes = 0
        waiting = self._head
        try:
            if isinstance(body, bytes):
                self._write(head + body)
            else:
                await self._write_stream(head, body, chunked, waiting)
            return await waiting
        except BaseException:
            self.abort()  # cancelled or lost: what is on the wire can't be taken back
            if not waiting.cancel() and not waiting.cancelled():
                waiting.exception()  # the caller gets what is raised here
            raise

    async def _write_stream(
        self, head: bytes, body: AsyncIterable[bytes], chunked: bool, answered: asyncio.Future[Response]
    ) -> None:
        """Send the body until its end, or until the answer comes: the peer does not want the rest then."""
        self._half_sent = True
        self._write(head)
        async for chunk in body:
            if answered.done():
                return
            if chunk:
                self._write(b"%x\r\n%b\r\n" % (len(chunk), chunk) if chunked else chunk)
            if self._drained is not None:
                either: list[asyncio.Future[Any]] = [self._drained, answered]
                await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if answered.done():
            return
        if chunked:
            self._write(b"0\r\n\r\n")
        self._half_sent = False

    def _write(self, data: bytes) -> None:
        if self._transport is None or self._transport.is_closing():
            raise ConnectionLost(before_response=not self._got_bytes, reason="closed while sending")
        self._transport.write(data)

    def _lose(self, reason: str) -> None:
        failure = ConnectionLost(before_response=not self._got_bytes, reason=reason)
        if self._head is not None and not self._head.done():
            self._head.set_exception(failure)
        if self._response is not None:
            self._response.fail(failure)

    # --- flow and end -----------------------------------------------------------------------------

    def pause_reading(self) -> None:
        if self._transport is not None:
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    @property
    def is_open(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()
