"""The one route table: every call of the API, and the role that it takes (daemon/README.md, "HTTP API").

A role on a path without `{tenant}` means: that role on at least one tenant. The bodies of routes that an encoder
answers are never looked at here. A new route is a row, and a handler of its name (`daemon/api/handlers`); one that an
encoder answers has its path in `daemon/core/http/encoder_routes.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Any

from pydantic import BaseModel

from daemon.core import wire
from daemon.core.encoder_protocol.bench import BenchRequest
from daemon.core.encoder_protocol.reembed import Plan
from daemon.core.http.encoder_routes import ENCODER_ROUTES
from daemon.core.roles import Role
from daemon.core.units import MIB

MAX_DAEMON_BODY_BYTES = 2 * MIB  # a tenant's YAML is the largest thing that the daemon itself reads


class By(StrEnum):
    """The process that answers a route: the daemon itself, or the tenant's encoder, to which it is relayed."""

    DAEMON = "daemon"
    ENCODER = "encoder"


@dataclass(frozen=True, eq=False)
class Route:
    """One row. `name` is the handler's, the OpenAPI operation's and the audit log's word for it.

    mutating: audited, and carries the request id that makes it safe to send again.
    outstanding: counts when the daemon decides whether an encoder hangs (daemon/README.md, "Deadline and progress").
    stream: the answer has no natural end or size, so that its duration says nothing.
    whole_base: its body may be as large as the tenant's disk.
    long_poll: the answer takes as long as the caller wished; its connection may outlive an encoder.
    unknown_tenant: an admin may name a tenant that does not exist (yet, or any more).
    rated: counts in the tenant's rates: searches and errors a second, latency.
    doing: the words for a message after "cannot", where the name does not give them.
    query: names of its query parameters; another one is refused, by the process that answers.
    """

    name: str
    method: str
    path: str
    role: Role
    by: By
    summary: str
    answer: type[BaseModel] | None = None
    request: type[BaseModel] | None = None
    status: int = 200
    mutating: bool = False
    outstanding: bool = False
    stream: bool = False
    unknown_tenant: bool = False
    rated: bool = False
    whole_base: bool = False
    long_poll: bool = False
    query: tuple[str, ...] = ()
    doing: str | None = None

    @cached_property
    def words(self) -> str:
        """The words for a message after "cannot": "add entries", "read history"."""
        if self.doing is not None:
            return self.doing
        name = self.name.replace("_", " ")
        return f"read {name}" if self.method == "GET" else name

    @property
    def max_body_bytes(self) -> int:
        return wire.MAX_BODY_BYTES if self.by is By.ENCODER else MAX_DAEMON_BODY_BYTES


def _daemon(
    name: str, line: str, role: Role, summary: str, answer: type[BaseModel] | None = None, **more: Any
) -> Route:
    method, path = line.split()
    return Route(name, method, path.replace("{t}", "{tenant}"), role, By.DAEMON, summary, answer, **more)


def _encoder(name: str, role: Role, summary: str, answer: type[BaseModel] | None = None, **more: Any) -> Route:
    route = ENCODER_ROUTES[name]
    more.setdefault("outstanding", not more.get("stream", False))
    return Route(name, route.method, route.path, role, By.ENCODER, summary, answer, **more)


