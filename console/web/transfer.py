"""Imports and exports: files go past Gradio, which would keep them on disk and serve them."""

from __future__ import annotations

import asyncio
import codecs
from collections.abc import AsyncIterator
from urllib.parse import quote

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from console.messages import words
from console.view_models.formats import bad_type
from console.web.cookies import User
from console.web.daemon_access import DaemonAccess
from console.web.language import choose_language
from daemon.core import formats
from daemon.core.errors import UnsupportedMediaType, VecwardError
from daemon.core.http.problems import PROBLEM_TYPE, status_of, to_problem

_TRANSFER_S = 3600.0
_MAX_IMPORTS = 2  # files that this process holds in memory at a time


def router(daemon: DaemonAccess) -> APIRouter:
    """Make the routes that take files in and give them out."""
    transfer = _Transfer(daemon)
    routes = APIRouter(include_in_schema=False)
    routes.add_api_route("/export/{tenant}", transfer.export)
    routes.add_api_route("/import/{tenant}", transfer.import_file, methods=["POST"])
    return routes


class _Transfer:
    def __init__(self, daemon: DaemonAccess) -> None:
        self._daemon = daemon
        self._slots = asyncio.Semaphore(_MAX_IMPORTS)

    async def export(self, tenant: str, request: Request) -> Response:
        asked = request.query_params.get("format", formats.DEFAULT.name)
        try:
            user = self._daemon.signed_in(request.cookies)
            format = formats.find(asked)
            if format is None:
                known = ", ".join(row.name for row in formats.FORMATS)
                raise UnsupportedMediaType(f"cannot export as {asked[:20]}: choose {known}")
            return await _download(self._daemon, user, tenant, format)
        except VecwardError as error:
            return JSONResponse(to_problem(error), status_of(error), media_type=PROBLEM_TYPE)

    async def import_file(self, tenant: str, request: Request) -> Response:
        """Take a file as the body, its name in ?name=; the answer is {operation, encoding} or {kind, detail}."""
        try:
            user, media_type = self._daemon.signed_in(request.cookies), self._media_type(request)
            async with self._slots:
                data, encoding = to_utf8(await request.body())
                async with self._daemon.connect(user, _TRANSFER_S) as client:
                    operation = await client.import_entries(tenant, data, media_type)
        except VecwardError as error:
            return JSONResponse({"kind": error.kind, "detail": error.message}, status_of(error))
        return JSONResponse({"operation": operation.id, "encoding": encoding}, 202)

    def _media_type(self, request: Request) -> str:
        format = formats.of_file(request.query_params.get("name", ""))
        if format is None:
            chosen = request.cookies.get(self._daemon.cookies.language)
            t = words(choose_language(chosen, request.headers.get("accept-language")))
            raise UnsupportedMediaType(bad_type(t))
        return format.media_type


async def _download(daemon: DaemonAccess, user: User, tenant: str, format: formats.Format) -> Response:
    """Start a download; what goes wrong before its first byte is raised."""
    chunks = _chunks(daemon, user, tenant, format)
    first = await anext(chunks, b"")

    async def whole() -> AsyncIterator[bytes]:
        yield first
        async for chunk in chunks:
            yield chunk

    name = quote(f"{tenant}{format.suffixes[0]}", safe="")
    headers = {"content-disposition": f"attachment; filename*=UTF-8''{name}", "cache-control": "no-store"}
    return StreamingResponse(whole(), media_type=f"{format.media_type}; charset=utf-8", headers=headers)


async def _chunks(daemon: DaemonAccess, user: User, tenant: str, format: formats.Format) -> AsyncIterator[bytes]:
    async with daemon.connect(user, _TRANSFER_S) as client:
        async for chunk in client.export(tenant, format.name):
            yield chunk


def to_utf8(data: bytes) -> tuple[bytes, str]:
    """Return a file in UTF-8, and the name of its own encoding ("" where that was UTF-8).

    A byte order mark decides. A file without one that is not UTF-8 is read as GB18030, which Chinese editions of
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
