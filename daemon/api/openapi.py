"""The description of the API, /openapi.json: the daemon's own routes from FastAPI, the rest from the route table."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from daemon.api.routes import ROUTES, By, Route
from daemon.core import formats, wire
from daemon.core.http.problems import PROBLEM_TYPE

_TEMPLATE = "#/components/schemas/{model}"

# Query parameters of relayed routes; FastAPI knows those of the daemon's own.
PARAMETERS: dict[str, dict[str, Any]] = {
    "after": {"type": "integer", "minimum": 0},
    "limit": {"type": "integer", "minimum": 1},
    "q": {"type": "string"},
    "dims": {"type": "integer", "minimum": 1, "maximum": wire.MAX_DIMS},
    "timeout": {"type": "number", "minimum": 0},
    "dry_run": {"type": "boolean"},
    "forget": {"type": "boolean"},
    "mode": {"type": "string", "enum": ["add", "set"]},
    "format": {"type": "string", "enum": [row.name for row in formats.FORMATS]},
    "from": {"type": "string", "description": "the tenant that the backup is of, if it is another one"},
}

_BINARY = {"schema": {"type": "string", "format": "binary"}}

_BODIES: dict[str, dict[str, Any]] = {
    "put_tenant": {"application/yaml": {"schema": {"type": "string"}}},
    "plan_tenant": {"application/yaml": {"schema": {"type": "string"}}},
    "import_entries": {
        row.media_type: {"schema": {"type": "string", "description": row.reads}} for row in formats.FORMATS
    },
    "restore": {wire.BACKUP_MEDIA_TYPE: _BINARY},
    "openai_embeddings": {"application/json": {"schema": {"type": "object"}}},
}

_ANSWERS: dict[str, tuple[str, ...]] = {
    "export_entries": formats.MEDIA_TYPES,
    "metrics": ("text/plain",),
    "backup": (wire.BACKUP_MEDIA_TYPE,),
    "salvage": (wire.BACKUP_MEDIA_TYPE,),
    "events": ("application/json", "text/event-stream"),
    "logs": ("application/json", "application/x-ndjson"),
}

_PROBLEM = {
    "type": "object",
    "description": "RFC 9457; further members hold details, such as field, value and allowed",
    "required": ["type", "title", "status", "kind", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "kind": {"type": "string"},
        "detail": {"type": "string"},
        "request_id": {"type": "string"},
        "retry_after": {"type": "number"},
    },
}


def document(app: FastAPI) -> dict[str, Any]:
    """Return the description of the whole API, OpenAPI 3.1; made at the first call and kept."""
    if app.openapi_schema is None:
        app.openapi_schema = _make(app)
    return app.openapi_schema


def _make(app: FastAPI) -> dict[str, Any]:
    made = get_openapi(title=app.title, version=app.version, openapi_version="3.1.0", routes=app.routes)
    paths: dict[str, Any] = made["paths"]
    schemas: dict[str, Any] = made.setdefault("components", {}).setdefault("schemas", {})
    for unused in ("HTTPValidationError", "ValidationError"):  # FastAPI's own form of a 422; ours is Problem
        schemas.pop(unused, None)
    schemas.update(_schemas())
    for route in ROUTES:
        methods = paths.setdefault(route.path, {})
        if route.by is By.ENCODER:
            methods[route.method.lower()] = _relayed(route)
        _complete(methods[route.method.lower()], route)
    return made


def _schemas() -> dict[str, Any]:
    models = {model for route in ROUTES for model in (route.request, route.answer) if model is not None}
    wanted: list[tuple[type[BaseModel], Any]] = [
        (model, "validation" if issubclass(model, wire.Request) else "serialization")
        for model in sorted(models, key=lambda model: model.__name__)
    ]
    _, made = models_json_schema(wanted, ref_template=_TEMPLATE)
    return {**made.get("$defs", {}), "Problem": _PROBLEM}


def _relayed(route: Route) -> dict[str, Any]:
    parameters = [{"name": name, "in": "query", "required": False, "schema": PARAMETERS[name]} for name in route.query]
    return {"summary": route.summary, "operationId": route.name, "parameters": parameters}


def _complete(operation: dict[str, Any], route: Route) -> None:
    """Add what the route table knows: bodies, answers, problems, the role that the route takes."""
    operation["x-role"] = route.role.value
    in_query = [parameter for parameter in operation.get("parameters", []) if parameter["in"] != "path"]
    operation["parameters"] = [*_path_parameters(route), *in_query]
    if route.request is not None:
        operation["requestBody"] = {"required": True, "content": {"application/json": _ref(route.request)}}
    elif route.name in _BODIES:
        operation["requestBody"] = {"required": True, "content": _BODIES[route.name]}
    responses: dict[str, Any] = {str(route.status): _answer(route)}
    if route.name == "put_tenant":
        responses["201"] = {**_answer(route), "description": "Created"}
    problem = {PROBLEM_TYPE: {"schema": {"$ref": _TEMPLATE.format(model="Problem")}}}
    operation["responses"] = {**responses, "default": {"description": "A problem", "content": problem}}


def _path_parameters(route: Route) -> list[dict[str, Any]]:
    names = [part.partition("{")[2].rstrip("}") for part in route.path.split("/") if "{" in part]
    return [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names]


def _answer(route: Route) -> dict[str, Any]:
    if route.status == 204:
        return {"description": "Done"}
    schema = _ref(route.answer) if route.answer is not None else {"schema": {}}
    content = {
        media: schema if media == "application/json" else {"schema": {"type": "string"}}
        for media in _ANSWERS.get(route.name, ("application/json",))
    }
    return {"description": "Done" if route.status != 202 else "Accepted", "content": content}


def _ref(model: type[BaseModel]) -> dict[str, Any]:
    return {"schema": {"$ref": _TEMPLATE.format(model=model.__name__)}}
