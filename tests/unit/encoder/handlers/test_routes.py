"""The encoder answers just the routes that the API relays."""

from __future__ import annotations

from typing import Any
from unittest.mock import MagicMock

import pytest

from daemon.api.routes import ROUTES, By
from daemon.core.config.tenant_config import TenantConfig
from daemon.core.errors import MethodNotAllowed, NotFound
from daemon.core.http.encoder_routes import ENCODER_ROUTES
from daemon.encoder.handlers import routes
from daemon.encoder.http.app import App
from daemon.encoder.http.request import Request
from daemon.encoder.http.response import Response


def test_each_row_has_a_handler_and_each_handler_a_row() -> None:
    """The parts are stand-ins: no handler looks at them before it is called."""
    config = TenantConfig.model_validate({"encoder": {"backend": "fake"}})
    made = routes.handlers("acme", config, MagicMock(), MagicMock(), MagicMock())
    assert made.keys() == ENCODER_ROUTES.keys()


def test_the_api_relays_each_row() -> None:
    relayed = {route.name: (route.method, route.path) for route in ROUTES if route.by is By.ENCODER}
    assert relayed == {name: (row.method, row.path) for name, row in ENCODER_ROUTES.items()}


def named(name: str) -> Any:
    async def handler(request: Request) -> Response:
        return Response(f"{name} {request.part}".encode())

    return handler


async def ask(app: App, method: str, path: str) -> bytes:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        raise AssertionError("no body is read")

    scope = {"type": "http", "method": method, "raw_path": path.encode(), "query_string": b"", "headers": []}
    await app(scope, receive, send)
    body: bytes = sent[-1]["body"]
    return body


@pytest.mark.parametrize("name", ENCODER_ROUTES)
async def test_a_request_reaches_the_handler_of_its_row(name: str) -> None:
    app = App(routes.by_path("acme", {each: named(each) for each in ENCODER_ROUTES}))
    row = ENCODER_ROUTES[name]
    path = row.path.replace("{tenant}", "acme").replace("{entry}", "7").replace("{operation}", "7")
    part = "" if "{" not in row.path.partition("{tenant}")[2] else "e-7" if "operations" in path else "7"
    assert await ask(app, row.method, path) == f"{name} {part}".encode()


async def test_other_paths_and_methods_are_refused() -> None:
    app = App(routes.by_path("acme", {each: named(each) for each in ENCODER_ROUTES}))
    assert NotFound.kind.encode() in await ask(app, "GET", "/v1/tenants/other/entries")
    assert NotFound.kind.encode() in await ask(app, "GET", "/v1/tenants/acme/entries/")
    assert MethodNotAllowed.kind.encode() in await ask(app, "DELETE", "/v1/tenants/acme/search")
