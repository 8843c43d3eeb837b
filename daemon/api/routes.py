"""The one route table: what can be asked of the daemon, and which role it takes.

A role on a path without `{tenant}` means: that role on at least one tenant. The daemon answers OWN routes;
RELAYED ones are the encoder's, and their bodies are never looked at here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from pydantic import BaseModel

from daemon.core import wire
from daemon.core.encoder_protocol.bench import BenchRequest
from daemon.core.encoder_protocol.reembed import Plan
from daemon.core.errors import MethodNotAllowed, NotFound
from daemon.core.http.encoder_routes import ENCODER_ROUTES
from daemon.core.roles import Role

MAX_OWN_BODY_BYTES = 2 * 1024 * 1024  # a tenant's YAML is the largest thing that the daemon itself reads


class By(StrEnum):
    """Who answers a route."""

    OWN = "own"
    RELAYED = "relayed"


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
    query: names of its query parameters; on OWN routes another one is refused (the encoder refuses its own).
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

    @property
    def words(self) -> str:
        """The name as words for a message: "cannot add entries"."""
        return self.name.replace("_", " ")

    @property
    def max_body_bytes(self) -> int:
        return wire.MAX_BODY_BYTES if self.by is By.RELAYED else MAX_OWN_BODY_BYTES


def _own(name: str, line: str, role: Role, summary: str, answer: type[BaseModel] | None = None, **more: Any) -> Route:
    method, path = line.split()
    return Route(name, method, path.replace("{t}", "{tenant}"), role, By.OWN, summary, answer, **more)


def _relayed(name: str, role: Role, summary: str, answer: type[BaseModel] | None = None, **more: Any) -> Route:
    route = ENCODER_ROUTES[name]
    more.setdefault("outstanding", not more.get("stream", False))
    return Route(name, route.method, route.path, role, By.RELAYED, summary, answer, **more)


R, W = Role, wire

ROUTES: tuple[Route, ...] = (
    # the daemon itself
    _own("health", "GET /v1/health", R.ANYONE, "Whether the daemon lives", W.Health),
    _own("info", "GET /v1/info", R.ANYONE, "Version, isolation in force, who the caller is", W.Info),
    _own("openapi", "GET /openapi.json", R.ANYONE, "This description"),
    _own("metrics", "GET /metrics", R.ADMIN, "Figures as Prometheus text", stream=True),
    _own("sign_in", "POST /v1/signin", R.NOBODY, "Check a console user's password",
         W.SignedIn, request=W.SignIn),
    _own("events", "GET /v1/events", R.TENANT_ADMIN, "What happened; follow=true streams",
         W.EventPage, stream=True,
         query=("after", "limit", "follow")),
    _own("audit", "GET /v1/audit", R.ADMIN, "Who did what, newest first", W.AuditPage,
         query=("before", "limit", "tenant", "principal", "action", "outcome")),
    _own("gpus", "GET /v1/gpus", R.ADMIN, "Each GPU and who holds it", W.GpuList),
    _own("usage", "GET /v1/usage", R.TENANT_ADMIN, "Usage by tenant and day", W.UsagePage, query=("since",)),
    # tenants
    _own("list_tenants", "GET /v1/tenants", R.ANYONE, "The tenants that the caller may search", W.TenantPage,
         query=("after", "limit", "q", "state", "role", "sort")),
    _own("tenant", "GET /v1/tenants/{t}", R.SEARCHER, "One tenant", W.TenantView),
    _own("put_tenant", "PUT /v1/tenants/{t}", R.ADMIN, "Create or change from YAML", W.TenantView,
         mutating=True, unknown_tenant=True,
         query=("adopt", "offline")),
    _own("plan_tenant", "POST /v1/tenants/{t}/plan", R.ADMIN, "What a changed YAML would do", Plan,
         unknown_tenant=True),
    _own("delete_tenant", "DELETE /v1/tenants/{t}", R.ADMIN, "Remove; ?purge=NAME destroys the data",
         status=204, mutating=True, unknown_tenant=True,
         query=("purge",)),
    _own("start", "POST /v1/tenants/{t}/start", R.TENANT_ADMIN, "Start its encoder", W.OperationAnswer,
         status=202, mutating=True),
    _own("stop", "POST /v1/tenants/{t}/stop", R.TENANT_ADMIN, "Stop its encoder", W.OperationAnswer,
         status=202, mutating=True),
    _own("restart", "POST /v1/tenants/{t}/restart", R.TENANT_ADMIN, "Stop, then start", W.OperationAnswer,
         status=202, mutating=True),
    _own("park", "POST /v1/tenants/{t}/park", R.TENANT_ADMIN, "Stop until the next request",
         W.OperationAnswer,
         status=202, mutating=True),
    _own("bench", "POST /v1/tenants/{t}/bench", R.TENANT_ADMIN, "Measure its model on copies of its base",
         W.OperationAnswer, request=BenchRequest, status=202, mutating=True),
    _own("logs", "GET /v1/tenants/{t}/logs", R.TENANT_ADMIN, "Its log; follow=true streams",
         W.LogPage, stream=True,
         query=("tail", "follow")),
    _own("tenant_usage", "GET /v1/tenants/{t}/usage", R.TENANT_ADMIN, "Its usage by day", W.UsagePage,
         query=("since",)),
    # operations: d-… are the daemon's, e-… an encoder's
    _own("operation", "GET /v1/tenants/{t}/operations/d-{operation}", R.TENANT_ADMIN,
         "How far an operation is", W.OperationAnswer),
    _own("wait_operation", "GET /v1/tenants/{t}/operations/d-{operation}/wait", R.TENANT_ADMIN,
         "Wait for its end", W.OperationAnswer, stream=True,
         query=("timeout",)),
    _own("cancel_operation", "DELETE /v1/tenants/{t}/operations/d-{operation}", R.TENANT_ADMIN,
         "Cancel it", W.OperationAnswer, mutating=True),
    _relayed("encoder_operation", R.EDITOR,
             "How far an operation is", W.OperationAnswer),
    _relayed("wait_encoder_operation", R.EDITOR,
             "Wait for its end", W.OperationAnswer, stream=True, long_poll=True, query=("timeout",)),
    _relayed("cancel_encoder_operation", R.EDITOR,
             "Cancel it", W.OperationAnswer, mutating=True),
    # knowledge
    _relayed("entries", R.SEARCHER, "Entries by id",
             W.EntryPage, query=("after", "limit", "q")),
    _relayed("add_entries", R.EDITOR, "Add entries", W.Added,
             request=W.AddEntries, status=201, mutating=True),
    _relayed("set_entries", R.EDITOR, "Make the base this list of texts", W.SetResult,
             request=W.SetTexts, mutating=True, query=("dry_run",)),
    _relayed("delete_entries", R.EDITOR, "Delete many entries", W.Deleted,
             request=W.DeleteEntries, mutating=True),
    _relayed("entry", R.SEARCHER, "One entry", W.Entry),
    _relayed("edit_entry", R.EDITOR, "Edit one entry", W.Edited,
             request=W.EditEntry, mutating=True),
    _relayed("delete_entry", R.EDITOR, "Delete one entry", W.Deleted,
             mutating=True, query=("forget",)),
    _relayed("import_entries", R.EDITOR, "Import a file", W.OperationAnswer,
             status=202, mutating=True, outstanding=False, query=("mode",)),
    _relayed("export_entries", R.EDITOR, "The whole base as a file",
             stream=True, query=("format",)),
    _relayed("history", R.EDITOR, "Changes, newest first",
             W.HistoryPage, query=("after", "limit")),
    _relayed("undo", R.EDITOR, "Take the last change back", W.Change, mutating=True),
    # the base as a whole
    _relayed("backup", R.TENANT_ADMIN, "The base in one file, with manifest and checksum", stream=True),
    _relayed("restore", R.TENANT_ADMIN, "Put a backup in the place of the base", W.OperationAnswer,
             status=202, mutating=True, outstanding=False, whole_base=True, query=("from",)),
    _own("recover", "POST /v1/tenants/{t}/recover", R.TENANT_ADMIN,
         "Put what is readable of a damaged base in its place", W.OperationAnswer, status=202, mutating=True),
    _own("salvage", "GET /v1/tenants/{t}/salvage", R.TENANT_ADMIN,
         "What is readable of a base whose encoder does not run, as a backup", stream=True),
    # search and vectors
    _relayed("search", R.SEARCHER, "The k nearest entries", W.SearchResult, request=W.Search,
             rated=True),
    _relayed("entry_vector", R.SEARCHER, "An entry's vector",
             W.Vector, query=("dims",)),
    _relayed("vector", R.SEARCHER, "A text's vector", W.Vector, request=W.VectorRequest),
    _relayed("openai_embeddings", R.SEARCHER, "Embeddings in OpenAI's form"),
    _relayed("openai_models", R.SEARCHER, "The model in OpenAI's form"),
)  # fmt: skip


# --- matching -------------------------------------------------------------------------------------


@dataclass(slots=True)
class Match:
    route: Route
    tenant: str | None
    params: Mapping[str, str]


@dataclass
class _Node:
    """One segment of the paths: its routes by method, and what may follow."""

    routes: dict[str, Route] = field(default_factory=dict)
    words: dict[str, _Node] = field(default_factory=dict)
    parameters: list[tuple[str, str, _Node]] = field(default_factory=list)  # prefix, name, node

    def grow(self, segment: str) -> _Node:
        prefix, brace, rest = segment.partition("{")
        if not brace:
            return self.words.setdefault(segment, _Node())
        name = rest.removesuffix("}")
        for known_prefix, known_name, node in self.parameters:
            if (known_prefix, known_name) == (prefix, name):
                return node
        self.parameters.append((prefix, name, _Node()))
        return self.parameters[-1][2]


_NO_PARAMS: Mapping[str, str] = MappingProxyType({})


class Matcher:
    """Finds a request's row in about a microsecond, without a regular expression.

    Percent-encoded, empty and dotted segments are left as they are: they name nothing.
    """

    def __init__(self, routes: Iterable[Route] = ROUTES) -> None:
        self._root = _Node()
        for route in routes:
            node = self._root
            for segment in route.path.split("/")[1:]:
                node = node.grow(segment)
            if route.method in node.routes:
                raise ValueError(f"two routes for {route.method} {route.path}")
            node.routes[route.method] = route

    def match(self, method: str, path: str) -> Match:
        """Raises NotFound, or MethodNotAllowed with the methods that are (details: allowed)."""
        node, params = self._walk(path)
        route = node.routes.get(method)
        if route is None:
            allowed = ", ".join(sorted(node.routes))
            raise MethodNotAllowed(f"cannot {method} {wire.shorten(path)}: only {allowed} is possible", allowed=allowed)
        return Match(route, params.get("tenant"), params)

    def _walk(self, path: str) -> tuple[_Node, Mapping[str, str]]:
        node = self._root
        params: dict[str, str] = {}
        for segment in path.split("/")[1:]:
            following = node.words.get(segment) or _follow_parameter(node, segment, params)
            if following is None:
                raise _not_found(path)
            node = following
        if not node.routes:
            raise _not_found(path)
        return node, params or _NO_PARAMS


def _follow_parameter(node: _Node, segment: str, params: dict[str, str]) -> _Node | None:
    for prefix, name, following in node.parameters:
        if len(segment) > len(prefix) and segment.startswith(prefix):
            params[name] = segment[len(prefix) :]
            return following
    return None


def _not_found(path: str) -> NotFound:
    return NotFound(f"cannot find {wire.shorten(path)}: no such path; GET /openapi.json lists them all")


_MATCHER = Matcher()
match = _MATCHER.match
