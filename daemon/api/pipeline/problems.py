"""Errors as problem documents (RFC 9457) on the wire, whichever part raised them."""

from __future__ import annotations

import json
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from daemon.api.context import CALL_KEY, Call
from daemon.core import errors
from daemon.core.errors import VecwardError
from daemon.core.files import disk
from daemon.core.http.problems import problem_headers, status_of, to_problem
from daemon.core.wire import invalid_of

REQUEST_ID = b"vecward-request"


def problem_response(error: VecwardError, request_id: str) -> Response:
    body = json.dumps(to_problem(error, request_id=request_id), ensure_ascii=False).encode("utf-8", "backslashreplace")
    headers = problem_headers(error)
    if isinstance(error, errors.MethodNotAllowed):
        headers["allow"] = str(error.details.get("allowed", ""))
    return Response(body, status_of(error), headers)


def of_bug(error: BaseException) -> VecwardError:
    """Return the error to answer with when an exception came that nobody expected; a full disk is no bug."""
    if disk.is_full(error):
        return errors.DiskFull("cannot answer: a disk of the daemon's is full; nothing was changed. Make room on it")
    return errors.InternalError("cannot answer: an internal error; the daemon's log has more under this request id")


def install(app: FastAPI) -> None:
    """Make every error that FastAPI or a handler raises a problem document.

    An exception without a handler here comes out of the app with its answer already sent.
    """
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(Exception, _on_bug)
    app.add_exception_handler(VecwardError, _on_ours)


async def _on_ours(request: Request, error: Exception) -> Response:
    assert isinstance(error, VecwardError)
    return _answer(request, error)


async def _on_invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first: Any = error.errors()[0]
    return _answer(request, invalid_of(first, tuple(first["loc"][1:])))


async def _on_http(request: Request, error: Exception) -> Response:
    """Answer an error of Starlette's own.

    The route table comes first, so that only a broken body is left to get here.
    """
    assert isinstance(error, HTTPException)
    by_status: dict[int, type[VecwardError]] = {404: errors.NotFound, 405: errors.MethodNotAllowed}
    kind = by_status.get(error.status_code, errors.BadRequest)
    return _answer(request, kind(f"cannot answer: {error.detail}"))


async def _on_bug(request: Request, error: Exception) -> Response:
    return _answer(request, of_bug(error))


def _answer(request: Request, error: VecwardError) -> Response:
    call: Call = request.scope[CALL_KEY]
    call.problem = error
    return problem_response(error, call.request_id)
