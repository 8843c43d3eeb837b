"""One table from error to HTTP status, and the problem document (RFC 9457) in both directions."""

from __future__ import annotations

import math
from typing import Any

from daemon.core import errors
from daemon.core.errors import VecwardError

PROBLEM_TYPE = "application/problem+json"

STATUS: dict[type[VecwardError], int] = {
    errors.BadRequest: 400,
    errors.UnsupportedMediaType: 415,
    errors.BodyTooLarge: 413,
    errors.Invalid: 422,
    errors.TooLong: 422,
    errors.TooShort: 422,
    errors.InvalidConfig: 422,
    errors.BadBackup: 422,
    errors.Unauthenticated: 401,
    errors.TooManyAttempts: 429,
    errors.Forbidden: 403,
    errors.NotFound: 404,
    errors.UnknownTenant: 404,
    errors.UnknownEntry: 404,
    errors.UnknownOperation: 404,
    errors.MethodNotAllowed: 405,
    errors.Conflict: 409,
    errors.Duplicate: 409,
    errors.DataExists: 409,
    errors.TenantStopped: 409,
    errors.NothingToUndo: 409,
    errors.RevisionChanged: 412,
    errors.QueueFull: 429,
    errors.DiskFull: 507,
    errors.Unavailable: 503,
    errors.TenantStarting: 503,
    errors.TenantFailed: 503,
    errors.EncoderHung: 503,
    errors.EncoderLost: 503,
    errors.ReEmbedding: 503,
    errors.StartRefused: 503,
    errors.DaemonUnreachable: 503,
    errors.InternalError: 500,
    VecwardError: 500,
}


def status_of(error: VecwardError) -> int:
    return STATUS[type(error)]


def to_problem(error: VecwardError, *, request_id: str | None = None) -> dict[str, Any]:
    """Return the problem document of an error; details stand beside the standard members."""
    problem: dict[str, Any] = {
        "type": f"urn:vecward:{error.kind}",
        "title": error.kind.replace("-", " "),
        "status": status_of(error),
        "kind": error.kind,
        "detail": error.message,
        **error.details,
    }
    if error.retry_after is not None:
        problem["retry_after"] = error.retry_after
    if request_id is not None:
        problem["request_id"] = request_id
    return problem


def problem_headers(error: VecwardError) -> dict[str, str]:
    headers = {"content-type": PROBLEM_TYPE}
    if error.retry_after is not None:
        headers["retry-after"] = str(max(1, math.ceil(error.retry_after)))
    return headers


# The last two are names that VecwardError's constructor uses itself.
_STANDARD = {"type", "title", "status", "kind", "detail", "retry_after", "message", "self"}


def from_problem(problem: dict[str, Any]) -> VecwardError:
    """Return the error that a problem document stands for; an unknown kind becomes InternalError."""
    cls = errors.all_kinds().get(str(problem.get("kind")), errors.InternalError)
    details = {k: v for k, v in problem.items() if k not in _STANDARD}
    return cls(str(problem.get("detail", "")), retry_after=problem.get("retry_after"), **details)