ROUTES: tuple[Route, ...] = (
    # the daemon itself
    _daemon("health", "GET /v1/health", Role.ANYONE, "The daemon's health", wire.Health),
    _daemon("info", "GET /v1/info", Role.ANYONE, "Version, isolation in force, who the caller is", wire.Info),
    _daemon("openapi", "GET /openapi.json", Role.ANYONE, "This description"),
    _daemon("metrics", "GET /metrics", Role.ADMIN, "Figures as Prometheus text", stream=True),
    _daemon("sign_in", "POST /v1/signin", Role.NOBODY, "Check a console user's password",
            wire.SignedIn, request=wire.SignIn),
    _daemon("events", "GET /v1/events", Role.TENANT_ADMIN, "Events; follow=true streams",
            wire.EventPage, stream=True, query=("after", "limit", "follow")),
    _daemon("audit", "GET /v1/audit", Role.ADMIN, "Lines of the audit log, newest first",
            wire.AuditPage, query=("before", "limit", "tenant", "principal", "action", "outcome")),
    _daemon("gpus", "GET /v1/gpus", Role.ADMIN, "Each GPU and who holds it", wire.GpuList),
    _daemon("usage", "GET /v1/usage", Role.TENANT_ADMIN, "Usage by tenant and day", wire.UsagePage, query=("since",)),
    # tenants
    _daemon("list_tenants", "GET /v1/tenants", Role.ANYONE, "The tenants that the caller may search",
            wire.TenantPage, query=("after", "limit", "q", "state", "role", "sort"), doing="list tenants"),
    _daemon("tenant", "GET /v1/tenants/{t}", Role.SEARCHER, "One tenant", wire.TenantView),
    _daemon("put_tenant", "PUT /v1/tenants/{t}", Role.ADMIN, "Create or change from YAML",
            wire.TenantView, mutating=True, unknown_tenant=True, query=("adopt", "offline"),
            doing="create or change a tenant"),
    _daemon("plan_tenant", "POST /v1/tenants/{t}/plan", Role.ADMIN, "The effects of a changed YAML",
            Plan, unknown_tenant=True),
    _daemon("delete_tenant", "DELETE /v1/tenants/{t}", Role.ADMIN, "Remove; ?purge=NAME destroys the data",
            status=204, mutating=True, unknown_tenant=True, query=("purge",)),
    _daemon("start", "POST /v1/tenants/{t}/start", Role.TENANT_ADMIN, "Start its encoder",
            wire.OperationAnswer, status=202, mutating=True),
    _daemon("stop", "POST /v1/tenants/{t}/stop", Role.TENANT_ADMIN, "Stop its encoder",
            wire.OperationAnswer, status=202, mutating=True),
    _daemon("restart", "POST /v1/tenants/{t}/restart", Role.TENANT_ADMIN, "Stop, then start",
            wire.OperationAnswer, status=202, mutating=True),
    _daemon("park", "POST /v1/tenants/{t}/park", Role.TENANT_ADMIN, "Stop until the next request",
            wire.OperationAnswer, status=202, mutating=True),
    _daemon("bench", "POST /v1/tenants/{t}/bench", Role.TENANT_ADMIN, "Measure its model on copies of its base",
            wire.OperationAnswer, request=BenchRequest, status=202, mutating=True),
    _daemon("logs", "GET /v1/tenants/{t}/logs", Role.TENANT_ADMIN, "Its log; follow=true streams",
            wire.LogPage, stream=True, query=("tail", "follow")),
    _daemon("tenant_usage", "GET /v1/tenants/{t}/usage", Role.TENANT_ADMIN, "Its usage by day",
            wire.UsagePage, query=("since",)),
    # operations: d-… are the daemon's, e-… an encoder's
    _daemon("operation", "GET /v1/tenants/{t}/operations/d-{operation}", Role.TENANT_ADMIN, "One operation",
            wire.OperationAnswer),
    _daemon("wait_operation", "GET /v1/tenants/{t}/operations/d-{operation}/wait", Role.TENANT_ADMIN,
            "Wait for its end", wire.OperationAnswer, stream=True, query=("timeout",), doing="wait for an operation"),
    _daemon("cancel_operation", "DELETE /v1/tenants/{t}/operations/d-{operation}", Role.TENANT_ADMIN, "Cancel it",
            wire.OperationAnswer, mutating=True),
    _encoder("encoder_operation", Role.EDITOR, "One operation", wire.OperationAnswer),
    _encoder("wait_encoder_operation", Role.EDITOR, "Wait for its end",
             wire.OperationAnswer, stream=True, long_poll=True, query=("timeout",), doing="wait for an operation"),
    _encoder("cancel_encoder_operation", Role.EDITOR, "Cancel it", wire.OperationAnswer, mutating=True),
    # knowledge
    _encoder("entries", Role.SEARCHER, "Entries by id", wire.EntryPage, query=("after", "limit", "q")),
    _encoder("add_entries", Role.EDITOR, "Add entries", wire.Added, request=wire.AddEntries, status=201, mutating=True),
    _encoder("set_entries", Role.EDITOR, "Make the base this list of texts",
             wire.SetResult, request=wire.SetTexts, mutating=True, query=("dry_run",)),
    _encoder("delete_entries", Role.EDITOR, "Delete many entries",
             wire.Deleted, request=wire.DeleteEntries, mutating=True),
    _encoder("entry", Role.SEARCHER, "One entry", wire.Entry),
    _encoder("edit_entry", Role.EDITOR, "Edit one entry", wire.Edited, request=wire.EditEntry, mutating=True),
    _encoder("delete_entry", Role.EDITOR, "Delete one entry", wire.Deleted, mutating=True, query=("forget",)),
    _encoder("import_entries", Role.EDITOR, "Import a file",
             wire.OperationAnswer, status=202, mutating=True, outstanding=False, query=("mode",)),
    _encoder("export_entries", Role.EDITOR, "The whole base as a file",
             stream=True, query=("format",), doing="export entries"),
    _encoder("history", Role.EDITOR, "Changes, newest first", wire.HistoryPage, query=("after", "limit")),
    _encoder("undo", Role.EDITOR, "Take the last change back", wire.Change, mutating=True),
    # the base as a whole
    _encoder("backup", Role.TENANT_ADMIN, "The base in one file, with manifest and checksum",
             stream=True, doing="back up the base"),
    _encoder("restore", Role.TENANT_ADMIN, "Put a backup in the place of the base",
             wire.OperationAnswer, status=202, mutating=True, outstanding=False, whole_base=True, query=("from",)),
    _daemon("recover", "POST /v1/tenants/{t}/recover", Role.TENANT_ADMIN,
            "Put the readable part of a damaged base in its place", wire.OperationAnswer, status=202, mutating=True),
    _daemon("salvage", "GET /v1/tenants/{t}/salvage", Role.TENANT_ADMIN,
            "The readable part of a base, whose encoder does not run, as a backup", stream=True, doing="salvage"),
    # search and vectors
    _encoder("search", Role.SEARCHER, "The k nearest entries", wire.SearchResult, request=wire.Search, rated=True),
    _encoder("entry_vector", Role.SEARCHER, "An entry's vector", wire.Vector, query=("dims",)),
    _encoder("vector", Role.SEARCHER, "A text's vector",
             wire.Vector, request=wire.VectorRequest, doing="make a vector"),
    _encoder("openai_embeddings", Role.SEARCHER, "Embeddings in OpenAI's form", doing="make embeddings"),
    _encoder("openai_models", Role.SEARCHER, "The model in OpenAI's form", doing="list models"),
)  # fmt: skip
