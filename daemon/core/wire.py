"""What crosses a process boundary as JSON: the models of the HTTP API (design, section 6).

Requests are strict (an unknown key is refused); answers tolerate keys that a newer daemon adds, so
that an older client keeps working.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from daemon.core.errors import BadRequest, Invalid, TooLong

MAX_BODY_BYTES = 64 * 1024 * 1024
MAX_QUERY_BYTES = 32 * 1024
MAX_ENTRY_BYTES = 64 * 1024
MAX_K = 1000
MAX_DIMS = 16384

Scalar = str | int | float | bool | None
Metadata = dict[str, Scalar]


class Request(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Answer(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


# --- entries -------------------------------------------------------------------------------------


class Entry(Answer):
    id: int
    text: str
    metadata: Metadata = {}
    created_at: datetime
    updated_at: datetime


class EntryPage(Answer):
    """`next` is the `after` of the following page, None on the last one."""

    entries: list[Entry]
    next: int | None = None
    total: int
    revision: int


class NewEntry(Request):
    text: str
    metadata: Metadata = {}


class AddEntries(Request):
    entries: list[NewEntry]


class SetTexts(Request):
    texts: list[str]


class EditEntry(Request):
    """Only what is given changes."""

    text: str | None = None
    metadata: Metadata | None = None


class DeleteEntries(Request):
    ids: list[int]
    forget: bool = False


class Refused(Answer):
    """`line` counts from 1 in the request's list; `id` is the entry that a duplicate repeats (None if it stands
    earlier in the same request)."""

    line: int
    text: str
    kind: str
    reason: str
    id: int | None = None


class Added(Answer):
    added: list[int]
    refused: list[Refused] = []
    revision: int


class SetResult(Answer):
    added: int
    removed: int
    unchanged: int
    refused: list[Refused] = []
    revision: int


class Deleted(Answer):
    deleted: list[int]
    unknown: list[int] = []
    revision: int


# --- search and vectors ---------------------------------------------------------------------------


class Search(Request):
    """`filter` keeps entries whose metadata has all these values."""

    query: str
    k: Annotated[int, Field(ge=1, le=MAX_K)] | None = None
    min_score: Annotated[float, Field(ge=-1, le=1)] | None = None
    filter: Metadata | None = None


class Hit(Answer):
    """`score` is the cosine similarity in [-1, 1]."""

    id: int
    text: str
    metadata: Metadata = {}
    score: float


class Timing(Answer):
    queue_ms: float
    encode_ms: float
    search_ms: float


class SearchResult(Answer):
    results: list[Hit]
    revision: int
    timing: Timing
    warnings: list[str] = []


class VectorRequest(Request):
    text: str
    kind: Literal["query", "document"] = "query"
    dims: Annotated[int, Field(ge=1, le=MAX_DIMS)] | None = 50


class Vector(Answer):
    """`norm` is the L2 norm of the whole vector; `values` holds its first `dims` values."""

    dimension: int
    norm: float
    fingerprint: str
    values: list[float]


# --- operations, events ---------------------------------------------------------------------------


class OperationState(StrEnum):
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"


class Progress(Answer):
    done: int
    total: int | None = None
    unit: str = ""


class Operation(Answer):
    """Work that outlives its request. `d-…` are the daemon's, `e-…` an encoder's."""

    id: str
    kind: str
    tenant: str = ""
    state: OperationState
    progress: Progress | None = None
    result: dict[str, Any] | None = None
    error: dict[str, Any] | None = None
    started_at: datetime
    ended_at: datetime | None = None


class OperationAnswer(Answer):
    operation: Operation


class Event(Answer):
    """One thing that happened; `name` is fixed vocabulary, `data` flat."""

    id: int
    at: datetime
    name: str
    tenant: str | None = None
    data: dict[str, Any] = {}


class EventPage(Answer):
    events: list[Event]
    next: int | None = None


class BackupDatabase(Answer):
    """`sha256` is of the whole file, in hexadecimal."""

    file: str
    bytes: Annotated[int, Field(ge=0)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class BackupManifest(Answer):
    """`manifest.json`, the first member of a backup: what the database in it holds, and how to check it."""

    format: Literal["vecward-backup"] = "vecward-backup"
    format_version: Annotated[int, Field(ge=1)] = 1
    vecward: str
    schema_version: int
    tenant: str
    revision: int
    entries: int
    fingerprint: str | None  # of the model in use; None where nobody knows (a salvaged base)
    created_at: datetime
    database: BackupDatabase


class Change(Answer):
    """One committed change of a knowledge base."""

    revision: int
    at: datetime
    actor: str
    kind: str
    added: int = 0
    removed: int = 0
    edited: int = 0
    undone: bool = False
    details: list[dict[str, Any]] = []


class HistoryPage(Answer):
    changes: list[Change]
    next: int | None = None


# --- tenants, host --------------------------------------------------------------------------------


class Rates(Answer):
    """Over the last minute."""

    searches_per_s: float = 0.0
    errors_per_s: float = 0.0
    p50_ms: float | None = None


class Title(Answer):
    en: str = ""
    zh: str = ""


class TenantView(Answer):
    """A tenant as its admins see it; a searcher's copy has the operational fields empty."""

    name: str
    title: Title
    state: str
    goal: str
    reason: str | None = None
    role: str | None = None  # the caller's own role on it, a word of daemon.core.roles.Role
    pid: int | None = None
    uptime_s: float | None = None
    restarts: int = 0
    device: str | None = None
    isolation: str | None = None
    memory_mb: float | None = None
    gpu_memory_mb: float | None = None
    entries: int | None = None
    revision: int | None = None
    fingerprint: str | None = None
    dimension: int | None = None
    threshold: float | None = None
    k: int = 5
    min_chars: int = 5
    backend: str | None = None
    progress: Progress | None = None
    warnings: list[str] = []
    rates: Rates = Rates()


