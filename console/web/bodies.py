"""Bodies of requests, bounded; and events of a page, whose values Gradio must not take for files."""

from __future__ import annotations

import json
from typing import Any

from starlette.datastructures import Headers
from starlette.types import Message, Receive

from console.web.refuse import refuse
from daemon.core.units import MIB

MAX_EVENT_BYTES = 8 * MIB  # of a handler's values; files go past Gradio (transfer.py)


def bounded(receive: Receive, headers: Headers, limit: int) -> Receive:
    """Make a `receive` that refuses more than `limit` bytes; a declared length is refused at once."""
    declared = headers.get("content-length", "0")
    if not declared.isdecimal() or int(declared) > limit:
        raise refuse(413, f"cannot accept more than {limit} bytes")
    seen = 0

    async def counted() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > limit:
            raise refuse(413, f"cannot accept more than {limit} bytes")
        return message

    return counted


async def read_event(receive: Receive, headers: Headers) -> tuple[Receive, dict[str, Any]]:
    """Read the event that a page sends: a `receive` that gives it once more, and what it says."""
    body = await _read(bounded(receive, headers, MAX_EVENT_BYTES))
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again, _checked(body)


async def _read(receive: Receive) -> bytes:
    chunks = []
    while True:
        message = await receive()
        if message["type"] != "http.request":
            break
        chunks.append(message.get("body", b""))
        if not message.get("more_body", False):
            break
    return b"".join(chunks)


def _checked(body: bytes) -> dict[str, Any]:
    """Read an event from JSON; refuses values that Gradio would take for a file to read or to fetch."""
    try:
        event = json.loads(body)
    except (ValueError, RecursionError):
        raise refuse(400, "not JSON") from None
    if not isinstance(event, dict):
        raise refuse(400, "not an object")
    if not isinstance(event.get("fn_index", 0), int):
        raise refuse(422, "fn_index is no number")
    data = event.get("data")
    if not all(_is_plain(value) for value in (data if isinstance(data, list) else [])):
        raise refuse(422, "only plain values are accepted")
    return event


def _is_plain(value: object) -> bool:
    return all(map(_is_scalar, value)) if isinstance(value, list) else _is_scalar(value)


def _is_scalar(value: object) -> bool:
    return isinstance(value, str | int | float | bool) or value is None
