"""The route table: complete, unambiguous, and what it matches."""

from __future__ import annotations

from typing import Any, cast

import pytest
from fastapi.routing import APIRoute

from daemon.api.handlers.app import HANDLERS, create_handlers_app
from daemon.api.matching import Matcher, match
from daemon.api.routes import ROUTES, By, Route
from daemon.core.errors import MethodNotAllowed, NotFound
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
def test_each_row_is_found_by_its_path(route: Route) -> None:
    path = route.path.replace("{tenant}", "acme").replace("{operation}", "0f").replace("{entry}", "17")
    found = match(route.method, path)
    assert found.route is route
    assert found.tenant == ("acme" if "{tenant}" in route.path else None)


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


def test_words_come_before_parameters() -> None:
    assert match("POST", "/v1/tenants/acme/entries/delete").route.name == "delete_entries"
    assert match("DELETE", "/v1/tenants/acme/entries/9").params["entry"] == "9"


def test_operations_are_told_apart_by_their_id() -> None:
    assert match("GET", "/v1/tenants/acme/operations/d-1").route.by is By.DAEMON
    assert match("GET", "/v1/tenants/acme/operations/e-1").route.by is By.ENCODER


@pytest.mark.parametrize(
    "path",
    [
        "",
        *[
            "/",
            "//",
            "*",
            "/v1",
            "/v1/",
            "/v1/tenants/",
            "/v1//tenants",
            "/v1/tenants//search",
            "/V1/tenants",
            "/v1/./tenants",
            "/docs",
            "/redoc",
        ],
        *(f"/v1/tenants/{tail}" for tail in ["acme/", "acme/search/", "acme/../globex/search", "a/b/c/d/e/f"]),
        *(
            f"/v1/tenants/acme/{tail}"
            for tail in ["%73earch", "Search", "operations/x-1", "operations/d-", "operations/"]
        ),
        "/internal/health",
    ],
)
def test_other_paths_are_not_found(path: str) -> None:
    with pytest.raises(NotFound):
        match("GET", path)


def test_other_methods_are_refused_with_those_that_are_possible() -> None:
    with pytest.raises(MethodNotAllowed) as caught:
        match("POST", "/v1/tenants/acme")
    assert caught.value.details == {"allowed": "DELETE, GET, PUT"}


def test_two_rows_for_one_path_are_a_mistake() -> None:
    with pytest.raises(ValueError, match="two routes"):
        Matcher([ROUTES[0], ROUTES[0]])


def test_a_long_path_does_not_come_back_in_the_message() -> None:
    with pytest.raises(NotFound) as caught:
        match("GET", "/" + "x" * 10_000)
    assert len(caught.value.message) < 400


def test_roles_are_ordered_by_rank_and_not_by_their_words() -> None:
    ladder = [Role.NOBODY, Role.ANYONE, Role.SEARCHER, Role.EDITOR, Role.TENANT_ADMIN, Role.ADMIN]
    assert list(Role) == ladder
    for low, role in enumerate(ladder):
        assert [role.at_least(other) for other in ladder] == [at <= low for at in range(len(ladder))]
