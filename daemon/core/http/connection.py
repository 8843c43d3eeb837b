"""HTTP/1.1 over a Unix socket: a pool of kept-open connections, parsed by httptools.

The daemon's relay and the Python client both stand on this; httpx adds 2 ms to each request here, this
0.05 ms (tests/benchmarks). One request at a time runs on a connection; nothing is ever sent twice.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator
from pathlib import Path
from typing import Any, cast

import httptools

Headers = list[tuple[bytes, bytes]]

_HIGH_WATER = 256 * 1024  # bytes of an answer kept before reading pauses
_MAX_HEAD_BYTES = 64 * 1024


class ConnectionLost(Exception):
    """The peer went away. `before_response`: not one byte of the answer had come."""

    def __init__(self, *, before_response: bool, reason: str = "") -> None:
        when = "before" if before_response else "during"
        super().__init__(f"the connection was lost {when} the answer{': ' + reason if reason else ''}")
        self.before_response = before_response


class Response:
    """An answer whose head has come; its body is read by `read` or `chunks`, else `aclose` it."""

    def __init__(self, connection: _Connection) -> None:
        self.status = 0
        self.headers: Headers = []
        self.complete = False
        self.keep_alive = False
        self._connection = connection
        self._chunks: deque[bytes] = deque()
        self._buffered = 0
        self._failure: ConnectionLost | None = None
        self._waiter: asyncio.Future[None] | None = None

    def header(self, name: bytes) -> bytes | None:
        return next((value for key, value in self.headers if key == name), None)

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body as it comes; raises ConnectionLost when it ends early."""
        while True:
            while self._chunks:
                chunk = self._chunks.popleft()
                self._buffered -= len(chunk)
                if self._buffered < _HIGH_WATER:
                    self._connection.resume_reading()
                yield chunk
            if self.complete:
                return
            if self._failure is not None:
                raise self._failure
            await self._wait()

    async def read(self) -> bytes:
        if self.complete:  # the common case: head and body came in one packet
            body = b"".join(self._chunks)
            self._chunks.clear()
            return body
        return b"".join([chunk async for chunk in self.chunks()])

    async def read_at_most(self, limit: int) -> bytes:
        """The body of a peer that is not trusted to be brief; raises ConnectionLost when it is longer."""
        body = bytearray()
        try:
            async for chunk in self.chunks():
                body += chunk
                if len(body) > limit:
                    raise ConnectionLost(before_response=False, reason=f"more than {limit} bytes")
        finally:
            await self.aclose()
        return bytes(body)

    async def wait_complete(self) -> None:
        """Waits until the whole body has come, for bodies known to be small; raises ConnectionLost."""
        while not self.complete:
            if self._failure is not None:
                raise self._failure
            await self._wait()

    async def aclose(self) -> None:
        """Gives up on what has not been read; the connection is closed unless all had come."""
        if not self.complete:
            self._connection.abort()

    async def _wait(self) -> None:
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _feed(self, chunk: bytes) -> None:
        self._chunks.append(chunk)
        self._buffered += len(chunk)
        if self._buffered > _HIGH_WATER:
            self._connection.pause_reading()
        self._wake()

    def _finish(self) -> None:
        self.complete = True
        self._wake()

    def _fail(self, failure: ConnectionLost) -> None:
        if not self.complete:
            self._failure = failure
            self._wake()


class _Connection(asyncio.Protocol):
    """One connection; httptools calls the `on_*` methods."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._transport: asyncio.Transport | None = None
        self._parser: httptools.HttpResponseParser | None = None
        self._response: Response | None = None
        self._head: asyncio.Future[Response] | None = None
        self._drained: asyncio.Future[None] | None = None
        self._got_bytes = False
        self._half_sent = False  # the peer still waits for the rest of a body

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
        """The parser itself takes a head or a trailer without end."""
        if self._barren_bytes > _MAX_HEAD_BYTES and self._parser is not None:
            raise httptools.HttpParserError("no end of the head")

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._pool.forget(self)
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
            self._response._feed(body)

    def on_message_complete(self) -> None:
        response, parser = self._response, self._parser
        if response is None or parser is None or response.status == 0:
            return
        response._finish()
        response.keep_alive = parser.should_keep_alive()
        self._response = self._parser = self._head = None
        usable = response.keep_alive and not self._half_sent
        if usable and self._transport is not None and not self._transport.is_closing():
            self.resume_reading()
            self._pool.put_back(self)
        else:
            self.abort()

    # --- one request ------------------------------------------------------------------------------

    async def exchange(self, head: bytes, body: bytes | AsyncIterable[bytes], chunked: bool) -> Response:
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
        """Ends early when the answer comes before the whole body has gone: the peer does not want the rest."""
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
            self._response._fail(failure)

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


class Pool:
    """Connections to one Unix socket, kept for `idle_s` seconds after use, at most `max_idle` of them."""

    def __init__(self, path: Path, *, max_idle: int = 64, idle_s: float = 60.0) -> None:
        self.path = path
        self._max_idle = max_idle
        self._idle_s = idle_s
        self._idle: list[_Connection] = []
        self._open: set[_Connection] = set()

    async def send(self, method: str, target: str, headers: Headers, body: bytes | AsyncIterable[bytes]) -> Response:
        """Sends one request and answers when the head of the response has come.

        A bytes body sets content-length; a stream is sent chunked unless `headers` has a content-length.

        Raises:
            OSError: nobody listens on the socket.
            ConnectionLost: the peer went away before the head had come.
        """
        head, chunked = _head(method, target, headers, body)
        connection = await self._take()
        return await connection.exchange(head, body, chunked)

    def drop(self) -> None:
        """Closes every connection; whoever waits for an answer gets ConnectionLost now."""
        for connection in list(self._open):
            connection.abort()
        self._idle.clear()

    async def close(self) -> None:
        self.drop()

    @property
    def busy(self) -> int:
        """How many connections have a request or an unread answer on them."""
        return len(self._open) - len(self._idle)

    async def _take(self) -> _Connection:
        self._drop_old()
        while self._idle:
            connection = self._idle.pop()
            if connection.is_open:
                return connection
        loop = asyncio.get_running_loop()
        _, made = await loop.create_unix_connection(lambda: _Connection(self), str(self.path))
        self._open.add(made)
        return made

    def _drop_old(self) -> None:
        oldest = time.monotonic() - self._idle_s
        while self._idle and self._idle[0].idle_since < oldest:
            self._idle.pop(0).abort()

    def put_back(self, connection: _Connection) -> None:
        if len(self._idle) >= self._max_idle:
            connection.abort()
            return
        connection.idle_since = time.monotonic()
        self._idle.append(connection)

    def forget(self, connection: _Connection) -> None:
        self._open.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)


def _head(method: str, target: str, headers: Headers, body: bytes | AsyncIterable[bytes]) -> tuple[bytes, bool]:
    lines = [f"{method} {target} HTTP/1.1\r\nhost: vecward\r\n".encode("ascii")]
    lines += [b"%b: %b\r\n" % pair for pair in headers]
    chunked = False
    if isinstance(body, bytes):
        if body or method not in ("GET", "HEAD", "DELETE"):
            lines.append(b"content-length: %d\r\n" % len(body))
    elif not any(name == b"content-length" for name, _ in headers):
        chunked = True
        lines.append(b"transfer-encoding: chunked\r\n")
    lines.append(b"\r\n")
    return b"".join(lines), chunked
