"""The HTTP/1.1 server's side of a connection: uvicorn's protocol with bounds for each caller.

Bounded are a caller's connections, the size of a head, pipelined requests, and the time that a request may stand
still. The daemon (root) and the console both listen with it. uvicorn itself takes heads, trailers and pipelined
requests without end, and forgets the earlier ones of pipelined requests when their connection goes.
"""

from __future__ import annotations

import asyncio
import json
import logging
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Hashable
from typing import Any, ClassVar

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from daemon.core.errors import BadRequest, Unavailable, VecwardError
from daemon.core.http.problems import problem_headers, status_of, to_problem

log = logging.getLogger(__name__)
# uvicorn warns of each request that is not HTTP: lines that any caller could fill a disk with.
_quiet = logging.getLogger("uvicorn.error.connection")
_quiet.setLevel(logging.ERROR)

MAX_HEAD_BYTES = 64 * 1024
STALLED_S = 60.0  # a request that began and does not go on
LOOK_EVERY_S = 20.0
REFUSED_S = 1.0  # how long one connection too many may take to hear that it is
# A client that has read an answer may be a moment ahead of this side's notion that the answer is complete.
MAX_PIPELINED = 4
_CHUNK_FRAME_BYTES = 16  # the size and line ends around each chunk of a body


class TooMuch(Exception):
    """A request past a bound; raised in the parser, it ends the work on this connection."""


class BoundedProtocol(HttpToolsProtocol, ABC):
    """One connection; it counts for its caller's share from connect to close."""

    _open: ClassVar[Counter[Hashable]] = Counter()

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.logger = _quiet
        self._caller: Hashable | None = None
        self._refusal: VecwardError | None = None
        self._in_head = True
        self._overhead = 0  # bytes of the request that are no body: head, sizes of chunks, trailers
        self._heard_at = 0.0
        self._look: asyncio.TimerHandle | None = None
        self._unanswered: list[RequestResponseCycle] = []

    @abstractmethod
    def share_of(self, transport: asyncio.Transport) -> tuple[Hashable, int, str]:
        """Return the caller of a connection, how many it may have, and its name for a message.

        Raises:
            OSError: the caller is gone already.
        """

    # --- connect, close --------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._heard_at = self.loop.time()
        try:
            caller, limit, words = self.share_of(transport)
        except OSError as error:  # gone already
            log.debug("peer-unknown", extra={"reason": str(error)})
            transport.abort()
            return
        self._caller = caller
        self._open[caller] += 1
        if self._open[caller] > limit:
            if self._open[caller] == limit + 1:  # a flood is one line, not as many as there are connections
                log.warning("too-many-connections", extra={"caller": words, "limit": limit})
            self._refusal = Unavailable(f"cannot serve: {words} has {limit} connections open; close some")
            self._look = self.loop.call_later(REFUSED_S, transport.close)
            return
        self._look = self.loop.call_later(LOOK_EVERY_S, self._close_if_stalled)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._look is not None:
            self._look.cancel()
        if self._caller is not None:
            self._open[self._caller] -= 1
            if self._open[self._caller] <= 0:
                del self._open[self._caller]
        self._tell_gone()
        super().connection_lost(exc)

    def _close_if_stalled(self) -> None:
        """Close the connection on a request that does not come to its end.

        Between requests uvicorn's own `timeout_keep_alive` does that.
        """
        half_sent = self._in_head or (self.cycle.more_body and not self.flow.read_paused)
        never_spoke = self.cycle is None
        if (half_sent or never_spoke) and self.loop.time() - self._heard_at > STALLED_S:
            self.transport.close()
            return
        self._look = self.loop.call_later(LOOK_EVERY_S, self._close_if_stalled)

    def _tell_gone(self) -> None:
        """Tell all pipelined requests that their caller has gone; uvicorn tells only the last of them."""
        self.pipeline.clear()
        for cycle in self._unanswered:
            cycle.disconnected = True
            cycle.message_event.set()
        self._unanswered.clear()

    # --- requests --------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        if self._caller is None or self.transport.is_closing():
            return
        if self._refusal is not None:  # only now: an answer before the request would be lost in the reset
            self._refuse(self._refusal)
            return
        self._heard_at = self.loop.time()
        self._overhead += len(data)
        super().data_received(data)
        if self._overhead > MAX_HEAD_BYTES and not self.transport.is_closing():
            self._refuse(_head_too_large())

    def on_message_begin(self) -> None:
        if len(self.pipeline) >= MAX_PIPELINED:
            raise TooMuch
        super().on_message_begin()
        self._in_head = True

    def on_headers_complete(self) -> None:
        self._in_head = False
        super().on_headers_complete()
        self._unanswered = [cycle for cycle in self._unanswered if not cycle.response_complete]
        self._unanswered.append(self.cycle)

    def on_body(self, body: bytes) -> None:
        self._overhead = max(0, self._overhead - len(body) - _CHUNK_FRAME_BYTES)
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._overhead = 0
        super().on_message_complete()

    def _unsupported_upgrade_warning(self) -> None:
        """Log nothing: a caller could write a line with each request."""

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002  (says "Invalid HTTP request received.")
        self._refuse(BadRequest("cannot read the request: it is not valid HTTP/1.1"))

    def _refuse(self, error: VecwardError) -> None:
        """Answer outside of any request, and close; within an answer a second one would not be understood."""
        answering = any(cycle.response_started and not cycle.response_complete for cycle in self._unanswered)
        self._tell_gone()
        if not answering:
            self.transport.write(_answer(error))
        self.transport.close()


def _answer(error: VecwardError) -> bytes:
    body = json.dumps(to_problem(error), ensure_ascii=False).encode()
    headers = {**problem_headers(error), "content-length": str(len(body)), "connection": "close"}
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return STATUS_LINE[status_of(error)] + lines.encode("ascii") + b"\r\n" + body


def _head_too_large() -> BadRequest:
    return BadRequest(f"cannot read the request: its head is larger than {MAX_HEAD_BYTES} bytes")
