"""Files in and out: past Gradio, which would keep them on disk and serve them."""

from __future__ import annotations

import asyncio
import codecs
from collections.abc import AsyncIterator
from pathlib import PurePosixPath
from typing import Literal, cast
from urllib.parse import quote

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from console.auth import User
from console.backend import Backend
from console.components.files import FORMATS
from console.i18n import choose_language, words
from daemon.core import wire
from daemon.core.errors import Unauthenticated, UnsupportedMediaType, VecwardError
from daemon.core.http_status import status_of, to_problem

MEDIA_TYPES = {
    ".txt": "text/plain",
    ".csv": "text/csv",
    ".jsonl": "application/x-ndjson",
    ".ndjson": "application/x-ndjson",
}
_TRANSFER_S = 3600.0
_AT_ONCE = 2  # files that this process holds in memory at a time

Format = Literal["txt", "csv", "jsonl"]


def router(backend: Backend) -> APIRouter:
    routes = APIRouter(include_in_schema=False)
    room = asyncio.Semaphore(_AT_ONCE)

    def user_of(request: Request) -> User:
        user = backend.cookies.user_of(request.cookies)
        if user is None:
            raise Unauthenticated("cannot answer: you are not signed in (any more); sign in again")
        return user

    @routes.get("/export/{tenant}")
    async def export(tenant: str, request: Request) -> Response:
        asked = request.query_params.get("format", "txt")
        try:
            if asked not in FORMATS:
                raise UnsupportedMediaType(f"cannot export as {wire.shorten(asked, 20)}: choose {', '.join(FORMATS)}")
            return await _download(backend, user_of(request), tenant, cast(Format, asked))
        except VecwardError as error:
            return JSONResponse(to_problem(error), status_of(error), media_type="application/problem+json")

    @routes.post("/import/{tenant}")
    async def import_file(tenant: str, request: Request) -> Response:
        """The file as the body, its name in ?name=; answers {operation, encoding} or a problem."""
        language = choose_language(
            request.cookies.get(backend.cookies.language), request.headers.get("accept-language")
        )
        try:
            user = user_of(request)
            suffix = PurePosixPath(request.query_params.get("name", "")).suffix.lower()
            if suffix not in MEDIA_TYPES:
                raise UnsupportedMediaType(words(language)("file.bad_type"))
            async with room:
                data, encoding = to_utf8(await request.body())
                async with backend.as_(user, _TRANSFER_S) as client:
                    operation = await client.import_entries(tenant, data, MEDIA_TYPES[suffix])
        except VecwardError as error:
            return JSONResponse({"kind": error.kind, "detail": error.message}, status_of(error))
        return JSONResponse({"operation": operation.id, "encoding": encoding}, 202)

    return routes


async def _download(backend: Backend, user: User, tenant: str, asked: Format) -> Response:
    """Starts the download; what goes wrong before its first byte is raised."""
    chunks = _chunks(backend, user, tenant, asked)
    first = await anext(chunks, b"")

    async def whole() -> AsyncIterator[bytes]:
        yield first
        async for chunk in chunks:
            yield chunk

    name = quote(f"{tenant}.{asked}", safe="")
    headers = {"content-disposition": f"attachment; filename*=UTF-8''{name}", "cache-control": "no-store"}
    return StreamingResponse(whole(), media_type=f"{MEDIA_TYPES['.' + asked]}; charset=utf-8", headers=headers)


async def _chunks(backend: Backend, user: User, tenant: str, asked: Format) -> AsyncIterator[bytes]:
    async with backend.as_(user, _TRANSFER_S) as client:
        async for chunk in client.export(tenant, asked):
            yield chunk


def to_utf8(data: bytes) -> tuple[bytes, str]:
    """The file in UTF-8, and what it was in where that was something else ("": it was UTF-8).

    A byte order mark decides; without one, what is not UTF-8 is read as GB18030, which Chinese editions of
    Windows and Excel write. Bytes that are neither stay as they are: the encoder refuses them in words.
    """
    if data.startswith(codecs.BOM_UTF8):
        return data[len(codecs.BOM_UTF8) :], ""
    marked = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    for encoding in ("utf-16",) if marked else ("utf-8", "gb18030"):
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        return (data, "") if encoding == "utf-8" else (text.encode(), encoding.upper())
    return data, ""
