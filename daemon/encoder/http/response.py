"""Responses of the encoder's small ASGI app: a whole body, a stream, a problem document."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from pydantic import BaseModel
from pydantic_core import to_json

from daemon.core.errors import VecwardError
from daemon.core.http import problems
from daemon.encoder.http.asgi import Send

JSON = b"application/json"


class Response:
    """A response with a whole body, or with chunks of one."""

    __slots__ = ("body", "chunks", "headers", "status")

    def __init__(
        self,
        body: bytes = b"",
        *,
        status: int = 200,
        media_type: bytes = JSON,
        chunks: AsyncIterator[bytes] | None = None,
        headers: tuple[tuple[bytes, bytes], ...] = (),
    ) -> None:
        self.status = status
        self.body = body
        self.chunks = chunks
        self.headers = [(b"content-type", media_type), *headers]

    async def send(self, send: Send) -> None:
        if self.chunks is None:
            self.headers.append((b"content-length", b"%d" % len(self.body)))
            await send({"type": "http.response.start", "status": self.status, "headers": self.headers})
            await send({"type": "http.response.body", "body": self.body})
            return
        await send({"type": "http.response.start", "status": self.status, "headers": self.headers})
        async for chunk in self.chunks:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


def respond(content: BaseModel | dict[str, Any], status: int = 200) -> Response:
    return Response(to_json(content), status=status)


def problem(error: VecwardError, request_id: str | None) -> Response:
    """Write a problem document; a refused value is quoted in its details, whatever it is."""
    headers = problems.problem_headers(error)
    media_type = headers.pop("content-type").encode()
    body = to_json(problems.to_problem(error, request_id=request_id), inf_nan_mode="constants", fallback=str)
    extra = tuple((name.encode(), value.encode()) for name, value in headers.items())
    return Response(body, status=problems.status_of(error), media_type=media_type, headers=extra)
