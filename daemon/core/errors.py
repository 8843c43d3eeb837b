"""The errors that vecward answers with, one class a kind.

::

    VecwardError                   kind, message, details, retry_after
    ├── BadRequest                 the request cannot be read (JSON, header, media type, size)
    │   ├── UnsupportedMediaType
    │   └── BodyTooLarge
    ├── Invalid                    a field's value is not allowed: field, value, allowed
    │   ├── TooLong
    │   ├── TooShort
    │   ├── InvalidConfig          file and line as well
    │   └── BadBackup              a file that can't be restored
    ├── Unauthenticated
    │   └── TooManyAttempts
    ├── Forbidden
    ├── NotFound
    │   ├── UnknownTenant
    │   ├── UnknownEntry
    │   └── UnknownOperation
    ├── MethodNotAllowed
    ├── Conflict
    │   ├── Duplicate              the existing id
    │   ├── DataExists
    │   ├── TenantStopped
    │   └── NothingToUndo
    ├── RevisionChanged
    ├── QueueFull
    ├── DiskFull
    ├── Unavailable                the tenant can't answer now
    │   ├── TenantStarting
    │   ├── TenantFailed
    │   ├── EncoderHung
    │   ├── EncoderLost
    │   └── ReEmbedding
    ├── StartRefused               an encoder that can't start: `failed`, never retried
    ├── DaemonUnreachable          the client's own: nobody answers on the socket
    └── InternalError

Messages start "cannot …", name the thing and say the way out. `daemon/core/http/problems.py` maps each class to its
status; a test fails when one is missing there.
"""

from __future__ import annotations

from typing import Any, ClassVar


class VecwardError(Exception):
    """An error with a stable `kind`, a message for people and details for programs."""

    kind: ClassVar[str] = "error"
    default_retry_after: ClassVar[float | None] = None

    def __init__(self, message: str, *, retry_after: float | None = None, **details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.details = details
        self.retry_after = self.default_retry_after if retry_after is None else retry_after


class BadRequest(VecwardError):
    kind = "bad-request"


class UnsupportedMediaType(BadRequest):
    kind = "unsupported-media-type"


class BodyTooLarge(BadRequest):
    kind = "body-too-large"


class Invalid(VecwardError):
    """A value that is not allowed. Details: field, value (shortened), allowed."""

    kind = "invalid"


class TooLong(Invalid):
    kind = "too-long"


class TooShort(Invalid):
    kind = "too-short"


class InvalidConfig(Invalid):
    """A file's field that is not allowed. Details: file, line, field, value, allowed, problem."""

    kind = "invalid-config"


class BadBackup(Invalid):
    """A file that is no backup, a damaged one, or one that must not go here. Details: reason."""

    kind = "bad-backup"


class Unauthenticated(VecwardError):
    kind = "unauthenticated"


class TooManyAttempts(Unauthenticated):
    kind = "too-many-attempts"
    default_retry_after = 30.0


class Forbidden(VecwardError):
    kind = "forbidden"


class NotFound(VecwardError):
    kind = "not-found"


class UnknownTenant(NotFound):
    kind = "unknown-tenant"

    @classmethod
    def named(cls, name: str) -> UnknownTenant:
        """The error for a tenant that is not there, and, byte for byte, for one that the caller must not know."""
        shown = name if len(name) <= 40 else name[:40] + "…"
        return cls(
            f"cannot find tenant {shown}: there is none of that name that you may search; GET /v1/tenants lists yours"
        )


class UnknownEntry(NotFound):
    kind = "unknown-entry"


class UnknownOperation(NotFound):
    kind = "unknown-operation"


class MethodNotAllowed(VecwardError):
    kind = "method-not-allowed"


class Conflict(VecwardError):
    kind = "conflict"


class Duplicate(Conflict):
    """A text that the base has already. Details: id, the entry that has it."""

    kind = "duplicate"


class DataExists(Conflict):
    kind = "data-exists"


class TenantStopped(Conflict):
    kind = "tenant-stopped"


class NothingToUndo(Conflict):
    kind = "nothing-to-undo"


class RevisionChanged(VecwardError):
    """A base that changed since the caller read it. Details: revision, the one in force."""

    kind = "revision-changed"


class QueueFull(VecwardError):
    kind = "queue-full"
    default_retry_after = 1.0


class DiskFull(VecwardError):
    kind = "disk-full"


class Unavailable(VecwardError):
    kind = "unavailable"
    default_retry_after: ClassVar[float | None] = 2.0


class TenantStarting(Unavailable):
    kind = "tenant-starting"


class TenantFailed(Unavailable):
    kind = "tenant-failed"
    default_retry_after = None  # waiting does not help: somebody must act


class EncoderHung(Unavailable):
    kind = "encoder-hung"


class EncoderLost(Unavailable):
    kind = "encoder-lost"


class ReEmbedding(Unavailable):
    kind = "re-embedding"


class StartRefused(VecwardError):
    kind = "start-refused"


class DaemonUnreachable(VecwardError):
    kind = "daemon-unreachable"


class InternalError(VecwardError):
    kind = "internal"


def all_kinds() -> dict[str, type[VecwardError]]:
    """Return every error class by its kind."""
    found: dict[str, type[VecwardError]] = {}
    pending: list[type[VecwardError]] = [VecwardError]
    while pending:
        cls = pending.pop()
        found[cls.kind] = cls
        pending.extend(cls.__subclasses__())
    return found
