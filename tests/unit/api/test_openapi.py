"""/openapi.json: every route, every reference, nothing twice."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import pytest

from daemon.api.handlers.app import create_handlers_app
from daemon.api.openapi import PARAMETERS, document
from daemon.api.routes import ROUTES, By, Route


@pytest.fixture(scope="module")
def api() -> dict[str, Any]:
    return document(create_handlers_app(cast(Any, None)))


def references(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        if isinstance(part.get("$ref"), str):
            yield part["$ref"]
        for value in part.values():
            yield from references(value)
    elif isinstance(part, list):
        for value in part:
            yield from references(value)


def test_it_is_openapi_3_1_of_this_version(api: dict[str, Any]) -> None:
    assert api["openapi"].startswith("3.1.")
    assert api["info"]["title"] == "vecward"


def test_it_holds_every_route_and_no_other(api: dict[str, Any]) -> None:
    described = {(method.upper(), path) for path, methods in api["paths"].items() for method in methods}
    assert described == {(route.method, route.path) for route in ROUTES}


def test_every_reference_leads_somewhere(api: dict[str, Any]) -> None:
    schemas = api["components"]["schemas"]
    missing = {name for name in references(api) if name.removeprefix("#/components/schemas/") not in schemas}
    assert not missing


def test_operation_ids_are_unique(api: dict[str, Any]) -> None:
    found = [operation["operationId"] for methods in api["paths"].values() for operation in methods.values()]
    assert len(set(found)) == len(found)


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
def test_each_operation_is_whole(api: dict[str, Any], route: Route) -> None:
    operation = api["paths"][route.path][route.method.lower()]
    parameters = operation.get("parameters", [])
    in_path = {parameter["name"] for parameter in parameters if parameter["in"] == "path"}
    in_query = {parameter["name"] for parameter in parameters if parameter["in"] == "query"}
    assert in_path == {part for part in ("tenant", "entry", "operation") if f"{{{part}}}" in route.path}
    assert in_query == set(route.query)
    assert operation["summary"]
    assert operation["x-role"] == route.role.value
    assert str(route.status) in operation["responses"]
    assert "application/problem+json" in operation["responses"]["default"]["content"]
    assert "422" not in operation["responses"], "FastAPI's own form of a validation error is not ours"
    if route.request is not None:
        assert operation["requestBody"]["required"]


def test_parameters_of_relayed_routes_are_described_once_and_all_used() -> None:
    used = {name for route in ROUTES if route.by is By.ENCODER for name in route.query}
    assert used == set(PARAMETERS)
