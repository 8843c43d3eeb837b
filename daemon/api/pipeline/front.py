"""The way of every request: match, authenticate, authorise, then relay it or hand it to the daemon's own handlers.

Raw ASGI: with the rows of this API, FastAPI 0.165 takes 74 µs from a request to its handler and Starlette 1.10 31 µs,
`match` 1.1 µs (processor time, 2026-11-26, AVX-512); all that the daemon adds to a search is 0.2 ms.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from daemon.api.connections.bodies import ClientGone, bounded
from daemon.api.context import CALL_KEY, ApiServices, Call
from daemon.api.matching import match
from daemon.api.pipeline import bookkeeping
from daemon.api.pipeline.problems import REQUEST_ID, of_bug, problem_response
from daemon.api.pipeline.relay import relay
from daemon.api.rights.authenticate import address_of
from daemon.api.rights.connection import SCOPE_KEY
from daemon.api.routes import By
from daemon.core.errors import DiskFull, Forbidden, MethodNotAllowed, NotFound, Unavailable, VecwardError
from daemon.core.http.response import ConnectionLost
from daemon.core.roles import Role

log = logging.getLogger(__name__)


class Front:
    """The ASGI application that the server calls; `handlers` is the one behind it (api/handlers/app.py)."""

    def __init__(self, services: ApiServices, handlers: ASGIApp) -> None:
        self._services = services
        self._handlers = handlers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise ValueError(f"cannot serve {scope['type']}: only HTTP")
        began = time.perf_counter()
        call = Call(os.urandom(16).hex(), scope[SCOPE_KEY])
        reply = _Reply(send, call.request_id)
        try:
            await self._admit(call, scope)
            await self._answer(call, scope, receive, reply)
        except VecwardError as error:
            await _send_problem(call, error, scope, receive, reply)
        except ClientGone:
            call.problem = None
        except asyncio.CancelledError:  # by the server alone: the daemon ends, and has drained long enough
            await _on_end(call, scope, receive, reply)
        except ConnectionLost as error:  # within an answer: it stays without an end, and so the caller knows
            log.info("answer-cut-off", extra={"request": call.request_id, "reason": str(error)})
        except Exception as error:  # noqa: BLE001  (the one guard around a request)
            await _on_bug(call, error, scope, receive, reply)
        finally:
            bookkeeping.record(self._services, call, reply.status, time.perf_counter() - began)

    def end_streams(self) -> None:
        """Give followers and long polls a proper end: called when the daemon begins to stop."""
        self._services.streams.end()

    def close(self) -> None:
        """Write what the audit log still counts, and end the threads of sign-ins."""
        self._services.sign_ins.close()
        self._services.audit.close()

    # --- the caller and its rights ---------------------------------------------------------------------

    async def _admit(self, call: Call, scope: Scope) -> None:
        """Find the route and the caller, and check that the one may use the other.

        Nothing about the path is told to a caller that is not authenticated: that error comes first.
        """
        unknown: NotFound | MethodNotAllowed | None = None
        try:
            call.match = match(scope["method"], scope["raw_path"].decode("latin-1"))
        except (NotFound, MethodNotAllowed) as error:
            unknown = error
        if call.match is not None and call.match.route.role is Role.NOBODY:
            self._admit_nobody(call, scope)
            return
        authenticator = self._services.authenticator
        call.caller = authenticator.quick(call.connection, scope["headers"])
        if call.caller is None:
            call.caller = await authenticator.slow(call.connection)
        if unknown is not None:
            raise unknown
        assert call.match is not None
        self._services.access.authorise(call.caller, call.match)

    def _admit_nobody(self, call: Call, scope: Scope) -> None:
        if call.connection.socket != "console":
            raise Forbidden("cannot sign in on daemon.sock: there the kernel says who you are, without a password")
        self._services.authenticator.check_console_peer(call.connection)
        call.address = address_of(scope["headers"])

    # --- the answer ------------------------------------------------------------------------------------

    async def _answer(self, call: Call, scope: Scope, receive: Receive, reply: _Reply) -> None:
        assert call.match is not None
        route = call.match.route
        if route.by is By.ENCODER:
            tenant = self._services.manager.tenants[call.tenant]
            actor = call.known_caller.actor
            await relay(scope, receive, reply, tenant=tenant, route=route, actor=actor, request_id=call.request_id)
            return
        scope[CALL_KEY] = call
        reply.adds_request_id = True
        await self._handlers(scope, bounded(receive, scope["headers"], route.max_body_bytes), reply)


class _Reply:
    """The `send` of one request: passes messages on, and remembers the status (0: nothing was sent)."""

    __slots__ = ("_request_id", "_send", "adds_request_id", "status")

    def __init__(self, send: Send, request_id: str) -> None:
        self._send = send
        self._request_id = request_id
        self.status = 0
        self.adds_request_id = False  # the relay says it itself

    async def __call__(self, message: Message) -> None:
        if self.status == 0:
            self.status = message["status"]
            if self.adds_request_id:
                headers = [*message.get("headers", ()), (REQUEST_ID, self._request_id.encode())]
                message = {**message, "headers": headers}
        await self._send(message)


async def _send_problem(call: Call, error: VecwardError, scope: Scope, receive: Receive, reply: _Reply) -> None:
    call.problem = error
    reply.adds_request_id = True
    await problem_response(error, call.request_id)(scope, receive, reply)


async def _on_end(call: Call, scope: Scope, receive: Receive, reply: _Reply) -> None:
    if reply.status == 0:
        changes = call.match is not None and call.match.route.mutating
        then = "look whether your change was made" if changes else "try again"
        ending = Unavailable(f"cannot answer: the daemon is being stopped; {then} when it is up")
        await _send_problem(call, ending, scope, receive, reply)
    else:
        log.info("answer-cut-off", extra={"request": call.request_id, "reason": "the daemon is being stopped"})


async def _on_bug(call: Call, error: Exception, scope: Scope, receive: Receive, reply: _Reply) -> None:
    problem = of_bug(error)
    bug = None if isinstance(problem, DiskFull) else error
    log.error("request-failed", exc_info=bug, extra={"request": call.request_id, "reason": str(error)})
    if reply.status == 0:
        await _send_problem(call, problem, scope, receive, reply)
    # Else uvicorn sees an answer without an end, and closes the connection: the caller knows it is cut off.
