"""Requests on the daemon's socket: one answer or one error each."""

from __future__ import annotations

import json
import shlex
from collections.abc import AsyncIterable, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypedDict, TypeVar, Unpack
from urllib.parse import quote, urlencode

from pydantic import BaseModel, ValidationError

from daemon.core.errors import BadRequest, DaemonUnreachable, InternalError, Invalid, VecwardError
from daemon.core.http.pool import Pool
from daemon.core.http.problems import PROBLEM_TYPE, from_problem
from daemon.core.http.response import ConnectionLost, Headers, Response
from daemon.core.paths import Paths, check_socket_length
from daemon.core.units import MIB

JSON = "application/json"
# Behind the daemon answers a tenant's encoder: one that talks without end must not fill the console, which serves all.
MAX_ANSWER_BYTES = 128 * MIB
MAX_PROBLEM_BYTES = MIB

M = TypeVar("M", bound=BaseModel)


def segment(name: str) -> str:
    """Quote a name as one segment of a path; whether it is a good name is for the daemon to say."""
    return quote(name, safe="", errors="backslashreplace")


def with_query(path: str, **parameters: str | float | bool | None) -> str:
    """Return the path with those parameters that are given (not None)."""
    given = {key: _parameter(value) for key, value in parameters.items() if value is not None}
    return f"{path}?{urlencode(given, errors='backslashreplace')}" if given else path


def _parameter(value: str | float | bool) -> str:
    """Write a parameter: true, false; 30 rather than 30.0, since some parameters are whole numbers."""
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.12g}" if isinstance(value, float) else str(value)


def to_json(value: Any) -> bytes:
    """Return a request body as JSON.

    Raises:
        Invalid: a text is not Unicode (a lone surrogate).
    """
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError as error:
        bad = ascii(error.object[error.start : error.end])
        raise Invalid(
            f"cannot send the text: it is not valid Unicode ({bad}); send UTF-8 text",
            field="text",
            value=bad,
            allowed="Unicode text",
        ) from None


def read_answer(model: type[M], body: bytes) -> M:
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "the body"
        raise InternalError(
            f"cannot read the daemon's answer: {where}: {first['msg']}; are client and daemon of one version?"
        ) from None


class Options(TypedDict, total=False):
    """The parts that a request may have besides method and target."""

    body: bytes | AsyncIterable[bytes]
    size: int | None  # of a body that is no bytes, where it is known
    media_type: str  # of the body; JSON unless said
    if_match: int | None


class Transport:
    """Requests on one Unix socket; nothing is sent twice.

    Every method raises the VecwardError of the problem's kind that the daemon answers with, and
    DaemonUnreachable when nobody answers.
    """

    def __init__(self, socket: Path, *, user: str | None, session: str | None, address: str | None = None) -> None:
        check_socket_length(socket)
        self.socket = socket
        self._pool = Pool(socket)
        self._headers: Headers = []
        if user is not None:
            self._headers.append((b"vecward-user", quote(user, safe="", errors="backslashreplace").encode()))
        if session is not None:
            self._headers.append((b"vecward-session", _header_value(session)))
        if address is not None:
            self._headers.append((b"vecward-address", _header_value(address)))

    async def close(self) -> None:
        await self._pool.close()

    async def call(self, method: str, target: str, **options: Unpack[Options]) -> bytes:
        """Send one request and return the body of its 2xx response."""
        async with self.open(method, target, **options) as response:
            return await response.read_at_most(MAX_ANSWER_BYTES)

    @asynccontextmanager
    async def open(self, method: str, target: str, **options: Unpack[Options]) -> AsyncIterator[Response]:
        """Send one request and yield its 2xx response, whose body is still to be read; leaving early closes it."""
        try:
            response = await self._send(method, target, options)
            try:
                if not 200 <= response.status < 300:
                    raise _error_of(
                        response.status,
                        response.header(b"content-type"),
                        await response.read_at_most(MAX_PROBLEM_BYTES),
                    )
                yield response
            finally:
                await response.aclose()
        except ConnectionLost as error:
            raise self._lost(method, error) from None

    async def _send(self, method: str, target: str, options: Options) -> Response:
        body = options.get("body", b"")
        headers = list(self._headers)
        if body:
            headers.append((b"content-type", options.get("media_type", JSON).encode("ascii")))
        if (size := options.get("size")) is not None:
            headers.append((b"content-length", b"%d" % size))
        if (revision := options.get("if_match")) is not None:
            headers.append((b"if-match", b'"%d"' % revision))
        try:
            return await self._pool.send(method, target, headers, body)
        except OSError as error:
            why = error.strerror or str(error)
            start = _start_command(self.socket)
            raise DaemonUnreachable(
                f"cannot reach the daemon at {self.socket}: {why}; start it with: {start}",
                socket=str(self.socket),
            ) from None

    def _lost(self, method: str, error: ConnectionLost) -> DaemonUnreachable:
        unknown = "" if method == "GET" else "; it may have done what you asked, so look before you repeat it"
        return DaemonUnreachable(
            f"cannot get an answer from the daemon at {self.socket}: {error}{unknown}",
            socket=str(self.socket),
            before_response=error.before_response,
        )


def _header_value(text: str) -> bytes:
    if not (text.isascii() and text.isprintable()):
        raise BadRequest("cannot send the session: it has characters that no session has; sign in again")
    return text.encode("ascii")


def _start_command(socket: Path) -> str:
    """Return the command that starts a daemon at `socket`."""
    if socket == Paths.system().daemon_socket or socket.parent.name != "run":
        return "vecward up"
    return f"vecward --root {shlex.quote(str(socket.parent.parent))} up"


def _error_of(status: int, media_type: bytes | None, body: bytes) -> VecwardError:
    problem = _problem(body) if media_type and media_type.startswith(PROBLEM_TYPE.encode()) else None
    if problem is None:
        return InternalError(f"cannot understand the answer: status {status}, no problem document", status=status)
    return from_problem(problem)


def _problem(body: bytes) -> dict[str, Any] | None:
    try:
        problem = json.loads(body)
    except ValueError:
        return None
    return problem if isinstance(problem, dict) else None