class TenantPage(Answer):
    tenants: list[TenantView]
    next: str | None = None
    total: int = 0


class Health(Answer):
    status: Literal["ok"] = "ok"
    version: str
    uptime_s: float


class HostMemory(Answer):
    total_mb: float
    available_mb: float


class Info(Answer):
    """What an operator needs to know of this daemon; paths and host figures are for admins only."""

    version: str
    isolation: str
    isolation_words: dict[str, str] = {}
    admin: bool
    caller: list[str]
    paths: dict[str, str] = {}
    memory: HostMemory | None = None
    tenants: int = 0


class GpuProcess(Answer):
    pid: int
    memory_mb: float | None = None
    tenant: str | None = None


class Gpu(Answer):
    index: int
    uuid: str
    name: str
    memory_mb: float
    memory_used_mb: float
    temperature_c: int | None = None
    utilisation_percent: int | None = None
    tenants: list[str] = []
    processes: list[GpuProcess] = []
    problem: str | None = None  # why no tenant can use it, in words: lost, split by MIG


class GpuList(Answer):
    """`note` says in words why the list is empty ("no GPU on this host")."""

    gpus: list[Gpu]
    note: str | None = None


class SignIn(Request):
    name: str
    password: str


class SignedIn(Answer):
    """`session` changes with the password: the console sends it back as `Vecward-Session`."""

    name: str
    session: str
    admin: bool


class UsageDay(Answer):
    """One tenant's day (UTC): `encoder_s` is its model's time, `storage_bytes` the day's last figure."""

    tenant: str
    day: str
    queries: int
    texts: int
    tokens: int
    encoder_s: float
    storage_bytes: int


class UsagePage(Answer):
    usage: list[UsageDay]


class LogPage(Answer):
    lines: list[dict[str, Any]]


class AuditPage(Answer):
    """Newest first; `next` is the `before` of the page of older lines, None where there are none."""

    lines: list[dict[str, Any]]
    next: int | None = None


# --- reading a request ----------------------------------------------------------------------------


def shorten(value: object, limit: int = 200) -> str:
    """A value for an error message: its repr, cut, so that a megabyte typed does not come back."""
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= limit else text[:limit] + "…"


M = TypeVar("M", bound=BaseModel)


def parse(model: type[M], body: bytes) -> M:
    """Reads a JSON request body.

    Raises:
        BadRequest: the body is not JSON.
        Invalid: a field is missing, unknown or not allowed; details name it.
    """
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        raise _as_vecward_error(error) from None


def _as_vecward_error(error: ValidationError) -> BadRequest | Invalid:
    first = error.errors(include_url=False)[0]
    if first["type"] == "json_invalid":
        reason = first.get("ctx", {}).get("error", first["msg"])
        return BadRequest(f"cannot read the request: the body is not valid JSON ({reason}); send one JSON object")
    return invalid_of(first, first["loc"])


def invalid_of(first: Any, location: tuple[int | str, ...]) -> Invalid:
    """One of pydantic's error details as Invalid: field, value, allowed."""
    field = ".".join(str(part) for part in location) or "body"
    return Invalid(
        f"cannot accept {field}: {first['msg']}",
        field=field,
        value=shorten(first["input"]),
        allowed=_allowed(first),
    )


def _allowed(first: Any) -> str:
    ctx = first.get("ctx") or {}
    bounds = [f"{sign} {ctx[key]}" for key, sign in (("ge", "≥"), ("gt", ">"), ("le", "≤"), ("lt", "<")) if key in ctx]
    return ctx.get("expected") or " and ".join(bounds) or first["msg"]


def check_query(query: str) -> str:
    """The query as it is encoded, or the reason why it is not."""
    stripped = query.strip()
    if not stripped:
        raise Invalid(
            "cannot search: the query is empty; type a word or a sentence",
            field="query",
            value="",
            allowed="1 character or more",
        )
    if "\x00" in stripped:
        raise Invalid(
            "cannot search: the query holds a NUL character; remove it",
            field="query",
            value=shorten(query.replace("\x00", "␀"), 60),
            allowed="Unicode text",
        )
    size = len(query.encode("utf-8", "surrogatepass"))
    if size > MAX_QUERY_BYTES:
        raise TooLong(
            f"cannot search: the query has {size} bytes; at most {MAX_QUERY_BYTES} are allowed",
            field="query",
            value=shorten(query, 60),
            allowed=f"at most {MAX_QUERY_BYTES} bytes",
        )
    return stripped
