"""Reading a request; a refusal names the field, its value and what is allowed."""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from daemon.core.errors import BadRequest, Invalid, TooLong
from daemon.core.wire.base import MAX_QUERY_BYTES


def shorten(value: object, limit: int = 200) -> str:
    """A value as an error message shows it: cut, so that a megabyte typed does not come back."""
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= limit else text[:limit] + "…"


M = TypeVar("M", bound=BaseModel)


def parse(model: type[M], body: bytes) -> M:
    """Read a JSON request body.

    Raises:
        BadRequest: the body is not JSON.
        Invalid: a field is missing, unknown or not allowed; details name it.
    """
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        raise _as_vecward_error(error) from None


def _as_vecward_error(error: ValidationError) -> BadRequest | Invalid:
    first = error.errors(include_url=False)[0]
    if first["type"] == "json_invalid":
        reason = first.get("ctx", {}).get("error", first["msg"])
        return BadRequest(f"cannot read the request: the body is not valid JSON ({reason}); send one JSON object")
    return invalid_of(first, first["loc"])


def invalid_of(first: Any, location: tuple[int | str, ...]) -> Invalid:
    """The error Invalid for one of pydantic's error details."""
    field = ".".join(str(part) for part in location) or "body"
    return Invalid(
        f"cannot accept {field}: {first['msg']}",
        field=field,
        value=shorten(first["input"]),
        allowed=allowed_of(first),
    )


def allowed_of(first: Any) -> str:
    """Return what one of pydantic's error details says is allowed: a choice, or bounds."""
    ctx = first.get("ctx") or {}
    bounds = [f"{sign} {ctx[key]}" for key, sign in (("ge", "≥"), ("gt", ">"), ("le", "≤"), ("lt", "<")) if key in ctx]
    return ctx.get("expected") or " and ".join(bounds) or first["msg"]


def check_query(query: str) -> str:
    """The query without white space around it; raises Invalid or TooLong when it can't be encoded."""
    stripped = query.strip()
    if not stripped:
        raise Invalid(
            "cannot search: the query is empty; type a word or a sentence",
            field="query",
            value="",
            allowed="1 character or more",
        )
    if "\x00" in stripped:
        raise Invalid(
            "cannot search: the query holds a NUL character; remove it",
            field="query",
            value=shorten(query.replace("\x00", "␀"), 60),
            allowed="Unicode text",
        )
    size = len(query.encode("utf-8", "surrogatepass"))
    if size > MAX_QUERY_BYTES:
        raise TooLong(
            f"cannot search: the query has {size} bytes; at most {MAX_QUERY_BYTES} are allowed",
            field="query",
            value=shorten(query, 60),
            allowed=f"at most {MAX_QUERY_BYTES} bytes",
        )
    return stripped
