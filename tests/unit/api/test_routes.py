"""The route table: complete, and each row with what it needs."""

from __future__ import annotations

from typing import Any, cast

import pytest
from fastapi.routing import APIRoute

from daemon.api.handlers.app import HANDLERS, create_handlers_app
from daemon.api.routes import ROUTES, By, Route
from daemon.core.roles import Role

BY_DAEMON = [route for route in ROUTES if route.by is By.DAEMON]


@pytest.fixture
def fastapi_routes() -> dict[tuple[str, str], APIRoute]:
    app = create_handlers_app(cast(Any, None))
    found = [route for route in app.routes if isinstance(route, APIRoute)]
    assert len(found) == len(app.routes), "FastAPI serves something beside its API routes"
    return {(method, route.path): route for route in found for method in route.methods or ()}


def test_every_fastapi_route_is_in_the_table_and_vice_versa(fastapi_routes: dict[tuple[str, str], APIRoute]) -> None:
    assert set(fastapi_routes) == {(route.method, route.path) for route in BY_DAEMON}


def test_every_handler_has_a_row() -> None:
    assert set(HANDLERS) == {route.name for route in BY_DAEMON}


@pytest.mark.parametrize("route", BY_DAEMON, ids=lambda route: route.name)
def test_query_parameters_of_own_routes_are_fastapis(
    route: Route, fastapi_routes: dict[tuple[str, str], APIRoute]
) -> None:
    known = fastapi_routes[route.method, route.path].dependant.query_params
    assert {field.alias for field in known} == set(route.query)


def test_names_are_unique() -> None:
    assert len({route.name for route in ROUTES}) == len(ROUTES)


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
def test_what_changes_something_is_marked_and_takes_a_role(route: Route) -> None:
    changes = route.method in ("PUT", "PATCH", "DELETE")
    assert not changes or route.mutating
    assert route.method != "GET" or not route.mutating
    if route.mutating:
        assert route.role.at_least(Role.EDITOR)


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
def test_a_tenants_path_takes_a_role_on_it(route: Route) -> None:
    assert ("{tenant}" in route.path) == (route.path.startswith("/v1/tenants/"))
    if "{tenant}" in route.path:
        assert route.role.at_least(Role.SEARCHER)
    else:
        assert route.by is By.DAEMON


def test_only_the_sign_in_is_open_to_nobody() -> None:
    assert [route.name for route in ROUTES if route.role is Role.NOBODY] == ["sign_in"]


def test_only_relayed_requests_that_end_soon_count_for_hangs() -> None:
    for route in ROUTES:
        if route.outstanding:
            assert route.by is By.ENCODER
            assert not route.stream


def test_roles_are_ordered_by_rank_and_not_by_their_words() -> None:
    ladder = [Role.NOBODY, Role.ANYONE, Role.SEARCHER, Role.EDITOR, Role.TENANT_ADMIN, Role.ADMIN]
    assert list(Role) == ladder
    for low, role in enumerate(ladder):
        assert [role.at_least(other) for other in ladder] == [at <= low for at in range(len(ladder))]


VERBS = frozenset(
    {"add", "back", "bench", "cancel", "create", "delete", "edit", "export", "import", "list", "make", "park", "plan"}
    | {"read", "recover", "restart", "restore", "salvage", "search", "set", "sign", "start", "stop", "undo", "wait"}
)


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
def test_a_refusal_of_each_route_is_a_sentence(route: Route) -> None:
    assert route.words.split()[0] in VERBS, f"cannot {route.words}"
