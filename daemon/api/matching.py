"""The way from a method and a path to a row of the route table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from daemon.api.routes import ROUTES, Route
from daemon.core.errors import MethodNotAllowed, NotFound
from daemon.core.wire import shorten


@dataclass(slots=True)
class Match:
    """The row of a request, and what its path has in the places in braces; `tenant` is one of them."""

    route: Route
    tenant: str | None
    params: Mapping[str, str]


@dataclass
class _Node:
    """One segment of the paths: its routes by method, and the segments that may follow."""

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
    """The table as a tree, in which a request's row is found in about a microsecond, without a regular expression.

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
        """Return the row of a request.

        Raises:
            NotFound: there is no such path.
            MethodNotAllowed: the path takes other methods; `allowed` has them.
        """
        node, params = self._walk(path)
        route = node.routes.get(method)
        if route is None:
            allowed = ", ".join(sorted(node.routes))
            raise MethodNotAllowed(f"cannot {method} {shorten(path)}: only {allowed} is possible", allowed=allowed)
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
    return NotFound(f"cannot find {shorten(path)}: no such path; GET /openapi.json lists them all")


_MATCHER = Matcher()
match = _MATCHER.match
