"""An answer over HTTP/1.1, read whole or as it comes."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from typing import Protocol

Headers = list[tuple[bytes, bytes]]

_HIGH_WATER = 256 * 1024  # bytes of an answer kept before reading pauses


class Flow(Protocol):
    """The connection that an answer comes over, as far as the answer steers it."""

    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...
    def abort(self) -> None: ...


class ConnectionLost(Exception):
    """The peer went away; with `before_response`, before one byte of the answer had come."""

    def __init__(self, *, before_response: bool, reason: str = "") -> None:
        when = "before" if before_response else "during"
        super().__init__(f"the connection was lost {when} the answer{': ' + reason if reason else ''}")
        self.before_response = before_response


class Response:
    """An answer whose head has come.

    Its body is read by `read` or `chunks`; whoever does not read it calls `aclose`. The connection calls `feed`,
    `finish` and `fail`.
    """

    def __init__(self, connection: Flow) -> None:
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
        """Yield the body as it comes.

        Raises:
            ConnectionLost: it ends early.
        """
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
        """Return the body of a peer that is not trusted to be brief.

        Raises:
            ConnectionLost: it is longer, or ends early.
        """
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
        """Wait until the whole body has come; for bodies known to be small.

        Raises:
            ConnectionLost: it ends early.
        """
        while not self.complete:
            if self._failure is not None:
                raise self._failure
            await self._wait()

    async def aclose(self) -> None:
        """Give up on the rest of the body; the connection is closed unless all of it had come."""
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

    def feed(self, chunk: bytes) -> None:
        self._chunks.append(chunk)
        self._buffered += len(chunk)
        if self._buffered > _HIGH_WATER:
            self._connection.pause_reading()
        self._wake()

    def finish(self) -> None:
        self.complete = True
        self._wake()

    def fail(self, failure: ConnectionLost) -> None:
        if not self.complete:
            self._failure = failure
            self._wake()
