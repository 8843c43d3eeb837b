"""The FastAPI application behind the front: the rows that the daemon answers, each with the handler of its name."""

from __future__ import annotations

from collections.abc import Callable
from inspect import iscoroutinefunction
from types import ModuleType
from typing import Any
from urllib.parse import parse_qsl

from fastapi import Depends, FastAPI, Request

from daemon.api.context import ApiServices, CallDep
from daemon.api.handlers import events, host, logs, observability, operations, recovery, tenants
from daemon.api.pipeline import problems
from daemon.api.routes import ROUTES, By, Route
from daemon.core.errors import Invalid
from daemon.core.version import version
from daemon.core.wire import shorten


def _handlers_of(module: ModuleType) -> dict[str, Callable[..., Any]]:
    """Return the handlers of a module: its public coroutine functions, each for the row of its name."""
    own = ((name, found) for name, found in vars(module).items() if getattr(found, "__module__", "") == module.__name__)
    return {name: found for name, found in own if iscoroutinefunction(found) and not name.startswith("_")}


_MODULES = (events, host, logs, observability, operations, recovery, tenants)
HANDLERS = {name: handler for module in _MODULES for name, handler in _handlers_of(module).items()}


def create_handlers_app(services: ApiServices) -> FastAPI:
    """Give each row that the daemon answers its handler.

    FastAPI's pages of documentation are left out, since they load scripts from other hosts; /openapi.json is a row of
    the table.
    """
    no_pages: dict[str, Any] = dict.fromkeys(("openapi_url", "docs_url", "redoc_url"))
    app = FastAPI(
        title="vecward",
        version=version(),
        redirect_slashes=False,
        dependencies=[Depends(_known_parameters_only)],
        **no_pages,
    )
    app.state.services = services
    for route in ROUTES:
        if route.by is By.DAEMON:
            _add(app, route)
    problems.install(app)
    return app


def _add(app: FastAPI, route: Route) -> None:
    app.add_api_route(
        route.path,
        HANDLERS[route.name],
        methods=[route.method],
        name=route.name,
        operation_id=route.name,
        summary=route.summary,
        status_code=route.status,
        response_model=route.answer,
    )


async def _known_parameters_only(request: Request, call: CallDep) -> None:
    """Refuse a parameter that the route does not take: it may be a mistyped one."""
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
