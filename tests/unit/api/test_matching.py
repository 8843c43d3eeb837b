"""Matching: each row is found by its path, and nothing else is."""

from __future__ import annotations

import pytest

from daemon.api.matching import Matcher, match
from daemon.api.routes import ROUTES, By, Route
from daemon.core.errors import MethodNotAllowed, NotFound


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
def test_each_row_is_found_by_its_path(route: Route) -> None:
    path = route.path.replace("{tenant}", "acme").replace("{operation}", "0f").replace("{entry}", "17")
    found = match(route.method, path)
    assert found.route is route
    assert found.tenant == ("acme" if "{tenant}" in route.path else None)


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
