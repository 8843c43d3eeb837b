"""The FastAPI application behind the front: the OWN rows of the route table, each with the handler of its name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

from fastapi import Depends, FastAPI, Request
from starlette.responses import JSONResponse, Response

from daemon.api.context import C, Services
from daemon.api.handlers import host, observability, operations, recovery, tenants
from daemon.api.openapi import document
from daemon.api.pipeline import problems
from daemon.api.routes import ROUTES, By
from daemon.core.errors import Invalid
from daemon.core.version import version
from daemon.core.wire import shorten


async def openapi(request: Request) -> Response:
    return JSONResponse(document(request.app))


HANDLERS: dict[str, Callable[..., Any]] = {
    handler.__name__: handler
    for handler in (
        *host.HANDLERS,
        *tenants.HANDLERS,
        *operations.HANDLERS,
        *recovery.HANDLERS,
        *observability.HANDLERS,
        openapi,
    )
}


def create_own_app(services: Services) -> FastAPI:
    """No pages of documentation: FastAPI's load scripts from other hosts. /openapi.json is the table's own row."""
    app = FastAPI(
        title="vecward", version=version(), openapi_url=None, docs_url=None, redoc_url=None,
        redirect_slashes=False, dependencies=[Depends(_known_parameters_only)],
    )  # fmt: skip
    app.state.services = services
    for route in ROUTES:
        if route.by is By.OWN:
            app.add_api_route(
                route.path, HANDLERS[route.name], methods=[route.method], name=route.name, operation_id=route.name,
                summary=route.summary, status_code=route.status, response_model=route.answer,
            )  # fmt: skip
    problems.install(app)
    return app


async def _known_parameters_only(request: Request, call: C) -> None:
    """A mistyped parameter is refused, not ignored."""
    assert call.match is not None
    known = call.match.route.query
    given = parse_qsl(request.scope["query_string"].decode("latin-1"), keep_blank_values=True)
    for name, _ in given:
        if name not in known:
            raise Invalid(
                f"cannot accept the query parameter {shorten(name, 40)}: it is not known here",
                field=shorten(name, 40),
                value=shorten(name, 40),
                allowed=", ".join(known) or "none",
            )
